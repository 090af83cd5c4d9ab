"""The environments of the rules: which scripts run in each, and what each pins."""

import re
from importlib.metadata import packages_distributions

import yaml
from imports import ROOT, closure, packages

ENVS = ROOT / "envs"
ENVIRONMENTS = sorted(path.name for path in ENVS.glob("*.yaml"))
INSTALLED = packages_distributions()


def canonical(name):
    """A package's name as pip compares it."""
    return re.sub("[-_.]+", "-", name).lower()


def pins(text):
    """Package -> version of every exact pin in a text."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==(\S+)", text, re.MULTILINE)
    return {canonical(name): version for name, version in found}


REQUIREMENTS = pins((ENVS / "requirements.txt").read_text())
LOCK = pins((ENVS / "lock.txt").read_text())
# Tools of others, which are imported by name where a study asks for them.
OPTIONAL = pins((ENVS / "heads.txt").read_text())
# A window toolkit that deepbet asks for and nothing here opens; conda's pip cannot be told to do without.
UNUSED = {"customtkinter", "darkdetect"}


def conda_pins(name):
    """The same of a conda environment, its pip part included; python apart."""
    parts = yaml.safe_load((ENVS / name).read_text())["dependencies"]
    lines = [part.replace("=", "==", 1) for part in parts if isinstance(part, str) and "=" in part]
    lines += [line for part in parts if isinstance(part, dict) for line in part["pip"]]
    return {name: version for name, version in pins("\n".join(lines)).items() if name != "python"}


def rules():
    """(environment, script) as each rule of rules/ declares them, None for what it does not."""
    common = (ROOT / "rules" / "common.smk").read_text()
    named = dict(re.findall(r'^(\w+) = "\.\./envs/(.+)"$', common, re.MULTILINE))
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"\n\s*(?:use )?rule[ \w]*:\n", file.read_text())[1:]:
            environment = re.search(r"^\s*conda:\s+(\w+)$", block, re.MULTILINE)
            script = re.search(r'^\s*script:\s+"\.\./(scripts/.+)"$', block, re.MULTILINE)
            yield environment and named[environment[1]], script and ROOT / script[1]


def scripts(environment):
    """Scripts that run in an environment."""
    return sorted({script for name, script in rules() if name == environment and script})


def distributions(files):
    """Packages that files import, by their names in pip; what is not installed here keeps the import's."""
    return {canonical(INSTALLED.get(name, [name])[0]) for name in packages(files)}


def needs(environment):
    """Packages that an environment's scripts import, themselves or through the library."""
    return distributions(closure(*scripts(environment)))
