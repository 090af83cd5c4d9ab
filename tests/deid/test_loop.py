import ast
import itertools
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from deid.small_heads import SHAPE, SHAPES, TRAINING, make_heads

import privessel
from privessel.deid import loop, step
from privessel.deid.loop import DECIDING_CODE, train
from privessel.deid.losses import relativistic_loss
from privessel.deid.step import OBSERVED, HeadGan
from privessel.files import checkpoint

HEADS = make_heads()


def run(folder, heads=HEADS, *, shape=SHAPE, seed=0, beat=lambda: None, **changes):
    training = replace(TRAINING, **changes)
    return train(heads, shape=shape, training=training, seed=seed, resume=folder / ".resume", beat=beat)


def same(one, other):
    (first, first_history), (second, second_history) = one, other
    return first_history == second_history and all(
        torch.equal(first.weights[name], second.weights[name]) for name in first.weights
    )


class Crash(Exception):
    pass


def crash_at(patch, at):
    """Make the `at`-th step from now on fail before it begins, as a kill between two steps would."""
    steps, advance = itertools.count(), HeadGan.advance

    def crashing(gan, heads):
        if next(steps) == at:
            raise Crash
        return advance(gan, heads)

    patch.setattr(HeadGan, "advance", crashing)


@pytest.mark.parametrize("optimiser", ["adam", "adamp"])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_run_interrupted_at_any_step_ends_with_the_same_bits(tmp_path, monkeypatch, at, optimiser):
    settings = {"optimiser": optimiser, "shape": SHAPES["mobile without place"], "heads": make_heads(size=16)}
    with monkeypatch.context() as patch:
        crash_at(patch, at)
        with pytest.raises(Crash):
            run(tmp_path / "broken", checkpoint_seconds=0, **settings)
    with monkeypatch.context() as patch:
        crash_at(patch, 6 - at)  # no step is taken twice
        resumed = run(tmp_path / "broken", checkpoint_seconds=0, **settings)
    assert same(resumed, run(tmp_path / "whole", **settings))


def test_a_run_interrupted_twice_between_checkpoints_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "ROW_STEPS", 4)  # no row of the history ends where a checkpoint is
    whole = run(tmp_path / "whole", steps=9)
    saves, save = itertools.count(), checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *given: save(*given) if next(saves) % 2 == 0 else None)
    for at in (4, 3):
        with monkeypatch.context() as patch:
            crash_at(patch, at)
            with pytest.raises(Crash):
                run(tmp_path / "broken", steps=9, checkpoint_seconds=0)
    assert same(run(tmp_path / "broken", steps=9, checkpoint_seconds=0), whole)


def test_a_state_left_by_other_settings_is_dropped_with_a_warning(tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        crash_at(patch, 4)
        with pytest.raises(Crash):
            run(tmp_path / "one", checkpoint_seconds=0, r1=3.0)
    with caplog.at_level(logging.WARNING):
        result = run(tmp_path / "one")
    assert "with other r1:" in caplog.text
    assert same(result, run(tmp_path / "two"))


def test_the_seed_and_nothing_else_of_the_process_decides_the_run(tmp_path):
    torch.manual_seed(1)
    first = run(tmp_path / "1")
    torch.manual_seed(2)
    assert same(first, run(tmp_path / "2"))
    assert not same(first, run(tmp_path / "3", seed=8))


@pytest.mark.parametrize(
    "change",
    [{"flip": False}, {"shift": 0}, {"r1": 0.0}, {"r1_every": 3}, {"reconstruction": 0.0}, {"ema": 0.0},
     {"warm_up": 1}, {"warm_up_learning_rate": 1e-2}, {"decay_start": 1.0}, {"optimiser": "adamp"},
     {"discriminator_learning_rate": 2e-3}, {"generator_learning_rate": 2e-3}, {"betas": (0.5, 0.99)}],
    ids=str,
)  # fmt: skip
def test_every_setting_changes_the_weights(tmp_path, change):
    assert not same(run(tmp_path / "1"), run(tmp_path / "2", **change))


def test_the_time_between_checkpoints_changes_nothing(tmp_path):
    assert same(run(tmp_path / "1"), run(tmp_path / "2", checkpoint_seconds=0))


def test_the_history_has_a_row_for_every_part_and_no_losses_of_a_discriminator_that_rests(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "ROW_STEPS", 4)
    _, history = run(tmp_path, steps=11, warm_up=6)
    assert [row["step"] for row in history] == [4, 6, 8, 11]
    for row in history:
        assert set(row) == {"step", *OBSERVED}
        values = [row[name] for name in ("loss_discriminator", "loss_generator", "gap")]
        assert (values == [None] * 3) == (row["step"] <= 6)
        assert row["reconstruction"] > 0


def test_a_row_of_the_history_is_the_mean_over_its_steps(tmp_path, monkeypatch):
    seen, advance = [], HeadGan.advance

    def watch(gan, heads):
        seen.append(advance(gan, heads))
        return seen[-1]

    monkeypatch.setattr(HeadGan, "advance", watch)
    monkeypatch.setattr(loop, "ROW_STEPS", 4)
    _, history = run(tmp_path, steps=7, warm_up=0)
    means = [torch.stack(part).double().mean(0).tolist() for part in (seen[:4], seen[4:])]
    assert [[row[name] for name in OBSERVED] for row in history] == [pytest.approx(mean) for mean in means]


def make_gan(**changes):
    """Return a GAN after its warm-up."""
    gan = HeadGan(
        SHAPE, replace(TRAINING, **changes), seed=0, mean_head=HEADS.mean_head(flip=True),
        device=torch.device("cpu"),
    )  # fmt: skip
    for _ in range(gan.training.warm_up):
        gan.advance(HEADS)
    return gan


def test_the_running_average_follows_the_generator_by_its_decay():
    gan = make_gan(ema=0.25, warm_up=2)  # a decay below 3 / 13, the limit of the first steps after that
    kept = [p.clone() for p in gan.average.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(kept, gan.generator.parameters(), strict=True))
    for decay in (3 / 13, 0.25):
        if decay == 0.25:
            gan.step = 4  # from step 4 on, 5 / 15 is above
        gan.advance(HEADS)
        kept = [decay * a + (1 - decay) * b for a, b in zip(kept, gan.generator.parameters(), strict=True)]
        assert all(
            torch.allclose(a, b, atol=1e-6) for a, b in zip(kept, gan.average.parameters(), strict=True)
        )


def test_without_a_decay_the_average_is_the_generator():
    gan = make_gan(ema=0.0)
    gan.advance(HEADS)
    for a, b in zip(gan.average.parameters(), gan.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_discriminator_rests_in_the_warm_up_and_the_generator_learns_by_reconstruction_alone():
    gan = HeadGan(SHAPE, TRAINING, seed=0, mean_head=None, device=torch.device("cpu"))
    before = [p.clone() for p in gan.discriminator.parameters()]
    observed = gan.advance(HEADS)
    assert all(torch.equal(a, b) for a, b in zip(before, gan.discriminator.parameters(), strict=True))
    assert observed[:3].tolist() == [0, 0, 0]


def test_the_networks_take_turns_and_each_follows_its_own_loss(monkeypatch):
    """One step, compared with gradients that autograd takes of the printed formulas on copies."""
    gan = make_gan(r1=0.0, reconstruction=0.5)
    taken, scored = [], []
    monkeypatch.setattr(
        step, "_descend", lambda optimiser, loss, rate: taken.append(_gradient(optimiser, loss))
    )
    forward = type(gan.discriminator).forward

    def watch(discriminator, images, scales):
        scored.append((images, scales))
        return forward(discriminator, images, scales)

    monkeypatch.setattr(type(gan.discriminator), "forward", watch)
    gan.advance(HEADS)
    (originals, scales), (fakes, _) = scored[0], scored[3]
    real, fake = (forward(gan.discriminator, images, scales) for images in (originals, fakes))
    loss = ((fake - real + 1) ** 2).mean() / 2
    expected = torch.autograd.grad(loss, list(gan.discriminator.parameters()), retain_graph=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(taken[0], expected, strict=True))
    loss = ((real.detach() - fake + 1) ** 2).mean() / 2
    loss = (
        loss + 0.5 * torch.stack([(a - b).abs().mean() for a, b in zip(fakes, originals, strict=True)]).mean()
    )
    expected = torch.autograd.grad(loss, list(gan.generator.parameters()))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(taken[1], expected, strict=True))


def test_originals_are_shown_with_air_outside_their_hulls_as_fakes_are(monkeypatch):
    bright = replace(HEADS, images=np.where(HEADS.hulls, HEADS.images, 0.9).astype(np.float32))
    gan, scored = make_gan(), []
    forward = type(gan.discriminator).forward

    def watch(discriminator, images, scales):
        scored.append((images, scales))
        return forward(discriminator, images, scales)

    monkeypatch.setattr(type(gan.discriminator), "forward", watch)
    gan.advance(bright)
    assert len(scored) == 4  # the original and the fake, for either network
    for images, scales in scored:
        for image, scale in zip(images, scales, strict=True):
            assert (image[scale.room == 0] == -1).all()
            assert (scale.room == 0).any()


def _gradient(optimiser, loss):
    parameters = optimiser.param_groups[0]["params"]
    return torch.autograd.grad(loss, parameters, retain_graph=True)


def test_the_penalty_comes_every_few_steps_and_so_many_times_as_large(monkeypatch):
    def losses(**changes):
        gan, taken = make_gan(steps=12, **changes), []
        monkeypatch.setattr(step, "_descend", lambda optimiser, loss, rate: taken.append(loss.item()))
        for _ in range(4):
            gan.advance(HEADS)  # no weight moves, so every step's penalty is known
        monkeypatch.undo()
        return np.array(taken[::2])

    plain = losses(r1=0.0)
    each = losses(r1=1.0, r1_every=1) - plain
    assert (each > 0).all()
    assert losses(r1=1.0, r1_every=2) - plain == pytest.approx(each * [2, 0, 2, 0], rel=1e-4)
    assert losses(r1=3.0, r1_every=1) - plain == pytest.approx(3 * each, rel=1e-4)


def test_heads_are_learned_in_seconds(tmp_path):
    """The warm-up alone must bring the fakes much nearer to their originals."""
    shape = replace(SHAPES["mobile without place"], blocks="plain")
    settings = {"steps": 101, "warm_up": 100, "warm_up_learning_rate": 1e-2}
    _, history = run(tmp_path, make_heads(12, 16), shape=shape, **settings)
    first, last = history[0]["reconstruction"], history[1]["reconstruction"]
    assert last < 0.75 * first
    assert last < 0.2


def test_losses_that_are_no_longer_finite_stop_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "relativistic_loss", lambda a, b: relativistic_loss(a, b) * float("nan"))
    with pytest.raises(FloatingPointError, match="before step 6.*Remedy"):
        run(tmp_path)


def test_progress_is_told_with_rate_and_time_left_and_the_lock_is_kept_alive(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(loop, "LOG_SECONDS", 0)
    beats = []
    with caplog.at_level(logging.INFO):
        run(tmp_path, beat=lambda: beats.append(1))
    assert "warm-up, step 2 of 6" in caplog.text
    assert "adversarial, step 6 of 6" in caplog.text
    assert "steps/s, 0:00:00 left" in caplog.text
    assert len(beats) == 6
    assert not any(person in caplog.text for person in HEADS.people)


def test_the_identity_follows_the_heads_and_has_every_deciding_module_by_its_path(tmp_path):
    one, other = run(tmp_path)[0].identity, run(tmp_path, make_heads(seed=1))[0].identity
    assert one["code"].keys() == set(DECIDING_CODE)
    assert one["heads"] != other["heads"]


def test_code_of_the_room_that_the_loop_imports_counts_as_deciding():
    root = Path(privessel.__file__).parent
    todo, decides = ["deid/loop.py"], set()
    while todo:
        path = todo.pop()
        decides.add(path)
        for node in ast.walk(ast.parse((root / path).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("privessel.deid"):
                name = node.module.removeprefix("privessel.").replace(".", "/") + ".py"
                if name not in decides:
                    todo.append(name)
    assert decides == set(DECIDING_CODE)


def test_heads_that_cannot_be_trained_on_are_refused_before_the_first_step(tmp_path):
    with pytest.raises(ValueError, match="images must be"):
        run(tmp_path, make_heads(size=16))
