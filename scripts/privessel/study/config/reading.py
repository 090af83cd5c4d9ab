"""Read a config: a number that comes as text is read, and all faults are told at once, a line each."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from privessel.errors import ConfigError
from privessel.study.config import StudyConfig
from privessel.study.config.faults import describe
from privessel.study.config.fields import NUMBER

# Keys that had other names before; `*` stands for any one key.
RENAMED = {
    ("rivals",): "public_baselines",
    ("compared",): "compared_architectures",
    ("gan", "fakes"): "fake_clipping",
    ("gan", "private", "fakes"): "fake_clipping",
    ("gan", "architectures", "*", "fakes"): "fake_clipping",
    ("audit", "every"): "score_every",
    ("audit", "synthetic"): "attacker_pairs",
}
SCALARS = ("int_type", "float_type", "bool_type", "literal_error")


def read_config(values: Mapping[str, Any]) -> StudyConfig:
    """Return the typed config of a study. Raises ConfigError that lists every fault, one line each.

    Where only a number is allowed, a text that is one counts as one; so do `true` and `false`.
    """
    values = _plain(values)
    try:
        return _validate(values)
    except ValidationError as problem:
        if _read_scalars(values, problem):
            return read_config(values)
        renamed = _find_renamed(values)
        faults: dict[tuple[str | int, ...], list] = {}
        for fault in problem.errors():
            if not _is_renamed(fault, renamed):
                faults.setdefault(_place(fault["loc"], values), []).append(fault)
        # A list that lost its wrong entries may then be too short: only the entries are worth a word.
        inner = {path[:n] for path in faults for n in range(len(path))}
        told = [describe(path, found) for path, found in faults.items() if path not in inner or not path]
        told = [*renamed.values(), *told]
        raise ConfigError("\n".join(f"config: {line}" for line in told)) from None


def _plain(value: Any) -> Any:
    """Return a copy with names as keys, and texts for dates, which YAML makes of 2026-01-31."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def _validate(values: Mapping[str, Any]) -> StudyConfig:
    # By way of JSON, a list is a tuple and 30 is a float where one is asked for.
    return StudyConfig.model_validate_json(json.dumps(values))


def _read_scalars(values: dict[str, Any], problem: ValidationError) -> bool:
    """Put numbers in the place of texts where a number is asked for, and truth values too; say if any."""
    found = False
    for fault in problem.errors():
        if isinstance(fault["input"], str) and fault["type"] in SCALARS:
            place = _place(fault["loc"], values)
            value = _scalar(fault["input"], fault["type"])
            found |= value is not None and _put(values, place, value)
    return found


def _scalar(text: str, kind: str) -> float | bool | None:
    if kind == "bool_type":
        return {"true": True, "false": False}.get(text.lower())
    if not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return int(number) if number.is_integer() and kind != "float_type" else number


def _put(values: Any, place: tuple[str | int, ...], value: float | bool) -> bool:
    """Replace a text at a place; False where another fault of the same place did so before."""
    *outer, last = place
    for part in outer:
        values = values[part]
    if not isinstance(values[last], str):
        return False
    values[last] = value
    return True


def _find_renamed(values: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """Return the keys of an older version that a config has, each with a sentence that names the new one."""
    found = {}
    for pattern, new in RENAMED.items():
        for path in _match(values, pattern):
            old = ".".join(path)
            name = ".".join((*path[:-1], new))
            found[path] = f"{old} is called {name} now. Remedy: rename the key; its values mean the same."
    return found


def _match(values: Any, pattern: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not pattern:
        return [()]
    if not isinstance(values, Mapping):
        return []
    keys = list(values) if pattern[0] == "*" else [pattern[0]] if pattern[0] in values else []
    return [(key, *rest) for key in keys for rest in _match(values[key], pattern[1:])]


def _is_renamed(fault: Mapping[str, Any], renamed: Mapping[tuple[str, ...], str]) -> bool:
    """Whether a fault only repeats that a key has another name: it is unknown, or the new one is missing."""
    path = tuple(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return path in renamed
    new = {(*old[:-1], name) for old, name in ((old, _new_name(old)) for old in renamed)}
    return fault["type"] == "missing" and path in new


def _new_name(path: tuple[str, ...]) -> str:
    for pattern, new in RENAMED.items():
        if len(pattern) == len(path) and all(p in ("*", k) for p, k in zip(pattern, path, strict=True)):
            return new
    raise KeyError(path)


def _place(loc: tuple[str | int, ...], values: Any) -> tuple[str | int, ...]:
    """Return the part of a fault's place that is in the config; pydantic adds which type it had tried."""
    path = []
    for part in loc:
        inside = isinstance(values, Mapping) and part in values
        inside = inside or (isinstance(values, list) and isinstance(part, int) and part < len(values))
        if isinstance(values, Mapping) and not inside:
            # A missing key is in no config.
            return (*path, part) if part != "[key]" else tuple(path)
        if not inside:
            continue  # the name of a type, which may be followed by a place in a list
        path.append(part)
        values = values[part]
    return tuple(path)
