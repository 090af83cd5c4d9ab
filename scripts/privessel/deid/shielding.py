"""The shields of a cohort: a public model, and the hull of every scan that one of them gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.draws import HullDraw, draw_hull, place_draw
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma, name_by_brains
from privessel.deid.shield import (
    HullModel,
    Mechanism,
    combine_visits,
    draw_code,
    make_plausible,
    share_codes,
)
from privessel.privacy.calibration import calibrate
from privessel.privacy.keys import Stream, public_key
from privessel.privacy.site import Site
from privessel.seeds import derive
from privessel.study.names import parse_hull

SCALP_MM = 8.0  # of skin and skull that every hull leaves around a brain, at least


def fit_public(frames: Sequence[Path], gammas: Sequence[Path], *, rank: int) -> tuple[HullModel, NDArray]:
    """Return the public model of hulls and the average head (S, S, S), from files of public scans."""
    total, voxel = 0.0, 0.0
    for path in frames:
        framed = Framed.load(path)
        total, voxel = total + framed.image, framed.place.voxel
    hulls, brains = zip(*((one.hull, one.brain) for one in map(Gamma.load, gammas)), strict=True)
    model = HullModel.fit(hulls, brains, rank=rank, margin=SCALP_MM / voxel)
    return model, (total / len(frames)).astype(np.float32)


def find_noise(kind: str, *, delta: float) -> float:
    """Return the noise multiplier of a draw of `local-dp-E`: the least whose eps at `delta` is at most E."""
    return calibrate(target_epsilon=parse_hull(kind)[1], sampling_rate=1.0, steps=1, delta=delta)


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
        shielded = self.find_codes(model, gammas, people, digests)
        return {
            name: model.build(Gamma.load(path).brain, shielded[people[name]]) for name, path in gammas.items()
        }

    def find_codes(
        self,
        model: HullModel,
        gammas: Mapping[str, Path],
        people: Mapping[str, str],
        digests: Mapping[str, str],
    ) -> dict[str, NDArray]:
        """Return the shielded code of each person, arguments as `make`; a draw that is kept is restored."""
        scans: dict[str, list[str]] = {}
        for name, person in people.items():
            scans.setdefault(person, []).append(name)
        kind, number = parse_hull(self.kind)
        if kind == "brain":
            return {
                person: draw_code(len(model.axes), self._stream(gammas[name] for name in names))
                for person, names in scans.items()
            }
        codes, brains = _describe_people(model, gammas, scans)
        if kind == "k-same":
            random = np.random.default_rng(derive(self.seed, "k-same", self.cohort))
            return share_codes(codes, brains, k=int(number), random=random)[0]
        noisy = self._draw(codes, scans, digests)
        mechanism = self._mechanism()
        return {
            person: make_plausible(code, mechanism, self._stream(gammas[name] for name in scans[person]))
            for person, code in noisy.items()
        }

    def _mechanism(self) -> Mechanism:
        return Mechanism(self.clip, find_noise(self.kind, delta=self.delta))

    def _draw(
        self, codes: Mapping[str, NDArray], scans: Mapping[str, list[str]], digests: Mapping[str, str]
    ) -> dict[str, NDArray]:
        """Return each person's noisy code; charged where the cohort is not public."""
        mechanism, level = self._mechanism(), f"eps-{self.kind.removeprefix('local-dp-')}"
        drawn = {}
        for person, code in codes.items():
            draw = HullDraw(
                self.cohort, person, level, self.number, self.delta, mechanism, self.model_digest,
                {name: digests[name] for name in scans[person]},
            )  # fmt: skip
            drawn[person] = draw_hull(
                draw,
                code,
                folder=place_draw(
                    self.draws, cohort=self.cohort, person=person, level=level, number=self.number
                ),
                code_files=self.code_files,
                seed=self.seed,
                site=self.site,
                results=self.results,
            )
        return drawn

    def _stream(self, gammas: Iterable[Path]) -> Stream:
        """Return public random numbers for all scans of a person: they protect nobody."""
        return Stream(public_key(seed=self.seed, name=f"hull {self.kind} {name_by_brains(gammas)}"))


def _describe_people(
    model: HullModel, gammas: Mapping[str, Path], scans: Mapping[str, Sequence[str]]
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Return the code of each person, and what the model says of the brain, over all scans of the person."""
    codes, brains = {}, {}
    for person, names in scans.items():
        loaded = [Gamma.load(gammas[name]) for name in names]
        codes[person] = combine_visits([model.encode(one.hull, one.brain) for one in loaded])
        brains[person] = combine_visits([model.describe_brain(one.brain) for one in loaded])
    return codes, brains
