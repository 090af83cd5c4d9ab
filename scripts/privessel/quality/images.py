"""Random images of a set, patients' patches or synthetic pairs, for comparison with another set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import load_pairs, rescale
from privessel.errors import CohortError


def sample_images(paths: Sequence[Path], *, n: int, seed: int) -> NDArray[np.uint8]:
    """Return `n` random images (n, s, s) of the set in `paths`, each scaled by itself to 0..255.

    They are chosen without replacement, equally many from every file (a patient's, in a cohort) but for a
    difference of one. One file is in memory at a time; images keep the order of the files. A constant image
    becomes black.

    Raises CohortError, naming the file with too few images and the largest `n` that it would allow, and the
    errors of `load_pairs`.
    """
    rng = np.random.default_rng(seed)
    shares = np.full(len(paths), n // len(paths))
    shares[rng.choice(len(paths), n % len(paths), replace=False)] += 1
    parts = []
    for path, share in zip(paths, shares, strict=True):
        images, _ = load_pairs([Path(path)])
        if share > len(images):
            raise CohortError(
                f"{path}: {len(images)} images, but {share} are needed: {n} from {len(paths)} files in "
                f"all. Remedy: lower the key of `quality` that asks for {n} images to at most "
                f"{len(images) * len(paths)}."
            )
        chosen = rescale(images[np.sort(rng.choice(len(images), share, replace=False))], 0, 255)
        parts.append(np.rint(chosen, out=chosen).astype(np.uint8))
    return np.concatenate(parts)


def halve(paths: Sequence[Path], *, seed: int) -> dict[str, list[Path]]:
    """Split a cohort's files, one a patient, at random into `half` and `other_half`; {} for one file."""
    if len(paths) < 2:
        return {}
    order = np.random.default_rng(seed).permutation(len(paths))
    parts = zip(("half", "other_half"), np.array_split(order, 2), strict=True)
    return {name: [paths[i] for i in np.sort(part)] for name, part in parts}
