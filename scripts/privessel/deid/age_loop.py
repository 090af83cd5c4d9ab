"""Training the age network on whole unaltered heads of public people, through any interruption."""

import hashlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

import privessel
from privessel.deid.age import AgeTraining, TrainedAge, make_network
from privessel.deid.streams import BATCH, START, stream
from privessel.device import pick_device
from privessel.files import checkpoint
from privessel.files.reading import digest_files

log = logging.getLogger(__name__)

LOG_SECONDS = 30.0
ROW_STEPS = 25  # steps of which a row of the history holds the mean
COLUMNS = ("step", "error_years")
_BRIGHTNESS = 0.05  # SD of the factor on a head's grey values, against scanners
# The modules that decide a step, by path in the package: a training never resumes with other code.
DECIDING_CODE = ("deid/age.py", "deid/age_loop.py", "deid/streams.py")


@dataclass(frozen=True)
class AgedHeads:
    """Heads (n, S, S, S) float32 in [0, 1], the first axis from left to right or back, and their ages."""

    images: NDArray[np.float32]
    ages: NDArray[np.float64]

    def digest(self) -> str:
        """Return a SHA-256 of all values."""
        sha256 = hashlib.sha256(repr(self.images.shape).encode() + self.ages.tobytes())
        for image in self.images:
            sha256.update(np.ascontiguousarray(image))
        return sha256.hexdigest()


def train(
    heads: AgedHeads, *, training: AgeTraining, seed: int, resume: Path, beat: Callable[[], None]
) -> tuple[TrainedAge, list[dict[str, float]]]:
    """Return the trained network and the history: a row for every 25 steps.

    AdamW on the squared error (the paper's L2 loss), of ages as SDs from their mean; heads are mirrored and
    moved by up to a voxel at random, and their brightness varies. A row has the step that it ends with and
    the root of the mean squared error in years, on training heads.

    Every `checkpoint_seconds` the state is saved to the folder `resume`. A later call with the same arguments
    continues from there, and its result is the same, bit by bit on a CPU, as without the interruption. A
    state saved with other arguments is dropped with a warning. `beat` is the heartbeat of the lock that the
    caller holds on the folder. Raises FloatingPointError where the loss is no longer finite.
    """
    torch.set_num_threads(training.threads)
    device = pick_device(training.device)
    mean, sd = float(heads.ages.mean()), float(heads.ages.std()) or 1.0
    identity = {
        **training.identity(device=device.type),
        "seed": seed,
        "torch": str(torch.__version__),
        "code": digest_files(DECIDING_CODE, root=Path(privessel.__file__).parent),
        "heads": heads.digest(),
    }
    with torch.random.fork_rng(devices=[]):  # layers draw their weights from torch's own generator
        torch.manual_seed(stream(seed, START, 0, device=torch.device("cpu")).initial_seed())
        network = make_network(training.width)
    network = network.to(device, memory_format=torch.channels_last_3d).train()
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    targets = torch.from_numpy((heads.ages - mean) / sd).float()
    path, parts, history, total = resume / "age.pt", {"network": network, "optimiser": optimiser}, [], 0.0
    first = 0
    if state := checkpoint.load_of(path, identity=identity):
        first, history, total = state["step"], state["history"], state["total"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
        log.info("age network: going on from step %d", first)

    saved = logged = started = time.monotonic()
    for step in range(first, training.steps):
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * (1 - step / training.steps)
        images, chosen = _draw(heads.images, step, batch=training.batch, seed=seed)
        images = images.to(device, memory_format=torch.channels_last_3d)
        loss = functional.mse_loss(network(images)[:, 0], targets[chosen].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        done, total = step + 1, total + loss.item()
        if done % ROW_STEPS == 0 or done == training.steps:
            history.append({"step": done, "error_years": sd * _root(total, done, steps=training.steps)})
            total = 0.0
        now = time.monotonic()
        if now - saved >= training.checkpoint_seconds and done < training.steps:
            state = {"identity": identity, "step": done, "history": history, "total": total}
            checkpoint.save(path, state | {name: part.state_dict() for name, part in parts.items()})
            saved = now
        if now - logged >= LOG_SECONDS or done == training.steps:
            rate = (done - first) / max(now - started, 1e-9)
            left = timedelta(seconds=round((training.steps - done) / rate))
            error = history[-1]["error_years"] if history else math.nan
            log.info(
                "age network: step %d of %d, error %.1f years, %.2f steps/s, %s left",
                done, training.steps, error, rate, left,
            )  # fmt: skip
            beat()
            logged = now
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return TrainedAge(weights=weights, width=training.width, mean=mean, sd=sd, identity=identity), history


def _root(total: float, step: int, *, steps: int) -> float:
    """Return the root of the mean loss over the steps of a row that ends with `step`."""
    if not math.isfinite(total):
        raise FloatingPointError(
            f"the age network's loss is no longer finite before step {step}. Remedy: lower "
            "deid.age.learning_rate"
        )
    return math.sqrt(total / (ROW_STEPS if step % ROW_STEPS == 0 else steps % ROW_STEPS))


def _draw(
    images: NDArray[np.float32], step: int, *, batch: int, seed: int
) -> tuple[torch.Tensor, NDArray[np.int_]]:
    """Return a step's heads (batch, 1, S, S, S), altered at random, and their places."""
    random = np.random.default_rng([seed, BATCH, step])
    chosen = random.choice(len(images), batch, replace=len(images) < batch)
    heads = []
    for place in chosen:
        head = images[place][::-1] if random.random() < 0.5 else images[place]
        head = np.roll(head, random.integers(-1, 2, 3), (0, 1, 2))
        heads.append(head * np.float32(1 + _BRIGHTNESS * random.standard_normal()))
    return torch.from_numpy(np.stack(heads))[:, None], chosen
