"""Knobs: the adjustable numbers of the phantom, each with its unit, its plausible range and its source."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high` that a knob may take, in the knob's unit, and why."""

    low: float
    high: float
    source: str


def knob(default: float, unit: str, low: float, high: float, source: str) -> Any:
    """Return a dataclass field with a nominal value, its unit, the range it may take, and the reason."""
    return field(default=default, metadata={"unit": unit, "low": low, "high": high, "source": source})


def random_knobs(kind: type[T], rng: np.random.Generator, *, ranges: Mapping[str, Range]) -> T:
    """Return an instance of a dataclass of knobs, each set at random, uniformly in its range.

    `ranges` replaces the ranges of some knobs by name. Every knob takes one number from `rng`, in the order
    of the fields, so that a replaced range leaves the other knobs as they are.
    """
    values = {}
    for one in fields(kind):
        low, high = one.metadata["low"], one.metadata["high"]
        if one.name in ranges:
            low, high = ranges[one.name].low, ranges[one.name].high
        values[one.name] = float(rng.uniform(low, high))
    return kind(**values)
