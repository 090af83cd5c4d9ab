"""Where a U-Net's training stands, and how it goes on after an interruption."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from privessel.files import checkpoint
from privessel.unet.net import UNet

log = logging.getLogger(__name__)


class UNetState:
    """All that a training's next step depends on, and its file `path`."""

    def __init__(self, path: Path, *, identity: dict, network: UNet, optimiser: torch.optim.Adam) -> None:
        self.path, self.identity, self.network, self.optimiser = path, identity, network, optimiser
        self.step = 0
        self.history: list[dict[str, float]] = []
        # Of the running epoch: loss and DSC.
        self.sums = torch.zeros(2, dtype=torch.float64, device=next(network.parameters()).device)

    def count(self, loss: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        """Add one step to the epoch's history."""
        predicted = probabilities.detach() > 0.5
        both = (predicted.sum() + labels.sum()).clamp(min=1)
        self.sums += torch.stack([loss.detach(), 2 * labels[predicted].sum() / both])

    def end_epoch(self, steps: int) -> None:
        """Turn the epoch's sums into a row of history."""
        loss, dsc = (self.sums / steps).tolist()
        self.history.append({"epoch": len(self.history) + 1, "loss": loss, "dsc": dsc})
        self.sums.zero_()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        state = {
            "identity": self.identity,
            "step": self.step,
            "history": self.history,
            "sums": self.sums,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        checkpoint.save(self.path, state)

    def restore(self) -> None:
        """Take over the state of an interrupted run of the same identity, if there is one."""
        if not self.path.exists():
            return
        state = checkpoint.load(self.path)
        if state["identity"] != self.identity:
            changed = [key for key, value in self.identity.items() if state["identity"].get(key) != value]
            log.warning("%s is from a run with other %s: starting anew", self.path, ", ".join(changed))
            return
        self.step, self.history = state["step"], state["history"]
        self.sums.copy_(state["sums"])
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        log.info("U-Net: going on from step %d", self.step)
