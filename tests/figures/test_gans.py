"""The comparison of architectures: which sources it shows, and their patients, means and SDs."""

from functools import cache

import numpy as np
import pytest
from figures.examples import architectures
from figures.looking import as_read_back, cut_off, texts

from privessel.figures.gans import gan_comparison, gan_comparison_data


@cache
def drawn():
    """Return the data and the figure of the full study; tests only look at them."""
    data = gan_comparison_data(architectures())
    return data, gan_comparison(data)


def test_comparison_has_one_row_an_architecture_between_real_patches_and_what_costs_nothing():
    data, _ = drawn()
    assert list(dict.fromkeys(data["name"])) == [
        "real patches",
        "WGAN, ε = ∞",
        "DCGAN, ε = ∞",
        "WGAN-GP-SN, ε = ∞",
        "WGAN, ε = 6.24 a patch (published 10.2)",
        "phantom-random (ε = 0)",
        "phantom-one (ε = 0)",
        "threshold (ε = 0)",
        "frangi (ε = 0)",
    ]
    assert "wgan-gp-sn/inf/run-2/epoch-50" in set(data["source"])
    assert "wgan-gp-sn/inf/run-1/epoch-50" not in set(data["source"])


def test_comparison_has_every_patient_and_mean_and_sample_sd_of_both_metrics():
    data, figure = drawn()
    dcgan = data[(data["source"] == "dcgan/inf/run-1/epoch-50") & (data["cohort"] == "phantom-b")]
    for metric, patients, sd in (("dsc", [0.5, 0.7], 0.2), ("hd95_mm", [20, 16], 4)):
        own = dcgan[dcgan["metric"] == metric]
        np.testing.assert_allclose(own[own["shows"] == "patient"]["value"], patients)
        mean = own[own["shows"] == "mean"].iloc[0]
        assert mean["value"] == pytest.approx(np.mean(patients))
        assert mean["sd"] == pytest.approx(sd / np.sqrt(2))
    assert {"0.60 ± 0.14", "18.0 ± 2.8"} <= set(texts(figure))


def test_comparison_has_two_panels_a_cohort():
    frame = architectures()
    assert len(drawn()[1].axes) == 4
    assert len(gan_comparison(gan_comparison_data(frame[frame["cohort"] == "phantom-a"])).axes) == 2


def test_long_names_of_sources_are_not_cut_off_at_the_left_edge():
    frame = architectures()
    private = frame["kind"] == "private"
    frame.loc[private, ["eps", "eps_published"]] = 123_456.0
    assert not cut_off(gan_comparison(gan_comparison_data(frame)))


def test_architecture_that_was_not_evaluated_is_a_row_of_its_own():
    frame = architectures()
    frame.loc[frame["source"] == "dcgan/inf/run-1/epoch-50", ["dsc", "hd95_mm"]] = np.nan
    shown = texts(gan_comparison(as_read_back(gan_comparison_data(frame))))
    assert "DCGAN, ε = ∞" in shown
    assert shown.count("missing") == 4
