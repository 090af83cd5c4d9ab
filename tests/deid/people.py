"""Simulated people for the tests of whole heads: small, and made once."""

from functools import cache

import numpy as np

from privessel.deid.head_cohort import Person

SIDE = 32
WHITE_TO = 0.85  # white matter in a frame's image


@cache
def person(number: int) -> Person:
    return Person(f"p{number:02d}", "test", 1000 + number)


@cache
def scan(number: int, visit: int = 1, side: int = SIDE):
    """A person's image with white matter near 0.85, and the brain mask."""
    head = person(number).scan(visit, side)
    image = np.clip(head.image / np.quantile(head.image[head.brain], 0.95) * WHITE_TO, 0, 1)
    return image.astype(np.float32), head.brain
