"""Knobs: the adjustable numbers of the phantom, each with its unit, its plausible range and its source."""

from dataclasses import field, fields
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def knob(default: float, unit: str, low: float, high: float, source: str) -> Any:
    """Return a dataclass field with a nominal value, its unit, the range it may take, and the reason."""
    return field(default=default, metadata={"unit": unit, "low": low, "high": high, "source": source})


def random_knobs(kind: type[T], rng: np.random.Generator) -> T:
    """Return an instance of a dataclass of knobs, each set at random, uniformly in its range."""
    return kind(**{f.name: float(rng.uniform(f.metadata["low"], f.metadata["high"])) for f in fields(kind)})
