"""The files behind a config, read once more and strictly: what YAML drops or changes unseen is refused.

Snakemake has merged the files before the workflow sees them, and its reader keeps the last of two equal keys.
A second `privacy:` section would then remove the budget of the first.
"""

import argparse
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from privessel.errors import ConfigError

# The compiled reader is ten times faster; it comes with most builds of PyYAML, not with all.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML 1.1 reads 010 as 8 and 1:30 as 90.
_OTHER_BASE = re.compile(r"[-+]?(?:0[0-7_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+)")
# Where Snakemake looks for profiles: a file, or one of these names in a folder.
_PROFILE_NAMES = re.compile(r"(?:profile|config)(?:\.v\d+\+)?\.yaml")


def check_files(paths: Iterable[str | Path]) -> None:
    """Raise ConfigError that lists, with file and line, every fault of these config files, one line each.

    A fault is a key that a section has twice, at any depth; a number that YAML reads in another base; and a
    file that is no text, no YAML, or has no keys. A file that does not exist is left to whoever opens it.
    """
    faults = [fault for path in dict.fromkeys(map(Path, paths)) if path.is_file() for fault in _faults(path)]
    if faults:
        raise ConfigError("\n".join(f"config: {fault}" for fault in faults))


def check_texts(entries: Iterable[str]) -> None:
    """Raise ConfigError for a key that `name=value` entries of the command line give twice, at any depth."""
    seen: set[str] = set()
    faults = []
    for entry in entries:
        name, _, value = entry.partition("=")
        if name in seen:
            faults.append(f"--config gives {name} twice. Remedy: give each key once.")
        seen.add(name)
        try:
            tree = yaml.compose(value, Loader=_LOADER)
        except yaml.YAMLError:  # any text may be a value
            continue
        faults += [f"--config {fault}" for _, fault in _walk(tree, (name,))]
    if faults:
        raise ConfigError("\n".join(f"config: {fault}" for fault in faults))


def read_arguments(arguments: Sequence[str], *, workflow: Path) -> tuple[list[Path], list[str]]:
    """Return the profile files that a call of Snakemake reads, and the `name=value` entries of its config.

    arguments: the command line without the program. workflow: the folder of the Snakefile.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--profile", action="append", default=[])
    parser.add_argument("--workflow-profile", default="default")
    parser.add_argument("--config", "-C", nargs="*", action="extend", default=[])
    try:
        known, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # Snakemake itself has something to say about this command line
        return [], []
    named = known.profile or [name for name in [os.environ.get("SNAKEMAKE_PROFILE")] if name]
    # With --directory the working folder is no longer the one that the command was given in.
    folders = [Path(), Path(os.environ.get("PWD", "")), workflow, Path.home() / ".config" / "snakemake"]
    places = [
        (folder / middle / name).absolute()
        for name in [*named, known.workflow_profile]
        for folder in folders
        for middle in ("", "profiles")
    ]
    return [file for place in dict.fromkeys(places) for file in _profile_files(place)], known.config


def _profile_files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [path for path in sorted(place.glob("*.yaml")) if _PROFILE_NAMES.fullmatch(path.name)]


def _faults(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        return [f"{path} is not in UTF-8 (byte {problem.start + 1}). Remedy: save it as UTF-8."]
    except OSError as problem:
        return [f"{path} cannot be read ({problem.strerror}). Remedy: give yourself the right to read it."]
    try:
        tree = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as problem:
        return [] if _is_json(text) else [_syntax_fault(path, problem)]
    if not isinstance(tree, yaml.MappingNode):
        return [f"{path} has no keys. Remedy: write `key: value` lines, or leave the file out."]
    return [f"{path}, line {line}: {fault}" for line, fault in _walk(tree, ())]


def _is_json(text: str) -> bool:
    """Whether a text is JSON without a repeated key; some JSON, such as with tabs, is no YAML."""

    def unique(pairs: list[tuple[str, object]]) -> dict:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=unique)
    except ValueError:
        return False
    return True


def _syntax_fault(path: Path, problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    line = "" if mark is None else f", line {mark.line + 1}"
    said = getattr(problem, "problem", None) or str(problem).partition("\n")[0]
    return f"{path}{line}: not YAML ({said}). Remedy: correct that line; indent with spaces, never with tabs."


def _walk(node: yaml.Node | None, place: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield line and words of every fault below a node; what an alias names is looked at where it stands."""
    todo, done = [(node, place)], set()
    while todo:
        node, place = todo.pop()
        if node is None or id(node) in done:
            continue
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from _repeated(node, place)
            todo += [(value, (*place, _name(key))) for key, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            todo += [(value, (*place, str(number))) for number, value in reversed([*enumerate(node.value)])]
        elif node.tag.endswith(":int") and not node.style and _OTHER_BASE.fullmatch(node.value):
            read = yaml.safe_load(node.value)
            yield (
                node.start_mark.line + 1,
                f"{'.'.join(place)} is {node.value}, which YAML reads as {read}. Remedy: write "
                f"{node.value.lstrip('+-0') or '0'} for a number, or quotes around a text.",
            )


def _repeated(section: yaml.MappingNode, place: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    for key, _ in section.value:
        name, line = _name(key), key.start_mark.line + 1
        if name in first:
            yield (
                line,
                f"{'.'.join((*place, name))} is given twice, first in line {first[name]}; only the last "
                "would count. Remedy: merge the two into one.",
            )
        first.setdefault(name, line)


def _name(key: yaml.Node) -> str:
    return str(key.value) if isinstance(key, yaml.ScalarNode) else "(a key that is no text)"
