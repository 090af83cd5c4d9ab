"""Pins and recipe of the environments: one version of each package everywhere, and none missing.

That an environment is complete is proved by installing it: python -m pytest tests/envs.
"""

import re
import subprocess
import tomllib

import pytest
from environments import (
    ENVIRONMENTS,
    ENVS,
    LOCK,
    OPTIONAL,
    REQUIREMENTS,
    UNUSED,
    conda_pins,
    distributions,
    needs,
    pins,
    rules,
    scripts,
)
from imports import LIBRARY, ROOT, closure, imports, own_files
from recipe import FOLDER, KNOWN, RECIPE, copies, header, sections

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_conda_environments_pin_what_requirements_pin(name):
    found = conda_pins(name)
    assert found
    known = REQUIREMENTS | OPTIONAL
    assert {package: version for package, version in found.items() if package not in UNUSED} == {
        package: known[package] for package in found if package not in UNUSED
    }


@pytest.mark.parametrize("name", ["requirements.txt", "develop.txt"])
def test_every_requirement_is_exact_and_in_the_lock(name):
    lines = [line for line in (ENVS / name).read_text().splitlines() if line and not line.startswith("#")]
    found = pins("\n".join(lines))
    assert len(found) == len(lines)
    assert found == {package: LOCK[package] for package in found}


def test_every_requirement_is_in_an_environment_or_runs_the_workflow():
    packages = {package for name in ENVIRONMENTS for package in conda_pins(name)}
    runs = {"snakemake", "snakemake-executor-plugin-slurm", "pydantic"}
    assert set(REQUIREMENTS) - packages == runs


def test_every_rule_with_a_script_runs_in_an_environment():
    found = list(rules())
    assert [bool(environment) for environment, _ in found] == [bool(script) for _, script in found]
    assert {environment for environment, _ in found if environment} == set(ENVIRONMENTS)
    text = "".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    assert sum(bool(script) for _, script in found) == text.count("script:\n")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_what_its_scripts_import_and_nothing_else(name):
    """Lazy imports count, those that can be done without do not; no script of a rule is overlooked."""
    assert scripts(name)
    assert set(conda_pins(name)) - set(OPTIONAL) - UNUSED == needs(name)


def test_tools_for_heads_are_exact_and_all_in_one_environment():
    lines = [line for line in (ENVS / "heads.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(OPTIONAL) == len(lines)
    assert {
        package for package in OPTIONAL if OPTIONAL[package] != LOCK.get(package, OPTIONAL[package])
    } == set()
    assert [name for name in ENVIRONMENTS if set(OPTIONAL) & set(conda_pins(name))] == ["heads.yaml"]
    assert set(OPTIONAL) | UNUSED <= set(conda_pins("heads.yaml"))
    assert pins("\n".join(PROJECT["optional-dependencies"]["heads"])) == OPTIONAL


def test_an_installed_library_has_what_it_imports_in_the_same_versions():
    found = pins("\n".join(PROJECT["dependencies"]))
    assert len(found) == len(PROJECT["dependencies"])
    assert found == {package: REQUIREMENTS[package] for package in distributions(LIBRARY.rglob("*.py"))}


def test_reading_the_workflow_needs_snakemake_and_what_comes_with_it_alone():
    """With conda or a container, Snakemake runs in an environment of its own, which has these two."""
    text = "\n".join(file.read_text() for file in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")])
    imported = re.findall(r"^(?:from|import) (privessel[\w.]*)(?: import (\w+))?", text, re.MULTILINE)
    assert imported
    files = {file for names in imported for file in own_files(".".join(filter(None, names)))}
    assert distributions(closure(*files)) <= {"pydantic", "pyyaml"}


def test_imports_inside_functions_are_seen_and_optional_ones_are_not(tmp_path):
    path = tmp_path / "lazy.py"
    path.write_text(
        "import a.b\n"
        "def one():\n    from c import d\n"
        "try:\n    import e\nexcept ImportError:\n    import f\n"
        "try:\n    import g\nexcept ValueError:\n    pass\n"
    )
    assert imports(path) == {"a.b", "c", "c.d", "f", "g"}


def test_the_recipe_has_sections_that_apptainer_knows():
    found = sections()
    assert {"files", "post", "environment", "runscript", "test", "labels", "help"} <= set(found) <= KNOWN
    assert all(text.strip() for text in found.values())
    assert len(found) == RECIPE.read_text().count("\n%")
    assert list(header()) == ["Bootstrap", "From"]
    labels = dict(line.split(maxsplit=1) for line in found["labels"].splitlines() if line.strip())
    assert labels["Version"] == PROJECT["version"]


def test_the_recipe_installs_from_the_pins_and_nothing_else():
    assert {source.relative_to(ROOT).as_posix() for source, _ in copies()} == {
        "envs/requirements.txt",
        "envs/lock.txt",
    }
    for source, target in copies():
        assert source.is_file()
        assert target.startswith(f"{FOLDER}/")
        assert target in sections()["post"]
        assert target in sections()["test"]


@pytest.mark.parametrize("name", ["post", "environment", "runscript", "test"])
def test_the_recipes_scripts_are_shell(name):
    checked = subprocess.run(
        ["sh", "-n"], input=sections()[name], text=True, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
