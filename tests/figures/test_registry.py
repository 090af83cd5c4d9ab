"""The registry of figures: whole, cheap to read, and true to the functions and captions that it names."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

# `load` imports by name; here it stands for those who choose tests by what these import.
import privessel.figures.pairs  # noqa: F401
from privessel.figures import registry
from privessel.figures.registry import FIGURES, NEEDS, load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_its_functions_its_caption_and_known_needs(name):
    entry = FIGURES[name]
    assert callable(load(entry.draw))
    assert (ROOT / "report" / f"{name}.rst").exists()
    assert entry.needs <= set(NEEDS)
    if entry.data_of:
        assert (entry.tabulate, entry.data_file) == (None, FIGURES[entry.data_of].data_file)
    else:
        tabulate = load(entry.tabulate)
        assert ("seed" in inspect.signature(tabulate).parameters) == entry.seeded
        assert tabulate.__module__ == load(entry.draw).__module__ == entry.module_name


def test_figures_are_listed_in_the_order_of_the_papers_with_no_place_twice():
    listed = sorted(FIGURES.values(), key=lambda entry: entry.listed)
    assert [entry.listed for entry in listed] == list(range(1, len(FIGURES) + 1))
    papers = [entry.name for entry in listed if entry.name.startswith("fig")]
    assert papers == [*(f"fig{number}" for number in range(2, 10)), "figS1", "figS2"]
    assert [entry.name for entry in listed][: len(papers)] == papers


def test_pictures_with_pixels_are_npz_and_all_others_csv():
    shown = {entry.name for entry in FIGURES.values() if entry.data_file.endswith(".npz")}
    assert shown == {"fig2", "fig4", "fig7", "fig9", "figS1", "figS2"}


def test_reading_the_registry_loads_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import privessel.figures.registry; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    path = str(Path(registry.__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(ended.stdout.split()) - sys.stdlib_module_names == {"privessel"}
