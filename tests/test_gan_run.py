"""Which key draws a run's randomness, and which runs get none."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from privessel.errors import PrivacyError
from privessel.gan_run import GanRun

RUN = GanRun(arch="wgan", level="noise-0.65", number=1, cohort="phantom-a", public=True)


def drawn(run, seed=2022):
    return run.stream(seed=seed).normal("noise", 3, 64)


def test_a_public_run_repeats_and_shares_no_draw_with_another_level_number_architecture_or_seed():
    assert np.array_equal(drawn(RUN), drawn(replace(RUN, cohort="phantom-b")))
    others = [replace(RUN, level="noise-0.6"), replace(RUN, level="inf"), replace(RUN, number=2)]
    draws = [drawn(run) for run in (RUN, *others, replace(RUN, arch="other"))] + [drawn(RUN, seed=1)]
    for one, other in combinations(draws, 2):
        assert np.isin(one, other).sum() < 4


def test_a_private_level_on_patients_gets_no_published_seed_and_level_inf_does():
    patients = replace(RUN, cohort="pegasus", public=False)
    with pytest.raises(PrivacyError, match=r"cohort pegasus is not marked `public: true`.*Remedy"):
        patients.stream(seed=2022)
    drawn(replace(patients, level="inf"))


@pytest.mark.parametrize(("level", "noise"), [("inf", None), ("noise-0.65", 0.65), ("noise-2", 2.0)])
def test_the_noise_multiplier_is_in_the_level_s_name(level, noise):
    assert replace(RUN, level=level).noise_multiplier == noise
