"""The noise is exact: nothing about the sum shows in the last digits, and one unit moves it by S at most."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from tiny_step import Linear, drawn, mechanism

from privessel.gan.nets import Critic, GanShape
from privessel.privacy import norms
from privessel.privacy.clipping import BookKeeping, Bound
from privessel.privacy.grid import sensitivity, spacing
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING, FAKE_CLIPPINGS, mean_gradient, private_gradient

torch.set_num_threads(1)

STREAM = Stream(bytes(range(32)))
SMALL = GanShape(24, 4, 2, 3, "batch", "instance", "nearest", noise_map=False)


class Silent:
    """A stream whose normals are all zero."""

    def whole_normal(self, purpose, step, n, *, scale):
        return np.zeros(n)


def flat(tensors):
    return torch.cat([each.flatten() for each in tensors]).double().numpy()


def release(real, *, step=0, stream=STREAM, noise=1.0, bits=10):
    """A linear critic's noisy sum in spacings of the grid; float32 holds it exactly at these sizes."""
    given = mechanism(noise_multiplier=noise, grid_bits=bits, clipping_norm=0.5)
    real, fake = torch.as_tensor(real, dtype=torch.float32), torch.zeros(4, real.shape[1])
    gradient = private_gradient(
        BookKeeping(Linear(real.shape[1])), real, fake, stream=stream, step=step, mechanism=given
    )
    return flat(gradient) * 4 / spacing(0.5, grid_bits=bits)


def float_release(real, *, step=0, noise=1.0):
    """The same sum and noise as they were added before: in float32."""
    clipped = -real * np.minimum(1, 0.5 / np.linalg.norm(real, axis=1, keepdims=True))
    normals = STREAM.normal("noise", step, real.shape[1]) * np.float32(noise * 0.5)
    return clipped.astype(np.float32).sum(0, dtype=np.float32) + normals


def test_the_last_digits_of_float_noise_tell_members_and_those_of_the_grid_do_not():
    """Whoever knows the others' sum asks of each number whether noise could have made it of that sum."""
    others, unit = drawn(5, 400, seed=1).numpy(), drawn(1, 400, seed=2).numpy()
    known_float = float_release(others, noise=1e-30)
    known = release(others, stream=Silent())

    def impossible_for_floats(released, noise):
        scale = np.float32(noise * 0.5)
        guess = ((released.astype(np.float64) - known_float) / scale).astype(np.float32)
        nearby = np.stack([guess] + [guess + np.float32(k) * np.spacing(guess) for k in range(-40, 41)])
        return int((~(known_float + nearby * scale == released).any(0)).sum())

    def impossible_on_the_grid(released):
        return int((released - known != np.rint(released - known)).sum())

    found = np.zeros((2, 2), int)
    for step in range(20):
        for there, real in enumerate((others, np.vstack([others, unit]))):
            found[0, there] += impossible_for_floats(float_release(real, step=step), 1.0)
            found[1, there] += impossible_on_the_grid(release(real, step=step))
    assert found[0, 0] == 0 < found[0, 1]  # what an attacker saw
    assert found[1].tolist() == [0, 0]


def test_noise_is_added_as_whole_numbers_that_do_not_depend_on_the_sum():
    added = []
    for seed, count in ((1, 0), (2, 3), (3, 9)):
        real = drawn(count, 50, seed=seed)
        added.append(release(real) - release(real, stream=Silent()))
    np.testing.assert_array_equal(added[0], np.rint(added[0]))
    np.testing.assert_array_equal(added[0], added[1])
    np.testing.assert_array_equal(added[0], added[2])
    scale = sensitivity(grid_bits=10, numbers=50) * 2**10
    np.testing.assert_array_equal(added[0], STREAM.whole_normal("noise", 0, 50, scale=scale))


def test_noise_is_as_wide_as_its_multiplier_times_what_a_unit_can_move():
    numbers = np.concatenate([release(np.zeros((0, 5000)), step=step, noise=1.5) for step in range(8)])
    expected = 1.5 * sensitivity(grid_bits=10, numbers=5000) * 2**10
    assert sensitivity(grid_bits=10, numbers=5000) > 1.06  # so that it could be missed
    assert numbers.std() == pytest.approx(expected, rel=5 / math.sqrt(2 * len(numbers)))


def test_whole_normals_are_the_stream_s_normals_rounded_whatever_the_threads():
    whole = STREAM.whole_normal("noise", 3, 200_000, scale=1000.0)
    np.testing.assert_allclose(whole / 1000, STREAM.normal("noise", 3, 200_000), atol=0.0005 + 1e-6)
    np.testing.assert_array_equal(
        whole, Stream(bytes(range(32)), threads=3).whole_normal("noise", 3, 200_000, scale=1000.0)
    )
    with pytest.raises(ValueError, match="standard deviation"):
        STREAM.whole_normal("noise", 0, 1, scale=math.inf)


@pytest.mark.parametrize("bits", [3, 20])
def test_rounding_moves_neighbours_apart_by_no_more_than_the_sensitivity_allows(bits):
    rng, width, worst = np.random.default_rng(0), spacing(1.0, grid_bits=bits), 0.0
    for numbers in (1, 7, 1000):
        for _ in range(50):
            unit = rng.normal(size=numbers)
            unit /= np.linalg.norm(unit)
            # The hardest case: every number of the sum lies just where the unit turns its rounding.
            total = width * (np.floor(rng.normal(size=numbers) * 100) + 0.5) - np.sign(unit) * 1e-12
            moved = (np.rint((total + unit) / width) - np.rint(total / width)) * width
            share = np.linalg.norm(moved) / sensitivity(grid_bits=bits, numbers=numbers)
            assert share <= 1
            worst = max(worst, share)
    assert worst > 0.8


def test_the_demo_s_critic_is_moved_by_1_0001_clipping_norms():
    assert sensitivity(grid_bits=20, numbers=11_064) == pytest.approx(1.0001, abs=2e-5)


@pytest.mark.parametrize("engine", CLIPPING)
def test_a_gradient_that_is_not_finite_is_refused(engine):
    critic = Critic(SMALL)
    real = drawn(3, 2, 24, 24)
    real[1, 0, 5, 5] = math.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        private_gradient(
            CLIPPING[engine](critic), real, drawn(4, 2, 24, 24), stream=STREAM, step=0, mechanism=mechanism()
        )


# --- Sensitivity, measured -------------------------------------------------------------------------------


def silent_sum(engine, critic, real, fake, **changes):
    """What the step releases, times the batch, on so fine a grid that it hardly rounds."""
    given = mechanism(grid_bits=30, **changes)
    gradient = private_gradient(
        CLIPPING[engine](critic), real, fake, stream=Silent(), step=0, mechanism=given
    )
    return flat(gradient) * given.batch


@pytest.mark.parametrize(("engine", "route"), [("book-keeping", 0), ("book-keeping", 1e9), ("opacus", 0)])
@pytest.mark.parametrize(("fakes", "group"), list(product(FAKE_CLIPPINGS, (1, 3))))
def test_one_unit_moves_the_sum_of_a_critic_by_the_clipping_norm_at_most(
    fakes, group, engine, route, monkeypatch
):
    """With and without one unit: drawn ones, huge and tiny ones, and such as nearly are the fakes."""
    monkeypatch.setattr(norms, "STORED", route)
    torch.manual_seed(1)
    critic, norm = Critic(SMALL), 1e-3
    fake, others = drawn(4, 2, 24, 24, seed=1), drawn(2 * group, 2, 24, 24, seed=2)
    given = {
        "fake_clipping": fakes,
        "clipping_norm": norm,
        "patches_per_unit": group,
        "micro_batch": 2 * group,
    }
    without = silent_sum(engine, critic, others, fake, **given)
    near = fake[:1].expand(group, -1, -1, -1)
    moved = [
        silent_sum(engine, critic, torch.cat([others, unit]), fake, **given) - without
        for unit in (
            drawn(group, 2, 24, 24, seed=3),
            1e6 * drawn(group, 2, 24, 24, seed=4),
            1e-6 * near,
            near,
        )
    ]
    sizes = np.linalg.norm(moved, axis=1)
    assert sizes.max() <= norm * (1 + 1e-6)
    assert sizes.max() >= norm * (1 - 1e-4)


@pytest.mark.parametrize(("engine", "route"), [("book-keeping", 0), ("book-keeping", 1e9), ("opacus", 0)])
@pytest.mark.parametrize("ratio", [1e-2, 1e-4, 1e-5, 1e-6])
def test_reals_that_nearly_are_the_fakes_cannot_cancel_their_way_past_the_clip(
    ratio, engine, route, monkeypatch
):
    """The treatment `centre` subtracts a gradient of 1 / ratio clipping norms from 151 near twins."""
    monkeypatch.setattr(norms, "STORED", route)
    torch.manual_seed(2)
    critic = Critic(SMALL)
    fake = drawn(1, 2, 24, 24, seed=1)
    twins = fake + 0.3 * ratio * drawn(150, 2, 24, 24, seed=2)
    engine_ = CLIPPING[engine](critic)
    norm = ratio * float(np.linalg.norm(flat(engine_.sums(fake, torch.ones(1), Bound(1e9)))))
    centre = [-part for part in mean_gradient(critic, critic, fake, micro_batch=1)[0]]

    def clipped(real):
        return flat(engine_.sums(real, -torch.ones(len(real)), Bound(norm, centre=centre)))

    without = clipped(twins)
    for shift in (0.0, 0.3 * ratio, ratio, 10 * ratio):
        moved = clipped(torch.cat([twins, fake + shift * drawn(1, 2, 24, 24, seed=5)])) - without
        assert np.linalg.norm(moved) <= norm * (1 + 1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("engine", CLIPPING)
@pytest.mark.parametrize("centred", [False, True])
def test_in_calls_of_one_size_a_unit_s_company_does_not_change_its_gradient(centred, engine, threads):
    """One unit more in samples that fill their last call with one, some or all of its eight places.

    The break: a call of one unit takes other kernels with two threads, and around a far centre (140 clipping
    norms) gradients keep the rounding of their full size: the others moved by more than 1e-5 clipping norms.
    """
    torch.manual_seed(3)
    critic, fake = Critic(SMALL), drawn(1, 2, 24, 24, seed=1)
    pairs = fake + 1e-3 * drawn(34, 2, 24, 24) if centred else drawn(34, 2, 24, 24)
    centre = [-part for part in mean_gradient(critic, critic, fake, micro_batch=1)[0]]
    norm = float(np.linalg.norm(flat(centre))) / 140
    engine_, bound = CLIPPING[engine](critic), Bound(norm, centre=centre if centred else None)

    def clipped(chosen):
        parts = pairs[chosen].split(8) if chosen else ()
        return sum(flat(engine_.sums(part, -torch.ones(len(part)), bound, padded=8)) for part in parts)

    torch.set_num_threads(threads)
    try:
        moved = [
            clipped([33, *range(count)]) - clipped(list(range(count))) for count in (0, 1, 7, 8, 9, 32, 33)
        ]
    finally:
        torch.set_num_threads(1)
    assert np.abs(np.array(moved) - moved[0]).max() <= 1e-9 * norm


@pytest.mark.parametrize("group", [1, 3])
def test_every_call_on_patients_has_the_same_size(group):
    critic, sizes = Critic(SMALL), []
    critic.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    given = mechanism(batch=20, patches_per_unit=group, fake_clipping="centre", micro_batch=12)
    for count in (0, 1, 4, 5, 21):
        private_gradient(
            CLIPPING["book-keeping"](critic), drawn(count * group, 2, 24, 24), drawn(4, 2, 24, 24),
            stream=STREAM, step=0, mechanism=given,
        )  # fmt: skip
        reals = sizes[1:]  # the first call is that of the fakes
        assert set(reals) <= {given.units_at_once * group}
        assert len(reals) == -(-count // given.units_at_once)
        sizes.clear()
