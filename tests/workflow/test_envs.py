"""The pins: conda environments, requirements and lock name the same versions."""

import re
from pathlib import Path

import pytest
import yaml

ENVS = Path(__file__).parents[2] / "envs"


def pins(text):
    """Package -> version of every exact pin in a text; names in pip's canonical form."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==(\S+)", text, re.MULTILINE)
    return {re.sub("[-_.]+", "-", name).lower(): version for name, version in found}


def conda_pins(path):
    """The same of a conda environment, its pip part included; python apart."""
    parts = yaml.safe_load(path.read_text())["dependencies"]
    lines = [part.replace("=", "==", 1) for part in parts if isinstance(part, str) and "=" in part]
    lines += [line for part in parts if isinstance(part, dict) for line in part["pip"]]
    return {name: version for name, version in pins("\n".join(lines)).items() if name != "python"}


REQUIREMENTS = pins((ENVS / "requirements.txt").read_text())
LOCK = pins((ENVS / "lock.txt").read_text())


@pytest.mark.parametrize("name", ["images.yaml", "torch.yaml"])
def test_conda_environments_pin_what_requirements_pin(name):
    found = conda_pins(ENVS / name)
    assert found
    assert found == {package: REQUIREMENTS[package] for package in found}


@pytest.mark.parametrize("name", ["requirements.txt", "develop.txt"])
def test_every_requirement_is_exact_and_in_the_lock(name):
    lines = [line for line in (ENVS / name).read_text().splitlines() if line and not line.startswith("#")]
    found = pins("\n".join(lines))
    assert len(found) == len(lines)
    assert found == {package: LOCK[package] for package in found}


def test_every_requirement_is_in_an_environment_or_runs_the_workflow():
    packages = {*conda_pins(ENVS / "images.yaml"), *conda_pins(ENVS / "torch.yaml")}
    assert set(REQUIREMENTS) - packages == {"snakemake", "snakemake-executor-plugin-slurm"}
