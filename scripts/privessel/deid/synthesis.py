"""A de-identified head from gamma and a seed."""

import numpy as np
import torch
from numpy.typing import NDArray

from privessel.deid.gamma import Gamma
from privessel.deid.pyramid import halve_gamma
from privessel.deid.streams import SYNTHESIS, stream
from privessel.deid.trained import TrainedHeadGan
from privessel.deid.training_heads import make_gamma
from privessel.errors import PrivacyError


@torch.no_grad()
def make_head(
    trained: TrainedHeadGan, gamma: Gamma, *, person: str, seed: int, device: torch.device
) -> NDArray[np.float32]:
    """Return a head (s, s, s) float32 in [0, 1] around the brain of `gamma`.

    The values of gamma's masked brain, in [0, 1], are in the result bit for bit. Outside of its hull and its
    brain mask the result is exactly 0. The same arguments give the same head, bit for bit on a CPU with as
    many threads; the seed must not depend on the scan.

    Raises PrivacyError where the GAN was trained on this person, ValueError for a gamma of another size or
    type than the GAN was trained on and for brain values outside [0, 1].
    """
    if trained.saw(person):
        raise PrivacyError(
            f"person {person}: this GAN was trained on this person, so the head it makes could show the "
            "face. Remedy: take the GAN of the person's own fold"
        )
    _check(gamma, size=trained.shape.size)
    generator = trained.generator(device)
    draw = stream(seed, SYNTHESIS, 0, device=device)
    _, volumes = make_gamma(gamma.masked_brain, gamma.hull, gamma.brain)
    scales = halve_gamma(volumes[None].to(device), generator.shape.scales, draw=draw)
    made = generator(scales, generator.draw(1, draw))[0][0, 0].cpu().numpy()
    # From zeros, so that nothing is kept where nothing is meant to be.
    head = np.zeros(made.shape, np.float32)
    head[gamma.hull] = np.clip((made[gamma.hull] + 1) / 2, 0, 1)
    head[gamma.brain] = gamma.masked_brain[gamma.brain]
    return head


def _check(gamma: Gamma, *, size: int) -> None:
    """Raise ValueError where a head of this size cannot be made of gamma."""
    kinds = {"hull": bool, "brain": bool, "masked_brain": np.float32}
    for name, kind in kinds.items():
        array = getattr(gamma, name)
        if array.shape != (size,) * 3 or array.dtype != kind:
            raise ValueError(
                f"{name} must be ({size}, {size}, {size}) {np.dtype(kind)}, as the GAN was trained on, not "
                f"{array.shape} {array.dtype}"
            )
    if not gamma.brain.any():
        raise ValueError("the brain mask is empty: there is nothing to make a head around")
    inside = gamma.masked_brain[gamma.brain]
    if not (np.isfinite(inside).all() and inside.min() >= 0 and inside.max() <= 1):
        raise ValueError("values inside the brain mask must be finite and in [0, 1]: scale the brain first")
