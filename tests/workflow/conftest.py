"""A copy of the workflow in an empty folder, and how to run it there."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import warm

ROOT = Path(__file__).parents[2]
PARTS = [
    "Snakefile",
    "config.yaml",
    "rules",
    "scripts",
    "schemas",
    "envs",
    "report",
    "profiles",
    "slurm",
    "tests/config.yaml",
]


pytest.register_assert_rewrite("hospital")  # before a test file imports it


class Workflow:
    """The workflow in a folder."""

    def __init__(self, folder):
        self.folder = folder

    @classmethod
    def install(cls, folder):
        """Put the workflow's files into a folder of their own, without anything it has made."""
        for part in PARTS:
            source, target = ROOT / part, folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(source.readlink())
            elif source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        return cls(folder)

    def command(self, *arguments):
        return [sys.executable, "-m", "snakemake", *map(str, arguments)]

    def run(self, *arguments, timeout=600):
        """Run snakemake; standard output and error come back as one text."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        command = self.command(*arguments)
        with tempfile.TemporaryFile("w+") as said:
            given = {
                "cwd": self.folder,
                "env": environment,
                "timeout": timeout,
                "stdout": said,
                "stderr": said,
            }
            if warm.servers:
                status = warm.run(command, **given)
            else:
                status = subprocess.run(command, **given, check=False).returncode
            said.seek(0)
            return subprocess.CompletedProcess(command, status, said.read())

    def start(self, *arguments):
        """Start snakemake in a session of its own, so that all its processes can be stopped together."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def tiny(self, *arguments, **keywords):
        return self.run("--configfile", "tests/config.yaml", "--cores", 2, *arguments, **keywords)

    def jobs(self, *arguments):
        """Rule -> number of jobs of a dry run."""
        found = self.run("-n", "--quiet", "host", *arguments)
        assert found.returncode == 0, found.stdout
        return count_jobs(found.stdout)


def count_jobs(text):
    """Read snakemake's table of jobs."""
    if "Nothing to be done" in text:
        return {}
    lines = text.split("Job stats:")[-1].strip().splitlines()[2:]
    table = {}
    for line in lines:
        if not line.strip():
            break
        name, count = line.split()[:2]
        table[name] = int(count)
    return table


def pytest_collection_modifyitems(items):
    """Put the long tests first, the longest before all, or one core waits for them at the end."""
    items.sort(key=lambda item: ("workflow" not in item.path.parts, item.path.stem != "test_tiny_run"))


def shared_folder(tmp_path_factory):
    """The folder of all processes of this test run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def warm_server(tmp_path_factory):
    """Let snakemake and its jobs run in processes that need not import torch again, from the first run on."""
    marks = shared_folder(tmp_path_factory) / "started-cold"
    marks.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        warm.servers.append(warm.Server(Path(folder), marks))
        yield
        warm.servers.pop().stop()


@pytest.fixture
def workflow(tmp_path):
    return Workflow.install(tmp_path / "study")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The tiny study and its exports, run to their end once for all tests of a module."""
    workflow = Workflow.install(tmp_path_factory.mktemp("tiny") / "study")
    result = workflow.tiny("all", "export", timeout=1800)  # minutes, and many of them on a slow machine
    assert result.returncode == 0, result.stdout[-5000:]
    return workflow
