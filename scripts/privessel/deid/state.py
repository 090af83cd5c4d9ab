"""The state of a C-DeID-GAN's training, saved so that an interrupted training can continue."""

import logging
import math
from pathlib import Path

import torch
from torch import Tensor

from privessel.deid.step import OBSERVED, HeadGan
from privessel.files import checkpoint

log = logging.getLogger(__name__)

COLUMNS = ("step", *OBSERVED)  # of the history


class HeadGanState:
    """All that a training's next step depends on, and the file `path` that it is saved to."""

    def __init__(self, path: Path, *, identity: dict, gan: HeadGan) -> None:
        self.path, self.identity, self.gan = path, identity, gan
        self.history: list[dict[str, float | None]] = []
        # Sums of what was observed since the last row of the history, and the number of steps in them.
        self.sums = torch.zeros(len(OBSERVED), dtype=torch.float64, device=gan.device)
        self.counted = 0

    def count(self, observed: Tensor) -> None:
        """Add what was observed of one step to the sums."""
        self.sums += observed
        self.counted += 1

    def end_row(self) -> None:
        """Add the means since the last row to the history; FloatingPointError where one is not finite.

        The discriminator takes no part in the warm-up, so its columns are None there.
        """
        means = dict(zip(OBSERVED, (self.sums / self.counted).tolist(), strict=True))
        if not all(map(math.isfinite, means.values())):
            raise FloatingPointError(
                f"losses are no longer finite before step {self.gan.step}. Remedy: lower the learning rates"
            )
        if self.gan.step <= self.gan.training.warm_up:
            means = {name: means[name] if name == "reconstruction" else None for name in OBSERVED}
        self.history.append({"step": self.gan.step, **means})
        self.sums.zero_()
        self.counted = 0

    def save(self) -> None:
        """Write the state to its file, whole or not at all."""
        state = {
            "identity": self.identity,
            "step": self.gan.step,
            "history": self.history,
            "sums": self.sums,
            "counted": self.counted,
            **{name: part.state_dict() for name, part in self.gan.parts().items()},
        }
        checkpoint.save(self.path, state)

    def restore(self) -> None:
        """Continue from the saved state of an interrupted training of the same identity, if there is one."""
        state = checkpoint.load_of(self.path, identity=self.identity)
        if state is None:
            return
        self.gan.step, self.history, self.counted = state["step"], state["history"], state["counted"]
        self.sums.copy_(state["sums"])
        for name, part in self.gan.parts().items():
            part.load_state_dict(state[name])
        log.info("C-DeID-GAN: going on from step %d", self.gan.step)
