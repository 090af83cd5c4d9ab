"""The figures on whole heads, drawn from their data alone."""

import numpy as np
import pandas as pd
import pytest
from figures.looking import as_read_back, overlaps, pixels

from privessel.deid.faces import ATTACKERS, QUERIES, VIEWS
from privessel.deid.gamma import Gamma
from privessel.deid.identification import COLUMNS
from privessel.deid.scaling import MEASURED
from privessel.deid.utility import COLUMNS as USES
from privessel.figures.deid_attack import deid_fig3, describe
from privessel.figures.deid_methods import deid_fig1, deid_fig1_data
from privessel.figures.deid_scaling import deid_fig5, deid_fig5_data
from privessel.figures.deid_shield import deid_shield
from privessel.figures.deid_utility import deid_fig4
from privessel.figures.deid_utility import describe as describe_uses

METHODS = [
    *("original", "deface", "watershed", "hull-paper", "hull-k-same-4", "hull-local-dp-4", "hull-brain"),
    *("gan-paper", "gan-brain"),
]


def table(queries=QUERIES, methods=METHODS):
    random = np.random.default_rng(1)
    rows = []
    for view in VIEWS:
        for query in queries:
            for method in methods:
                for attacker in ATTACKERS:
                    rate = random.uniform(0, 100)
                    numbers = [rate, 4.0, max(rate - 8, 0), min(rate + 8, 100), 24, 36, 480, 4]
                    rows.append([method, view, query, attacker, *numbers])
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize("draw", [deid_fig3, deid_shield])
def test_redrawn_from_its_csv_a_figure_has_the_same_pixels_and_no_texts_overlap(draw):
    assert pixels(draw(table())) == pixels(draw(as_read_back(table())))
    assert not overlaps(draw(table()))


@pytest.mark.parametrize("draw", [deid_fig3, deid_shield])
def test_one_visit_and_few_methods_are_drawn_too(draw):
    assert pixels(draw(table(queries=QUERIES[:1], methods=["original", "hull-brain"])))


def test_chance_is_that_of_as_many_candidates_as_were_asked_with():
    for draw, across in ((deid_fig3, "get_xdata"), (deid_shield, "get_ydata")):
        dotted = [line for line in draw(table()).axes[0].lines if line.get_linestyle() == ":"]
        assert [getattr(line, across)()[0] for line in dotted] == [25.0]


def test_a_figure_says_how_many_people_it_rests_on():
    assert describe(table()) == "480 questions about 24 people; attackers know 36 others."


def test_a_gans_head_stands_beside_the_hull_it_was_made_in():
    figure = deid_shield(table())
    axes = figure.axes[0]
    bars = {bar.get_label(): bar.lines[0].get_xdata() for bar in axes.containers}
    assert set(bars) == {
        f"{what}, {query.replace('-', ' ')}" for what in ("hull", "GAN's head") for query in QUERIES
    }
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == ["paper's", "k = 4", "eps 4", "brain (eps 0)"]
    shown = next(bar.lines[0] for bar in axes.containers if bar.get_label() == "GAN's head, other visit")
    part = table().query("attacker == 'adaptive' and view == @VIEWS[0] and query == 'other-visit'")
    rates = part.set_index("method")["rate"]
    np.testing.assert_allclose(
        np.array(shown.get_ydata(), float), [rates["gan-paper"], np.nan, np.nan, rates["gan-brain"]]
    )
    assert [round(float(x)) for x in shown.get_xdata()] == [0, 1, 2, 3]


def test_figure_1_shows_every_method_in_its_own_column():
    axis = np.arange(32) - 15.5
    ball = (axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2 < 144) * 0.8
    data = deid_fig1_data({"original": ball, "hull-brain": 0.6 * ball})
    assert data["pictures"].shape == (2, 4, 192, 192)
    many = {
        "names": [f"hull-k-same-{n}" for n in range(2, 12)],
        "pictures": np.tile(data["pictures"], (5, 1, 1, 1)),
    }
    figure = deid_fig1(many)
    shown = [axes.images[0].get_array() for axes in figure.axes[:8]]
    np.testing.assert_array_equal(shown, many["pictures"][:2].reshape(8, 192, 192))
    assert len(figure.axes) == 40
    assert not overlaps(figure)


def uses(methods=METHODS, people=9):
    """Tables of `deid.utility.join`: the hull's extractions fail, and nothing is known of the truth's age."""
    random, rows = np.random.default_rng(2), []
    for method in methods:
        for person in range(people):
            failed = int(method == "hull-paper")
            dice = [0.0] * 4 if failed else list(random.uniform(0.6, 1, 4))
            ages = [40.0 + person, 42.0 + person, 42.0 + person + random.normal()]
            against = "truth" if method == "original" else "original"
            volumes = [0.0] * 4 if failed else [600.0, 500.0, 30.0, 1100.0]
            rows.append([f"p{person}", "1", against, failed, *dice, *volumes, *ages, 0, 0.1])
    return pd.DataFrame(rows, columns=USES).assign(method=np.repeat(methods, people))


def scaled(factors=(0.85, 1.0, 1.15), people=3):
    """Volumes that follow the cube of the factor, but for an extraction that fails once."""
    side = 16
    radius = np.sqrt(((np.mgrid[:side, :side, :side] - 7.5) ** 2).sum(0))
    one = Gamma(radius < 7, radius < 4, np.where(radius < 4, 0.8, 0).astype(np.float32))
    volumes = 1000 * np.array(factors)[None, :, None] ** 3 * np.ones((people, 1, len(MEASURED)))
    volumes[0, 0, -1] = 0
    return deid_fig5_data(factors, volumes, [(one, 0.5 * one.hull)] * len(factors), source="a test")


def test_figure_4_has_the_same_pixels_from_its_csv_and_no_texts_overlap():
    assert pixels(deid_fig4(uses())) == pixels(deid_fig4(as_read_back(uses())))
    assert not overlaps(deid_fig4(uses()))


def test_figure_4_counts_failed_extractions_and_leaves_out_what_is_not_known():
    texts = [text.get_text() for text in deid_fig4(uses()).axes[-1].texts]
    assert texts[:-1] == ["9 of 9" if method == "hull-paper" else "0 of 9" for method in METHODS]
    assert len(deid_fig4(uses()).axes) == 5
    without = deid_fig4(uses().assign(age_original=np.nan, age_after=np.nan))
    assert len(without.axes) == 4
    assert describe_uses(uses())[-1].startswith("Ages read from unaltered heads err by 2.0 years")
    assert "9 people, 9 scans" in describe_uses(uses())[0]


def test_figure_5_shows_every_factor_and_says_how_often_no_brain_was_found():
    figure = deid_fig5(scaled())
    assert not overlaps(figure)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["0.85", "1", "1.15"]
    assert "No brain was found in 1 of 9 heads" in figure.texts[-1].get_text()
    line = next(line for line in figure.axes[-1].lines if line.get_label() == "cube of factor")
    np.testing.assert_allclose(line.get_ydata(), [(13 / 16) ** 3, 1, (18 / 16) ** 3])
    nothing = scaled()
    nothing["volumes"][:, :, -1] = 0
    assert "9 of 9" in deid_fig5(nothing).texts[-1].get_text()
