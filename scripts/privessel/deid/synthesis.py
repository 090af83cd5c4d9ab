"""A de-identified head from gamma and a seed."""

import numpy as np
import torch
from numpy.typing import NDArray

from privessel.deid.networks import Generator
from privessel.deid.pyramid import halve_gamma
from privessel.deid.streams import SYNTHESIS, stream
from privessel.deid.trained import TrainedHeadGan
from privessel.deid.training_heads import make_gamma
from privessel.errors import PrivacyError


def make_head(
    trained: TrainedHeadGan,
    *,
    person: str,
    image: NDArray[np.float32],
    hull: NDArray[np.bool_],
    brain: NDArray[np.bool_],
    seed: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Return a head (s, s, s) float32 in [0, 1] around a brain.

    image: (s, s, s) float32, of which nothing is used but the values inside the brain mask, in [0, 1]; they
    are in the result bit for bit. hull, brain: (s, s, s) bool. Outside of both the result is exactly 0.

    The same arguments give the same head, bit for bit on a CPU with as many threads. The seed must not
    depend on the scan. Raises PrivacyError where the GAN was trained on this person, ValueError for arrays of
    another form and for brain values outside [0, 1].
    """
    if trained.saw(person):
        raise PrivacyError(
            f"person {person}: this GAN was trained on this person, so the head it makes could show the "
            "face. Remedy: take the GAN of the person's own fold"
        )
    _check(image, hull, brain, size=trained.shape.size)
    return _make(trained.generator(device), image, hull, brain, seed=seed, device=device)


@torch.no_grad()
def _make(
    generator: Generator,
    image: NDArray[np.float32],
    hull: NDArray[np.bool_],
    brain: NDArray[np.bool_],
    *,
    seed: int,
    device: torch.device,
) -> NDArray[np.float32]:
    _, gamma = make_gamma(image, hull, brain)
    draw = stream(seed, SYNTHESIS, 0, device=device)
    scales = halve_gamma(gamma[None].to(device), generator.shape.scales, draw=draw)
    made = generator(scales, generator.draw(1, draw))[0][0, 0].cpu().numpy()
    # From zeros, so that nothing but the brain can come from the image.
    head = np.zeros(image.shape, np.float32)
    head[hull] = np.clip((made[hull] + 1) / 2, 0, 1)
    head[brain] = image[brain]
    return head


def _check(
    image: NDArray[np.float32], hull: NDArray[np.bool_], brain: NDArray[np.bool_], *, size: int
) -> None:
    """Raise ValueError where gamma cannot be made of these arrays."""
    for name, array, kind in (("image", image, np.float32), ("hull", hull, bool), ("brain", brain, bool)):
        if array.shape != (size,) * 3 or array.dtype != kind:
            raise ValueError(
                f"{name} must be ({size}, {size}, {size}) {np.dtype(kind)}, as the GAN was trained on, not "
                f"{array.shape} {array.dtype}"
            )
    if not brain.any():
        raise ValueError("the brain mask is empty: there is nothing to make a head around")
    inside = image[brain]
    if not (np.isfinite(inside).all() and inside.min() >= 0 and inside.max() <= 1):
        raise ValueError("the image's values inside the brain mask must be finite and in [0, 1]")
