"""One vote: what decides it, how it is charged, and its files; drawn once, then only restored."""

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from fractions import Fraction
from pathlib import Path

from privessel.cohort.intake import read_voxels
from privessel.cohort.patches import digest, load_pairs
from privessel.errors import PrivacyError
from privessel.files.atomic import atomic_path
from privessel.files.lock import SILENT_MINUTES, lock
from privessel.gan import paid_runs
from privessel.gan.record import code_digests, library_versions
from privessel.limits import FEWEST_VOTERS
from privessel.privacy.account import Account, Point, Run
from privessel.privacy.accounting import Charge
from privessel.privacy.identity import identity_digest
from privessel.privacy.keys import Stream, public_key
from privessel.privacy.promises import Sizes, state_promises
from privessel.privacy.site import PaidRun, Site
from privessel.study.names import VOTE, Level
from privessel.unet.net import TrainedUNet
from privessel.vote.ballots import Ballot
from privessel.vote.mechanism import Bits, draw
from privessel.vote.ranks import add_ranks, rank

log = logging.getLogger(__name__)

# The draw adds and compares whole numbers alone, so that any machine repeats it bit by bit.
ANY_MACHINE = "any machine: whole numbers alone"


@dataclass(frozen=True)
class Vote:
    """A vote is named by its level (`eps-1`), its number, and the cohort whose training patients vote."""

    level: str
    number: int
    cohort: str

    @property
    def name(self) -> str:
        """The name that messages and sources use, such as vote/eps-1/run-1; also its folder."""
        return f"{VOTE}/{self.level}/run-{self.number}"

    @property
    def epsilon(self) -> Fraction:
        """The pure eps of a patient, exactly as its digits say."""
        return exact_epsilon(self.level)

    @property
    def charged_epsilon(self) -> float:
        """The eps as a number that is not below it: most decimal fractions are between two of those."""
        nearest = float(self.epsilon)
        return nearest if Fraction(nearest) >= self.epsilon else math.nextafter(nearest, math.inf)

    def identity(
        self, ballots: Sequence[Ballot], *, settings: Mapping[str, object], code: Iterable[Path]
    ) -> dict[str, object]:
        """Return everything that decides the draw, as plain JSON (docs/mechanism.md, rule 7).

        settings: `patches` of each ballot, and how many `patients` the cohort's table has.
        """
        (candidates,) = {ballot.candidates for ballot in ballots}
        return {
            "architecture": {
                "name": VOTE,
                "candidates": len(candidates),
                "digest": _digest(candidates),
            },
            "level": self.level,
            "run": self.number,
            "training": {"epsilon": str(self.epsilon), **settings},
            "patches": _digest([ballot.patches for ballot in ballots]),
            "trained_on": _digest([[astuple(one) for one in ballot.counts] for ballot in ballots]),
            "code": code_digests(code),
            "libraries": library_versions(),
            "device": "cpu",
            "threads": 1,
        }

    def source(
        self,
        ballots: Sequence[Ballot],
        *,
        identity: Mapping[str, object],
        seed: int,
        site: Site | None,
        scans: Path,
        results: Path,
    ) -> Stream | PaidRun:
        """Return where the random bits come from: a published seed, or the site's secret at a charge.

        As of a GAN (`gan.run.GanRun.source`): `site` is None on a public cohort, `scans` the table of
        training patients with the digests of their scans, and `results` the study's folder of results.
        """
        if site is None:
            return Stream(public_key(seed=seed, name=self.name))
        voxels = read_voxels(scans)
        digests = site.digests({ballot.patient: voxels[ballot.patient] for ballot in ballots})
        run = Run(
            identity=identity_digest(identity),
            cohort=self.cohort,
            architecture=VOTE,
            level=self.level,
            run=self.number,
            unit="patient",
            noise_multiplier=None,
            sampling_rate=1.0,
            steps=1,
            patients=tuple(digests.values()),
            pure_epsilon=self.charged_epsilon,
        )
        return PaidRun(site, run, digests, machine=ANY_MACHINE, results=results)

    def record(
        self, ballots: Sequence[Ballot], account: Account | None, *, settings: Mapping[str, object]
    ) -> dict[str, object]:
        """Return what privacy.json says about the vote; `account`: its ledger, None on a public cohort."""
        steps = account.steps if account else 1
        patients, patches = settings["patients"], settings["patches"]
        charge = Charge(None, 1.0, steps, self.charged_epsilon)
        sizes = Sizes(patients, patches, None)
        promises = state_promises([charge], unit="patient", sizes=sizes, delta=1e-5, patient_delta=1e-5)
        record = {"arch": VOTE, "level": self.level, "run": self.number, "cohort": self.cohort}
        if account:
            record["ledger"] = account.cite()
        return record | {
            "protection": "differential privacy",
            "unit": "patient",
            "pure_epsilon": self.charged_epsilon,
            "noise_multiplier": None,
            "sampling_rate": 1.0,
            "neighbours": "one patient replaced by an empty one",
            "delta": 0.0,
            "candidates": len(ballots[0].counts),
            "patients": patients,
            "ballot_patches": patches,
            "patches": patients * patches,
            "public_key": account is None,
            "charged_steps": steps,
            "promises": promises,
            "versions": library_versions(),
        }


def exact_epsilon(level: str) -> Fraction:
    """Return the eps of a vote's level as a fraction: eps-0.1 is one tenth, not the nearest binary number."""
    if Level.parse(level).kind != "eps":
        raise ValueError(f"the level of a vote is eps-x, not {level}")
    return Fraction(level.removeprefix("eps-"))


def hold_vote(
    vote: Vote,
    ballots: Sequence[Ballot],
    candidates: Sequence[Mapping[str, Path]],
    *,
    source_of: Mapping[str, object],
    settings: Mapping[str, object],
    code: Iterable[Path],
    folder: Path,
) -> None:
    """Draw one candidate by the patients' `ballots` and leave its files, and privacy.json, in `folder`.

    candidates: the files of each candidate, by the names that they get in `folder`; `unet.pt` among them.
    source_of: the keywords of `Vote.source` but for the identity. settings: as `Vote.identity`.

    On patients of a site the draw is charged before it is made, and the files of a finished vote are kept
    and restored at no charge (`paid_runs`). Raises PrivacyError where there are fewer than FEWEST_VOTERS
    patients, where patients are missing, where ballots are about other candidates, and where a finished vote
    was another one.
    """
    _check(vote, ballots, candidates, patients=settings["patients"])
    identity = vote.identity(ballots, settings=settings, code=code)
    source = vote.source(ballots, identity=identity, **source_of)
    folder.mkdir(parents=True, exist_ok=True)
    paid = source if isinstance(source, PaidRun) else None
    with lock(folder / ".lock", silent_minutes=SILENT_MINUTES):
        if paid_runs.restore(folder, identity=identity, paid=paid):
            return
        vote.record(ballots, None, settings=settings)  # what cannot be said stops it before it is charged
        opened = paid.open(Point(), silent_minutes=SILENT_MINUTES) if paid else nullcontext((source, None))
        with opened as (stream, ledger):
            if ledger:
                ledger.charge(0, 1)
            utilities = add_ranks([rank(ballot.counts) for ballot in ballots])
            files = candidates[draw(utilities, epsilon=vote.epsilon, bits=Bits(stream, "vote"))]
            record = vote.record(ballots, ledger.account if ledger else None, settings=settings)
            paid_runs.publish(
                _copy(files, folder / ".resume"), folder, list(files), record, identity=identity, paid=paid
            )
    log.info("%s: %d patients have chosen among %d candidates", vote.name, len(ballots), len(candidates))


def _check(
    vote: Vote, ballots: Sequence[Ballot], candidates: Sequence[Mapping[str, Path]], *, patients: int
) -> None:
    """Raise PrivacyError where there is no such vote to hold; before anything is drawn or charged."""
    if patients < FEWEST_VOTERS:
        raise PrivacyError(
            f"{vote.name}: {patients} patients are too few for a vote, which needs {FEWEST_VOTERS}. Remedy: "
            "set vote.levels to []"
        )
    if len(ballots) != patients or len({ballot.patient for ballot in ballots}) != patients:
        raise PrivacyError(
            f"{vote.name}: {len(ballots)} ballots of {patients} training patients. Remedy: run the same "
            "command again, which makes the missing ones"
        )
    if len({ballot.candidates for ballot in ballots}) > 1:
        raise PrivacyError(
            f"{vote.name}: the ballots are not all about the same candidates. Remedy: remove the older ones "
            "and run the same command again; they are made anew"
        )
    nets = [TrainedUNet.load(files["unet.pt"]) for files in candidates]
    if tuple(net.digest() for net in nets) != ballots[0].candidates:
        raise PrivacyError(
            f"{vote.name}: the candidates are not those that the ballots are about. Remedy: remove the "
            "ballots and run the same command again; they are made anew"
        )
    for net, files in zip(nets, candidates, strict=True):
        if digest(*load_pairs([files["pairs.npz"]])) != net.identity.get("patches"):
            raise PrivacyError(
                f"{vote.name}: {files['pairs.npz']} is not what its U-Net was trained on, so it is not what "
                "the patients have voted on. Remedy: remove that candidate's files and the ballots, and run "
                "the same command again; they are made anew"
            )


def _copy(files: Mapping[str, Path], resume: Path) -> Path:
    """Copy the drawn candidate's files to the hidden folder `resume`, and return it."""
    shutil.rmtree(resume, ignore_errors=True)
    for name, path in files.items():
        with atomic_path(resume / name) as partial:
            shutil.copyfile(path, partial)
    return resume


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
