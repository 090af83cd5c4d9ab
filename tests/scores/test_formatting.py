"""Numbers as figures, tables and the terminal print them."""

import numpy as np
import pytest

from privessel.scores.formatting import (
    eps_columns,
    format_eps,
    format_interval,
    format_p,
    format_score,
    say_eps,
)


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [(0.7, 0.05, "0.70 ± 0.05"), (12.34, 4.56, "12.3 ± 4.6"), (340.4, 0, "340 ± 0"), (0.5, np.nan, "0.50"),
     (np.nan, np.nan, "missing"), (9.999, np.nan, "10.0")],
)  # fmt: skip
def test_score_is_printed_with_the_digits_it_deserves(mean, sd, text):
    assert format_score(mean, sd) == text


@pytest.mark.parametrize(
    ("eps", "text"),
    [(6.2412, "6.24"), (10.18, "10.2"), (0.82, "0.82"), (101.3, "101"), (np.inf, "∞"), (np.nan, "–")],
)
def test_eps_is_printed_with_three_digits(eps, text):
    assert format_eps(eps) == text


@pytest.mark.parametrize(
    ("eps", "unit", "text"),
    [(7.669, "patch", "ε = 7.67 a patch"), (5785.2, "patient", "ε = 5,785 a patient"), (np.inf, "", "ε = ∞"),
     (123456.0, "patch", "ε > 10^5 a patch"), (0.0, "", "ε = 0")],
)  # fmt: skip
def test_an_eps_is_said_with_whom_it_is_for_and_no_digits_that_mean_nothing(eps, unit, text):
    assert say_eps(eps, unit=unit) == text


def test_the_patient_comes_first_and_covers_regions_and_patches_where_it_is_the_unit():
    assert list(eps_columns("patch")) == ["patient", "region", "patch", "published"]
    assert list(eps_columns("patient").items()) == [
        ("patient", "eps_patient"),
        ("published", "eps_published"),
    ]


def test_an_interval_has_the_digits_of_its_ends_and_p_no_false_precision():
    assert format_interval(0.1, 12.34) == "0.10 to 12.3"
    assert format_interval(np.nan, np.nan) == ""
    assert [format_p(p) for p in (0.25, 0.0321, 1e-5)] == ["0.25", "0.032", "< 0.001"]


def test_a_terminal_without_symbols_gets_words():
    assert [format_eps(eps, infinity="inf", none="-") for eps in (np.inf, np.nan)] == ["inf", "-"]
