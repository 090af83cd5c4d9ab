"""Which modules decide a rule's result: read from imports, compared with what Python's parser finds."""

import ast
import re
import shutil
from pathlib import Path

import pytest
from study.studies import ROOT

from privessel.study.code import (
    AUDITED_STEP,
    PLUMBING,
    PRIVATE_STEP,
    PRIVATE_UNET_STEP,
    VOTED_STEP,
    Library,
)

LIBRARY = Library(ROOT / "scripts")
RULES = "".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
SCRIPTS = sorted(set(re.findall(r"scripts/(\w+\.py)", RULES)))


def imported(path):
    """Modules that a file imports, by Python's own parser: those of packages on the way too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "privessel":
            package = "/".join(node.module.split(".")[1:])
            inner = [f"{package}/{alias.name}".strip("/") for alias in node.names]
            found |= {name if name in LIBRARY.modules else package for name in inner}
            found |= {str(parent) for parent in Path(package).parents}
    return found & LIBRARY.modules.keys()


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_modules_behind_a_script_are_those_that_a_parser_finds(script):
    found, todo = set(), list(imported(ROOT / "scripts" / script))
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imported(LIBRARY.modules[name])
    assert set(LIBRARY.behind(script)) == found - PLUMBING


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "scripts"


@pytest.mark.parametrize(
    ("edited", "script", "changes"),
    [
        ("unet/loop", "train_unet.py", True),
        ("seeds", "train_unet.py", True),
        ("seeds", "sample_patches.py", True),
        ("scores/metrics", "train_unet.py", False),
        ("files/lock", "train_unet.py", False),
        ("scores/metrics", "evaluate_unet.py", True),
        ("cohort/plausibility", "check_patient.py", True),
        ("cohort/unusual", "check_patient.py", False),
        ("cohort/unusual", "list_patients.py", False),
        ("cohort/unusual", "list_remarks.py", True),
    ],
)
def test_an_edit_changes_the_digest_of_what_it_decides_and_a_touch_of_nothing(copy, edited, script, changes):
    before = Library(copy).digest(script)
    file = copy / "privessel" / f"{edited}.py"
    file.touch()
    assert Library(copy).digest(script) == before
    file.write_text(file.read_text() + "\n# edited\n")
    assert (Library(copy).digest(script) != before) == changes


@pytest.mark.parametrize(
    ("script", "step", "loop"),
    [
        ("train_gan.py", PRIVATE_STEP, ["gan/loop", "gan/step"]),
        ("audit_gan.py", AUDITED_STEP, ["gan/loop", "gan/step"]),
        ("train_private_unet.py", PRIVATE_UNET_STEP, ["private_unet/loop", "private_unet/step"]),
    ],
)
def test_what_decides_a_private_step_is_all_that_the_training_loop_is_made_of(script, step, loop):
    """Named by hand, because it decides a run's identity; but the list may not fall behind the imports."""
    there = {name for name in step if name in LIBRARY.modules}
    assert there == set(step)
    behind = set(LIBRARY.behind(script))
    assert there <= behind
    # Of what a step imports only these decide nothing but words, names and where a charge is written.
    harmless = {
        *PLUMBING, "files/checkpoint", "files/tables", "gan/checkpoints", "gan/files", "gan/paid_runs",
        "study/names", "study/obstacles",
        "privacy/account", "privacy/accounting", "privacy/accounts", "privacy/anchor", "privacy/chain",
        "privacy/ledger", "privacy/levels", "privacy/losses", "privacy/nonce", "privacy/patient",
        "privacy/register", "privacy/renyi", "privacy/seen", "privacy/signing", "privacy/site",
        "privacy/spending", "limits", "files", "gan", "privacy", "study", "cohort", "audit", "unet",
        "private_unet",
    }  # fmt: skip
    assert LIBRARY.closure(loop) - there <= harmless


def test_what_decides_the_draw_of_a_vote_is_named_and_is_all_that_the_draw_is_made_of():
    there = set(VOTED_STEP)
    assert there <= set(LIBRARY.behind("hold_vote.py"))
    # The stream's key follows from the site's secret: how files are read and kept decides no draw.
    assert LIBRARY.closure(["vote/mechanism", "vote/ranks"]) - there <= {
        *PLUMBING,
        "files",
        "privacy",
        "vote",
    }
