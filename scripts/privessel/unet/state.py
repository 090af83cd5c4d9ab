"""The state of a U-Net's training, saved so that an interrupted training can continue."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from privessel.files import checkpoint

log = logging.getLogger(__name__)


class UNetState:
    """All that a training's next step depends on, and the file `path` that it is saved to.

    parts: what has a `state_dict` of its own, by name: the network, its optimiser, an average of weights.
    """

    def __init__(
        self,
        path: Path,
        *,
        identity: dict,
        parts: Mapping[str, nn.Module | torch.optim.Optimizer],
        device: torch.device,
    ) -> None:
        self.path, self.identity, self.parts = path, identity, parts
        self.step = 0
        self.history: list[dict[str, float]] = []
        # Sums of loss and DSC over the steps of the epoch that is under way.
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)

    def count(self, loss: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        """Add the loss and the DSC of one step to the sums of the epoch."""
        predicted = probabilities.detach() > 0.5
        pixels = (predicted.sum() + labels.sum()).clamp(min=1)
        self.sums += torch.stack([loss.detach(), 2 * labels[predicted].sum() / pixels])

    def end_epoch(self, steps: int) -> None:
        """Add the epoch's mean loss and DSC over its `steps` to the history, and begin the next epoch."""
        loss, dsc = (self.sums / steps).tolist()
        self.history.append({"epoch": len(self.history) + 1, "loss": loss, "dsc": dsc})
        self.sums.zero_()

    def save(self) -> None:
        """Write the state to its file, whole or not at all."""
        state = {
            "identity": self.identity,
            "step": self.step,
            "history": self.history,
            "sums": self.sums,
            **{name: part.state_dict() for name, part in self.parts.items()},
        }
        checkpoint.save(self.path, state)

    def restore(self) -> None:
        """Continue from the saved state of an interrupted training of the same identity, if there is one."""
        state = checkpoint.load_of(self.path, identity=self.identity)
        if state is None:
            return
        self.step, self.history = state["step"], state["history"]
        self.sums.copy_(state["sums"])
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        log.info("U-Net: going on from step %d", self.step)
