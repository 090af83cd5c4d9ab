"""A GAN run: what it writes, what it never writes, and that no interruption changes or hides anything."""

import copy
import csv
import json
import multiprocessing
import os
import random
import re
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from privessel import checkpoint, train_gan
from privessel.errors import PrivacyError
from privessel.gans import GanShape
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import private_gradient
from privessel.train_gan import ledger_head, privacy_record, train
from privessel.wgan import GanTraining, Pairs, Wgan, plain_gradient, shuffled_batch

torch.set_num_threads(1)
KEY = bytes(range(32))
SHAPE = GanShape(
    patch=12, latent=3, generator_width=2, critic_width=2, generator_norm="batch", critic_norm="instance",
    upsampling="transposed", noise_map=True,
)  # fmt: skip
TRAINING = GanTraining(
    batch=4, generator_batch=4, critic_steps=2, steps_per_epoch=4, epochs=3, kept_epochs=(1, 3),
    optimiser="adam", adam_betas=(0.0, 0.9), generator_learning_rate=1e-2, critic_learning_rate=1e-2,
    decay_start=0.5, weight_clip=0.05, ema=0.9,
    noise_multiplier=None, clipping_norm=1.0, clipping="book-keeping", fakes="per-sample", micro_batch=5,
    label_background=0.0, delta=1e-4,
)  # fmt: skip
PRIVATE = replace(TRAINING, noise_multiplier=0.8)


def discs(n, size=12, *, seed=0):
    """Bright labelled discs on a dark ground, in [-1, 1]."""
    rng = np.random.default_rng(seed)
    x, y = np.mgrid[:size, :size]
    centre = rng.uniform(2, size - 2, (2, n, 1, 1))
    labels = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < rng.uniform(2, 4, (n, 1, 1)) ** 2
    return np.where(labels, 1, -1 + rng.uniform(0, 0.3, labels.shape)).astype(np.float32), labels


def run(folder, training=TRAINING, **changes):
    images, labels = discs(40)
    settings = {
        "images": images,
        "labels": labels,
        "validation": discs(9, seed=1),
        "shape": SHAPE,
        "training": training,
        "stream": Stream(KEY),
        "identity": "a",
        "folder": folder,
        "device": "cpu",
        "checkpoint_seconds": 1e9,
        "charge": None,
        "record": lambda: {"unit": "patch"},
    }
    return train(**{**settings, **changes})


def weights(folder, epoch=3):
    return checkpoint.load(folder / f"generator-epoch-{epoch}.pt")["weights"]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run without and one with privacy."""
    folders = {}
    for name, training in (("inf", TRAINING), ("private", PRIVATE)):
        folders[name] = tmp_path_factory.mktemp("finished") / name
        run(folders[name], training)
    return folders


# --- What a run leaves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["inf", "private"])
def test_a_run_leaves_the_kept_generators_the_history_and_what_it_says_of_privacy(finished, level):
    left = {path.name for path in finished[level].iterdir()}
    assert left == {".lock", "generator-epoch-1.pt", "generator-epoch-3.pt", "history.csv", "privacy.json"}
    assert json.loads((finished[level] / "privacy.json").read_text()) == {"unit": "patch"}
    assert not equal(weights(finished[level], 1), weights(finished[level], 3))


def rows(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_history_of_a_private_run_holds_only_what_follows_from_released_gradients(finished):
    found = rows(finished["private"])
    assert list(found[0]) == [
        "epoch", "critic_steps", "epsilon", "score_fake", "score_validation", "norm_generator", "norm_critic"
    ]  # fmt: skip
    assert [int(row["critic_steps"]) for row in found] == [8, 16, 24]
    spent = [float(row["epsilon"]) for row in found]
    assert spent == sorted(spent)
    assert spent[0] > 0


def test_log_of_a_private_run_holds_no_number_but_progress(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(train_gan, "LOG_SECONDS", 0.0)
    caplog.set_level("DEBUG")
    run(tmp_path, PRIVATE)
    assert len(caplog.messages) == PRIVATE.steps
    pattern = r"GAN, noise 0.8: epoch \d of 3, step \d+ of 12, [\d.]+ steps/s, \d:\d\d:\d\d left"
    assert all(re.fullmatch(pattern, message) for message in caplog.messages)


def test_history_without_privacy_has_the_critic_s_loss_and_no_eps(finished):
    found = rows(finished["inf"])
    assert all(row["epsilon"] == "" and float(row["loss_critic"]) for row in found)


def test_a_gan_learns_where_its_patches_are_bright_and_how_much_of_them_is_vessel(tmp_path):
    images, labels = discs(64)
    images[:, :6], labels[:, :6] = -1, False  # discs in one half only
    form = replace(SHAPE, generator_width=6, critic_width=6, critic_norm="none")
    learning = replace(
        TRAINING, steps_per_epoch=150, epochs=1, kept_epochs=(1,), critic_steps=3, weight_clip=0.1, batch=16,
        micro_batch=64,
    )  # fmt: skip
    run(tmp_path, learning, images=images, labels=labels, shape=form)
    one = Wgan(form, learning, stream=Stream(KEY), device="cpu")
    one.kept.load_state_dict(weights(tmp_path, 1))
    with torch.no_grad():
        made = one.kept.eval()(one.latents("a test's own", 0, 200)).numpy()
    empty, full = made[:, :, :6].mean((0, 2, 3)), made[:, :, 6:].mean((0, 2, 3))
    assert full[0] - empty[0] > 0.5 * (images[:, 6:].mean() - images[:, :6].mean())
    assert full[1] - empty[1] > 0.5 * labels[:, 6:].mean()


# --- Interruptions -------------------------------------------------------------------------------------


class Ledger:
    """Charges, and a run that is stopped by some of them."""

    def __init__(self, stop_at=()):
        self.blocks, self.stop_at = [], set(stop_at)

    def __call__(self, first, last):
        self.blocks.append((first, last))
        if len(self.blocks) in self.stop_at:
            raise KeyboardInterrupt
        return {"blocks": len(self.blocks)}

    @property
    def steps(self):
        return {step for first, last in self.blocks for step in range(first, last)}


@pytest.mark.parametrize("level", ["inf", "private"])
def test_a_run_stopped_again_and_again_ends_with_the_same_bits(tmp_path, finished, level, monkeypatch):
    training = {"inf": TRAINING, "private": PRIVATE}[level]
    advance, taken = Wgan.advance, []

    def stopping(gan, data):
        taken.append(gan.step)
        if len(taken) in (2, 6, 7, 13):
            raise KeyboardInterrupt
        advance(gan, data)

    monkeypatch.setattr(Wgan, "advance", stopping)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, training, checkpoint_seconds=0)
        assert not list(tmp_path.glob("*.pt"))
    run(tmp_path, training, checkpoint_seconds=0)
    assert taken == [0, 1, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9, 9, 10, 11]
    for epoch in (1, 3):
        assert equal(weights(tmp_path, epoch), weights(finished[level], epoch))
    assert (tmp_path / "history.csv").read_text() == (finished[level] / "history.csv").read_text()


def _train_slowly(folder, ledger):
    def charge(first, last):
        with ledger.open("a") as file:
            file.write(f"{first} {last}\n")
            file.flush()
            os.fsync(file.fileno())

    run(folder, PRIVATE, checkpoint_seconds=0, charge=charge)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_five_times_ends_with_the_same_bits_and_its_ledger_covers_every_step(tmp_path, finished):
    folder, ledger = tmp_path / "run", tmp_path / "ledger"
    context, dice, kills = multiprocessing.get_context("fork"), random.Random(0), 0
    while not (folder / "privacy.json").exists():
        process = context.Process(target=_train_slowly, args=(folder, ledger))
        process.start()
        if kills < 5:
            seen = ledger.stat().st_size if ledger.exists() else 0
            while process.is_alive() and not (ledger.exists() and ledger.stat().st_size > seen):
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.02))
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        blocks = [tuple(map(int, line.split())) for line in ledger.read_text().splitlines()]
        path = folder / ".resume" / "checkpoint.pt"
        if path.exists():
            taken = checkpoint.load(path)["gan"]["step"] * PRIVATE.critic_steps
            assert taken <= max(last for _, last in blocks)
    assert kills == 5
    assert {step for first, last in blocks for step in range(first, last)} == set(range(24))
    assert equal(weights(folder), weights(finished["private"]))


def test_a_charge_comes_before_anything_it_pays_for_is_written(tmp_path):
    files, charged = [], []

    def charge(first, last):
        written = {
            path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"
        }
        files.append(written)
        state = tmp_path / ".resume" / "checkpoint.pt"
        on_disk = checkpoint.load(state)["gan"]["step"] * PRIVATE.critic_steps if state.exists() else 0
        assert on_disk == first == (charged[-1] if charged else 0)
        charged.append(last)

    run(tmp_path, PRIVATE, charge=charge)
    assert charged == [8, 16, 24]
    assert files[0] == {}
    assert not any("epoch-3" in path.name for path in files[-1])


def test_a_run_that_could_not_pay_writes_nothing(tmp_path):
    ledger = Ledger(stop_at=[1])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, PRIVATE, charge=ledger)
    assert [path.name for path in tmp_path.rglob("*")] == [".lock"]


def test_after_a_stop_the_steps_since_the_checkpoint_are_charged_again_and_its_head_is_found(tmp_path):
    ledger = Ledger(stop_at=[2])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, PRIVATE, charge=ledger)
    assert ledger_head(tmp_path) == {"blocks": 1}
    run(tmp_path, PRIVATE, charge=ledger)
    assert ledger.blocks == [(0, 8), (8, 16), (8, 16), (16, 24)]
    assert ledger_head(tmp_path) is None


def test_a_leftover_of_another_identity_is_refused_with_its_remedy(tmp_path):
    ledger = Ledger(stop_at=[2])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, PRIVATE, charge=ledger)
    with pytest.raises(PrivacyError, match=r"another run.*remove .*\.resume"):
        run(tmp_path, PRIVATE, identity="b")
    assert (tmp_path / ".resume" / "checkpoint.pt").exists()


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    (tmp_path / ".resume").mkdir()
    (tmp_path / ".resume" / "checkpoint.pt").write_bytes(b"half a")
    with pytest.raises(ValueError, match="checkpoint.pt is damaged"):
        run(tmp_path)


def test_a_second_process_on_the_same_run_stands_back(tmp_path):
    with (
        checkpoint.lock(tmp_path / ".lock", silent_minutes=1),
        pytest.raises(PrivacyError, match="another process"),
    ):
        run(tmp_path)


def test_a_run_whose_kept_generator_was_taken_away_starts_anew(tmp_path, finished):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, PRIVATE, charge=Ledger(stop_at=[2]))
    (tmp_path / ".resume" / "generator-epoch-1.pt").unlink()
    ledger = Ledger()
    run(tmp_path, PRIVATE, charge=ledger)
    assert ledger.blocks[0] == (0, 8)
    assert equal(weights(tmp_path), weights(finished["private"]))


# --- The step ------------------------------------------------------------------------------------------


def pairs(n=40, background=0.0):
    return Pairs(*discs(n), device="cpu", background=background)


def gan(training=PRIVATE, **form):
    return Wgan(replace(SHAPE, **form), training, stream=Stream(KEY), device="cpu")


@pytest.mark.parametrize("clipping", ["book-keeping", "opacus"])
def test_neither_step_leaves_a_sample_s_state_in_the_critic(clipping):
    one = gan(replace(PRIVATE, clipping=clipping))
    clean = copy.deepcopy(one.critic)
    one.advance(pairs())
    for module, before in zip(one.critic.modules(), clean.modules(), strict=True):
        assert vars(module).keys() == vars(before).keys()
        assert not module._forward_hooks
        assert not module._backward_hooks
    for parameter in [*one.critic.parameters(), *one.generator.parameters()]:
        assert parameter.grad is None
        assert not [name for name in vars(parameter) if "sample" in name]


def test_both_clipping_engines_train_alike():
    trained = [
        gan(replace(PRIVATE, clipping=name, optimiser="rmsprop")) for name in ("book-keeping", "opacus")
    ]
    for one in trained:
        for _ in range(3):
            one.advance(pairs())
    for mine, theirs in zip(trained[0].critic.parameters(), trained[1].critic.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("background", [0.0, -1.0])
def test_the_critic_sees_the_image_beside_a_label_of_1_on_vessels_and_the_background_off_them(background):
    images, labels = discs(40)
    taken = pairs(background=background).take(np.array([7, 3])).numpy()
    assert taken.dtype == np.float32
    assert np.array_equal(taken[:, 0], images[[7, 3]])
    assert np.array_equal(taken[:, 1], np.where(labels[[7, 3]], 1, background))


def test_critic_weights_are_clipped_after_every_step():
    one = gan(replace(PRIVATE, weight_clip=0.003))
    one.advance(pairs())
    largest = max(parameter.abs().max().item() for parameter in one.critic.parameters())
    assert largest == pytest.approx(0.003)


def test_with_endless_clipping_norm_and_no_noise_the_private_gradient_is_the_plain_one():
    one = gan(critic_norm="none")
    real, fake = pairs().take(np.arange(4)), torch.rand(4, 2, 12, 12)
    mechanism = replace(PRIVATE, clipping_norm=1e6, noise_multiplier=1e-15).mechanism()
    private = private_gradient(one.clipping, real, fake, stream=Stream(KEY), step=0, mechanism=mechanism)
    plain, loss = plain_gradient(one.critic, real, fake, micro_batch=3)
    for mine, theirs in zip(private, plain, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)
    expected = one.critic(fake).mean() - one.critic(real).mean()
    torch.testing.assert_close(loss, expected.detach(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("net", ["critic", "generator"])
def test_the_critic_s_step_sets_real_scores_above_fake_ones_and_the_generator_s_raises_fake_ones(net):
    training = replace(TRAINING, batch=40, critic_steps=1, generator_learning_rate=1e-3, weight_clip=1.0)
    one, data = gan(training, critic_norm="none"), pairs()
    other = "generator" if net == "critic" else "critic"
    one.optimisers[other].step = lambda: None
    latents = one.latents("a test's own", 0, 64)

    def advantage():
        with torch.no_grad():
            real = one.critic(data.take(np.arange(40))).mean()
            return (real - one.critic(one.generator(latents)).mean()).item()

    before = advantage()
    one.advance(data)
    assert advantage() > before if net == "critic" else advantage() < before


def test_the_average_of_the_generator_forgets_by_its_decay_and_sooner_at_first():
    one = gan(replace(TRAINING, ema=0.75))
    name = "hidden.0.weight"
    expected = one.generator.state_dict()[name].clone()
    for step in range(1, 40):
        one.advance(pairs())
        decay = min(0.75, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * one.generator.state_dict()[name]
    torch.testing.assert_close(one.kept.state_dict()[name], expected, atol=1e-5, rtol=1e-4)
    off = gan(replace(TRAINING, ema=0.0))
    assert off.kept is off.generator


@pytest.mark.parametrize(("start", "expected"), [(1.0, [1] * 8), (0.5, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25])])
def test_both_learning_rates_fall_linearly_to_0_over_the_last_steps(start, expected):
    one = gan(replace(TRAINING, decay_start=start, steps_per_epoch=8, epochs=1, kept_epochs=(1,)))
    seen = {"critic": [], "generator": []}
    for _ in range(8):
        one.advance(pairs())
        for name, optimiser in one.optimisers.items():
            seen[name].append(optimiser.param_groups[0]["lr"] / 1e-2)
    assert seen["critic"] == pytest.approx(expected)
    assert seen["generator"] == pytest.approx(expected)


def test_without_privacy_every_patch_is_seen_once_before_any_is_seen_again():
    stream, passes = Stream(KEY), []
    for first in (0, 3):
        batches = [
            shuffled_batch(stream, step=step, population=12, batch=4) for step in range(first, first + 3)
        ]
        passes.append(np.concatenate(batches))
        assert sorted(passes[-1]) == list(range(12))
    assert passes[0].tolist() != passes[1].tolist()


def test_the_steps_of_a_private_run_see_a_fresh_poisson_sample_each(monkeypatch):
    one, data, sizes = gan(replace(PRIVATE, batch=10, critic_steps=5)), pairs(), []
    take = data.take
    monkeypatch.setattr(data, "take", lambda indices: sizes.append(tuple(indices)) or take(indices))
    one.advance(data)
    one.advance(data)
    assert len(set(sizes)) == 10
    assert len({len(indices) for indices in sizes}) > 2


# --- What privacy.json says ----------------------------------------------------------------------------


def test_privacy_record_of_the_paper_s_run_has_the_valid_and_the_published_eps():
    paper = replace(
        TRAINING, batch=32, critic_steps=5, steps_per_epoch=1281, epochs=50, kept_epochs=(50,),
        noise_multiplier=1.0, micro_batch=64, delta=1 / 41000,
    )  # fmt: skip
    record = privacy_record(
        training=paper, patches=41000, public_key=False, patient_statement=lambda steps: {"of": steps}
    )
    last = record["epochs"]["50"]
    assert last["charged_steps"] == 320250
    assert last["epsilon"] == pytest.approx(2.24, rel=0.005)
    assert round(last["epsilon_as_published"], 2) == 3.61
    assert last["patient"] == {"of": 320250}
    assert (record["unit"], record["sampler"]) == ("patch", "poisson, fresh every critic step")
    assert record["sampling_rate"] == pytest.approx(32 / 41000)
    assert record["public_key"] is False
    assert {"torch", "numpy", "dp-accounting"} <= record["versions"].keys()
    json.dumps(record, allow_nan=False)


def test_privacy_record_without_noise_says_unprotected_and_has_no_eps():
    record = privacy_record(
        training=TRAINING, patches=40, public_key=True, patient_statement=lambda steps: {}
    )
    assert record["protection"] == "unprotected, inside only"
    assert record["noise_multiplier"] is None
    for epoch in ("1", "3"):
        assert record["epochs"][epoch]["charged_steps"] == 0
        assert record["epochs"][epoch]["epsilon"] is None
        assert record["epochs"][epoch]["epsilon_as_published"] is None


# --- Input that cannot be trained on -------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"kept_epochs": ()},
        {"kept_epochs": (4,)},
        {"kept_epochs": (0,)},
        {"optimiser": "sgd"},
        {"clipping": "none"},
        {"ema": 1.0},
        {"epochs": 0},
        {"weight_clip": 0.0},
        {"label_background": 1.0},
        {"label_background": -1.5},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": 1.0, "fakes": "whole"},
    ],
)
def test_hyper_parameters_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ValueError, match="must|fakes"):
        replace(TRAINING, **wrong)


@pytest.mark.parametrize("wrong", ["few", "size", "labels", "float64"])
def test_patches_that_cannot_be_trained_on_are_refused_before_anything_is_written(tmp_path, wrong):
    images, labels = discs(40)
    if wrong == "few":
        images, labels = images[:3], labels[:3]
    if wrong == "size":
        images = images[:, :11]
    if wrong == "labels":
        labels = labels.astype(np.uint8)
    if wrong == "float64":
        images = images.astype(float)
    with pytest.raises(ValueError, match="must be|must both be|fewer than a batch"):
        run(tmp_path, images=images, labels=labels)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_no_longer_finite_end_the_run(tmp_path):
    images, labels = discs(40)
    images[:] = np.nan
    with pytest.raises(FloatingPointError, match="epoch 1"):
        run(tmp_path, images=images, labels=labels)
