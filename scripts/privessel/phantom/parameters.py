"""Knobs: numbers of the phantom that carry their unit, their plausible range and their source."""

from dataclasses import field, fields
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def knob(default: float, unit: str, low: float, high: float, source: str) -> Any:
    """Dataclass field with a nominal value, its unit, the range it may take, and the reason."""
    return field(default=default, metadata={"unit": unit, "low": low, "high": high, "source": source})


def draw(kind: type[T], rng: np.random.Generator) -> T:
    """Instance of a dataclass of knobs, each drawn uniformly from its range."""
    return kind(**{f.name: float(rng.uniform(f.metadata["low"], f.metadata["high"])) for f in fields(kind)})
