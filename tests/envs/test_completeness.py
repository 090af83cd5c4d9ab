"""Each environment is complete: its pins alone, in an empty one, carry its rules' scripts and their tests.

Snakemake puts its own packages behind those of a conda environment, where a missing pin would not show. It
takes minutes of installing, so it runs when it is named: python -m pytest tests/envs
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

sys.path.append(str(Path(__file__).parents[1] / "workflow"))

from environments import ENVIRONMENTS, ENVS, LOCK, canonical, conda_pins, distributions, pins, scripts
from imports import ROOT, closure
from recipe import FOLDER, copies, sections

PIP = [sys.executable, "-m", "pip"]
LISTED = (
    "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
)
# Folders of tests that start Snakemake, a cluster or other processes, or install packages.
APART = {"cluster", "envs", "kills", "workflow"}
SWITCHES = ["--no-compile", "--disable-pip-version-check", "--quiet", "-c", str(ENVS / "lock.txt")]


def run(*command):
    """Run a command without what Python was told for these tests; status, and output as one text."""
    inherited = {key: value for key, value in os.environ.items() if key[:6] not in ("PYTHON", "PYTEST")}
    result = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env=inherited | {"PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout


@dataclass(frozen=True)
class Environment:
    """An environment of the rules, made by pip instead of conda."""

    name: str
    python: Path

    def packages(self):
        """Package -> version of all that is installed in it; without what tells builds of a version apart."""
        code, listed = run(self.python, "-c", LISTED)
        assert code == 0, listed
        return {canonical(name): version.partition("+")[0] for name, version in json.loads(listed).items()}

    def tests(self):
        """Test modules that it can carry, and for every other what it lacks."""
        there = {*self.packages(), "pytest"}
        modules = sorted(
            path for path in (ROOT / "tests").glob("*/test_*.py") if path.parent.name not in APART
        )
        # What pytest reads before a test counts as imported by it.
        lacking = {
            path: distributions(closure(path, *path.parent.glob("conftest.py"))) - there for path in modules
        }
        carried = [path for path in modules if not lacking[path]]
        left = {path: lacking[path] for path in modules if lacking[path]}
        return carried, {f"{path.parent.name}/{path.name}": names for path, names in left.items()}


@pytest.fixture(scope="session")
def pytest_apart():
    """A folder with pytest and what it needs, which goes behind an environment's own packages."""
    version = pins((ENVS / "develop.txt").read_text())["pytest"]
    with TemporaryDirectory() as folder:
        code, output = run(*PIP, "install", *SWITCHES, "--target", folder, f"pytest=={version}")
        if code:
            pytest.skip(f"no packages can be installed here: {output[-300:]}")
        yield folder


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request, pytest_apart):
    """One environment: an empty one, and in it exactly the pins, what is behind them as in the lock."""
    # A gigabyte: pytest would keep its own temporary folders.
    with TemporaryDirectory() as folder:
        assert run(sys.executable, "-m", "venv", "--without-pip", folder) == (0, "")
        python = Path(folder, "bin", "python")
        wanted = [f"{name}=={version}" for name, version in conda_pins(request.param).items()]
        code, output = run(*PIP, "--python", python, "install", *SWITCHES, *wanted)
        assert code == 0, output
        yield Environment(request.param, python)


def test_nothing_is_installed_that_neither_lock_nor_pins_name(environment):
    # PyTorch's build for CUDA brings CUDA along, in the versions that it names itself.
    cuda = ("cuda-", "nvidia-", "triton")
    found = {name: at for name, at in environment.packages().items() if not name.startswith(cuda)}
    # The tools of others are no part of the lock, which a container has whole.
    known = LOCK | conda_pins(environment.name)
    assert found == {name: known[name] for name in found if name in known}
    code, output = run(*PIP, "--python", environment.python, "check")
    assert code == 0, output


def test_scripts_find_all_they_import_in_their_environment_alone(environment):
    proof = Path(__file__).with_name("proof.py")
    code, faults = run(environment.python, proof, *scripts(environment.name))
    assert not faults, faults
    assert code == 0


def test_an_environment_passes_the_tests_it_can_carry(environment, pytest_apart, capsys):
    carried, left = environment.tests()
    with capsys.disabled():
        print(
            f"\n{environment.name}: {len(carried)} test modules; these are left out, for what they need more:"
        )
        for name, lacking in left.items():
            print(f"  {name}: {', '.join(sorted(lacking))}")
    assert carried
    start = "import sys; sys.path.append(sys.argv.pop(1)); import pytest; sys.exit(pytest.main())"
    arguments = [pytest_apart, "-q", "-p", "no:cacheprovider", *carried]
    code, output = run(environment.python, "-c", start, *arguments)
    assert code == 0, output[-5000:]


def test_the_containers_post_section_installs_the_lock_and_its_own_test_passes(pytest_apart):
    """Its lines as they are, in another folder, with this Python and without Debian's packages."""
    with TemporaryDirectory() as image:
        for source, target in copies():
            Path(target.replace(FOLDER, image)).write_bytes(source.read_bytes())
        post = [line for line in sections()["post"].splitlines() if "apt" not in line]
        here = f"PATH={Path(sys.executable).parent}:$PATH"
        script = "\n".join([here, *post, sections()["environment"], sections()["test"]])
        code, output = run("sh", "-c", script.replace(FOLDER, image))
        assert code == 0, output[-3000:]
        assert f"torch {LOCK['torch']}" in output
