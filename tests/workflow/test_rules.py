"""The rules as text: what each declares, checked against what its script imports."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "scripts" / "privessel"
# They decide where messages go, who may write and how a file gets its name, never what is in it.
PLUMBING = {"__init__", "atomic", "errors", "job", "lock", "reading", "seeds"}


def imported(path):
    """Modules and packages of the library that a file imports, as paths relative to it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "privessel":
            package = node.module.removeprefix("privessel").lstrip(".").replace(".", "/")
            inner = [f"{package}/{alias.name}".strip("/") for alias in node.names]
            # A name that is no module of its own comes from the package, and so from any of its modules.
            found |= {name if module_files(name) else package for name in inner}
    return found


def module_files(name):
    path = LIBRARY / f"{name}.py"
    return [path] if path.exists() else sorted((LIBRARY / name).glob("*.py"))


def transitive(path):
    """Every library file a script needs, by following its imports."""
    files, todo = set(), [path]
    while todo:
        for name in imported(todo.pop()):
            fresh = set(module_files(name)) - files
            files |= fresh
            todo += fresh
    return files


def rules():
    """(script, declared library modules) of every rule with a script and a result that could be stale."""
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"\n\s*rule[ \w]*:\n", file.read_text())[1:]:
            if "output:" not in block:
                continue
            declared = re.findall(r'"([\w/]+)"', " ".join(re.findall(r"code=lib\w*\(([^)]*)\)", block)))
            for script in re.findall(r'"\.\./scripts/(\w+\.py)"', block):
                yield pytest.param(script, declared, id=script)


def decisive(files):
    return {path.relative_to(LIBRARY).as_posix() for path in files if path.stem not in PLUMBING}


@pytest.mark.parametrize(("script", "declared"), list(rules()))
def test_rule_declares_the_modules_its_script_imports_and_no_others(script, declared):
    """A module left out would leave results stale; one too many would retrain for nothing.

    A whole package may be declared where only some of it is needed: drawing again is cheap.
    """
    needed = decisive(transitive(ROOT / "scripts" / script))
    assert needed <= decisive(path for name in declared for path in module_files(name))
    single = [name for name in declared if (LIBRARY / f"{name}.py").exists()]
    assert decisive(path for name in single for path in module_files(name)) <= needed


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.name)
def test_scripts_are_thin(script):
    lines = script.read_text().splitlines()
    assert len(lines) <= 45
    assert ast.get_docstring(ast.parse(script.read_text()))
