"""Run by an environment's own Python: prints what the named scripts import and is missing or not its own."""

import ast
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "workflow"))

from imports import LIBRARY, ROOT, statements


def run_imports(path):
    """Run each import statement of a file, those inside functions too; yield what went wrong."""
    for statement in statements(ast.parse(path.read_text())):
        try:
            exec(compile(ast.Module([statement], []), path, "exec"), {})
        except ImportError as error:
            yield f"{path.relative_to(ROOT)}:{statement.lineno}: {error}"


def loaded():
    """Files of all modules that have been imported by now."""
    files = [getattr(module, "__file__", None) for module in sys.modules.values()]
    return {Path(file) for file in files if file}


def is_foreign(file):
    """Whether a file is a package's, but not of this environment."""
    return bool({"site-packages", "dist-packages"} & set(file.parts)) and Path(sys.prefix) not in file.parents


if __name__ == "__main__":
    sys.path.append(str(LIBRARY.parent))
    done, todo = set(), {Path(name) for name in sys.argv[1:]}
    while todo:
        for file in sorted(todo):
            for fault in run_imports(file):
                print(fault)
        done |= todo
        todo = {file for file in loaded() if LIBRARY in file.parents} - done
    for file in sorted(filter(is_foreign, loaded())):
        print(f"{file}: imported from outside the environment")
