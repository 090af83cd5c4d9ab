"""A private U-Net in tables and figures: beside GANs and votes, under its own name, with its own eps."""

import numpy as np
import pandas as pd
import pytest
from scores.examples import demo, free_rows, study, unet_rows, vote_rows

from privessel.figures.errors import fig4_data
from privessel.figures.gans import gan_comparison_data
from privessel.figures.scores import fig3, fig3_data
from privessel.figures.significance import statistics, statistics_data
from privessel.figures.style import UNET_LEVEL
from privessel.figures.table import table1, table1_data
from privessel.quality.embedding import choose_sets
from privessel.report.summary import summary
from privessel.scores.choice import choose_levels
from privessel.scores.tally import choose_private, name_unit, order_levels, tally
from privessel.study.names import PRIVATE_UNET

UNET = "private-unet/eps-8/run-1"


def with_unet(scores, **more):
    return pd.concat([scores, vote_rows(), unet_rows(**more)], ignore_index=True)


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text")))


def test_it_is_a_level_beside_the_gans_and_never_the_private_gan_that_is_chosen():
    rows = tally(with_unet(study()))
    assert UNET in set(order_levels(rows)["source"])
    assert "wgan" in choose_private(rows)
    assert choose_private(rows, kind=PRIVATE_UNET) == UNET
    assert name_unit(rows) == "patch"
    assert name_unit(tally(pd.concat([*free_rows(), vote_rows(), unet_rows()]))) == "patch"
    assert UNET in set(choose_levels(with_unet(study()))["source"])


def test_of_several_runs_of_a_level_the_one_that_validation_patients_chose_is_shown():
    runs = [unet_rows(run=number, validation_dsc=dsc) for number, dsc in ((1, 0.5), (2, 0.7), (3, 0.6))]
    rows = tally(pd.concat([study(), *runs], ignore_index=True))
    assert set(rows[(rows["kind"] == PRIVATE_UNET) & rows["best"]]["source"]) == {"private-unet/eps-8/run-2"}
    assert set(rows[rows["kind"] == PRIVATE_UNET]["model"]) == {"private-unet/eps-8"}


def test_table_1_has_a_row_of_it_with_every_eps():
    data = table1_data(with_unet(study()), seed=1)
    row = data[data["source"] == UNET].iloc[0]
    assert (row["eps_patient"], row["eps_region"], row["eps"]) == (2e5, 90, 7.99)
    told = texts(table1(data))
    assert "Private U-Net (no data)" in told
    assert "a public one that was trained further on patients" in told


def test_figure_3_shows_it_at_its_eps_and_says_that_nothing_like_it_was_published():
    data = fig3_data(with_unet(demo()), seed=1)
    assert set(data[data["source"] == UNET]["panel"]) == {"A", "B", "C"}
    assert " U-Net " in texts(fig3(data))


def test_the_paired_tests_hold_it_against_real_patches_and_against_weaker_noise_of_its_own_kind():
    scores = pd.concat([with_unet(study()), unet_rows(level="eps-1", noise_multiplier=0.9, eps=1.0)])
    data = statistics_data(scores.reset_index(drop=True), seed=1)
    pairs = data[(data["shows"] == "pair") & (data["one"] == "private-unet/eps-1/run-1")]
    assert set(pairs["against"]) >= {"real", "phantom-one", "threshold"}
    assert set(pairs[pairs["against"] == "next"]["other"]) == {UNET}
    others = data[data["one"].str.startswith("wgan") | data["one"].str.startswith("vote")]
    assert not others["other"].astype(str).str.startswith("private-unet").any()
    assert "private U-Net, eps-8" in texts(statistics(data))


def test_gans_of_2021_stand_beside_it():
    data = gan_comparison_data(with_unet(study()).assign(hd95_mm=1.0))
    assert "private U-Net, ε = 7.99 a patch" in set(data["name"])


def test_it_has_no_images_and_so_no_place_in_the_embedding():
    sets = choose_sets(with_unet(study()))
    assert not sets["source"].str.startswith("private-unet").any()


def test_the_error_maps_name_it():
    columns = choose_levels(with_unet(study())).assign(dsc=0.5, bahd_voxel=1.0)
    truth = np.zeros((9, 9, 5), bool)
    truth[4, 4] = True
    given = {"image": truth.astype(float), "truth": truth, "predictions": [truth] * len(columns)}
    data = fig4_data(**given, columns=columns)
    assert f"{UNET_LEVEL}eps-8" in set(data["level"])
    assert "eps-1" in set(data["level"])


@pytest.mark.parametrize("make", [study, demo])
def test_without_one_nothing_speaks_of_it(make):
    assert "private u-net" not in texts(table1(table1_data(make(), seed=1))).lower()


def test_the_summary_says_whom_it_protects_what_it_is_worth_and_whether_it_beats_what_is_free():
    told = summary(with_unet(study()), figures=[], study="demo", public=False)
    assert f"{UNET} protects no whole patient: eps >10^5 of a whole patient." in told
    assert "A private U-Net: a public U-Net that was trained further on patients, by noisy gradients." in told
    assert f"The same for {UNET}, the private U-Net with the best validation DSC:" in told
    protecting = summary(with_unet(study(), eps_patient=3.0), figures=[], study="demo", public=False)
    assert f"{UNET} protects every training patient: eps 3 of a whole patient." in protecting
    assert "private U-Net" not in summary(study(), figures=[], study="demo", public=False)
