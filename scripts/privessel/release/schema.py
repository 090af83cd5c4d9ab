"""What privacy.json may hold: its keys, the type of every value, and where its words come from.

Its words are from fixed lists, from the templates of this package, or the site's own reason for an override.
A sentence is from a template if every word of it is: then nothing but numbers can have been put in.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

from privessel.privacy.promises import UNITS
from privessel.release.checks.shape import FORMAT
from privessel.release.checks.statement import NOT_COVERED, SAMPLER
from privessel.release.guarantee import LIBRARIES
from privessel.release.terms import Terms
from privessel.release.traces import WITHOUT_TEXTS

LIBRARY = Path(__file__).parents[1]
ROOMS = ("privacy", "release", "release/checks")  # whose modules write the sentences of a release
WORD = re.compile(r"[^\W_]+")
NUMBER = re.compile(r"\d+(?:e\d*)?")  # also the part of 1e-05 before its sign
SENTENCE = object()  # a text of which every word is a template's
OVERRIDE, REGION_REASON = object(), object()  # release.override and release.region_reason
VERSION = re.compile(r"\d[\w.]{0,15}(?:\+[a-z][a-z0-9.]{0,15})?")  # such as 2.5.1+cpu
DIGEST = re.compile(r"[0-9a-f]{64}")

MECHANISM = {"noise_multiplier": float, "sampling_rate": float, "steps": int}
PART = MECHANISM | {"patches_per_patient": int, "region_patches": int, "counted": bool}
PROMISE = {
    "delta": float,
    "epsilon": (float, None),
    "epsilon_composed": (float, None),
    "loss_above_epsilon": (float, None),
    "loss_above_epsilon_composed": (float, None),
    "composed": [PART],
}
REGION = PROMISE | {"epsilon_limit": float, "reason": (REGION_REASON, None)}
NUMBERS = {
    "format": {FORMAT},
    "protects": bool,
    "public_key": bool,
    "public_cohort": bool,
    "unit": set(UNITS),
    "neighbours": SENTENCE,
    "patients": int,
    "patches": int,
    "patches_per_patient": int,
    "region_patches": int,
    "sampler": {SAMPLER},
    "clipping_norm": float,
    "run": MECHANISM,
    "patient": PROMISE,
    "region": REGION,
    "patch": PROMISE,
    "delta": float,
    "epsilon": float,
    "epsilon_composed": float,
    "adaptive": ({"epsilon": (float, None), "composed": [PART]}, None),
    "epsilon_limit": float,
    "planned": {"delta": float, "epsilon": (float, None)},
    "accountant": {"method": SENTENCE, "versions": dict.fromkeys(LIBRARIES, VERSION)},
    "choice": {
        "private_sets": int,
        "runs": (int, None),
        "models_without_noise": (int, None),
        "told": SENTENCE,
    },
    "register": (DIGEST, None),
    "override": ({"reason": OVERRIDE, "refused": [SENTENCE]}, None),
    "not_covered": [set(NOT_COVERED)],
}


def find_odd_numbers(numbers: Mapping, *, terms: Terms) -> list[str]:
    """Return what a privacy.json holds that it may not, by the names of keys, never by their values."""
    return list(_find_odd(numbers, NUMBERS, "", terms))


@cache
def template_words() -> frozenset[str]:
    """Return every word of the texts in the modules that write a release's sentences."""
    files = [path for room in ROOMS for path in sorted((LIBRARY / room).glob("*.py"))]
    nodes = [
        node
        for path in files
        if path.stem not in WITHOUT_TEXTS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    return frozenset(word for text in texts for word in WORD.findall(text))


def _find_odd(value: object, kind: object, name: str, terms: Terms) -> Iterator[str]:
    if isinstance(kind, Mapping) and isinstance(value, Mapping):
        for key in sorted(set(kind) - set(value)):
            yield f"{name}{key} is missing"
        if more := len(set(value) - set(kind)):
            yield f"{more} more keys {'in ' + name[:-1] if name else 'at the top'}"
        for key in [key for key in kind if key in value]:
            yield from _find_odd(value[key], kind[key], f"{name}{key}.", terms)
    elif isinstance(kind, list) and isinstance(value, list | tuple):
        for part in value:
            yield from _find_odd(part, kind[0], name, terms)
    elif isinstance(kind, tuple):
        tried = [list(_find_odd(value, one, name, terms)) for one in kind]
        if all(tried):
            yield from tried[0]
    elif not _is_plain(value, kind, terms):
        yield f"{name[:-1]} is not of its kind"


def _is_plain(value: object, kind: object, terms: Terms) -> bool:
    """Whether a value that holds no others is of its kind."""
    if kind is None or kind in (bool, int):
        return value is None if kind is None else type(value) is kind
    if kind is float:
        return type(value) in (int, float)
    if not isinstance(value, str):
        return False
    if kind is SENTENCE:
        words = {word for word in WORD.findall(value) if not NUMBER.fullmatch(word)}
        return words <= template_words()
    if kind in (OVERRIDE, REGION_REASON):
        return value == (terms.override if kind is OVERRIDE else terms.region_reason)
    return value in kind if isinstance(kind, Collection) else bool(kind.fullmatch(value))
