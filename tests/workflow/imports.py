"""What a Python file imports, read from its text; itself it needs nothing installed."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "scripts" / "privessel"
# Where modules are found by their names: the last ones are those of tests, which pytest adds to the path.
FOLDERS = [ROOT / "scripts", ROOT / "benchmarks", ROOT / "tests", *sorted((ROOT / "tests").glob("[a-z]*/"))]


def statements(tree):
    """Import statements of a syntax tree, those inside functions too.

    What a `try` imports whose `except` takes an ImportError can be done without, and is left out.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.Try) and any(_takes_import_error(handler) for handler in node.handlers):
            for part in (*node.handlers, *node.orelse, *node.finalbody):
                yield from statements(part)
        else:
            yield from statements(node)


def imports(path):
    """Dotted names that a file imports; `from a import b` gives a and a.b, which need not be a module."""
    found = set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def own_files(name):
    """Files of this repository that importing a dotted name runs, the outermost package first."""
    parts = name.split(".")
    stems = [folder.joinpath(*parts[:n]) for folder in FOLDERS for n in range(1, len(parts) + 1)]
    files = [file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py")]
    return [file for file in files if file.exists()]


def closure(*paths):
    """The files and all of this repository's that they import, directly or through others."""
    found, todo = set(paths), list(paths)
    while todo:
        fresh = {file for name in imports(todo.pop()) for file in own_files(name)} - found
        found |= fresh
        todo += fresh
    return found


def packages(files):
    """Top-level names that files import, but for those of the standard library and of this repository."""
    names = {name.partition(".")[0] for file in files for name in imports(file)}
    # A folder of modules needs no file of its own to be imported from.
    own = {name for name in names if own_files(name) or any((folder / name).is_dir() for folder in FOLDERS)}
    return names - own - sys.stdlib_module_names


def _takes_import_error(handler):
    return handler.type is not None and "ImportError" in ast.unparse(handler.type)
