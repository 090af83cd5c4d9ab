import numpy as np
import pytest

from privessel.scores.table import by_run, describe, find_eps
from privessel.scores.tally import IDENTITY

WGAN = "wgan/noise-1/run-2/epoch-10"
COMPARED = "dcgan/inf/run-1/epoch-50"


def privacy_json(arch, level, run, *, noise, epochs):
    record = {"arch": arch, "level": level, "run": run, "noise_multiplier": noise}
    spent = {
        str(e): {
            "patient": {"epsilon": eps and 1000 * eps}, "region": {"epsilon": eps and 20 * eps},
            "epsilon": eps, "epsilon_as_published": eps and eps / 2,
        }
        for e, eps in epochs.items()
    }  # fmt: skip
    return record | {"epochs": spent} | ({"unit": "patch"} if noise else {})


PRIVACY = by_run(
    [
        privacy_json("wgan", "noise-1", 1, noise=1.0, epochs={10: 5.0}),
        privacy_json("wgan", "noise-1", 2, noise=1.0, epochs={10: 3.0, 50: 9.0}),
        privacy_json("dcgan", "noise-1", 2, noise=0.5, epochs={10: 30.0}),
        privacy_json("dcgan", "inf", 1, noise=None, epochs={50: None}),
    ]
)


def test_eps_of_a_source_is_that_of_its_own_architecture_run_and_epoch():
    record = {"arch": "wgan", "level": "noise-1", "run": 2, "epoch": 10}
    assert find_eps(record, PRIVACY) == {
        "noise_multiplier": 1.0, "unit": "patch", "eps_patient": 3000.0, "eps_region": 60.0,
        "eps": 3.0, "eps_published": 1.5,
    }  # fmt: skip
    assert find_eps(record | {"epoch": 50}, PRIVACY)["eps"] == 9.0
    assert find_eps(record | {"arch": "dcgan"}, PRIVACY)["eps"] == 30.0


def test_eps_without_noise_is_infinite_and_without_a_gan_absent():
    record = {"arch": "dcgan", "level": "inf", "run": 1, "epoch": 50}
    assert set(find_eps(record, PRIVACY).values()) == {np.inf}
    assert list(find_eps(record, PRIVACY)) == ["eps_patient", "eps_region", "eps", "eps_published"]
    assert find_eps({"kind": "real"}, PRIVACY) == {}


def test_sources_are_described_by_what_they_are_their_eps_and_what_validation_chose():
    sources = {
        "real": {"kind": "real"},
        WGAN: {"kind": "private", "arch": "wgan", "level": "noise-1", "run": 2, "epoch": 10},
        COMPARED: {"kind": "compared", "arch": "dcgan", "level": "inf", "run": 1, "epoch": 50},
        "frangi": {"kind": "baseline"},
    }
    chosen = {source: {"setting": f"of {source}", "validation_dsc": 0.5} for source in sources}
    chosen["frangi"] = {"validation_dsc": 0.25}
    table = describe(sources=sources, selections=chosen, privacy=PRIVACY).set_index("source")
    assert [table.index.name, *table.columns] == [*IDENTITY, "setting"]
    assert list(table.index) == list(sources)
    assert table["kind"].tolist() == ["real", "private", "compared", "baseline"]
    assert table["level"].tolist() == ["", "noise-1", "inf", ""]
    np.testing.assert_array_equal(table["eps"], [np.nan, 3.0, np.inf, np.nan])
    np.testing.assert_array_equal(table["eps_published"], [np.nan, 1.5, np.inf, np.nan])
    np.testing.assert_array_equal(table["noise_multiplier"], [np.nan, 1.0, np.nan, np.nan])
    assert table["setting"].tolist() == ["of real", f"of {WGAN}", f"of {COMPARED}", ""]
    assert table["validation_dsc"].tolist() == [0.5, 0.5, 0.5, 0.25]


def test_a_study_without_privacy_has_the_same_columns():
    sources = {"real": {"kind": "real"}}
    table = describe(sources=sources, selections={"real": {"validation_dsc": 0.5}}, privacy={})
    assert list(table.columns) == [*IDENTITY, "setting"]
    assert table["eps"].isna().all()


def test_a_run_without_a_privacy_record_is_no_silent_gap():
    with pytest.raises(KeyError):
        find_eps({"arch": "wgan", "level": "noise-1", "run": 3, "epoch": 10}, PRIVACY)
