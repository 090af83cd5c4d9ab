"""The identity of a run: everything that decides its weights, as one digest that its keys depend on."""

import hashlib
import json
import math
from collections.abc import Mapping

IDENTITY_FIELDS = frozenset(
    {"architecture", "level", "run", "training", "patches", "code", "libraries", "device", "threads"}
)


def identity_digest(identity: Mapping[str, object]) -> str:
    """Digest a run's identity: SHA-256, in hexadecimal, of its canonical JSON (sorted keys, no white space).

    `identity` must hold every field of IDENTITY_FIELDS: architecture, level, run, every training parameter,
    the patches' digests, digests of the code that decides the step, library versions, the device's type and
    torch's thread count. Raises ValueError when one is missing or not finite, TypeError when a value is not
    plain JSON.
    """
    missing = IDENTITY_FIELDS - identity.keys()
    if missing:
        raise ValueError(f"a run's identity lacks {', '.join(sorted(missing))}")
    _check_keys(identity)
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_keys(value: object) -> None:
    """Refuse dictionary keys that JSON would turn into strings, and so let two identities collide."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key of a run's identity is a string, not {key!r}")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a run's identity holds {value}; say what is not a finite number in words, or null")
