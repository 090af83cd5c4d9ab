"""The candidates: public sets of labelled patches, each from phantoms of one setting, each with its U-Net.

Nothing here has seen a patient. A candidate follows from the study's public seed, its number and the design.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import cut, rescale
from privessel.files.arrays import write_arrays
from privessel.files.atomic import atomic_path
from privessel.phantom import Parameters, Phantom, draw_setting, simulate
from privessel.seeds import derive


@dataclass(frozen=True)
class Design:
    """What all candidates of a study have in common."""

    families: Sequence[str]  # of phantom settings; candidates take them in turn
    phantoms: int  # of each candidate
    shape: tuple[int, int, int]  # of a phantom, in voxels
    spacing: tuple[float, float, float]  # mm
    pairs: int  # of each candidate
    size: int  # pixels along a patch

    def family(self, number: int) -> str:
        """Return the family that candidate `number`, counted from 1, has its setting from."""
        return self.families[(number - 1) % len(self.families)]

    def setting(self, number: int, *, seed: int) -> Parameters:
        """Return the setting of a candidate; `seed` is the study's."""
        return draw_setting(self.family(number), seed=derive(seed, "vote", "setting", str(number)))

    def make(self, number: int, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return images (n, s, s), each scaled to 0..255 by itself, and labels of candidate `number`.

        Every phantom gives its share of the pairs, half of them centred on vessels.
        """
        setting, parts = self.setting(number, seed=seed), []
        ends = np.linspace(0, self.pairs, self.phantoms + 1).astype(int)
        for k, count in enumerate(np.diff(ends)):
            purpose = ("vote", "phantom", str(number), str(k))
            phantom = simulate(
                seed=derive(seed, *purpose), shape=self.shape, spacing=self.spacing, parameters=setting
            )
            rng = np.random.default_rng(derive(seed, *purpose, "patches"))
            parts.append(cut_pairs(phantom, n=int(count), size=self.size, rng=rng))
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def describe(self, number: int, *, seed: int) -> dict[str, object]:
        """Return number, family and setting of a candidate as plain JSON."""
        return {
            "candidate": number,
            "family": self.family(number),
            "phantoms": self.phantoms,
            "setting": asdict(self.setting(number, seed=seed)),
        }


def write_candidate(design: Design, number: int, *, seed: int, pairs: Path, setting: Path) -> None:
    """Make a candidate's pairs and write them, as a generator's are written, and its setting."""
    images, labels = design.make(number, seed=seed)
    write_arrays(pairs, image=images, label=labels)
    with atomic_path(setting) as partial:
        partial.write_text(json.dumps(design.describe(number, seed=seed), indent=1) + "\n")


def cut_pairs(
    phantom: Phantom, *, n: int, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Cut `n` patches, half of them on vessels, half anywhere in the brain, as those of patients are.

    Unlike there (`cohort.sampling`) a shortage is no error, since any setting must give a candidate. Where it
    leaves fewer vessel voxels than are asked for, some of them are the centre of several patches; where it
    leaves none, all patches lie anywhere. A patch of the second half may be one of the first, too.
    """
    on_vessel, anywhere = np.flatnonzero(phantom.vessels & phantom.brain), np.flatnonzero(phantom.brain)
    wanted = (n + 1) // 2 if on_vessel.size else 0
    first = rng.choice(on_vessel, wanted, replace=on_vessel.size < wanted) if wanted else on_vessel
    second = rng.choice(anywhere, n - wanted, replace=anywhere.size < n - wanted)
    centres = np.stack(np.unravel_index(np.concatenate([first, second]), phantom.brain.shape), axis=1)
    image = phantom.image.astype(np.float32) * phantom.brain
    scaled = rescale(cut(image, centres, size), 0, 255)
    return np.rint(scaled).astype(np.uint8), cut(phantom.vessels, centres, size)
