"""The audit's figures, on hand-made tables of scores, bounds and attacks."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
from figures.audited import (
    ADVANTAGES,
    BOUNDS,
    CASES,
    LOST,
    RATES,
    attacks_data,
    audited,
    audited_with_steps,
    bounds,
    membership,
    roc,
    steps,
    utility_privacy_data,
)
from figures.looking import as_read_back, overlaps, said, texts
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from scores.examples import for_patients, rows, study, unet_rows, vote_rows

from privessel.figures.attacks import attacks
from privessel.figures.audit import utility_privacy
from privessel.figures.bounds import ATTACKS, SCORES
from privessel.figures.scores import fig3_data
from privessel.figures.style import PALETTE


@functools.cache
def draw_once(name):
    """Return a figure of full tables."""
    if name == "attacks":
        return attacks(attacks_data(roc(), membership()))
    return utility_privacy(audited(found=LOST if name == "refuted" else BOUNDS))


def bars(axes):
    """Return middle, lower and upper end of all bars of an axes."""
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_width() < 0.9]
    return [
        tuple(
            round(float(at), 6)
            for at in (bar.get_x() + bar.get_width() / 2, bar.get_y(), bar.get_y() + bar.get_height())
        )
        for bar in found
    ]


def lines_across(axes, colour):
    """Return the heights of all horizontal strokes of a colour."""
    every = axes.findobj(LineCollection)
    own = [each for each in every if to_hex(each.get_colors()[0]) == colour.lower()]
    ends = [segment for each in own for segment in each.get_segments()]
    return [float(end[0, 1]) for end in ends if end[0, 1] == end[1, 1]]


def marks(axes, name, looks=SCORES, *, hollow=False):
    """Return the heights of a score's or an attack's marks, from left to right."""
    _, colour, marker = looks[name]
    own = [line for line in axes.get_lines() if (line.get_color(), line.get_marker()) == (colour, marker)]
    own = [line for line in own if (line.get_fillstyle() == "none") == hollow]
    points = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in own if len(line.get_xdata()))
    return [float(y) for _, y in points]


def test_panel_a_is_panel_b_of_figure_3():
    own = audited()
    own = own[own["panel"] == "A"]
    drawn = fig3_data(study(), seed=3)
    drawn = drawn[drawn["panel"] == "B"]
    same = ["shows", "source", "cohort", "eps", "value", "sd", "low", "high", "patients", "scored", "empty"]
    pd.testing.assert_frame_equal(own[same], drawn[same].reset_index(drop=True), check_dtype=False)


def test_every_level_has_an_upper_bound_and_audited_levels_one_lower_bound_a_score():
    data = audited()
    upper, lower = (data[data["shows"] == shows] for shows in ("upper", "lower"))
    assert upper["level"].tolist() == ["noise-2", "noise-0.65", "inf"]
    assert upper["value"].tolist() == [0.82, 6.24, np.inf]
    private = lower[lower["level"] == "noise-0.65"]
    assert dict(zip(private["name"], private["value"], strict=True)) == BOUNDS
    assert lower[lower["level"] == "inf"]["name"].tolist() == ["critic", "nearest"]
    assert set(lower["claim"]) == {"not refuted"}


def test_upper_bound_of_an_audited_level_is_what_the_audited_run_claims():
    data = audited(levels={"noise-0.65": 6.1})
    row = data[(data["shows"] == "upper") & (data["level"] == "noise-0.65")].iloc[0]
    assert (row["value"], row["eps"]) == (6.1, 6.24)


def test_a_level_of_several_epochs_was_audited_at_its_last():
    early = rows("wgan/noise-0.65/run-1/epoch-9", "private", [0.3], noise=0.65, run=1, epoch=9, eps=2.0)
    data = utility_privacy_data(pd.concat([early, study()]), bounds(), membership())
    found = data[data["shows"].isin(["lower", "advantage"]) & (data["level"] == "noise-0.65")]
    assert set(found["model"]) == {"wgan/noise-0.65/epoch-50"}
    assert len(found) == 6


def test_an_audited_level_without_scores_has_its_place_by_eps():
    data = utility_privacy_data(study(), bounds({"noise-1": 2.24}), membership({"noise-1": 2.24}))
    assert data[data["shows"] == "best"]["level"].tolist() == ["noise-2", "noise-1", "noise-0.65", "inf"]
    figure = utility_privacy(data)
    assert texts(figure.axes[0]).count("no result") == 1
    assert bars(figure.axes[1])[1] == (1, 1.5, 2.24)


def test_intervals_of_attacks_are_over_patients_and_over_patches_where_those_are_few():
    for few, resampled, low in ((False, "patient", 0.3), (True, "patch", 0.38)):
        data = utility_privacy_data(study(), bounds(), membership(few=few))
        risk = data[(data["shows"] == "advantage") & (data["name"] == "critic")].iloc[0]
        assert (risk["resampled"], risk["low"]) == (resampled, pytest.approx(low))


def test_chance_is_that_of_whole_patients_even_where_intervals_are_over_patches():
    data = utility_privacy_data(study(), bounds(), membership(few=True))
    assert set(data["chance"].dropna()) == {0.25}


def test_bar_spans_from_the_best_lower_bound_to_the_upper_and_from_zero_where_nothing_was_audited():
    axes = draw_once("utility").axes[1]
    assert bars(axes) == [(0, 0, 0.82), (1, 1.5, 6.24), (2, 0.25, round(axes.get_ylim()[1], 6))]
    assert lines_across(axes, PALETTE["black"]) == [0.82, 6.24]


def test_every_score_has_its_bound_and_its_ceiling():
    axes = draw_once("utility").axes[1]
    assert marks(axes, "gradient") == [1.5]
    assert marks(axes, "critic") == [0.25, 0.25]
    assert marks(axes, "nearest") == [0, 0]
    assert marks(axes, "critic", hollow=True) == pytest.approx([0.4, 0.4])
    assert [len(lines_across(axes, colour)) for _, colour, _ in SCORES.values()] == [0, 1, 2, 2]
    assert lines_across(axes, SCORES["critic"][1]) == [4.0, 4.0]


def test_a_bound_of_zero_and_a_large_eps_are_both_inside_and_apart_from_each_other():
    data = utility_privacy_data(study(), bounds({"noise-0.65": 101.3}), membership())
    axes = utility_privacy(data).axes[1]
    heights = (axes.transData + axes.transAxes.inverted()).transform([(0, y) for y in (0, 0.25, 9, 101.3)])
    assert heights[0, 1] > 0
    assert heights[-1, 1] < 1
    assert (np.diff(heights[:, 1]) > 0.04).all()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:3] == ["0", "0.5", "1"]


def test_a_level_without_privacy_has_an_arrow_in_place_of_an_upper_bound():
    figure = draw_once("utility")
    arrows = [text for text in figure.axes[1].texts if getattr(text, "arrow_patch", None)]
    assert [arrow.xyann[0] for arrow in arrows] == [2]
    assert "no upper bound" in texts(figure)
    private = study()[lambda frame: frame["kind"] != "inf"]
    levels = {"noise-0.65": 6.24}
    alone = utility_privacy(utility_privacy_data(private, bounds(levels), membership(levels)))
    assert not [text for text in alone.axes[1].texts if getattr(text, "arrow_patch", None)]
    assert "no upper bound" not in texts(alone)


def test_a_refuted_claim_is_marked_named_and_told_and_no_other_is():
    figure = draw_once("refuted")
    assert texts(figure).count("REFUTED") == 1
    crosses = [line for line in figure.axes[1].get_lines() if line.get_marker() == "X"]
    assert [list(line.get_ydata()) for line in crosses] == [[7.5]]
    assert (1, 6.24, 7.5) in bars(figure.axes[1])
    told = "REFUTED: level noise-0.65 claims ε = 6.24 a patch, yet ε is at least 7.5 (gradients, p = 0.001)"
    assert told in said(figure)
    assert "REFUTED" not in said(draw_once("utility"))


@pytest.mark.parametrize("unit", ["patch", "patient"])
def test_every_eps_of_the_audit_names_the_unit_also_of_a_level_without_scores(unit):
    alone = {"found": LOST, "levels": {"noise-0.65": 6.24}}
    data = utility_privacy_data(study().head(0), bounds(**alone), membership(), unit=unit)
    told = said(utility_privacy(data))
    assert f"claims ε = 6.24 a {unit}, yet ε is at least 7.5" in told
    assert f"B: ε of one training {unit}." in told
    shown = texts(attacks(attacks_data(roc(), membership(), unit=unit)))
    assert {text.split(":")[0] for text in shown if "AUC" in text} == {f"ε = 6.24 a {unit}", "ε = ∞"}


@pytest.mark.parametrize(("change", "unit", "spent"), [(for_patients, "patient", 1), (None, "patch", 2)])
def test_the_upper_bound_of_a_vote_is_its_eps_of_the_unit(change, unit, spent):
    scores = pd.concat([study(), vote_rows()], ignore_index=True)
    scores = scores.replace({"eps": {0.82: 1.5}})  # between the vote's eps of a patient and of a patch
    data = utility_privacy_data(change(scores) if change else scores, bounds(), membership(), unit=unit)
    upper = data[data["shows"] == "upper"].set_index("model")["value"]
    assert upper["vote/eps-1"] == spent
    assert list(upper) == sorted(upper)
    assert f"B: ε of one training {unit}." in said(utility_privacy(data))


def test_the_bound_from_single_steps_has_a_mark_no_ceiling_and_its_assumptions_named():
    figure = utility_privacy(audited_with_steps())
    axes = figure.axes[1]
    assert marks(axes, "step") == [5.5]
    assert (1, 5.5, 6.24) in bars(axes)
    assert "Single steps: 50,000 guesses by an attacker who knows all other units, 95 % conf" in said(figure)
    assert "Filled marks of scores assume nothing" in said(figure)
    assert "REFUTED" not in said(figure)
    assert "Single steps" not in said(draw_once("utility"))


def test_the_steps_of_a_private_u_net_have_their_mark_at_its_level():
    scores = pd.concat([study(), unet_rows()], ignore_index=True)
    (own,) = steps(levels=["eps-8"], low=7.1)
    found = [own | {"arch": "private-unet"}]
    data = utility_privacy_data(scores, bounds(), membership(), steps=found)
    own = data[(data["model"] == "private-unet/eps-8") & (data["panel"] == "B")].set_index("shows")["value"]
    assert (own["upper"], own["step"]) == (7.99, 7.1)
    assert marks(utility_privacy(data).axes[1], "step") == [7.1]


@pytest.mark.parametrize("low", [5.5, 7.0])
def test_steps_that_are_not_as_claimed_are_refuted_wherever_their_bound_lies(low):
    failed = "noise or clipping, sampling rate"
    figure = utility_privacy(as_read_back(audited_with_steps(low=low, failed=failed)))
    assert texts(figure).count("REFUTED") == 1
    assert f"REFUTED: single steps of level noise-0.65 are not as claimed: {failed}. Do not" in said(figure)


def test_steps_read_back_from_csv_make_the_same_data():
    read = as_read_back(pd.DataFrame(steps())).to_dict("records")
    data = utility_privacy_data(study(), bounds(), membership(), steps=read)
    pd.testing.assert_frame_equal(data, audited_with_steps())


def test_levels_that_were_not_audited_say_so_in_both_panels():
    figure = draw_once("utility")
    assert [texts(axes).count("not audited") for axes in figure.axes] == [0, 1, 1]


def test_the_audit_s_size_and_confidence_are_told():
    notes = said(draw_once("utility"))
    assert "1,000 canaries, 200 guesses; a bound alone holds with 97.5 or 98.3 % confidence" in notes
    assert "all of a level together with 95 %" in notes
    assert "At least 0: that score showed nothing, which proves nothing." in notes
    assert "Level inf: no bound from gradients." in notes


def test_advantages_stand_with_their_intervals_over_what_chance_reaches():
    figure = draw_once("utility")
    axes = figure.axes[2]
    assert marks(axes, "density", ATTACKS) == [0.2, 0.2]
    assert [bar[1:] for bar in bars(axes)] == [(0, 0.25)] * 6
    spans = [tuple(np.round(each.get_segments()[0][:, 1], 6)) for each in axes.findobj(LineCollection)]
    assert spans == [(0.3, 0.5), (0.2, 0.4), (0.1, 0.3)] * 2
    assert any("not bounds" in text for text in texts(figure))
    assert "4,100 patches of 41 training patients against 500 of 5 others." in said(figure)


def test_scores_and_attacks_are_told_apart_by_colour_and_by_marker():
    for looks in (SCORES, ATTACKS):
        for part in (1, 2):
            assert len({look[part] for look in looks.values()}) == len(looks)
    assert {look[1] for look in (*SCORES.values(), *ATTACKS.values())} <= set(PALETTE.values())


def test_a_panel_an_attack_has_a_curve_a_level_with_its_band_and_the_diagonal():
    figure = draw_once("attacks")
    for axes, advantage in zip(figure.axes[1::2], ADVANTAGES.values(), strict=True):
        diagonal, *curves = axes.get_lines()
        assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
        assert len(curves) == len(axes.findobj(PolyCollection)) == 2
        for curve in curves:
            np.testing.assert_allclose(curve.get_ydata(), RATES ** (1 - advantage))


def test_logarithmic_panels_end_where_the_number_of_others_ends():
    axes = draw_once("attacks").axes[2]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim() == (0.002, 1)


def test_areas_stand_with_intervals_under_the_curves_by_rising_eps():
    shown = [text for text in texts(draw_once("attacks")) if "AUC" in text]
    assert shown[:2] == ["ε = 6.24 a patch: AUC 0.70 (0.60 to 0.80)", "ε = ∞: AUC 0.70 (0.60 to 0.80)"]
    assert len(shown) == 6


def test_few_patients_leave_curves_without_bands_and_intervals_over_patches_with_a_word_about_it():
    figure = attacks(attacks_data(roc(few=True), membership(few=True)))
    bands = figure.axes[1].findobj(PolyCollection)
    assert not [path for band in bands for path in band.get_paths() if len(path.vertices)]
    assert "ε = 6.24 a patch: AUC 0.70 (0.68 to 0.72)" in texts(figure)
    assert "over patches, with fewer than 3 patients on a side: too narrow" in said(figure)


@pytest.mark.parametrize("name", CASES)
def test_good_and_bad_cases_draw_from_their_csv_without_warnings_on_a_page_and_no_texts_overlap(name):
    scores, found, risks, curves = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores, found, risks = (as_read_back(table) for table in (scores(), found, risks))
        about = {"steps": steps() if len(found) else ()}
        figures = [utility_privacy(as_read_back(utility_privacy_data(scores, found, risks, **about)))]
        if curves is not None:
            figures.append(attacks(as_read_back(attacks_data(as_read_back(curves), risks))))
        for figure in figures:
            assert not overlaps(figure)
            assert figure.get_size_inches()[0] <= 7


def test_the_study_s_eight_levels_fit_a_page():
    noises = (0.65, 0.725, 0.8, 1, 1.2, 1.5, 2)
    full = [
        rows(f"wgan/noise-{noise:g}/run-1/epoch-50", "private", [0.4], noise=noise, run=1, eps=6.24 / k)
        for k, noise in enumerate(noises, start=1)
    ]
    levels = {f"noise-{noise:g}": 6.24 / k for k, noise in enumerate(noises, start=1)}
    figure = utility_privacy(utility_privacy_data(pd.concat([study(), *full]), bounds(levels), membership()))
    assert figure.get_size_inches()[0] <= 7
    assert not overlaps(figure)


def test_tables_read_back_from_csv_with_the_level_inf_alone_make_the_same_data():
    scores, found, risks, curves = CASES["only inf"]
    read = [as_read_back(table) for table in (scores(), found, risks, curves)]
    pd.testing.assert_frame_equal(
        utility_privacy_data(*read[:3]), utility_privacy_data(scores(), found, risks), check_dtype=False
    )
    pd.testing.assert_frame_equal(
        attacks_data(read[3], read[2]), attacks_data(curves, risks), check_dtype=False
    )
