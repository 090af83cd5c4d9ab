"""Studies made from the configs that ship, with some keys changed; no Snakemake is started."""

from copy import deepcopy
from functools import cache
from pathlib import Path

import yaml

from privessel.figures.registry import FIGURES
from privessel.study.study import Study

ROOT = Path(__file__).parents[2]
TINY = ("config.yaml", "tests/config.yaml")
PAPER = ("config.yaml",)


@cache
def _read(name):
    return yaml.safe_load((ROOT / name).read_text())


def merge(under, over):
    """Merge as Snakemake does: mappings key by key, anything else replaces."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            merge(under[key], value)
        else:
            under[key] = deepcopy(value)
    return under


def values(*files, **changes):
    """The config that these files and changes make."""
    merged = {}
    for name in files:
        merge(merged, _read(name))
    return merge(merged, changes)


def make(*files, redraw=False, dry_run=False, **changes):
    """The study of these files and changes."""
    return Study(
        values(*files, **changes), figures=FIGURES, scripts=ROOT / "scripts", redraw=redraw, dry_run=dry_run
    )
