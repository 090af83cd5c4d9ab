"""The heads that the GANs of all folds make of a cohort, from files to files."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import torch

from privessel.deid.gamma import Gamma, name_by_brains
from privessel.deid.synthesis import make_head
from privessel.deid.trained import TrainedHeadGan
from privessel.files.arrays import write_arrays
from privessel.files.reading import file_digest, read_array
from privessel.seeds import derive


def write_heads(
    scans: Sequence[Mapping],
    *,
    gans: Mapping[int, Path],
    gammas: Sequence[Path],
    hulls: Path | None,
    made: Sequence[Path],
    seed: int,
    device: torch.device,
) -> None:
    """Write the head of every scan, `image` (S, S, S) float32 in [0, 1], and `made_of` to its file of `made`.

    scans: `name`, `fold` and `known_as` of each, the person's name as trainings have it; `gammas` and `made`
    are in their order. gans: the generator of each fold. hulls: the archive of a shield, None for the paper's
    own. A person's seed is the same for all scans and all hulls, and follows from their brains.

    Raises PrivacyError where a GAN was trained on the person whose head it would make, DamagedError for a
    file that cannot be read.
    """
    seeds = find_seeds([scan["known_as"] for scan in scans], gammas, seed=seed)
    places = sorted(range(len(scans)), key=lambda place: scans[place]["fold"])
    for fold, own in groupby(places, key=lambda place: scans[place]["fold"]):
        trained, generator = TrainedHeadGan.load(gans[fold]), file_digest(gans[fold])
        for place in own:
            scan, gamma = scans[place], Gamma.load(gammas[place])
            if hulls:
                gamma = gamma.with_hull(read_array(hulls, scan["name"]))
            person = scan["known_as"]
            head = make_head(trained, gamma, person=person, seed=seeds[person], device=device)
            made_of = digest_parts(gamma, generator=generator, seed=seeds[person])
            write_arrays(made[place], image=head, made_of=made_of)


def digest_parts(gamma: Gamma, *, generator: str, seed: int) -> str:
    """Return the digest of all that a head is made of; `generator`: the SHA-256 of the GAN's file.

    It stands beside the head as `made_of`, so that a release can tell a head of another GAN or hull.
    """
    arrays = (gamma.hull, gamma.brain, gamma.masked_brain)
    parts = [generator, str(seed), *(hashlib.sha256(one.tobytes()).hexdigest() for one in arrays)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def find_seeds(people: Sequence[str], gammas: Sequence[Path], *, seed: int) -> dict[str, int]:
    """Return the seed of each person's heads; `people` has whose each of `gammas` is."""
    own: dict[str, list[Path]] = {}
    for person, path in zip(people, gammas, strict=True):
        own.setdefault(person, []).append(path)
    return {person: derive(seed, "deid-head", name_by_brains(paths)) for person, paths in own.items()}
