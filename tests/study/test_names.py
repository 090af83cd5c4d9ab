"""Names of levels, GANs and settings: what is printed is read back, and nothing else is read."""

import doctest
import re

import pytest

from privessel.study import names
from privessel.study.names import LEVEL, PAIRS_NAME, PRIVATE_LEVEL, GanName, Level


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(names).failed == 0


@pytest.mark.parametrize("name", ["inf", "noise-0.65", "noise-2", "eps-10", "eps-0.05", "noise-100.125"])
def test_a_level_is_printed_as_it_was_read(name):
    level = Level.parse(name)
    assert str(level) == name
    assert level.private == (name != "inf") == bool(re.fullmatch(PRIVATE_LEVEL, name))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "noise",
        "noise-",
        "noise-0",
        "eps-0",
        "noise-1.50",
        "noise-01",
        "eps--1",
        "noise-1e3",
        "INF",
        "inf-1",
    ]
    + ["noise-0.0", "noise-.5", "noise-1\n"],
)
def test_no_other_text_is_a_level(name):
    assert not re.fullmatch(LEVEL, name)
    with pytest.raises(ValueError, match="level"):
        Level.parse(name)


@pytest.mark.parametrize("tail", ["", "/epoch-29", "/epoch-29-shuffled"])
@pytest.mark.parametrize("level", ["inf", "noise-0.725", "eps-5"])
def test_a_gan_is_printed_as_it_was_read(level, tail):
    name = f"wgan-gp-sn/{level}/run-12{tail}"
    gan = GanName.parse(name)
    assert str(gan) == name
    assert (gan.arch, gan.level, gan.run) == ("wgan-gp-sn", level, 12)
    assert str(gan.run_name) == f"wgan-gp-sn/{level}/run-12"
    assert gan.model == f"wgan-gp-sn/{level}{tail}"
    assert bool(re.fullmatch(PAIRS_NAME, name)) == (tail == "/epoch-29")


@pytest.mark.parametrize(
    "name",
    [
        "real",
        "phantom-one",
        "ixi",
        "wgan/inf",
        "wgan/inf/run-0",
        "wgan/noise-0/run-1",
        "wgan/inf/run-1/epoch-0",
    ],
)
def test_no_other_text_is_a_gan(name):
    assert not GanName.is_one(name)
    with pytest.raises(ValueError, match="names no GAN"):
        GanName.parse(name)
