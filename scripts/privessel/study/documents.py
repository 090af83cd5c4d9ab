"""The config's schema and its table for readers, both made from the typed model."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from privessel.study.config import StudyConfig
from privessel.study.config.faults import section_of

_HEAD = "# Made from scripts/privessel/study/config by `make config-docs`; edit there.\n"
_INTRO = """# Every key of the config

Made from `scripts/privessel/study/config` by `make config-docs`. `config.yaml` has the values of the paper's
study; a study of your own is a file over it (`--configfile mine.yaml`, or a profile), in which mappings merge
and lists replace. An unknown key, a value out of bounds and keys that do not fit together are refused before
any job.
"""


def write_schema() -> str:
    """Return the JSON schema of the config (draft 2020-12) as YAML, which editors complete from."""
    schema = StudyConfig.model_json_schema(by_alias=True, mode="validation")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
    return _HEAD + yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=110)


def write_configuration(values: Mapping[str, Any]) -> str:
    """Return docs/configuration.md: a table of every section, with the values of config.yaml as examples."""
    parts = [_INTRO, *_table("", StudyConfig, values)]
    for name, section in _sections(StudyConfig, ""):
        parts += _table(name, section, _value_at(values, name))
    return "\n".join(parts) + "\n"


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, info in model.model_fields.items():
        section = section_of(info.annotation)
        if section is None or name in ("private", "architectures"):  # they repeat keys of `gan`
            continue
        title = f"{path}{info.alias or name}" + (".{name}" if name == "cohorts" else "")
        yield title, section
        yield from _sections(section, f"{title}.")


def _table(name: str, section: type[BaseModel], values: Any) -> list[str]:
    title = f"## `{name}`" if name else "## The study"
    named = {info.alias or field: info for field, info in section.model_fields.items()}
    rows = [
        f"| `{key}` | {_value(values, key, info)} | {_bounds(info)} | {_words(info)} |"
        for key, info in named.items()
    ]
    return [title, "", (section.__doc__ or "").strip(), "", "| key | here | allowed | what it is |"] + [
        "| --- | --- | --- | --- |",
        *rows,
        "",
    ]


def _value(values: Any, key: str, info: FieldInfo) -> str:
    if section_of(info.annotation) is not None:
        return "section"
    if not isinstance(values, Mapping) or key not in values:
        return "absent"
    shown = yaml.safe_dump(values[key], default_flow_style=True, width=10_000).splitlines()[0]
    return f"`{shown}`"


def _value_at(values: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(values, Mapping):
            return None
        values = next(iter(values.values())) if step == "{name}" else values.get(step)
    return values


def _words(info: FieldInfo) -> str:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    words = info.description or ""
    words += f" In {extra['unit']}." if "unit" in extra else ""
    return words + (f" ({extra['source']})" if "source" in extra else "")


def _bounds(info: FieldInfo) -> str:
    """Return in a few words what a key may hold, from its part of the schema."""
    if section_of(info.annotation) is not None:
        return ""
    holder = create_model("Holder", key=(info.annotation, info))
    return _describe(holder.model_json_schema()["properties"][info.alias or "key"])


def _describe(part: Mapping[str, Any]) -> str:
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_describe(option) for option in part["anyOf"]))
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    kind = part.get("type", "anything")
    if kind == "array":
        items = part.get("items") or (part.get("prefixItems") or [{}])[0]
        return f"list of {_describe(items)}"
    names = {"integer": "whole number", "number": "number", "boolean": "true, false", "string": "text"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {part[limit]:g}" for limit, sign in signs.items() if limit in part]
    return " ".join([names.get(kind, "absent" if kind == "null" else kind), ", ".join(limits)]).strip()
