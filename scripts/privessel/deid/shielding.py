"""The shields of a cohort: a public model, and the hull of every scan that one of them gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.draws import HullDraw, draw_hull
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.deid.shield import (
    HullModel,
    Mechanism,
    combine_visits,
    draw_code,
    make_plausible,
    share_codes,
)
from privessel.files.atomic import atomic_path
from privessel.privacy.calibration import calibrate
from privessel.privacy.keys import Stream, public_key
from privessel.privacy.site import Site
from privessel.seeds import derive

SCALP_MM = 8.0  # of skin and skull that every hull leaves around a brain, at least


def fit_public(frames: Sequence[Path], gammas: Sequence[Path], *, rank: int) -> tuple[HullModel, NDArray]:
    """Return the public model of hulls and the average head (S, S, S), from files of public scans."""
    total, voxel = 0.0, 0.0
    for path in frames:
        framed = Framed.load(path)
        total, voxel = total + framed.image, framed.place.voxel
    loaded = [Gamma.load(path) for path in gammas]
    hulls, brains = [one.hull for one in loaded], [one.brain for one in loaded]
    model = HullModel.fit(hulls, brains, rank=rank, margin=SCALP_MM / voxel)
    return model, (total / len(frames)).astype(np.float32)


@dataclass(frozen=True)
class Shield:
    """How the hulls of one cohort are shielded: `kind` as in the config, such as k-same-10 or local-dp-4.

    seed: the public one. delta, clip, number: of local-dp. site: None on a public cohort. results: the
    study's folder. draws: the folder of finished draws. code_files: what decides a draw. model_digest: of the
    model.
    """

    cohort: str
    kind: str
    seed: int
    delta: float
    clip: float
    number: int
    site: Site | None
    results: Path
    draws: Path
    code_files: tuple[Path, ...]
    model_digest: str

    def make(
        self,
        model: HullModel,
        gammas: Mapping[str, Path],
        people: Mapping[str, str],
        digests: Mapping[str, str],
    ) -> dict[str, NDArray[np.bool_]]:
        """Return the shielded hull of every scan, by the scan's name.

        gammas: file of each scan. people: whose each scan is. digests: SHA-256 of each scan. All scans of a
        person get one code.
        """
        loaded = {name: Gamma.load(path) for name, path in gammas.items()}
        scans: dict[str, list[str]] = {}
        for name, person in people.items():
            scans.setdefault(person, []).append(name)
        codes = {
            person: combine_visits([model.encode(loaded[name].hull, loaded[name].brain) for name in names])
            for person, names in scans.items()
        }
        if self.kind == "brain":
            shielded = {person: draw_code(len(model.axes), self._stream(person)) for person in codes}
        elif self.kind.startswith("k-same-"):
            brains = {
                person: combine_visits([model.describe_brain(loaded[name].brain) for name in names])
                for person, names in scans.items()
            }
            random = np.random.default_rng(derive(self.seed, "k-same", self.cohort))
            k = int(self.kind.removeprefix("k-same-"))
            shielded, _ = share_codes(codes, brains, k=k, random=random)
        else:
            shielded = self._draw(codes, scans, digests)
        return {name: model.build(loaded[name].brain, shielded[people[name]]) for name in loaded}

    def _draw(
        self, codes: Mapping[str, NDArray], scans: Mapping[str, list[str]], digests: Mapping[str, str]
    ) -> dict[str, NDArray]:
        """Return each person's noisy code, made plausible; charged where the cohort is not public."""
        epsilon = float(self.kind.removeprefix("local-dp-"))
        noise = calibrate(target_epsilon=epsilon, sampling_rate=1.0, steps=1, delta=self.delta)
        mechanism = Mechanism(self.clip, noise)
        level = f"eps-{self.kind.removeprefix('local-dp-')}"
        drawn = {}
        for person, code in codes.items():
            draw = HullDraw(
                self.cohort, person, level, self.number, self.delta, mechanism, self.model_digest,
                {name: digests[name] for name in scans[person]},
            )  # fmt: skip
            noisy = draw_hull(
                draw,
                code,
                folder=self.draws / self.cohort / person / level / f"run-{self.number}",
                code_files=self.code_files,
                seed=self.seed,
                site=self.site,
                results=self.results,
            )
            drawn[person] = make_plausible(noisy, mechanism, self._stream(person))
        return drawn

    def _stream(self, person: str) -> Stream:
        """Return public random numbers, the same for all scans of a person: they protect nobody."""
        return Stream(public_key(seed=self.seed, name=f"hull {self.kind} {self.cohort} {person}"))


def save_hulls(path: Path, hulls: Mapping[str, NDArray[np.bool_]]) -> None:
    """Write the hulls of a cohort as .npz, one array a scan."""
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **hulls)
