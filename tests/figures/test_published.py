"""The papers' results beside this run's: the right counterpart for each, and what is missing said."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from figures.looking import as_read_back, said, texts

from privessel.figures.published import published, published_data

PUBLISHED = pd.read_csv(Path(__file__).parents[2] / "report" / "published.csv")


LEVELS = {2.0: (0.8, 1.3), 1.5: (1.1, 1.9), 0.8: (3.5, 5.7), 0.65: (6.2, 10.2)}


def rows(source, kind, dsc, *, noise=np.nan, run=np.nan, validation=0.5, cohorts=("own-a", "second-b")):
    eps, printed = LEVELS.get(noise, (np.inf, np.inf) if kind in ("inf", "compared") else (np.nan, np.nan))
    return pd.DataFrame(
        [
            {"source": source, "kind": kind, "level": source.split("/")[1] if "/" in source else ""}
            | {"noise_multiplier": noise, "run": run, "epoch": 50, "eps": eps, "eps_published": printed}
            | {"eps_patient": 1000 * eps, "eps_region": 20 * eps}
            | {"unit": "patch" if np.isfinite(noise) else "", "validation_dsc": validation, "cohort": cohort}
            | {"patient": f"{cohort}-{k}", "dsc": dsc - lost + shift, "bahd_voxel": 2.0, "hd95_voxel": 20 + k}
            | {"empty": 0, "cldice": dsc, "component_error": 1}
            for cohort, lost in zip(cohorts, (0, 0.1), strict=False)
            for k, shift in enumerate((-0.05, 0.05))
        ]
    )


def study():
    gans = [rows("wgan/inf/run-1/epoch-50", "inf", 0.8, run=1)]
    for noise, dsc in ((2.0, 0.1), (1.5, 0.3), (0.8, 0.5), (0.65, 0.6)):
        gans.append(
            rows(f"wgan/noise-{noise:g}/run-1/epoch-50", "private", dsc, noise=noise, run=1, validation=dsc)
        )
    return pd.concat(
        [
            rows("real", "real", 0.9),
            rows("threshold", "baseline", 0.55),
            *gans,
            rows("wgan-gp-sn/inf/run-1/epoch-50", "compared", 0.85, run=1),
        ]
    )


def quality(scores, extractor="FID"):
    table = scores[scores["source"].str.contains("/") | scores["source"].eq("real")].drop_duplicates("source")
    known = {
        "real": (10, 0.2),
        "wgan/inf/run-1/epoch-50": (70, 0.3),
        "wgan/noise-2/run-1/epoch-50": (400, 0.97),
    }
    known |= {"wgan/noise-1.5/run-1/epoch-50": (350, 0.95), "wgan/noise-0.8/run-1/epoch-50": (250, 0.7)}
    found = [known.get(source, (230, 0.6)) for source in table["source"]]
    return table.assign(
        frechet_train=[a for a, _ in found], ssim_mean=[b for _, b in found], extractor=extractor
    )


def transfer():
    tuned = [
        {"start": start, "kind": "", "unit": "", "eps": np.nan, "patients": patients, "draw": draw}
        | {"cohort": "second-b", "patient": patient, "hd95_voxel": 25.0}
        | {"dsc": 0.5 + 0.1 * patients + (0.2 if "/" in start else 0) + 0.02 * draw + 0.1 * k}
        for start in ("scratch", "wgan-gp-sn/inf/run-1/epoch-50", "wgan/noise-0.65/run-1/epoch-50")
        for patients in (1, 2)
        for draw in (1, 2)
        for k, patient in enumerate(("x", "y"))
    ]
    # The lines of the figure, which are nothing the paper tuned on one patient.
    free = [
        {"start": start, "kind": kind, "eps": np.nan, "patients": 0, "draw": 0, "cohort": "second-b"}
        | {"patient": patient, "hd95_voxel": 99.0, "dsc": 0.99}
        for start, kind in (("phantom-one", "phantom"), ("frangi", "baseline"))
        for patient in ("x", "y")
    ]
    return pd.DataFrame([*free, *tuned])


NOTHING = pd.DataFrame(columns=["source", "start", "kind"])


def data_of(scores=None, *, fid="FID", quality_table=None, transfers=None):
    scores = study() if scores is None else scores
    table = quality(scores, fid) if quality_table is None else quality_table
    return published_data(PUBLISHED, scores, table, transfer() if transfers is None else transfers)


def found(data, quantity, model, cohort=None, noise=None):
    part = data[(data["quantity"] == quantity) & (data["model"] == model)]
    part = part if cohort is None else part[part["cohort"] == cohort]
    part = part if noise is None else part[part["noise_multiplier"] == noise]
    return part.iloc[0]


@cache
def full_data():
    """Return the comparison of the full study; tests only look at it."""
    return data_of()


@pytest.mark.parametrize(
    ("quantity", "model", "cohort", "value", "own"),
    [
        ("dsc", "inf", "own-a", 0.84, 0.8),
        ("dsc", "inf", "second-b", 0.88, 0.7),
        ("dsc", "private", "own-a", 0.75, 0.6),
        ("dsc", "private", "second-b", 0.69, 0.5),
        ("dsc", "real", "own-a", 0.89, 0.9),
        ("hd95_voxel", "real", "own-a", 26.57, 20.5),
        ("dsc", "wgan-gp-sn", "own-a", 0.85, 0.85),
        ("dsc", "transfer", "second-b", 0.91, 0.88),
        ("dsc", "scratch", "second-b", 0.84, 0.68),
    ],
)
def test_each_published_score_stands_beside_its_counterpart(quantity, model, cohort, value, own):
    row = found(full_data(), quantity, model, cohort)
    assert row["value"] == value
    assert row["found"] == pytest.approx(own)


def test_a_bound_of_the_paper_is_held_against_the_worst_of_the_levels_it_is_about():
    data = full_data()
    # Published eps below 5: noise 1.5 (0.3) and 2 (0.1); noise 0.8 has 5.7.
    assert found(data, "dsc", "private-below")["found"] == pytest.approx(0.3)
    assert found(data, "ssim_mean", "private-below")["found"] == pytest.approx(0.95)
    assert "lowest" in found(data, "ssim_mean", "private-below")["remark"]


def test_distances_to_the_training_patches_are_of_the_same_noise():
    data = full_data()
    assert found(data, "frechet_train", "inf")["found"] == 70
    assert found(data, "frechet_train", "noise", noise=0.8)["found"] == 250
    assert found(data, "frechet_train", "noise", noise=0.65)["found"] == 230


def test_a_distance_of_another_extractor_is_not_called_fid():
    name = "Frechet distance (EfficientNet-Lite0)"
    data = data_of(fid=name)
    assert found(data, "frechet_train", "inf")["remark"] == f"not FID: {name}"
    shown = said(published(data))
    assert "another scale than FID" in shown
    assert "another scale than FID" not in said(published(full_data()))


def test_what_costs_no_privacy_is_listed_below_though_no_paper_has_it():
    data = full_data()
    free = data[data["model"] == "free"]
    assert free["value"].isna().all()
    assert found(data, "dsc", "free", "own-a")["found_eps"] == 0
    assert {"threshold", "Not in the papers"} <= set(texts(published(data)))


def test_published_numbers_are_those_of_the_papers():
    values = PUBLISHED.groupby("citation")["value"].apply(list).to_dict()
    assert values["Kossen et al. 2022"] == [0.84, 0.75, 0.88, 0.69, 0.61, 62, 244, 228, 0.98]
    assert values["Kossen et al. 2021"] == [0.89, 26.57, 0.85, 30.0, 0.91, 24.66, 0.84, 27.36]
    assert "eps_published" in PUBLISHED


CASES = {
    "all": study(),
    "no private level": study()[lambda frame: frame["kind"] != "private"],
    "only real": rows("real", "real", 0.9),
    "one cohort": study()[lambda frame: frame["cohort"] == "own-a"],
    "no result": study().assign(dsc=np.nan, hd95_voxel=np.nan),
}


@pytest.mark.parametrize("case", CASES)
def test_missing_counterparts_are_said_and_nothing_crashes(case):
    data = data_of(CASES[case])
    assert len(data[data["value"].notna()]) == len(PUBLISHED)
    figure = published(as_read_back(data))
    assert ("missing" in texts(figure)) == data["found"].isna().any()


def test_a_study_of_scores_alone_has_no_counterpart_for_images_and_transfer():
    data = data_of(quality_table=NOTHING, transfers=NOTHING)
    lost = data[
        data["quantity"].isin(["frechet_train", "ssim_mean"]) | data["model"].isin(["transfer", "scratch"])
    ]
    assert len(lost)
    assert lost["found"].isna().all()
    assert texts(published(as_read_back(data))) == texts(published(data))


def test_a_public_cohort_of_any_name_is_listed():
    data = data_of(pd.concat([study(), rows("ixi", "phantom", 0.7)]))
    free = data[(data["model"] == "free") & (data["source"] == "ixi")]
    assert free["found"].tolist() == pytest.approx([0.7, 0.6])
