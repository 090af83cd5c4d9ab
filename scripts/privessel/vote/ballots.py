"""One patient's ballot: how every candidate's U-Net does on patches of this patient, and nothing of others.

Ballots look at patients outside the mechanism. They stay inside, and no message says what is in them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import cut, digest
from privessel.cohort.scan import Scan
from privessel.device import pick_device
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json, reading
from privessel.unet.net import TrainedUNet
from privessel.unet.prediction import THRESHOLD, brain_tiles, predict_patches
from privessel.vote.ranks import Count


@dataclass(frozen=True)
class Ballot:
    """What one patient says: `counts`, one a candidate, and digests of the patches and the candidates."""

    patient: str
    patches: str  # digest of the patches that the candidates were judged on
    candidates: tuple[str, ...]  # digest of each candidate's U-Net
    counts: tuple[Count, ...]

    def save(self, path: Path) -> None:
        """Write the ballot, whole or not at all."""
        content = vars(self) | {"counts": [astuple(one) for one in self.counts]}
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(content) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Ballot":
        """Read what `save` wrote; DamagedError, naming the file, where it is damaged."""
        content = read_json(path, keys=("patient", "patches", "candidates", "counts"))
        with reading(path):
            counts = tuple(Count(*map(int, one)) for one in content["counts"])
            if len(counts) != len(content["candidates"]):
                raise ValueError(f"it has {len(counts)} counts of {len(content['candidates'])} candidates")
        return cls(content["patient"], content["patches"], tuple(content["candidates"]), counts)


def fill_in(
    patient: str,
    scan: Scan,
    candidates: Sequence[TrainedUNet],
    *,
    n: int,
    seed: int,
    stride: int,
    prediction: Mapping[str, object],
) -> Ballot:
    """Return the ballot of one patient.

    The candidates are judged on `n` of the patches, `stride` voxels apart, of which a segmentation of the
    whole scan is made (`unet.prediction`), or on all of them if there are fewer. Patches around voxels of the
    brain would seldom lie across its edge, where candidates differ most in what they mark wrongly. The choice
    depends on the scan and on `seed`, which must follow from the patient's id and from nothing of other
    patients. prediction: `batch` (patches at a time) and `device`.
    """
    size = candidates[0].patch_size
    centres = brain_tiles(scan.brain, size=size, stride=stride)
    centres = np.random.default_rng(seed).permutation(centres)[:n]
    image, label, brain = (cut(volume, centres, size) for volume in (scan.image, scan.vessels, scan.brain))
    return Ballot(
        patient=patient,
        patches=digest(image, label, brain),
        candidates=tuple(candidate.digest() for candidate in candidates),
        counts=tuple(count(one, image, label, brain, **prediction) for one in candidates),
    )


def count(
    trained: TrainedUNet,
    image: NDArray[np.float32],
    label: NDArray[np.bool_],
    brain: NDArray[np.bool_],
    *,
    batch: int,
    device: str,
) -> Count:
    """Return how a U-Net does on the patches of one patient, (n, s, s) each, over all their brain pixels.

    A U-Net whose output is no number marks nothing.
    """
    target = pick_device(device)
    network, right, wrong = trained.network(target), 0, 0
    for start in range(0, len(image), batch):
        part = slice(start, start + batch)
        probability = predict_patches(trained, network, image[part], target)
        marked = (probability > THRESHOLD) & brain[part]  # NaN is not above it
        right += int((marked & label[part]).sum())
        wrong += int((marked & ~label[part]).sum())
    return Count(right, wrong, int((label & brain).sum()) - right)
