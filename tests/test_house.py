"""The walls of the house: which room may import which, and that rules hold rules alone."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "scripts" / "privessel"
# A room may import those before it, and itself.
LAYERS = [
    {"errors"},
    {"seeds", "device", "limits"},
    {"files"},
    {"study"},
    {"cohort"},
    {"phantom"},
    {"privacy"},
    {"gan", "unet"},
    {"scores"},
    {"quality"},
    {"vote", "private_unet", "deid"},
    {"audit"},
    {"figures"},
    {"report", "release"},
]
# The plan of a study reads the tables of its cohorts; nothing in cohort/ knows of a plan but by names.
PLANS = {"study.cohorts": {"cohort"}}
PLACE = {room: place for place, rooms in enumerate(LAYERS) for room in rooms}


@cache
def modules():
    files = {path.relative_to(LIBRARY).with_suffix(""): path for path in LIBRARY.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}


@cache
def imported(path):
    """Modules of the library that a file imports."""
    known, found = modules(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "privessel":
            package = node.module.removeprefix("privessel").lstrip(".")
            inner = [f"{package}.{alias.name}".lstrip(".") for alias in node.names]
            found |= {name if name in known else package for name in inner}
    return found


@pytest.mark.parametrize("name", sorted(set(modules()) - {"__init__"}))
def test_a_module_imports_only_its_own_room_and_those_below(name):
    room = name.split(".")[0]
    for other in imported(modules()[name]) - {""}:
        below = other.split(".")[0]
        allowed = below == room or PLACE[below] < PLACE[room] or below in PLANS.get(name, ())
        assert allowed, f"{name} imports {other}"


def test_no_module_imports_itself_through_others():
    graph = {name: imported(path) - {name, ""} for name, path in modules().items() if name != "__init__"}
    # A package's own file may gather its modules, which never import it back.
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_library_knows_nothing_of_snakemake():
    for path in LIBRARY.rglob("*.py"):
        names = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not {name for name in names if name.split(".")[0] == "snakemake"}, path


@pytest.mark.parametrize("path", sorted((ROOT / "rules").glob("*.smk")), ids=lambda path: path.name)
def test_rule_files_hold_no_logic(path):
    """No function is longer than five lines, and only the file that makes the study has no rule."""
    text = path.read_text()
    for body in re.findall(r"^def .*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL):
        assert len(body.strip().splitlines()) <= 5, body
    assert path.name == "common.smk" or re.search(r"^\s*(use )?rule\b", text, re.MULTILINE)


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.name)
def test_scripts_are_thin(script):
    text = script.read_text()
    assert len(text.splitlines()) <= 45
    assert ast.get_docstring(ast.parse(text))


def test_no_function_takes_more_than_eight_parameters():
    """Bundles of arguments that travel together have a type of their own."""
    many = [
        f"{path.relative_to(ROOT)}: {node.name} has {count}"
        for path in LIBRARY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for count in [len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])]
        if count - (node.args.args[:1] != [] and node.args.args[0].arg in ("self", "cls")) > 8
    ]
    assert not many
