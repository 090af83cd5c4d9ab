"""A person's draw of the local mechanism: charged once, kept for good, and never drawn again over other data.

The noise comes from the site's secret and a nonce of the draw, as that of private trainings does
(`privacy/ledger.py`), and each person has a ledger of the own draw. Asked again, the kept result is restored.
On a public cohort a published seed draws, and nobody is charged.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.shield import GRID_BITS, Mechanism, add_noise, round_code
from privessel.errors import PrivacyError
from privessel.files.atomic import atomic_path
from privessel.files.lock import SILENT_MINUTES, lock
from privessel.files.reading import read_json
from privessel.gan import paid_runs
from privessel.gan.record import code_digests, library_versions
from privessel.privacy.account import Account, Point, Run
from privessel.privacy.identity import identity_digest
from privessel.privacy.keys import Stream, public_key
from privessel.privacy.site import PaidRun, Site
from privessel.study.names import HULL_DRAW

CODE = "code.json"
# Code and noise are added as whole numbers, so that any machine repeats a draw bit by bit.
ANY_MACHINE = "any machine: whole numbers alone"


@dataclass(frozen=True)
class HullDraw:
    """One person's draw. level: such as eps-4; number: of the draw, another one is charged in addition.

    model: digest of the public model behind the code. scans: of each session, the digest of its voxels.
    """

    cohort: str
    person: str
    level: str
    number: int
    delta: float
    mechanism: Mechanism
    model: str
    scans: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the draw in ledgers and messages; no person is in it."""
        return f"{HULL_DRAW}/{self.level}/run-{self.number}"

    def identity(self, whole: NDArray, *, code: Iterable[Path]) -> dict[str, object]:
        """Return everything that decides the draw, as plain JSON (docs/mechanism.md, rule 7)."""
        return {
            "architecture": {"name": HULL_DRAW, "rank": len(whole), "model": self.model},
            "level": self.level,
            "run": self.number,
            "training": asdict(self.mechanism) | {"delta": self.delta, "grid_bits": GRID_BITS},
            "patches": _digest([self.cohort, self.person, sorted(self.scans.items())]),
            "trained_on": _digest([int(number) for number in whole]),
            "code": code_digests(code),
            "libraries": library_versions(),
            "device": "cpu",
            "threads": 1,
        }

    def paid(self, identity: Mapping[str, object], site: Site, results: Path) -> PaidRun:
        """Return the draw as the site's books have it: one Gaussian step on one person.

        Its noise multiplier counts the difference of any two codes, which is what replacing a person's head
        does. To remove the person would move the code half as far, so nothing is under-stated.
        """
        scans = dict(sorted(self.scans.items()))
        # One scan may be listed as two visits.
        voxels = list(dict.fromkeys(voxels for _, voxels in site.digests(scans).values()))
        digests = site.digests({self.person: next(iter(scans.values()))})
        run = Run(
            identity=identity_digest(identity),
            cohort=self.cohort,
            architecture=HULL_DRAW,
            level=self.level,
            run=self.number,
            unit="patient",
            noise_multiplier=self.mechanism.noise_multiplier,
            sampling_rate=1.0,
            steps=1,
            # One person, recognised by the id and by each of the scans: every pair shares a digest with the
            # next one, and pairs that share one are of one person (`spending.join_people`).
            patients=(*digests.values(), *pairwise(voxels)),
        )
        return PaidRun(site, run, digests, machine=ANY_MACHINE, results=results)

    def record(self, account: Account | None) -> dict[str, object]:
        """Return what privacy.json says about the draw; `account`: its ledger, None on a public cohort."""
        record = {
            "arch": HULL_DRAW,
            "level": self.level,
            "run": self.number,
            "cohort": self.cohort,
            "protection": "local differential privacy of the hull, given the brain",
            "noise_multiplier": self.mechanism.noise_multiplier,
            "delta": self.delta,
            "public_key": account is None,
            "charged_steps": account.steps if account else 1,
        }
        if account:
            record["ledger"] = account.cite()
        return record


def place_draw(draws: Path, *, cohort: str, person: str, level: str, number: int) -> Path:
    """Return the folder of a person's draw below `draws`, that of all of them."""
    return draws / cohort / person / level / f"run-{number}"


def draw_hull(
    draw: HullDraw,
    code: NDArray,
    *,
    folder: Path,
    code_files: Iterable[Path],
    seed: int,
    site: Site | None,
    results: Path,
) -> NDArray[np.float64]:
    """Return a person's noisy code (rank,), drawn now or restored from `folder`, where it is written.

    code: `shield.combine_visits` of the person's codes. site: None on a public cohort, where the public
    `seed` draws. results: the study's folder of results. On patients the draw is charged before it is made.
    Raises PrivacyError where the budget does not cover it, and where a finished draw was on other scans or
    with other settings.
    """
    whole = round_code(code, clip=draw.mechanism.clip)
    identity = draw.identity(whole, code=code_files)
    paid = draw.paid(identity, site, results) if site else None
    folder.mkdir(parents=True, exist_ok=True)
    with _naming(draw), lock(folder / ".lock", silent_minutes=SILENT_MINUTES):
        if not paid_runs.restore(folder, identity=identity, paid=paid):
            public = Stream(public_key(seed=seed, name=f"{draw.name} {draw.cohort} {draw.person}"))
            opened = (
                paid.open(Point(), silent_minutes=SILENT_MINUTES) if paid else nullcontext((public, None))
            )
            with opened as (stream, ledger):
                if ledger:
                    ledger.charge(0, 1)
                noisy = add_noise(whole, draw.mechanism, stream)
                resume = folder / ".resume"
                with atomic_path(resume / CODE) as partial:
                    partial.write_text(json.dumps({"code": noisy.tolist()}) + "\n")
                record = draw.record(ledger.account if ledger else None)
                paid_runs.publish(resume, folder, [CODE], record, identity=identity, paid=paid)
    return np.array(read_json(folder / CODE, keys=("code",))["code"], np.float64)


@contextmanager
def _naming(draw: HullDraw) -> Iterator[None]:
    """Let a refusal say whose draw it is about; the message stays inside."""
    try:
        yield
    except PrivacyError as problem:
        raise PrivacyError(f"person {draw.person} of {draw.cohort}: {problem}") from problem


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
