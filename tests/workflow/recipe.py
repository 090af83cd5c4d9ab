"""The container's recipe in its parts: header and sections of an Apptainer definition file."""

import re

from imports import ROOT

RECIPE = ROOT / "envs" / "privessel.def"
FOLDER = "/opt/privessel"  # of all that is ours in the image
# All that Apptainer knows; it refuses others.
KNOWN = {"pre", "setup", "files", "post", "environment", "runscript", "startscript", "test", "labels", "help"}
KNOWN |= {"arguments"}


def header():
    """Keyword -> value of the lines before the first section."""
    lines = re.split(r"^%", RECIPE.read_text(), flags=re.MULTILINE)[0]
    return dict(re.findall(r"^(\w+): (.+)$", lines, re.MULTILINE))


def sections():
    """Name of a section -> its text."""
    parts = re.split(r"^%(\w+)\n", RECIPE.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def copies():
    """(file of the repository, path in the image) of every copied file."""
    pairs = [line.split() for line in sections()["files"].splitlines() if line.strip()]
    return [(ROOT / source, target) for source, target in pairs]
