"""Each rule of the private step: break one in `mechanism.py` and a test here fails.

Statistical tests draw from a fixed key, so they are deterministic; their bounds are 5 standard errors and
more, which a correct mechanism would break with probability below 1e-6.
"""

import math
from functools import cache

import numpy as np
import pytest
import torch
from tiny_step import Linear, drawn, mechanism

from privessel.gan.nets import Critic, GanShape
from privessel.privacy.clipping import BookKeeping
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import (
    CLIPPING,
    poisson_patients,
    poisson_sample,
    private_gradient,
)

torch.set_num_threads(1)

STREAM = Stream(bytes(range(32)))


class Watched(Stream):
    """A stream that remembers what was drawn from it."""

    def __init__(self):
        super().__init__(bytes(range(32)))
        self.normals = []

    def whole_normal(self, purpose, step, n, *, scale):
        self.normals.append((purpose, step, n))
        return super().whole_normal(purpose, step, n, scale=scale)


@cache
def linear_engine(inputs):
    return BookKeeping(Linear(inputs))


def released(real, fake, *, step=0, stream=STREAM, **changes):
    """The flat gradient that a linear critic's step releases."""
    real, fake = torch.as_tensor(real, dtype=torch.float32), torch.as_tensor(fake, dtype=torch.float32)
    engine = linear_engine(fake.shape[1])
    given = mechanism(**{"noise_multiplier": 1e-9, "generator_batch": changes.get("batch", 4), **changes})
    step = private_gradient(engine, real, fake, stream=stream, step=step, mechanism=given)
    return step[0].flatten().numpy()


# --- Rule 1: a fresh Poisson sample every step ---------------------------------------------------------


@pytest.fixture(scope="module")
def samples():
    """Who took part, (steps, population), at rate 0.2."""
    taken = np.zeros((4000, 60), bool)
    for step, row in enumerate(taken):
        row[poisson_sample(STREAM, step=step, population=60, rate=0.2)] = True
    return taken


def test_every_patch_takes_part_at_the_sampling_rate(samples):
    error = math.sqrt(0.2 * 0.8 / 4000)
    assert np.abs(samples.mean(0) - 0.2).max() < 5 * error


def test_sample_sizes_vary_as_binomial_numbers_do(samples):
    sizes = samples.sum(1)
    variance = 60 * 0.2 * 0.8
    assert sizes.mean() == pytest.approx(12, abs=5 * math.sqrt(variance / 4000))
    assert sizes.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / 4000))


def test_patches_take_part_independently_of_each_other_and_of_the_step_before(samples):
    centred = (samples - 0.2) / 0.4
    between = centred.T @ centred / 4000
    assert np.abs(between - np.diag(np.diag(between))).max() < 6 / math.sqrt(4000)
    after = centred[1:].T @ centred[:-1] / 3999
    assert np.abs(after).max() < 6 / math.sqrt(4000)


def test_a_step_can_be_repeated_and_another_key_draws_others():
    again = [
        poisson_sample(Stream(key), step=7, population=500, rate=0.3)
        for key in (bytes(32), bytes(32), b"k" * 32)
    ]
    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])


def test_an_empty_sample_still_releases_noise_and_the_fakes():
    fake = np.eye(4, 6) * 0.5
    quiet = released(np.zeros((0, 6)), fake)
    np.testing.assert_allclose(quiet, fake.sum(0) / 4, atol=1e-6)
    noise = np.array(
        [released(np.zeros((0, 6)), fake, step=step, noise_multiplier=2.0) - quiet for step in range(500)]
    )
    assert noise.std() == pytest.approx(2.0 / 4, rel=5 / math.sqrt(2 * noise.size))


# --- Rule 2: clip, add noise once, divide by what was expected ------------------------------------------


@pytest.mark.parametrize("drawn_patches", [1, 3, 4, 9])
def test_the_sum_is_divided_by_the_expected_batch_whatever_was_drawn(drawn_patches):
    real = np.tile([0.6, 0, 0], (drawn_patches, 1))
    np.testing.assert_allclose(released(real, np.zeros((4, 3))), [-0.6 * drawn_patches / 4, 0, 0], atol=1e-6)


def test_a_large_real_gradient_counts_with_the_clipping_norm_and_a_small_one_whole():
    real, fake = [[30.0, 40.0, 0], [0, 0, 0.25]], np.zeros((4, 3))
    np.testing.assert_allclose(released(real, fake), np.array([-0.6, -0.8, -0.25]) / 4, atol=1e-6)
    np.testing.assert_allclose(
        released(real, fake, clipping_norm=5.0), np.array([-3.0, -4.0, -0.25]) / 4, atol=1e-5
    )


def test_noise_is_gaussian_with_sigma_c_over_batch_and_independent_between_steps_and_weights():
    sigma, norm, batch, steps, size = 0.7, 3.0, 8, 2000, 10
    fake = np.zeros((batch, size))
    noise = np.array(
        [
            released(
                np.zeros((0, size)), fake, step=step, noise_multiplier=sigma, clipping_norm=norm, batch=batch
            )
            for step in range(steps)
        ]
    )
    scaled = noise / (sigma * norm / batch)
    n = scaled.size
    assert abs(scaled.mean()) < 5 / math.sqrt(n)
    assert scaled.var() == pytest.approx(1, rel=5 * math.sqrt(2 / n))
    assert (scaled**4).mean() == pytest.approx(3, rel=5 * math.sqrt(96 / 9 / n))
    assert np.abs(np.corrcoef(scaled.T) - np.eye(size)).max() < 5 / math.sqrt(steps)
    assert np.abs((scaled[1:] * scaled[:-1]).mean(0)).max() < 5 / math.sqrt(steps)


@pytest.mark.parametrize("clipping", CLIPPING)
def test_one_step_draws_noise_once_however_many_micro_batches_it_takes(clipping):
    critic = Critic(GanShape(24, 4, 2, 3, "batch", "instance", "nearest", noise_map=False))
    size = sum(p.numel() for p in critic.parameters())
    real, fake = drawn(7, 2, 24, 24), drawn(4, 2, 24, 24, seed=1)
    results = []
    for micro_batch in (99, 3, 1):
        stream = Watched()
        found = private_gradient(
            CLIPPING[clipping](critic),
            real,
            fake,
            stream=stream,
            step=5,
            mechanism=mechanism(noise_multiplier=1.0, micro_batch=micro_batch),
        )
        assert stream.normals == [("noise", 5, size)]
        results.append(torch.cat([each.flatten() for each in found]))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], atol=1e-5, rtol=0)


def test_over_many_steps_a_canary_moves_the_release_by_rate_times_norm_and_leaves_the_noise_as_it_is():
    """White box: the whole step, with and without a canary whose gradient is 50 clipping norms."""
    sigma, norm, batch, population, steps = 0.5, 2.0, 5, 10, 1500
    rate = batch / population
    data = np.zeros((population + 1, 4), np.float32)
    data[:population, 1] = 0.5  # everybody else: a gradient of 0.5 along the second axis
    data[population, 0] = 50 * norm
    fake = np.zeros((batch, 4))

    def mean_and_variance(rows, first_step):
        out = np.empty((steps, 4))
        for step in range(steps):
            sample = poisson_sample(STREAM, step=first_step + step, population=rows, rate=rate)
            out[step] = released(
                data[sample],
                fake,
                step=first_step + step,
                noise_multiplier=sigma,
                clipping_norm=norm,
                batch=batch,
            )
        return out.mean(0), out.var(0)

    without, with_canary = mean_and_variance(population, 0), mean_and_variance(population + 1, steps)
    noise = (sigma * norm / batch) ** 2
    jumps = (norm / batch) ** 2 * rate * (1 - rate)  # the canary comes and goes
    others = population * (0.5 / batch) ** 2 * rate * (1 - rate)
    tolerance = 5 * math.sqrt(2 * (noise + jumps + others) / steps)
    shift = with_canary[0] - without[0]
    np.testing.assert_allclose(shift, [-rate * norm / batch, 0, 0, 0], atol=tolerance)
    assert tolerance < 0.3 * rate * norm / batch
    spread = 6 * math.sqrt(2 / steps)
    np.testing.assert_allclose(without[1], [noise, noise + others, noise, noise], rtol=spread)
    np.testing.assert_allclose(with_canary[1], [noise + jumps, noise + others, noise, noise], rtol=spread)


# --- Rule 3: fakes are apart ------------------------------------------------------------------------------


def test_real_and_fake_gradients_are_clipped_apart_and_not_as_pairs():
    real, fake = np.array([[8.0, 0, 0]]), np.array([[9.0, 0, 0], [0, 0.5, 0], [0, 0, 0], [0, 0, 0]])
    # Apart: -1 + 1 along the first axis; as a pair 9 - 8 = 1 would be left.
    np.testing.assert_allclose(released(real, fake), [0, 0.5 / 4, 0], atol=1e-6)


@pytest.mark.parametrize("fakes", ["per-sample", "common"])
def test_fakes_get_no_noise_of_their_own_and_are_averaged(fakes):
    fake = np.array([[0.5, 0, 0], [0, 0.5, 0], [0.25, 0, 0], [0, 0, 0.125]])
    np.testing.assert_allclose(released(np.zeros((0, 3)), fake, fake_clipping=fakes), fake.mean(0), atol=1e-6)


def test_one_common_factor_keeps_the_direction_of_the_fakes_sum_and_bounds_its_mean_to_the_norm():
    fake = np.array([[30.0, 0, 0], [0, 40.0, 0], [0, 0, 0], [0, 0, 0]])
    found = released(np.zeros((0, 3)), fake, fake_clipping="common", clipping_norm=2.0)
    np.testing.assert_allclose(found, [1.2, 1.6, 0], atol=1e-5)
    apart = released(np.zeros((0, 3)), fake, fake_clipping="per-sample", clipping_norm=2.0)
    np.testing.assert_allclose(apart, [0.5, 0.5, 0], atol=1e-5)


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 99])
def test_a_common_factor_never_scales_the_real_patches(micro_batch):
    real, fake = np.array([[0.5, 0, 0], [0, 7.0, 0], [0, 0, 0.25]]), np.full((4, 3), 1000.0)
    both = released(real, fake, fake_clipping="common", micro_batch=micro_batch)
    alone = released(np.zeros((0, 3)), fake, fake_clipping="common", micro_batch=micro_batch)
    np.testing.assert_allclose(both - alone, [-0.5 / 4, -1 / 4, -0.25 / 4], atol=1e-6)


@pytest.mark.parametrize("count", [3, 5])
def test_the_number_of_fakes_is_always_the_same(count):
    with pytest.raises(ValueError, match=f"{count} fakes.*always be 4"):
        released(np.zeros((count, 3)), np.zeros((count, 3)))


@pytest.mark.parametrize("fakes", ["per-sample", "common", "centre"])
def test_fakes_are_averaged_over_their_own_number_and_reals_over_the_expected_batch(fakes):
    real, fake = np.tile([0.0, 0.5, 0.25], (4, 1)), np.tile([0.0, 0.0, 0.5], (2, 1))
    found = released(real, fake, fake_clipping=fakes, generator_batch=2)
    np.testing.assert_allclose(found, [0, -0.5, 0.25], atol=1e-6)


def test_around_the_fakes_centre_what_reals_and_fakes_share_does_not_fill_the_norm():
    real, fake = np.tile([100.0, 0.5, 0], (4, 1)), np.tile([100.0, 0, 0], (4, 1))
    np.testing.assert_allclose(released(real, fake, fake_clipping="centre"), [0, -0.5, 0], atol=1e-4)
    np.testing.assert_allclose(released(real, fake, fake_clipping="per-sample"), [0, -0.005, 0], atol=1e-4)


@pytest.mark.parametrize("fakes", ["per-sample", "common", "centre"])
@pytest.mark.parametrize("micro_batch", [2, 99])
def test_nobody_moves_the_released_sum_by_more_than_the_clipping_norm(fakes, micro_batch):
    """Sensitivity: the step with and without one patch, for patches near, far and opposed to the fakes."""
    fake = drawn(4, 6, seed=1).numpy() * 10
    others = drawn(5, 6, seed=2).numpy() * 5
    centre = fake.mean(0)
    moved = []
    for patch in (centre, centre + 1e-3, -centre, 1e4 * centre, *(drawn(9, 6, seed=3).numpy() * 30)):
        both = [
            released(rows, fake, fake_clipping=fakes, clipping_norm=0.7, micro_batch=micro_batch)
            for rows in (others, np.vstack([others, patch]))
        ]
        moved.append(np.linalg.norm(both[1] - both[0]) * 4)
    assert max(moved) <= 0.7 + 1e-4
    assert max(moved) == pytest.approx(0.7, abs=1e-3)


# --- The patient as the unit ------------------------------------------------------------------------------


def test_patients_take_part_at_the_sampling_rate_each_with_as_many_of_its_own_patches():
    patches, steps = [np.arange(0, 5), np.arange(5, 7), np.arange(7, 12), np.arange(12, 15)], 3000
    taken, seen = np.zeros((steps, 4), bool), np.zeros(15)
    for step in range(steps):
        drawn = poisson_patients(STREAM, step=step, patches=patches, rate=0.3, each=2).reshape(-1, 2)
        for patches_of_one in drawn:
            (owner,) = [k for k, own in enumerate(patches) if set(patches_of_one) <= set(own)]
            assert patches_of_one[0] != patches_of_one[1]
            taken[step, owner] = True
            seen[patches_of_one] += 1
        assert len(drawn) == taken[step].sum()
    error = math.sqrt(0.3 * 0.7 / steps)
    assert np.abs(taken.mean(0) - 0.3).max() < 5 * error
    correlation = np.corrcoef(taken.T) - np.eye(4)
    assert np.abs(correlation).max() < 5 / math.sqrt(steps)
    # A patch is given in 2 of its patient's n turns.
    shares = np.array([0.3 * 2 / len(own) for own in patches for _ in own])
    assert np.abs(seen / steps - shares).max() < 6 * error


def test_a_step_that_draws_no_patient_draws_no_patch():
    drawn = poisson_patients(STREAM, step=0, patches=[np.arange(3)], rate=1e-12, each=2)
    assert drawn.shape == (0,)
    assert drawn.dtype.kind == "i"


def test_a_patient_counts_with_the_clipped_mean_of_its_patches_and_not_with_each_of_them():
    one = [[3.0, 0, 0], [0, 4.0, 0]]  # mean (1.5, 2), norm 2.5: clipped to 1
    other = [[0.5, 0, 0], [-0.5, 0, 0.25]]  # its patches nearly cancel: mean (0, 0, 0.125), kept whole
    found = released(one + other, np.zeros((4, 3)), patches_per_unit=2)
    np.testing.assert_allclose(found, np.array([-0.6, -0.8, -0.125]) / 4, atol=1e-6)


@pytest.mark.parametrize("fakes", ["per-sample", "common", "centre"])
@pytest.mark.parametrize("micro_batch", [1, 4, 99])
def test_no_patient_moves_the_released_sum_by_more_than_the_clipping_norm(fakes, micro_batch):
    """Sensitivity: the step with and without all patches of one patient."""
    fake, others = drawn(4, 6, seed=1).numpy() * 10, drawn(9, 6, seed=2).numpy() * 5
    given = {"fake_clipping": fakes, "clipping_norm": 0.7, "micro_batch": micro_batch, "patches_per_unit": 3}
    moved = []
    for scale in (1e-3, 1.0, 1e3):
        for seed in range(3, 6):
            patient = drawn(3, 6, seed=seed).numpy() * scale + fake.mean(0)
            both = [released(rows, fake, **given) for rows in (others, np.vstack([others, patient]))]
            moved.append(np.linalg.norm(both[1] - both[0]) * 4)
    assert max(moved) <= 0.7 + 1e-4
    assert max(moved) == pytest.approx(0.7, abs=1e-3)


# --- Numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0},
        {"noise_multiplier": -1.0},
        {"noise_multiplier": math.nan},
        {"clipping_norm": 0.0},
        {"batch": 0},
        {"patches_per_unit": 0},
        {"generator_batch": 0},
        {"micro_batch": 0},
        {"fake_clipping": "whole"},
        {"grid_bits": 0},
        {"grid_bits": 31},
    ],
)
def test_numbers_that_protect_nobody_are_refused(wrong):
    with pytest.raises(ValueError, match="must be|clipped"):
        mechanism(**wrong)


# Neighbouring cohorts (opacus issue 819: a divisor that differs between them breaks the guarantee)


@pytest.mark.parametrize("members", [1, 2, 7, 30])
@pytest.mark.parametrize("fake_clipping", ["per-sample", "common", "centre"])
def test_neighbours_differ_by_one_clipped_gradient_over_a_divisor_that_both_share(members, fake_clipping):
    """Same noise, one unit replaced by an empty one: all else cancels, however many others were sampled.

    A divisor counted from the sample or the cohort would scale the other gradients and the noise differently.
    """
    rng = np.random.default_rng(members)
    real, fake = rng.normal(size=(members, 6)), rng.normal(size=(4, 6))
    given = {"noise_multiplier": 3.0, "fake_clipping": fake_clipping, "batch": 5, "generator_batch": 4}
    with_unit = released(real, fake, **given)
    without = released(real[:-1], fake, **given)
    own = real[-1] - fake.mean(axis=0) if fake_clipping == "centre" else real[-1]
    clipped = own / max(1.0, np.linalg.norm(own))
    np.testing.assert_allclose(np.asarray(without - with_unit), clipped / 5, atol=1e-5)


@pytest.mark.parametrize("members", [0, 3, 50])
def test_the_spread_of_the_noise_does_not_tell_how_many_units_were_sampled(members):
    """With gradients of zero the released numbers are the noise over the divisor alone."""
    found = np.asarray(
        released(np.zeros((members, 4000)), np.zeros((8, 4000)), noise_multiplier=2.0, batch=8)
    )
    assert abs(found.std() / (2.0 / 8) - 1) < 5 / math.sqrt(2 * 4000)
