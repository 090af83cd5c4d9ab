"""The audit of a private U-Net's steps: as they are, and with planted faults."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_faults import QuietStream, clipped_to, sampled_by
from private_unet.ward import TRAINING, a_start

from privessel.audit.canaries import NoNoise
from privessel.audit.steps import OTHERS, Probe, draw_units
from privessel.audit.unet_steps import audit_unet_steps
from privessel.privacy.clipping import BookKeeping
from privessel.privacy.keys import Stream
from privessel.private_unet.step import PatchLoss, mean_loss_gradient

torch.set_num_threads(1)

PRIVATE = replace(
    TRAINING, noise_multiplier=0.65, batch=256, units=40_000, steps=60, micro_batch=1280, delta=2.4e-6
)
BY_PATIENT = replace(PRIVATE, unit="patient", batch=20, units=100, patient_patches=2)


def audit(training=PRIVATE, *, stream=None, guesses=20_000, confidence=0.95):
    stream = stream or Stream(bytes(32))
    return audit_unet_steps(a_start(), training, stream=stream, guesses=guesses, confidence=confidence)


def test_a_step_as_claimed_is_not_refuted_and_its_bound_is_near_the_claim():
    found = audit()
    assert found.failed == ""
    assert found.canaries == 64
    assert 0.65 < found.noise_high < 0.72
    assert 0.75 * found.claimed_epsilon < found.epsilon_low < found.claimed_epsilon


def test_the_same_where_patients_are_the_unit():
    found = audit(BY_PATIENT, guesses=2000)
    assert found.failed == ""
    assert 0.65 < found.noise_high < 0.85


def test_too_little_noise_is_refuted():
    found = audit(stream=QuietStream(bytes(32), factor=0.9))
    assert "noise or clipping" in found.failed
    assert found.epsilon_low > found.claimed_epsilon


def test_gradients_that_are_clipped_to_more_than_the_norm_are_refuted():
    with clipped_to(1.2):
        assert audit().failed == "noise or clipping"


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda step, rate: (step // 2 * 2, rate), "fresh samples"),
        (lambda step, rate: (step, 1.1 * rate), "sampling rate"),
    ],
)
def test_samples_that_are_reused_and_a_rate_that_is_larger_are_refuted(change, failed):
    longer = replace(PRIVATE, steps=800)
    with sampled_by(change):
        assert audit(longer, guesses=640).failed == failed


def test_a_layer_without_noise_is_found():
    assert audit(stream=QuietStream(bytes(32), silent=18), guesses=2000).failed == "noise everywhere"


def test_the_real_step_adds_the_clipping_norm_at_the_canary_s_weight():
    probe = Probe(PatchLoss(a_start().network(torch.device("cpu"))), 64)
    units = draw_units(8, 64, background=0.0, device="cpu")
    given = {"training": PRIVATE, "stream": NoNoise(), "step": 0}
    released = mean_loss_gradient(
        BookKeeping(probe), units[[*range(OTHERS), OTHERS + 3, OTHERS + 7]], **given
    )
    names = [name for name, _ in probe.named_parameters()]
    expected = np.zeros(64)
    expected[[3, 7]] = PRIVATE.clipping_norm / PRIVATE.batch
    found = released[names.index("reserved.weight")].numpy().ravel()
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())
