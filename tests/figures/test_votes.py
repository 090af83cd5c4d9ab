"""A vote of patients in tables and figures: beside the GANs, under its own name, with its own eps."""

import numpy as np
import pandas as pd
import pytest
from scores.examples import demo, for_patients, free_rows, study, vote_rows

from privessel.figures.embedding import fig9, fig9_data
from privessel.figures.gans import gan_comparison_data
from privessel.figures.scores import fig3, fig3_data
from privessel.figures.significance import statistics, statistics_data
from privessel.figures.table import table1, table1_data
from privessel.quality.embedding import choose_sets
from privessel.scores.choice import choose_levels, choose_lowest
from privessel.scores.tally import choose_private, name_unit, order_levels, tally

VOTE = "vote/eps-1/run-1"


def with_vote(scores):
    return pd.concat([scores, vote_rows()], ignore_index=True)


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text")))


def test_a_vote_is_a_level_beside_the_gans_and_never_the_private_gan_that_is_chosen():
    rows = tally(with_vote(study()))
    assert VOTE in set(order_levels(rows)["source"])
    assert "noise" in choose_private(rows)
    assert name_unit(rows) == "patch"
    assert name_unit(tally(pd.concat([*free_rows(), vote_rows()]))) == "patient"
    assert VOTE in set(choose_levels(with_vote(study()))["source"])
    assert VOTE not in set(choose_lowest(with_vote(study()), 3)["source"])


def test_table_1_has_a_row_of_the_vote_with_the_eps_of_a_patient_first():
    data = table1_data(with_vote(study()), seed=1)
    row = data[data["source"] == VOTE].iloc[0]
    assert (row["row"], row["eps_patient"], row["eps_region"], row["eps"]) == ("Vote of patients", 1, 2, 2)
    told = texts(table1(data))
    assert "Vote of patients" in told
    assert "one whole training patient, replaced by an empty one, at delta 0" in told


def test_figure_3_shows_the_vote_at_its_eps_and_names_it_in_place_of_noise():
    data = fig3_data(with_vote(demo()), seed=1)
    assert set(data[data["source"] == VOTE]["panel"]) == {"A", "B", "C"}
    assert " vote " in texts(fig3(data))


def test_the_paired_tests_hold_the_vote_against_real_patches_and_call_it_no_weaker_level():
    data = statistics_data(with_vote(study()), seed=1)
    pairs = data[(data["shows"] == "pair") & (data["one"] == VOTE)]
    assert set(pairs["against"]) == {"real", "phantom-one", "phantom-random", "threshold", "frangi"}
    assert not (data["other"] == VOTE).any()
    assert "vote, eps-1" in texts(statistics(data))


def test_gans_of_2021_stand_beside_the_vote():
    data = gan_comparison_data(with_vote(study()).assign(hd95_mm=1.0))
    assert "vote, ε = 1 a patient" in set(data["name"])


def test_the_embedding_has_the_voted_set_with_the_eps_of_a_patient():
    sets = choose_sets(with_vote(study()))
    assert sets.set_index("set").loc["vote", "eps"] == 1
    images = [np.zeros((2, 4, 4), np.uint8) + k for k in range(len(sets))]
    position = np.random.default_rng(0).random((2 * len(sets), 2))
    assert "vote, ε = 1 a patient" in texts(fig9(fig9_data(sets, images, position)))


@pytest.mark.parametrize("make", [study, demo])
def test_without_a_vote_nothing_speaks_of_one(make):
    assert "vote" not in texts(table1(table1_data(make(), seed=1))).lower()


@pytest.mark.parametrize(("change", "unit", "spent"), [(for_patients, "patient", 1), (None, "patch", 2)])
def test_the_paired_tests_print_the_eps_of_the_unit_that_their_heading_names(change, unit, spent):
    scores = with_vote(study())
    data = statistics_data(change(scores) if change else scores, seed=1)
    assert set(data["unit"]) == {unit}
    own = data[(data["one"] == VOTE) | (data["model"] == "vote/eps-1")]
    assert set(own["eps_one"]) == {spent}
    assert set(data[data["model"] == "wgan/noise-0.65/epoch-50"]["eps_one"]) == {6.24}
    assert f"ε of a {unit}" in texts(statistics(data))


@pytest.mark.parametrize(("change", "first"), [(for_patients, VOTE), (None, "noise")])
def test_levels_stand_in_the_order_of_the_eps_that_is_shown(change, first):
    """A noisy GAN between the vote's eps of a patient, 1, and of a patch, 2."""
    scores = with_vote(study()).replace({"eps": {0.82: 1.5}})
    scores = change(scores) if change else scores
    assert first in order_levels(tally(scores))["source"].iloc[0]
    assert first in choose_levels(scores)["source"].iloc[-1]
