"""The audit of steps: a step as it is, steps with planted faults, and what the audit's parts rest on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_faults import QuietStream, clipped_to, sampled_by
from scipy.stats import norm
from tiny_gan import SHAPE, TRAINING
from torch.func import functional_call, grad

from privessel.audit import steps as audited
from privessel.audit.canaries import NoNoise
from privessel.audit.critic_steps import audit_steps
from privessel.audit.steps import AMPLITUDE, OTHERS, Probe
from privessel.gan.nets import Critic, initialise
from privessel.privacy.accounting import epsilon
from privessel.privacy.clipping import BookKeeping
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import private_gradient

torch.set_num_threads(1)

# The demo's mechanism with the smallest nets.
PRIVATE = replace(
    TRAINING, noise_multiplier=0.65, batch=512, units=40_000, clipping_norm=0.01, fake_clipping="centre",
    micro_batch=1280, critic_steps=2, steps_per_epoch=150, epochs=3, delta=2.4e-6,
)  # fmt: skip
STREAM = Stream(bytes(32))


def quiet(seed, factor=0.95):
    return QuietStream(seed.to_bytes(32, "big"), factor=factor)


def audit(training=PRIVATE, *, stream=STREAM, guesses=50_000, confidence=0.95):
    return audit_steps(SHAPE, training, stream=stream, guesses=guesses, confidence=confidence)


@pytest.fixture(scope="module")
def honest():
    return audit()


def test_a_step_as_claimed_is_not_refuted_and_its_bound_is_near_the_claim(honest):
    assert honest.failed == ""
    assert not honest.refuted
    assert honest.guesses_in + honest.guesses_out == 50_000 == honest.steps * honest.canaries
    assert 0.65 < honest.noise_high < 0.69
    assert 0.0128 * 0.99 < honest.rate_low < 0.0128
    assert 0.88 * honest.claimed_epsilon < honest.epsilon_low < honest.claimed_epsilon
    claimed = epsilon(noise_multiplier=0.65, sampling_rate=0.0128, steps=900, delta=2.4e-6)
    assert honest.claimed_epsilon == claimed == pytest.approx(7.67, abs=0.01)


def test_guesses_are_right_as_often_as_a_gaussian_of_that_noise_allows(honest):
    """Closed form: a coordinate is the coin plus noise 0.65, and the threshold lies in the middle."""
    right = norm.cdf(0.5 / 0.65)
    for share, trials in (
        (honest.found / honest.guesses_in, honest.guesses_in),
        (1 - honest.false / honest.guesses_out, honest.guesses_out),
    ):
        assert share == pytest.approx(right, abs=4 * math.sqrt(right * (1 - right) / trials))


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_twentieth_too_little_noise_is_refuted(seed):
    found = audit(stream=quiet(seed))
    assert "noise or clipping" in found.failed
    assert found.noise_high < 0.65
    assert found.epsilon_low > found.claimed_epsilon


def test_gradients_that_are_clipped_to_more_than_the_norm_are_refuted():
    with clipped_to(1.1):
        found = audit()
    assert found.failed == "noise or clipping"
    assert found.noise_high < 0.65


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda step, rate: (step // 2 * 2, rate), "fresh samples"),
        (lambda step, rate: (step // 5 * 5, rate), "fresh samples"),
        (lambda step, rate: (step, 1.1 * rate), "sampling rate"),
    ],
)
def test_samples_that_are_reused_and_a_rate_that_is_larger_are_refuted(change, failed):
    with sampled_by(change):
        found = audit(guesses=1000)
    assert found.failed == failed
    assert (found.rate_low > found.sampling_rate) == (failed == "sampling rate")


def test_a_layer_without_noise_is_found_although_the_canaries_coordinates_have_theirs(caplog):
    found = audit(stream=QuietStream(bytes(32), silent=32), guesses=2000)
    assert found.failed == "noise everywhere"
    assert "REFUTED: noise everywhere not as claimed" in caplog.text


def test_more_noise_than_claimed_is_no_fault_and_lowers_the_bound():
    found = audit(stream=quiet(5, factor=1.5), guesses=20_000)
    assert found.failed == ""
    assert found.noise_high > 0.9
    assert found.epsilon_low < 0.6 * found.claimed_epsilon


@pytest.mark.slow  # left out of make test-fast
def test_a_step_as_claimed_is_refuted_no_more_often_than_the_confidence_allows(monkeypatch):
    """200 audits at a confidence of 60 %: at most 40 % of them may fail, up to 4 standard errors."""
    monkeypatch.setattr(audited, "epsilon", lambda **_: 0.0)  # not needed to refute, and slow 400 times
    small = replace(
        PRIVATE, units=1000, batch=100, generator_batch=1, steps_per_epoch=10, fake_clipping="common"
    )
    failed = sum(
        audit(small, stream=Stream(seed.to_bytes(32, "big")), guesses=200, confidence=0.6).refuted
        for seed in range(200)
    )
    assert failed <= 200 * 0.4 + 4 * math.sqrt(200 * 0.4 * 0.6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"fake_clipping": "per-sample"},
        {"fake_clipping": "common"},
        {"clipping": "opacus"},
        {"unit": "patient", "units": 60, "batch": 6},
    ],
)
def test_every_unit_treatment_and_engine_is_audited_as_it_is(change):
    training = replace(PRIVATE, **change)
    found = audit(training, guesses=4000)
    assert found.failed == ""
    assert 0.65 < found.noise_high < 0.76
    assert found.sampling_rate == training.sampling_rate
    assert found.rate_low > 0.95 * training.sampling_rate
    assert "noise or clipping" in audit(training, stream=quiet(1, 0.8), guesses=4000).failed


def test_a_training_without_noise_has_nothing_to_audit():
    with pytest.raises(ValueError, match="promises nothing"):
        audit(TRAINING)


def test_few_guesses_that_show_nothing_give_no_bound():
    found = audit(replace(PRIVATE, noise_multiplier=50.0), guesses=100)
    assert found.epsilon_low == 0
    assert found.noise_high == math.inf
    assert found.failed == ""


# --- What it rests on ---


@pytest.fixture(scope="module")
def probed():
    critic = Critic(SHAPE)
    initialise(critic, torch.Generator().manual_seed(1), largest=0.05)
    return Probe(critic, 100)


def test_a_probe_changes_no_score(probed):
    units = audited.draw_units(SHAPE.patch, 100, background=PRIVATE.label_background, device="cpu")
    assert torch.equal(probed(units), probed.critic(units[:, :2]))


def test_a_canary_s_clipped_gradient_lies_along_its_own_weight_alone(probed):
    """By automatic differentiation, which knows nothing of the clipping engine."""
    weights = {name: value.detach() for name, value in probed.named_parameters()}
    units = audited.draw_units(SHAPE.patch, 100, background=PRIVATE.label_background, device="cpu")

    def score(values, pair):
        return functional_call(probed, values, (pair[None],)).squeeze()

    for number in (0, 57, 99):
        gradient = grad(score)(weights, units[OTHERS + number])
        length = math.sqrt(sum(float(part.double().square().sum()) for part in gradient.values()))
        along = gradient["reserved.weight"].flatten() / length
        assert along[number] == pytest.approx(1, abs=1e-4)
        assert along.count_nonzero() == 1
        assert length >= AMPLITUDE
    for known in units[:OTHERS]:
        assert not grad(score)(weights, known)["reserved.weight"].any()


def test_the_real_step_adds_the_clipping_norm_at_the_canary_s_weight(probed):
    units = audited.draw_units(SHAPE.patch, 100, background=PRIVATE.label_background, device="cpu")
    step = {"stream": NoNoise(), "step": 0, "mechanism": replace(PRIVATE, generator_batch=4).mechanism()}
    fakes = torch.zeros(4, 3, 12, 12)
    chosen = [*range(OTHERS), OTHERS + 3, OTHERS + 70]
    sums = private_gradient(BookKeeping(probed), units[chosen], fakes, **step)
    reserved = dict(zip((name for name, _ in probed.named_parameters()), sums, strict=True))[
        "reserved.weight"
    ]
    expected = np.zeros(100)
    expected[[3, 70]] = -0.01 / 512
    np.testing.assert_allclose(reserved.detach().numpy().ravel(), expected, atol=1e-4 * 0.01 / 512)
