"""Files of figures: the same bytes at any time and under any settings, whole or not at all."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from privessel.figures.style import save, styled


@styled
def small(text="ε = 6.24"):
    """Return a figure of an inch with a line and a text."""
    figure = Figure(figsize=(1, 1))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1])
    axes.set_title(text)
    return figure


def test_files_have_the_same_bytes_at_any_time_and_embed_type_42_fonts(tmp_path, monkeypatch):
    def draw(folder):
        save(small(), folder / "fig3.pdf", folder / "fig3.png")
        return [(folder / name).read_bytes() for name in ("fig3.pdf", "fig3.png")]

    first = draw(tmp_path / "a")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert draw(tmp_path / "b") == first
    assert b"CreationDate" not in first[0]
    assert b"/Type3" not in first[0]
    assert b"/TrueType" in first[0] or b"/CIDFontType2" in first[0]
    assert b"Software" not in first[1]


def test_a_figure_ignores_and_keeps_the_settings_of_the_session(tmp_path):
    save(small(), tmp_path / "plain.png")
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 20, "axes.facecolor": "red"}):
        save(small(), tmp_path / "loud.png")
        assert mpl.rcParams["font.size"] == 30
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "loud.png").read_bytes()


def test_an_unknown_kind_of_file_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"fig3\.jpg"):
        save(small(), tmp_path / "fig3.png", tmp_path / "fig3.jpg")
    assert not list(tmp_path.iterdir())


def test_a_failed_drawing_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="nonsense"):
        save(small("$\\nonsense{$"), tmp_path / "fig3.png")
    assert not list(tmp_path.iterdir())
