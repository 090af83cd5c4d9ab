"""Public seeds for whatever needs no secret: phantoms, patch positions, U-Nets, synthetic pairs."""

import hashlib
import random
from collections.abc import Sequence


def derive(seed: int, *purpose: str) -> int:
    """A 63-bit seed that depends on the study's `seed` and on every part of `purpose`, and on nothing else.

    >>> derive(1, "patches", "a001") == derive(1, "patches", "a001") != derive(1, "patches", "a002")
    True
    """
    digest = hashlib.sha256("\0".join([str(seed), *purpose]).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def draw(names: Sequence[str], k: int, *, seed: int) -> list[str]:
    """Draw `k` of `names` without replacement, in their order; ValueError where there are fewer.

    >>> draw(["a", "b", "c"], 3, seed=1)
    ['a', 'b', 'c']
    """
    return sorted(random.Random(seed).sample(list(names), k), key=names.index)
