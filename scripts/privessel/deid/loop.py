"""Training a C-DeID-GAN on whole heads, through any interruption."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import torch

import privessel
from privessel.deid.shape import HeadGanShape
from privessel.deid.state import HeadGanState
from privessel.deid.step import HeadGan
from privessel.deid.trained import TrainedHeadGan, digest_people
from privessel.deid.training import HeadGanTraining
from privessel.deid.training_heads import TrainingHeads
from privessel.device import pick_device
from privessel.files.reading import digest_files

log = logging.getLogger(__name__)

LOG_SECONDS = 30.0
ROW_STEPS = 50  # steps of which a row of the history holds the means
# The modules that decide a step, by path in the package: a training never resumes with other code.
DECIDING_CODE = (
    "deid/adamp.py",
    "deid/blocks.py",
    "deid/loop.py",
    "deid/losses.py",
    "deid/networks.py",
    "deid/pyramid.py",
    "deid/shape.py",
    "deid/state.py",
    "deid/step.py",
    "deid/streams.py",
    "deid/trained.py",
    "deid/training.py",
    "deid/training_heads.py",
)


def train(
    heads: TrainingHeads,
    *,
    shape: HeadGanShape,
    training: HeadGanTraining,
    seed: int,
    resume: Path,
    beat: Callable[[], None],
) -> tuple[TrainedHeadGan, list[dict[str, float | None]]]:
    """Return the generator's running average, and the history: a row for every 50 steps.

    A row has the step it ends with and the means of both losses, of the gap (how far an original's score is
    above that of its fake) and of the reconstruction loss, all on training heads: it stays inside. Rows of
    the warm-up have the reconstruction loss alone.

    Every `checkpoint_seconds` the state is saved to the folder `resume`. A later call with the same arguments
    continues from there, and its result is the same, bit by bit on a CPU, as without the interruption. A
    state saved with other arguments is dropped with a warning. `beat` is the heartbeat of the lock that the
    caller holds on the folder. Raises ValueError for arrays that do not fit the networks, CohortError for a
    head that cannot be trained on, FloatingPointError where the losses are no longer finite.
    """
    heads.check(shape.size)
    torch.set_num_threads(training.threads)
    device = pick_device(training.device)
    identity = {
        "shape": asdict(shape),
        **training.identity(device=device.type),
        "seed": seed,
        "torch": str(torch.__version__),
        "code": digest_files(DECIDING_CODE, root=Path(privessel.__file__).parent),
        "heads": heads.digest(),
    }
    mean_head = heads.mean_head(flip=training.flip) if shape.place else None
    gan = HeadGan(shape, training, seed=seed, mean_head=mean_head, device=device)
    state = HeadGanState(resume / "head-gan.pt", identity=identity, gan=gan)
    state.restore()
    _take_steps(gan, state, heads, beat)
    weights = {name: value.detach().cpu().contiguous() for name, value in gan.average.state_dict().items()}
    seen = digest_people(heads.people)
    return TrainedHeadGan(weights=weights, shape=shape, seen=seen, identity=identity), state.history


def _take_steps(gan: HeadGan, state: HeadGanState, heads: TrainingHeads, beat: Callable[[], None]) -> None:
    """Take all steps that are left; keep history, checkpoint, log and heartbeat up to date."""
    training = gan.training
    first, started = gan.step, time.monotonic()
    saved = logged = started
    while gan.step < training.steps:
        state.count(gan.advance(heads))
        ends_part = gan.step in (training.warm_up, training.steps)
        if ends_part or gan.step % ROW_STEPS == 0:
            state.end_row()
        now = time.monotonic()
        if now - saved >= training.checkpoint_seconds and gan.step < training.steps:
            state.save()
            saved = now
        if now - logged >= LOG_SECONDS or ends_part:
            _log_progress(state, rate=(gan.step - first) / max(now - started, 1e-9))
            beat()
            logged = now


def _log_progress(state: HeadGanState, *, rate: float) -> None:
    gan = state.gan
    row = state.history[-1] if state.history else {}
    observed = ", ".join(
        f"{name} {row[name]:.3f}" for name in row if name != "step" and row[name] is not None
    )
    log.info(
        "C-DeID-GAN: %s, step %d of %d, %s, %.2f steps/s, %s left",
        "warm-up" if gan.step <= gan.training.warm_up else "adversarial", gan.step, gan.training.steps,
        observed or "losses follow", rate, timedelta(seconds=round((gan.training.steps - gan.step) / rate)),
    )  # fmt: skip
