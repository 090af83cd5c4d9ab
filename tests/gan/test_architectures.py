"""The GANs of Kossen et al. 2021: losses, penalty and norms by closed form, and none of them in private."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_gan import COMPARED, SHAPE, TRAINING
from torch import nn

from privessel.errors import PrivacyError
from privessel.gan import step as gan_steps
from privessel.gan.checkpoints import RunFiles
from privessel.gan.loop import train
from privessel.gan.losses import LOSSES, gradient_penalty, penalty_gradient, plain_gradient
from privessel.gan.nets import Critic, normalise_spectra, refine_spectra
from privessel.gan.pairs import Pairs, TrainingPatches
from privessel.gan.step import Gan
from privessel.privacy.clipping import BookKeeping
from privessel.privacy.keys import Stream
from privessel.study.obstacles import private_obstacles

pytestmark = pytest.mark.slow  # left out of make test-fast

torch.set_num_threads(1)
WGAN = {"critic_norm": "instance", "spectral_norm": False, "loss": "wasserstein", "gradient_penalty": 0.0}
HINDRANCES = {
    "critic_norm": ("batch", "mixes the samples"),
    "spectral_norm": (True, "optimiser moves another one behind it"),
    "loss": ("cross-entropy", "which is the Wasserstein loss"),
    "gradient_penalty": (10.0, "every interpolate depends on a real patch"),
}


def drawn(*size, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def drawn_shares(n):
    """How much of a real pair each mixture has."""
    return torch.rand(n, generator=torch.Generator().manual_seed(2))


def gan(name, *, noise=None, **changes):
    shape, training = COMPARED[name]
    training = replace(training, noise_multiplier=noise, **changes)
    return Gan(shape, training, stream=Stream(bytes(range(32))), device="cpu")


def patches(n=40, seed=0):
    """Bright labelled squares on a dark ground."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, 12, 12), bool)
    for label, (row, column) in zip(labels, rng.integers(0, 9, (n, 2)), strict=True):
        label[row : row + 3, column : column + 3] = True
    return np.where(labels, 1, -1 + rng.uniform(0, 0.3, labels.shape)).astype(np.float32), labels


def data(n=40):
    return Pairs(*patches(n), patients=np.arange(n) // 8, device="cpu", background=0.0)


class Linear(nn.Module):
    """Score w . pair."""

    def __init__(self, *weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, pairs):
        return pairs.flatten(1) @ self.weights


# --- Privacy -------------------------------------------------------------------------------------------


def test_the_critic_of_the_private_wgan_meets_no_obstacle_whichever_norm_of_its_own_samples_it_has():
    for norm in ("instance", "none"):
        assert private_obstacles(**WGAN | {"critic_norm": norm}) == []


@pytest.mark.parametrize("key", HINDRANCES)
def test_each_obstacle_to_privacy_is_named_by_its_key_with_its_reason(key):
    value, told = HINDRANCES[key]
    (obstacle,) = private_obstacles(**WGAN | {key: value})
    assert obstacle.startswith(f"{key}: ")
    assert told in obstacle


@pytest.mark.parametrize("key", HINDRANCES)
def test_each_obstacle_by_itself_stops_a_private_gan_before_anything_is_written(tmp_path, key):
    value, told = HINDRANCES[key]
    shape, training = SHAPE, replace(TRAINING, noise_multiplier=0.8)
    if key == "critic_norm":
        shape = replace(shape, critic_norm=value)
    else:
        training = replace(training, **{key: value})
    with pytest.raises(PrivacyError, match=rf"cannot be trained with privacy: {key}.*{told}"):
        Gan(shape, training, stream=Stream(bytes(32)), device="cpu")
    images, labels = patches()
    with pytest.raises(PrivacyError, match=told):
        train(
            TrainingPatches(images, labels, np.arange(40) // 8), shape=shape, training=training,
            source=Stream(bytes(32)), files=RunFiles(tmp_path, {}, checkpoint_seconds=1e9), device="cpu",
            record=lambda account: {},
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("dcgan", ["critic_norm", "loss"]),
        ("wgan-gp", ["gradient_penalty"]),
        ("wgan-gp-sn", ["spectral_norm", "gradient_penalty"]),
    ],
)
def test_no_gan_of_kossen_2021_is_trained_with_privacy_and_all_reasons_are_given(name, keys):
    with pytest.raises(PrivacyError) as refused:
        gan(name, noise=0.8)
    assert [key for key in HINDRANCES if f"{key}: " in str(refused.value)] == keys


@pytest.mark.parametrize("name", ["dcgan", "wgan-gp-sn"])
def test_the_clipping_engine_itself_refuses_batch_norm_and_spectral_norm(name):
    with pytest.raises(PrivacyError):
        BookKeeping(gan(name).critic)


# --- Losses --------------------------------------------------------------------------------------------


def test_cross_entropy_of_a_critic_that_knows_nothing_is_log_2_for_real_and_log_2_for_fake():
    _, loss = plain_gradient(Linear(0.0, 0.0), drawn(5, 2), drawn(3, 2), loss="cross-entropy", micro_batch=2)
    assert loss.item() == pytest.approx(2 * np.log(2))


def test_cross_entropy_is_minus_the_log_of_the_probability_given_to_the_truth():
    scores = torch.tensor([-3.0, -0.5, 0.0, 2.0])
    probability = 1 / (1 + np.exp(-scores.numpy()))
    paid = LOSSES["cross-entropy"]
    assert paid.real(scores).numpy() == pytest.approx(-np.log(probability), rel=1e-5)
    assert paid.fake(scores).numpy() == pytest.approx(-np.log(1 - probability), rel=1e-5)


def test_cross_entropy_s_gradient_is_that_of_logistic_regression():
    critic, real, fake = Linear(0.3, -0.2), drawn(6, 2, seed=1), drawn(4, 2, seed=2)
    (gradient,), _ = plain_gradient(critic, real, fake, loss="cross-entropy", micro_batch=3)
    weights = np.array([0.3, -0.2])
    real, fake = real.numpy(), fake.numpy()
    of_real = 1 / (1 + np.exp(real @ weights))  # the probability missing to 1
    of_fake = 1 / (1 + np.exp(-fake @ weights))
    expected = (of_fake[:, None] * fake).mean(0) - (of_real[:, None] * real).mean(0)
    assert gradient.numpy() == pytest.approx(expected, rel=1e-4)


def test_the_generator_s_cross_entropy_does_not_saturate_where_the_critic_is_sure():
    score = torch.tensor(-20.0, requires_grad=True)
    (slope,) = torch.autograd.grad(LOSSES["cross-entropy"].real(score), score)
    assert slope.item() == pytest.approx(-1)


@pytest.mark.parametrize("name", COMPARED)
def test_a_generator_step_raises_the_scores_of_its_fakes(name):
    # One sample of inputs throughout: batch norm in the generator needs the same batch before and after.
    one = gan(name, generator_learning_rate=1e-4, generator_batch=64, batch=64)
    inputs = one.latents("generator latents", 0, 64)
    one.optimisers["critic"].step = lambda: None
    refine_spectra(one.critic, iterations=200)

    def score():
        with torch.no_grad():
            return one.critic(one.generator(inputs)).mean().item()

    before = score()
    one.advance(data(64))
    # Batch norm gives every batch about the same scores, whatever is in it: they can hardly move.
    assert score() > before


# --- Gradient penalty ----------------------------------------------------------------------------------


@pytest.mark.parametrize("micro_batch", [1, 4, 100])
def test_a_linear_critic_s_penalty_is_its_weight_s_distance_from_norm_1_squared(micro_batch):
    weights = np.array([3.0, -4.0])
    (gradient,), penalty = penalty_gradient(
        Linear(3.0, -4.0),
        drawn(7, 2),
        drawn(7, 2, seed=1),
        drawn_shares(7),
        weight=10.0,
        micro_batch=micro_batch,
    )
    assert penalty.item() == pytest.approx(10 * (5 - 1) ** 2)
    assert gradient.numpy() == pytest.approx(10 * 2 * (5 - 1) * weights / 5)


def test_a_penalty_is_taken_between_a_real_pair_and_a_fake_at_the_pair_s_own_share():
    class Bowl(nn.Module):
        """Score a |pair|^2 / 2, whose slope is a times the pair."""

        def __init__(self):
            super().__init__()
            self.depth = nn.Parameter(torch.ones(()))

        def forward(self, pairs):
            return self.depth * pairs.square().flatten(1).sum(1) / 2

    real, fake, shares = drawn(5, 2, 3, 3), drawn(5, 2, 3, 3, seed=1), drawn_shares(5)
    (gradient,), penalty = penalty_gradient(Bowl(), real, fake, shares, weight=2.0, micro_batch=2)
    real, fake, shares = real.numpy(), fake.numpy(), shares.numpy()
    norms = [np.linalg.norm(e * x + (1 - e) * y) for e, x, y in zip(shares, real, fake, strict=True)]
    assert penalty.item() == pytest.approx(2 * np.mean((np.array(norms) - 1) ** 2), rel=1e-4)
    expected = 2 * np.mean(2 * (np.array(norms) - 1) * norms)
    assert gradient.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("micro_batch", [1, 3, 4])
def test_the_penalty_s_gradient_of_second_order_is_that_of_finite_differences(norm, micro_batch):
    shape, training = COMPARED["wgan-gp"]
    shape = replace(shape, critic_norm=norm)
    critic = Gan(shape, training, stream=Stream(bytes(32)), device="cpu").critic.double()
    real, fake, shares = drawn(4, 2, 12, 12).double(), drawn(4, 2, 12, 12, seed=1).double(), drawn_shares(4)
    given = {"weight": 10.0, "micro_batch": micro_batch}
    gradient, _ = penalty_gradient(critic, real, fake, shares.double(), **given)
    for parameter, found in zip(critic.parameters(), gradient, strict=True):
        towards = drawn(*parameter.shape, seed=3).double()
        values = []
        for distance in (1e-6, -1e-6):
            with torch.no_grad():
                parameter += distance * towards
            values.append(penalty_gradient(critic, real, fake, shares.double(), **given)[1].item())
            with torch.no_grad():
                parameter -= distance * towards
        slope = (values[0] - values[1]) / 2e-6
        assert (found * towards).sum().item() == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_a_penalty_of_biases_is_0_and_of_a_flat_critic_is_1_without_a_gradient_that_is_no_number():
    flat = Linear(0.0, 0.0)
    assert gradient_penalty(flat, drawn(3, 2)).tolist() == [1, 1, 1]
    (gradient,), _ = penalty_gradient(
        flat, drawn(3, 2), drawn(3, 2), drawn_shares(3), weight=10.0, micro_batch=3
    )
    assert gradient.tolist() == [0, 0]
    shape, training = COMPARED["wgan-gp"]
    critic = Gan(replace(shape, critic_norm="none"), training, stream=Stream(bytes(32)), device="cpu").critic
    pairs = drawn(4, 2, 12, 12)
    gradient, _ = penalty_gradient(critic, pairs, -pairs, drawn_shares(4), weight=10.0, micro_batch=4)
    named = dict(zip((name for name, _ in critic.named_parameters()), gradient, strict=True))
    assert all(not each.any() for name, each in named.items() if "bias" in name)
    assert all(each.any() for name, each in named.items() if "weight" in name)


def test_shares_of_the_interpolates_are_uniform_new_every_step_and_repeat_with_the_run(monkeypatch):
    seen = []
    penalised = gan_steps.penalty_gradient

    def watched(critic, real, fake, shares, **given):
        seen.append(shares.numpy())
        return penalised(critic, real, fake, shares, **given)

    monkeypatch.setattr(gan_steps, "penalty_gradient", watched)
    for _ in range(2):
        one = gan("wgan-gp", batch=40, generator_batch=40, critic_steps=5)
        one.advance(data())
    drawn_shares = np.concatenate(seen[:5])
    assert len(set(drawn_shares.tolist())) == 200
    assert drawn_shares.min() >= 0
    assert drawn_shares.max() <= 1
    assert np.quantile(drawn_shares, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.1)
    assert np.array_equal(seen[:5], seen[5:])


# --- Batch norm ----------------------------------------------------------------------------------------


def test_batch_norm_is_on_every_hidden_layer_of_a_critic_but_the_first():
    shape, training = COMPARED["dcgan"]
    critic = Gan(replace(shape, patch=96), training, stream=Stream(bytes(32)), device="cpu").critic
    norms = [layer.num_features for layer in critic.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms == [4, 8, 16, 32]
    biased = [layer.bias is not None for layer in critic.modules() if isinstance(layer, nn.Conv2d)]
    assert biased == [True, False, False, False, False, False]


def test_batch_norm_brings_every_channel_of_a_batch_to_mean_0_and_variance_1():
    critic, seen = gan("dcgan").critic, []
    (norm,) = [layer for layer in critic.modules() if isinstance(layer, nn.BatchNorm2d)]
    norm.register_forward_hook(lambda *passed: seen.append(passed[2]))
    for shift in (0, 3):
        critic(100 * drawn(6, 2, 12, 12) + shift)
    for each in seen:
        channels = each.detach().transpose(0, 1).flatten(1)
        assert channels.mean(1).numpy() == pytest.approx(np.zeros(4), abs=1e-5)
        assert channels.var(1, correction=0).numpy() == pytest.approx(np.ones(4), rel=1e-3)


def test_a_critic_with_batch_norm_meets_all_real_patches_and_all_fakes_apart_whatever_the_micro_batch():
    one, seen = gan("dcgan", batch=8, generator_batch=6, micro_batch=3), []
    one.critic.register_forward_hook(lambda module, given, output: seen.append(len(given[0])))
    one.advance(data())
    assert seen == [6, 8, 6]  # the critic's step, then the generator's


def test_no_pass_through_a_critic_with_batch_norm_changes_what_another_finds():
    critic, pairs = gan("dcgan").critic, drawn(6, 2, 12, 12)
    with torch.no_grad():
        before = critic(pairs)
        critic(drawn(6, 2, 12, 12, seed=1))
        assert torch.equal(critic(pairs), before)
    assert not list(critic.buffers())


# --- Spectral norm -------------------------------------------------------------------------------------


def layers(critic):
    return [layer for layer in critic.modules() if isinstance(layer, nn.Conv2d)]


def test_a_weight_with_spectral_norm_is_divided_by_its_largest_singular_value():
    critic = gan("wgan-gp-sn").critic
    refine_spectra(critic, iterations=500)
    for layer in layers(critic):
        behind = layer.parametrizations.weight.original
        largest = torch.linalg.svdvals(behind.flatten(1))[0]
        torch.testing.assert_close(layer.weight, behind / largest, atol=1e-6, rtol=1e-4)


def test_spectral_norm_follows_the_weights_through_training_by_an_iteration_a_step():
    one = gan("wgan-gp-sn", critic_learning_rate=1e-3, steps_per_epoch=100, decay_start=1.0)
    start = copy.deepcopy(one.critic)
    for _ in range(60):
        one.advance(data())
    for layer, before in zip(layers(one.critic), layers(start), strict=True):
        assert torch.linalg.svdvals(layer.weight.detach().flatten(1))[0] == pytest.approx(1, abs=0.05)
        assert not torch.allclose(layer.weight, before.weight, atol=1e-2)


@pytest.mark.parametrize("refined", [False, True])
def test_no_pass_through_a_critic_with_spectral_norm_changes_what_another_finds(refined):
    critic = Critic(SHAPE)
    normalise_spectra(critic)
    if refined:
        refine_spectra(critic, iterations=1)
    before = copy.deepcopy(critic.state_dict())
    critic(drawn(6, 2, 12, 12)).sum().backward()
    after = critic.state_dict()
    assert len([name for name in before if name.endswith("_u")]) == 3
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_weights_and_singular_vectors_follow_from_the_run_s_key_alone():
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(gan("wgan-gp-sn").critic.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


# --- The whole step ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARED)
def test_a_critic_step_descends_the_architecture_s_loss_as_one_backward_pass_finds_it(name, monkeypatch):
    one, found, shares = gan(name, batch=4, critic_steps=1, micro_batch=3), [], []
    critic, patch = copy.deepcopy(one.critic), data()
    with torch.no_grad():
        fake = copy.deepcopy(one.generator)(one.latents("critic latents", 0, 4))
    if one.training.gradient_penalty:
        shares = torch.from_numpy(one.stream.uniform("interpolation", 0, 4)).float().view(-1, 1, 1, 1)
    taken = []
    take = patch.take
    monkeypatch.setattr(patch, "take", lambda indices: taken.append(take(indices)) or taken[-1])
    descend = gan_steps._descend
    monkeypatch.setattr(gan_steps, "_descend", lambda *given: found.append(given[2]) or descend(*given))
    one.advance(patch)
    (real,) = taken
    if name == "dcgan":
        truth = torch.cat([torch.ones(4), torch.zeros(4)])
        scores = torch.cat([critic(real), critic(fake)])
        loss = 2 * nn.BCEWithLogitsLoss()(scores, truth)
    else:
        mixed = (shares * real + (1 - shares) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        penalty = 10 * ((slope.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + penalty
    loss.backward()
    for mine, parameter in zip(found[0], critic.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, atol=1e-3, rtol=1e-3)
    assert one.loss.item() == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("name", COMPARED)
def test_without_weight_clipping_weights_start_as_wide_as_usual_and_are_not_held(name):
    one = gan(name, critic_learning_rate=0.5)
    first = next(each for each in one.critic.parameters() if each.dim() > 1)
    assert 0.8 / 32**0.5 < first.abs().max().item() <= 1 / 32**0.5
    one.advance(data())
    assert max(each.abs().max().item() for each in one.critic.parameters()) > 0.4


# --- What cannot be combined ---------------------------------------------------------------------------


def test_batch_norm_under_a_gradient_penalty_is_refused():
    shape, training = replace(SHAPE, critic_norm="batch"), COMPARED["wgan-gp"][1]
    with pytest.raises(ValueError, match="gradient_penalty .*critic_norm: batch mixes pairs"):
        Gan(shape, training, stream=Stream(bytes(32)), device="cpu")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"gradient_penalty": 10.0, "generator_batch": 5}, r"batch \(4\) and generator_batch \(5\)"),
        ({"gradient_penalty": -1.0}, "gradient_penalty must be at least 0"),
        ({"weight_clip": -0.1}, "weight_clip must be at least 0"),
        ({"weight_clip": 0.0}, "nothing bounds the critic"),
        ({"loss": "hinge"}, "loss must be one of wasserstein, cross-entropy"),
    ],
)
def test_keys_of_an_architecture_that_cannot_be_used_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        replace(TRAINING, **wrong)
