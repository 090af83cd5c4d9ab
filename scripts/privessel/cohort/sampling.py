"""Random centres of a patient's patches: half of them on vessels, half anywhere in the brain."""

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import Patches, cut
from privessel.cohort.regions import Cover
from privessel.cohort.scan import Scan
from privessel.cohort.table import Patient
from privessel.errors import CohortError


def sample_centres(
    vessels: NDArray[np.bool_], brain: NDArray[np.bool_], *, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return `n` distinct random centres (n, 3): ceil(n/2) on vessels in the brain, others anywhere in it.

    They are chosen without replacement, and the second half only among voxels not in the first, so that no
    patch occurs twice (Kossen et al. 2022). Raises CohortError when a half has too few distinct voxels.
    """
    on_vessel = np.flatnonzero(vessels & brain)
    wanted = (n + 1) // 2
    if on_vessel.size < wanted:
        raise CohortError(
            f"{wanted} vessel-centred patches are asked for, but the brain has {on_vessel.size} vessel voxels"
        )
    first = rng.choice(on_vessel, wanted, replace=False)
    free = brain.copy()
    free.reshape(-1)[first] = False
    anywhere = np.flatnonzero(free)
    if anywhere.size < n - wanted:
        raise CohortError(
            f"{n - wanted} patches anywhere in the brain are asked for, but {anywhere.size} brain voxels are "
            f"left after the {wanted} vessel-centred ones"
        )
    second = rng.choice(anywhere, n - wanted, replace=False)
    return np.stack(np.unravel_index(np.concatenate([first, second]), brain.shape), axis=1)


def sample_spread_centres(
    vessels: NDArray[np.bool_],
    brain: NDArray[np.bool_],
    *,
    n: int,
    size: int,
    max_overlap: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return centres (n, 3) as `sample_centres` does, with at most `max_overlap` patches over any voxel.

    Candidates are visited in a random order, and one whose patch (`size` pixels a side) would cover a voxel
    once too often is skipped. So every centre that is still allowed is equally likely to come next. Raises
    CohortError when a half runs out of allowed centres.
    """
    cover = Cover(brain.shape, size=size, most=max_overlap)
    wanted = (n + 1) // 2
    first = cover.accept(rng.permutation(np.flatnonzero(vessels & brain)), n=wanted)
    free = brain.copy()
    free.reshape(-1)[first] = False
    second = cover.accept(rng.permutation(np.flatnonzero(free)), n=n - wanted)
    for found, asked, where in (
        (first, wanted, "centred on vessels"),
        (second, n - wanted, "anywhere in the brain"),
    ):
        if len(found) < asked:
            raise CohortError(
                f"{asked} patches {where} are asked for, but only {len(found)} fit with at most "
                f"{max_overlap} patches over any voxel"
            )
    return np.stack(np.unravel_index(np.concatenate([first, second]), brain.shape), axis=1)


def sample_patient(
    patient: Patient, scan: Scan, *, n: int, size: int, seed: int, max_overlap: int | None
) -> Patches:
    """Return `n` random patches of one patient, the same for the same seed; every patient needs another seed.

    With `max_overlap` no voxel lies in more patches than that; None bounds nothing. Raises CohortError,
    naming patient, mask, numbers and remedy, when there are too few distinct centres.
    """
    rng, bounded = np.random.default_rng(seed), max_overlap is not None
    try:
        if bounded:
            centres = sample_spread_centres(
                scan.vessels, scan.brain, n=n, size=size, max_overlap=max_overlap, rng=rng
            )
        else:
            centres = sample_centres(scan.vessels, scan.brain, n=n, rng=rng)
    except CohortError as problem:
        more = "raise patches.max_overlap, " if bounded else ""
        raise CohortError(
            f"{patient.who}vessel mask {patient.vessels}: too few "
            f"distinct patch centres: {problem}. Remedy: {more}ask for fewer patches a patient in the "
            "config, or leave the patient out of participants.tsv."
        ) from problem
    return Patches(
        image=cut(scan.image, centres, size),
        label=cut(scan.vessels, centres, size),
        centre=centres,
        patient_index=np.zeros(n, dtype=np.int64),
        patients=(patient.id,),
        seeds=(seed,),
    )
