"""The epoch study's table: each generator beside the eps of its own epoch."""

import numpy as np
import pandas as pd

from privessel.scores.epochs import collect


def test_a_generator_stands_beside_the_eps_of_its_epoch_and_the_mean_over_validation_patients():
    sources = {
        f"wgan/noise-1/run-2/epoch-{epoch}": {"arch": "wgan", "level": "noise-1", "run": 2, "epoch": epoch}
        | {"kind": "private", "noise_multiplier": 1.0, "eps": eps, "eps_published": 2 * eps, "unit": "patch"}
        for epoch, eps in ((5, 1.5), (29, 7.4))
    }
    rows = [("epoch-5", 0.1), ("epoch-5", 0.3), ("epoch-29", 0.7), ("epoch-29", 0.5)]
    metrics = pd.DataFrame([{"source": f"wgan/noise-1/run-2/{epoch}", "dsc": dsc} for epoch, dsc in rows])
    table = collect(metrics, sources=sources, kept=["wgan/noise-1/run-2/epoch-29"], free={})
    assert table["epoch"].tolist() == [5, 29]
    assert table["eps"].tolist() == [1.5, 7.4]
    assert np.allclose(table["dsc_mean"], [0.2, 0.6])
    assert np.allclose(table["dsc_sd"], 0.2 / np.sqrt(2))
    assert table["patients"].tolist() == [2, 2]
    assert table["kept"].tolist() == [False, True]


def test_without_privacy_the_eps_is_infinite_and_one_patient_has_no_sd():
    source = "wgan/inf/run-1/epoch-1"
    record = {"arch": "wgan", "level": "inf", "run": 1, "epoch": 1, "eps": np.inf, "eps_published": np.inf}
    metrics = pd.DataFrame([{"source": source, "dsc": 0.4}])
    table = collect(metrics, sources={source: record}, kept=[], free={})
    assert np.isinf(table["eps"].iloc[0])
    assert np.isnan(table["dsc_sd"].iloc[0])
    assert np.isnan(table["noise_multiplier"].iloc[0])


def test_what_costs_no_eps_stands_below_with_the_score_of_its_chosen_setting_and_without_an_epoch():
    source = "wgan/inf/run-1/epoch-1"
    record = {"kind": "inf", "arch": "wgan", "level": "inf", "run": 1, "epoch": 1, "eps": np.inf}
    free = {
        "phantom-one": {"kind": "phantom", "validation_dsc": 0.6, "settings": {"a": 0.5, "b": 0.6}},
        "frangi": {"kind": "baseline", "validation_dsc": 0.7, "parameters": {"cutoff": 0.1}},
    }
    metrics = pd.DataFrame([{"source": source, "dsc": 0.4}])
    table = collect(metrics, sources={source: record}, kept=[], free=free)
    assert table["source"].tolist() == [source, "phantom-one", "frangi"]
    assert table["kind"].tolist() == ["inf", "phantom", "baseline"]
    assert table["dsc_mean"].tolist() == [0.4, 0.6, 0.7]
    assert table["kept"].tolist() == [False, True, True]
    below = table[1:]
    assert below[["arch", "level", "run", "epoch", "eps", "eps_published", "dsc_sd"]].isna().all(axis=None)
    # In the file a run stays 1 and not 1.0.
    assert table.to_csv(index=False).splitlines()[1].startswith(f"{source},inf,wgan,inf,,1,1,inf,")
