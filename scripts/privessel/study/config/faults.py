"""A fault of a config in one line: which key, what it has, what is allowed, and the remedy."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from privessel.study.config import StudyConfig

SHOWN = 60  # characters of a wrong value


def describe(place: tuple[str | int, ...], faults: list[Mapping[str, Any]]) -> str:
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
