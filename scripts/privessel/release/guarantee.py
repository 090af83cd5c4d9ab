"""What a release promises: its mechanism, all other private runs on the same patients, and the eps of both.

A run counts with every step that it was charged for, also with those after the released epoch, because
whoever chose that epoch could look at the later ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from privessel.cohort.regions import largest_overlap, state_overlap
from privessel.errors import PrivacyError
from privessel.files.reading import reading
from privessel.privacy.accounting import Charge, composed_epsilon
from privessel.privacy.promises import Sizes, state_promises
from privessel.privacy.site import Entries, Site
from privessel.privacy.spending import Digests, runs_by_patient
from privessel.release.composition import Part, compose, compose_adaptively, parts_of
from privessel.release.own_run import check_counts, check_kept, own_account
from privessel.release.terms import Terms
from privessel.study.names import HULL_DRAW, PRIVATE_UNET

LIBRARIES = ("dp-accounting", "numpy", "opacus", "randomgen", "scipy", "torch")
# What the privacy.json of every run has.
RECORDED = ("arch", "level", "run", "cohort", "noise_multiplier", "public_key")


@dataclass(frozen=True)
class Cohort:
    """How many patients and patches a run was trained on; `public`: the scans are simulated or public."""

    public: bool
    patients: int
    patches: int
    patches_per_patient: int  # of the patient with most
    region_patches: int  # that show one place on a vessel, at most (see cohort.regions)

    @property
    def sizes(self) -> Sizes:
        """The numbers that the promises need."""
        return Sizes(self.patients, self.patches_per_patient, self.region_patches)


@dataclass(frozen=True)
class Trainings:
    """What was trained on the training patients of a run, as the site's ledgers say."""

    runs: int  # private runs on any of them in all studies, this one and audits included: all that eps counts
    charged: frozenset[tuple[str, str]]  # (name, identity) of these runs, without audits and hulls' draws
    models: int  # models without noise


@dataclass(frozen=True)
class Guarantee:
    """What a recipient may rely on.

    `promises` are those of `run`, as `promises.state_promises` gives them, and `promises_composed` those of
    all runs on the patient who is worst off, at each level (`composition.compose`). `epsilon` and
    `epsilon_composed` are those of one unit. `study_epsilon` is that of the run at the delta that it was
    planned with, `study_delta`.
    """

    cohort: Cohort
    public_key: bool
    unit: str
    delta: float
    clipping_norm: float | None  # None for a vote, which clips nothing
    run: Charge
    epsilon: float
    epsilon_composed: float
    promises: Mapping[str, Mapping[str, object]]
    promises_composed: Mapping[str, Mapping[str, object]]
    study_delta: float
    study_epsilon: float
    adaptive: Mapping[str, object] | None  # see `composition.compose_adaptively`
    versions: Mapping[str, str]
    trainings: Trainings | None = None  # None for a public cohort
    register: str | None = None  # mac of the last line of the site's register (privacy/register.py)
    vote: Mapping[str, object] | None = None  # `candidates` and `patches` of a vote; None for others
    model: bool = False  # whether a private U-Net is released, which is a model and has no data

    @property
    def limited_epsilon(self) -> float:
        """The eps of one unit that the site's limit is about: however the runs were chosen."""
        return max(self.epsilon_composed, self.adaptive["epsilon"] if self.adaptive else 0.0)

    @property
    def counted(self) -> bool:
        """Whether the ledgers say of every run how many patches of a patient it used."""
        return all(
            part.counted for promise in self.promises_composed.values() for part in promise["composed"]
        )


def count_cohort(
    patches: Sequence[Path], *, public: bool, max_overlap: int | None, record: Mapping | None = None
) -> Cohort:
    """Return the sizes of a cohort, from the patch files of its training patients.

    Those of a vote are in its `record` (privacy.json): no patches were cut for it but those of the ballots.

    `max_overlap` is what the config bounds the overlap to; where it does, the bound is stated. Raises
    CohortError where the patches do not keep it.
    """
    if record and record.get("pure_epsilon"):
        patients, each = record["patients"], record["ballot_patches"]
        return Cohort(public, patients, patients * each, each, each)
    counts, overlaps = [], {}
    for path in map(Path, patches):
        with reading(path), np.load(path, allow_pickle=False) as arrays:
            counts.append(len(arrays["centre"]))
            overlaps[path.stem] = largest_overlap(arrays["centre"], arrays["label"])
    return Cohort(
        public=public,
        patients=len(counts),
        patches=sum(counts),
        patches_per_patient=max(counts),
        region_patches=state_overlap(overlaps, max_overlap=max_overlap),
    )


def state_guarantee(
    record: Mapping,
    entries: Entries,
    *,
    site: Site | None,
    voxels: Mapping[str, str],
    steps: int,
    cohort: Cohort,
    terms: Terms,
    results: Path | None = None,
) -> Guarantee:
    """Return the guarantee of a run, from its privacy.json and, on patients, from the site's ledgers.

    entries: what the ledgers say (`own_run.read_entries`). voxels: the digest of each training patient's
    scan, by id. site: None for a public cohort: its eps is then in name only, and is that of `steps`, the
    critic steps of the whole run. results: the folder of the study's results. Raises PrivacyError where the
    run's ledger is incomplete or not the one that `record` (its privacy.json) was written from, and where
    runs of another privacy unit saw the same patients.
    """
    if site:
        counts = {"patients": cohort.patients, "patches": cohort.patches, "region": cohort.region_patches}
        check_kept(record, entries, results=results, **counts)
        return _paid_guarantee(record, entries, patients=site.digests(voxels), cohort=cohort, terms=terms)
    pure = record.get("pure_epsilon")
    run = Charge(record["noise_multiplier"], record["sampling_rate"], 1 if pure else steps, pure)
    parts = [[Part(run, cohort.patches_per_patient, cohort.region_patches)]]
    return _guarantee(record, run=run, taken=parts, cohort=cohort, terms=terms)


def _paid_guarantee(
    record: Mapping, entries: Entries, *, patients: Mapping[str, Digests], cohort: Cohort, terms: Terms
) -> Guarantee:
    """Return the guarantee of a run on these `patients`, from the accounts of all runs of the site."""
    own = own_account(record, entries.accounts)
    of_each = list(runs_by_patient(entries.accounts, patients=patients).values())
    if not all(own in taken for taken in of_each):
        raise PrivacyError(
            f"{own.run.name}: its ledger does not name the study's training patients. Remedy: release from "
            "the study whose patients trained it"
        )
    # Beside a run that protects patches a vote counts for what changes inside of a patient, too (`compose`),
    # and so does a hull's draw (`parts_of`).
    units = {
        account.run.unit
        for taken in of_each
        for account in taken
        if account is own or not (account.run.pure_epsilon or account.run.architecture == HULL_DRAW)
    }
    if len(units) > 1:
        names = sorted({account.run.name for taken in of_each for account in taken})
        raise PrivacyError(
            f"{own.run.name}: some runs on its patients protect patches, others patients "
            f"({', '.join(names)}); no single eps follows from both. Remedy: release what was trained on "
            "patients whose runs share one privacy.unit"
        )
    check_counts(own.run, cohort.sizes)
    parts = parts_of(of_each, own=own, sizes=cohort.sizes)
    found = _guarantee(record, run=own.charge, taken=parts, cohort=cohort, terms=terms)
    runs = {account.run for taken in of_each for account in taken}
    sets = [run for run in runs if run.series == "run" and run.architecture != HULL_DRAW]
    charged = frozenset((run.name, run.identity) for run in sets)
    trainings = Trainings(runs=len(runs), charged=charged, models=entries.count_models(patients))
    return replace(found, register=own.register, trainings=trainings)


def _guarantee(
    record: Mapping, *, run: Charge, taken: Sequence[Sequence[Part]], cohort: Cohort, terms: Terms
) -> Guarantee:
    unit = record["unit"]
    delta = terms.unit_delta(unit)
    stated = {"unit": unit, "sizes": cohort.sizes, "delta": terms.delta, "patient_delta": terms.patient_delta}
    together = compose(taken, unit=unit, delta=terms.delta, patient_delta=terms.patient_delta)
    return Guarantee(
        cohort=cohort,
        public_key=record["public_key"],
        unit=unit,
        delta=delta,
        clipping_norm=record.get("clipping_norm"),
        run=run,
        epsilon=composed_epsilon([run], delta=delta),
        epsilon_composed=together[unit]["epsilon"],
        promises=state_promises([run], **stated),
        promises_composed=together,
        adaptive=compose_adaptively(taken, unit=unit, delta=delta),
        study_delta=record["delta"] or delta,  # a pure eps holds at any
        study_epsilon=composed_epsilon([run], delta=record["delta"] or delta),
        versions={name: version(name) for name in LIBRARIES},
        vote=_vote(record),
        model=record["arch"] == PRIVATE_UNET,
    )


def _vote(record: Mapping) -> dict[str, object] | None:
    if not record.get("pure_epsilon"):
        return None
    return {"candidates": record["candidates"], "patches": record["ballot_patches"]}


def is_finite(guarantee: Guarantee) -> bool:
    """Whether the accountant could compute each eps of one unit, also the one at the delta of the plan.

    A delta below the accountant's rounding errors gives none.
    """
    spent = (guarantee.epsilon, guarantee.epsilon_composed, guarantee.study_epsilon)
    return all(map(math.isfinite, spent))
