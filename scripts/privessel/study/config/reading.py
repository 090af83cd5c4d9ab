"""Read a config, or say in one line a fault which key it is, what it has, what is allowed, and the remedy."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from privessel.errors import ConfigError
from privessel.study.config import StudyConfig

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
SHOWN = 60  # characters of a wrong value
SCALARS = ("int_type", "float_type", "bool_type", "literal_error")
# `1e-5` is text in YAML 1.1, and `--config` hands on all values inside of braces as text.
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


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
        told = [_describe(path, found) for path, found in faults.items() if path not in inner or not path]
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


def _describe(place: tuple[str | int, ...], faults: list[Mapping[str, Any]]) -> str:
    """Return one line about the faults of one key: several where none of its types would do."""
    kind, value = faults[0]["type"], faults[0]["input"]
    path = [str(part) for part in place]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    if not path:
        return f"{_own_words(faults[0])}. Remedy: correct these keys."
    if kind == "extra_forbidden":
        return f"{name} is no key of this workflow. Remedy: {_nearest(path)}."
    if kind == "missing":
        return f"{name} is missing. Remedy: {_missing_remedy(path)}."
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} ..."
    if kind in ("float_type", "int_type") and isinstance(value, str) and len(faults) == 1:
        return f"{name} is the text {shown}, not a number. Remedy: write a number."
    if faults[0]["loc"][-1] == "[key]":
        return f"{name} is a name that is not allowed. Allowed: {_allowed(faults[0])}. Remedy: rename it."
    allowed = " or ".join(dict.fromkeys(_allowed(fault) for fault in faults))
    return f"{name} is {shown}. Allowed: {allowed}. Remedy: {_remedy(value, faults)}."


def _remedy(value: Any, faults: list[Mapping[str, Any]]) -> str:
    """Say what to write instead, where a value shows what was meant."""
    kinds = {fault["type"] for fault in faults}
    if "string_type" in kinds and isinstance(value, bool | int | float):
        return "put quotes around it, because YAML reads this as a number, or as true or false"
    if kinds == {"tuple_type"} and not isinstance(value, list | dict | None):
        return f"write a list, such as [{value}]"
    if kinds == {"literal_error"} and isinstance(value, str):
        options = re.findall(r"'([^']*)'", faults[0]["ctx"]["expected"])
        close = get_close_matches(value, options, n=1)
        return f"write {close[0]} if that is meant" if close else "write one of these"
    return "correct this key"


def _missing_remedy(path: list[str]) -> str:
    """Say what a missing key is for: the study's stand in config.yaml, a cohort's do not."""
    if path[0] != "cohorts":
        return "add it; config.yaml has its value in the paper's study"
    section = _section(StudyConfig, path[:-1])
    words = section.model_fields[path[-1]].description if section else ""
    return f"add it. {words.removesuffix('.')}"


def _allowed(fault: Mapping[str, Any]) -> str:
    """Return in words what a key may hold."""
    kind, limits = fault["type"], fault.get("ctx", {})
    words = {
        "greater_than": "above {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than": "below {lt}",
        "less_than_equal": "at most {le}",
        "literal_error": "{expected}",
        "multiple_of": "a multiple of {multiple_of}",
        "too_short": "at least {min_length} of them",
        "string_too_short": "a text of at least {min_length} characters",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "string_type": "a text",
        "tuple_type": "a list",
        "finite_number": "a finite number",
        "model_type": "a section with keys of its own",
        "dict_type": "a section with keys of its own",
    }
    return words[kind].format(**limits) if kind in words else _own_words(fault)


def _own_words(fault: Mapping[str, Any]) -> str:
    return fault["msg"].removeprefix("Value error, ").rstrip(".")


def _nearest(path: list[str]) -> str:
    """Name the nearest key of the section that an unknown key stands in."""
    section = _section(StudyConfig, path[:-1])
    known = [info.alias or name for name, info in section.model_fields.items()] if section else []
    close = get_close_matches(path[-1], known, n=1)
    if close:
        return f"write {'.'.join([*path[:-1], close[0]])} if that is meant, else remove it"
    return f"remove it; there are {', '.join(known)}" if known else "remove it"


def _section(model: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    """Return the model behind a path of keys; a cohort's for any name under `cohorts`."""
    for step in path:
        if model is None:
            return None
        info = next((info for name, info in model.model_fields.items() if step in (name, info.alias)), None)
        if info is None:  # the name of a cohort
            continue
        model = section_of(info.annotation)
    return model


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a key's type holds, a cohort's of `cohorts`; None where it holds a value."""
    return next((kind for kind in _kinds(annotation) if _is_section(kind)), None)


def _kinds(annotation: Any) -> list[Any]:
    return [annotation, *(kind for inner in get_args(annotation) for kind in _kinds(inner))]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
