import ast
import itertools
import logging
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

import privessel
from privessel.files import checkpoint
from privessel.unet import loop as train_unet
from privessel.unet.loop import DECIDING_CODE, batch_indices, input_statistics, train
from privessel.unet.net import UNet, UNetShape
from privessel.unet.training import UNetTraining


def discs(n, size, *, seed=0):
    """Bright discs on a noisy ramp, in raw intensities whose scale differs from patch to patch."""
    rng = np.random.default_rng(seed)
    x, y = np.mgrid[:size, :size]
    centre = rng.uniform(3, size - 3, (2, n, 1, 1))
    labels = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < rng.uniform(2, 4, (n, 1, 1)) ** 2
    images = 0.3 * x / size + labels + rng.normal(0, 0.1, labels.shape)
    return ((images + 1) * rng.uniform(50, 500, (n, 1, 1))).astype(np.float32), labels


TRAINING = {
    "learning_rate": 1e-2,
    "batch": 4,
    "epochs": 2,
    "factor_train_samples": 1,
    "augment": True,
    "ema": 0.0,
    "checkpoint_seconds": 1e9,
    "device": "cpu",
    "threads": 1,
}


def run(tmp_path, images=None, labels=None, **changes):
    if images is None:
        images, labels = discs(13, 8)
    names = {field.name for field in fields(UNetTraining)}
    training = UNetTraining(**TRAINING | {name: changes.pop(name) for name in names & changes.keys()})
    settings = {
        "shape": UNetShape((2, 3), 0.2),
        "seed": 0,
        "start": None,
        "resume": tmp_path / ".resume",
        "beat": lambda: None,
    }
    return train(images, labels, training=training, **{**settings, **changes})


def same(one, other):
    (first, first_history), (second, second_history) = one, other
    return first_history == second_history and all(
        torch.equal(first.weights[name], second.weights[name]) for name in first.weights
    )


class Crash(Exception):
    pass


def crash_at(monkeypatch, step):
    """Make the `step`-th loss of the next run fail, as a kill between two steps would."""
    losses = itertools.count()
    real = train_unet.soft_dice_loss

    def loss(probabilities, labels):
        if next(losses) == step:
            raise Crash
        return real(probabilities, labels)

    monkeypatch.setattr(train_unet, "soft_dice_loss", loss)


def test_bright_discs_are_learned_in_seconds(tmp_path):
    images, labels = discs(128, 16)
    trained, history = run(
        tmp_path, images, labels, shape=UNetShape((8, 16), 0.0), batch=16, epochs=15, augment=False
    )
    unseen, truth = discs(64, 16, seed=1)
    scaled = (train_unet.rescale(unseen, 0, 255) - trained.mean) / trained.sd
    with torch.no_grad():
        marked = trained.network(torch.device("cpu"))(torch.from_numpy(scaled)[:, None])[:, 0].numpy() > 0.5
    assert 2 * (marked & truth).sum() / (marked.sum() + truth.sum()) > 0.9
    assert history[-1]["dsc"] > 0.9
    assert history[-1]["loss"] < history[0]["loss"]


def test_networks_that_soft_dice_alone_lets_die_learn_with_the_saturation_penalty(tmp_path, monkeypatch):
    images, labels = discs(96, 16)

    def final_dsc(folder):
        quick = {"shape": UNetShape((8, 16, 32), 0.0), "batch": 16, "epochs": 7, "augment": False}
        runs = [
            run(tmp_path / folder / str(seed), images, labels, seed=seed, learning_rate=0.02, **quick)
            for seed in (0, 1, 6)
        ]
        return [history[-1]["dsc"] for _, history in runs]

    assert min(final_dsc("with")) > 0.8
    monkeypatch.setattr(train_unet, "saturation_penalty", lambda logits: 0 * logits.sum())
    assert max(final_dsc("without")) < 0.3  # they mark nothing or everything


def test_the_history_holds_the_published_loss_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(train_unet, "saturation_penalty", lambda logits: 1e3 + 0 * logits.sum())
    _, history = run(tmp_path)
    assert all(0 < row["loss"] < 1 for row in history)


@pytest.mark.parametrize(("step", "ema"), [*((step, 0.0) for step in range(6)), (1, 0.7), (4, 0.7)])
def test_a_run_interrupted_at_any_step_ends_with_the_same_bits(tmp_path, monkeypatch, step, ema):
    with monkeypatch.context() as patch:
        crash_at(patch, step)
        with pytest.raises(Crash):
            run(tmp_path / "broken", checkpoint_seconds=0, ema=ema)
    resumed = run(tmp_path / "broken", checkpoint_seconds=0, ema=ema)
    assert same(resumed, run(tmp_path / "whole", ema=ema))


def test_with_ema_the_result_is_the_running_average_of_the_weights_of_all_steps(tmp_path):
    one_step_an_epoch = {"factor_train_samples": 4 / 13 + 1e-9}
    # Without an average a training of n steps ends with the weights that a longer one has after n steps.
    after = [run(tmp_path / f"{n}", epochs=n, **one_step_an_epoch)[0].weights for n in range(1, 6)]
    average = {name: value.double() for name, value in after[0].items()}
    for weights in after[1:]:
        average = {name: 0.7 * value + 0.3 * weights[name].double() for name, value in average.items()}
    trained, history = run(tmp_path / "ema", epochs=5, ema=0.7, **one_step_an_epoch)
    assert len(history) == 5
    for name, value in average.items():
        torch.testing.assert_close(trained.weights[name].double(), value, rtol=0, atol=1e-6)
        assert not torch.equal(trained.weights[name], after[-1][name])


def test_a_run_interrupted_twice_between_checkpoints_ends_with_the_same_bits(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole")
    saves = itertools.count()
    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *given: save(*given) if next(saves) % 2 == 0 else None)
    for step in (2, 2):  # of each attempt
        with monkeypatch.context() as patch:
            crash_at(patch, step)
            with pytest.raises(Crash):
                run(tmp_path / "broken", checkpoint_seconds=0)
    assert same(run(tmp_path / "broken", checkpoint_seconds=0), whole)


def test_a_resumed_run_does_not_repeat_finished_steps(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        crash_at(patch, 4)
        with pytest.raises(Crash):
            run(tmp_path, checkpoint_seconds=0)
    crash_at(monkeypatch, 2)  # of six steps, four are done: a third one must not come
    run(tmp_path)


def test_a_state_left_by_other_settings_is_dropped_with_a_warning(tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        crash_at(patch, 4)
        with pytest.raises(Crash):
            run(tmp_path / "one", checkpoint_seconds=0, learning_rate=5e-3)
    with caplog.at_level(logging.WARNING):
        result = run(tmp_path / "one")
    assert "learning_rate" in caplog.text
    assert same(result, run(tmp_path / "two"))


def test_the_identity_has_every_deciding_module_by_its_path_in_the_package(tmp_path):
    """Two files of one name, as `unet/training.py` and `gan/training.py`, must not hide each other."""
    trained, _ = run(tmp_path)
    assert trained.identity["code"].keys() == set(DECIDING_CODE)


def test_code_of_the_room_and_of_patches_that_the_loop_imports_counts_as_deciding():
    root = Path(privessel.__file__).parent
    todo, decides = ["unet/loop.py"], set()
    while todo:
        path = todo.pop()
        decides.add(path)
        for node in ast.walk(ast.parse((root / path).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("privessel."):
                name = node.module.removeprefix("privessel.").replace(".", "/") + ".py"
                if name.startswith(("unet/", "cohort/")) and name not in decides:
                    todo.append(name)
    assert decides == set(DECIDING_CODE)


def test_the_identity_follows_every_pixel_and_label(tmp_path):
    images, labels = discs(13, 8)
    other_image, other_label = images.copy(), labels.copy()
    other_image[5, 2, 3] += 1
    other_label[5, 2, 3] ^= True
    pairs = ((images, labels), (other_image, labels), (images, other_label))
    assert len({run(tmp_path, *pair)[0].identity["patches"] for pair in pairs}) == 3


def test_the_seed_decides_the_run(tmp_path):
    first, again, other = (run(tmp_path / str(k), seed=seed) for k, seed in enumerate((7, 7, 8)))
    assert same(first, again)
    assert not same(first, other)


def test_another_random_state_of_the_process_changes_nothing(tmp_path):
    torch.manual_seed(1)
    first = run(tmp_path / "1")
    torch.manual_seed(2)
    assert same(first, run(tmp_path / "2"))


@pytest.mark.parametrize(
    ("change", "differs"), [({"augment": False}, True), ({"checkpoint_seconds": 0}, False)]
)
def test_augmentation_changes_the_run_and_checkpoints_do_not(tmp_path, change, differs):
    assert same(run(tmp_path / "1"), run(tmp_path / "2", **change)) is not differs


@pytest.mark.parametrize(
    ("factor", "n", "batch", "epochs", "steps"),
    [(1, 13, 4, 2, 6), (2, 13, 4, 1, 6), (3, 5, 8, 2, 2), (0.5, 13, 3, 2, 4)],
)
def test_an_epoch_is_factor_times_the_patches(tmp_path, monkeypatch, factor, n, batch, epochs, steps):
    images, labels = discs(n, 8)
    crash_at(monkeypatch, steps)  # one more would crash
    _, history = run(tmp_path, images, labels, batch=batch, epochs=epochs, factor_train_samples=factor)
    assert [row["epoch"] for row in history] == list(range(1, epochs + 1))
    crash_at(monkeypatch, steps - 1)
    with pytest.raises(Crash):
        run(tmp_path / "x", images, labels, batch=batch, epochs=epochs, factor_train_samples=factor)


def test_each_patch_comes_once_before_any_comes_again():
    n, batch = 10, 4
    seen = np.concatenate([batch_indices(step, n=n, batch=batch, seed=3) for step in range(10)])
    turns = seen.reshape(4, n)
    assert (np.sort(turns, axis=1) == np.arange(n)).all()
    assert len({tuple(turn) for turn in turns}) == 4
    assert sorted(batch_indices(0, n=3, batch=6, seed=3)) == [0, 0, 1, 1, 2, 2]


def test_mean_and_sd_are_those_of_the_scaled_patches():
    images, _ = discs(2100, 8)
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    scaled = 255 * (images.astype(float) - low) / (high - low)
    assert input_statistics(images) == pytest.approx((scaled.mean(), scaled.std()), rel=1e-5)


def test_the_network_is_shown_standardised_patches(tmp_path, monkeypatch):
    shown, logits = [], UNet.logits

    def spy(network, images, **given):
        shown.append(images)
        return logits(network, images, **given)

    monkeypatch.setattr(UNet, "logits", spy)
    images, labels = discs(12, 8)
    run(tmp_path, images, labels, epochs=1, augment=False)
    pixels = torch.cat(shown)
    assert pixels.shape == (12, 1, 8, 8)
    assert pixels.mean().item() == pytest.approx(0, abs=1e-5)
    assert pixels.std(correction=0).item() == pytest.approx(1, rel=1e-5)


def test_the_scale_of_a_patch_does_not_matter(tmp_path):
    images, labels = discs(13, 8)
    images = np.round(train_unet.rescale(images, 0, 255))
    louder = images * 4 + 32  # exact in float32
    assert same(run(tmp_path / "1", images, labels), run(tmp_path / "2", louder, labels))
    assert same(run(tmp_path / "1", images, labels), run(tmp_path / "2", images.astype(np.uint8), labels))


def test_a_network_that_marks_nothing_is_reported(tmp_path, caplog):
    # One filter, hardly trained: the sign of its last weight makes it mark nothing or most of the patch.
    reported = set()
    for seed in range(8):
        caplog.clear()
        still = {"shape": UNetShape((1,), 0.0), "learning_rate": 1e-9, "epochs": 1, "seed": seed}
        _, history = run(tmp_path, *discs(13, 16), **still)
        assert ("marks no pixel" in caplog.text) == (history[-1]["dsc"] == 0)
        reported.add(history[-1]["dsc"] == 0)
    assert reported == {True, False}


def test_constant_patches_train_a_network_with_finite_inputs(tmp_path, caplog):
    _, labels = discs(13, 8)
    with caplog.at_level(logging.WARNING):
        trained, history = run(tmp_path, np.full(labels.shape, 7, np.uint8), labels)
    assert "constant" in caplog.text
    assert (trained.mean, trained.sd) == (0.0, 1.0)
    assert np.isfinite(history[-1]["loss"])


def test_patches_without_a_label_train_a_network_that_says_so(tmp_path, caplog):
    images, labels = discs(13, 8)
    with caplog.at_level(logging.WARNING):
        _, history = run(tmp_path, images, np.zeros_like(labels))
    assert "no training patch has a labelled pixel" in caplog.text
    assert history[-1]["dsc"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 40}, "13 patches .* batch of 40"),
        ({"shape": UNetShape((2, 2, 2, 2, 2), 0.0)}, "multiple of 16"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, **change)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.ones((4, 8, 8)), np.ones((4, 8, 4), bool), "both be"),
        (np.ones((4, 8, 6)), np.ones((4, 8, 6), bool), "both be"),
        (np.eye(8)[None].repeat(4, 0), np.ones((4, 8, 8)), "not bool"),
    ],
)
def test_patches_that_cannot_work_are_refused(tmp_path, images, labels, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, images, labels)


def test_a_start_is_gone_on_from_with_its_own_scale_of_grey_values(tmp_path):
    first, _ = run(tmp_path)
    images, labels = discs(9, 8, seed=5)
    settings = {"epochs": 1, "learning_rate": 1e-9, "augment": False, "shape": UNetShape((2, 3), 0.0)}
    second, _ = run(tmp_path, images, labels, start=first, **settings)
    assert (second.mean, second.sd) == (first.mean, first.sd)
    assert all(torch.allclose(second.weights[name], first.weights[name], atol=1e-7) for name in first.weights)
    alone, _ = run(tmp_path, images, labels, **settings)
    assert (alone.mean, alone.sd) == input_statistics(images)


def test_a_checkpoint_from_another_start_is_not_gone_on_from(tmp_path, monkeypatch, caplog):
    (one, _), (other, _) = run(tmp_path), run(tmp_path, seed=1)
    whole = run(tmp_path, start=one)
    with monkeypatch.context() as patched:
        crash_at(patched, 4)
        with pytest.raises(Crash):
            run(tmp_path, start=other, checkpoint_seconds=0)
    with caplog.at_level(logging.WARNING):
        assert same(run(tmp_path, start=one), whole)
    assert "start" in caplog.text


@pytest.mark.parametrize("shape", [UNetShape((2, 4), 0.2), UNetShape((2, 3, 4), 0.2)])
def test_a_start_of_another_form_is_refused(tmp_path, shape):
    first, _ = run(tmp_path)
    with pytest.raises(ValueError, match="start"):
        run(tmp_path, start=first, shape=shape)
