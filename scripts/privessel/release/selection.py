"""How the released set was chosen, as far as the site's ledgers and the study's files show it.

No eps covers a choice that looked at training patients (docs/mechanism.md, rule 5). Files cannot show what
somebody has looked at. So the choice must be one that nobody needed training patients for: the set is the
only private one there was, or the one with the best result on the validation patients. Which runs there were
is read from the ledgers, because files can be deleted and made up; on a public cohort, which has no ledgers,
from the files.
"""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from privessel.files.reading import read_json, read_text, reading
from privessel.release.checks.words import tell_choices
from privessel.release.guarantee import Trainings
from privessel.release.own_run import find_run
from privessel.study.names import PRIVATE_UNET, GanName

# What a private run's history.csv may show: what follows from its noisy gradients, and from other patients.
SHOWN = {
    "epoch", "critic_steps", "epsilon", "score_fake", "score_validation", "norm_generator", "norm_critic",
    "step", "norm", "distance_from_start",
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """How many private sets there were, how one was chosen, and what speaks against that choice: `faults`."""

    candidates: int
    told: str
    faults: tuple[str, ...]


def find_choice(
    pairs: str,
    *,
    results: Path,
    history: Path | None,
    cohort: str,
    train_patients: Collection[str],
    epochs: Collection[str],
    trainings: Trainings | None,
) -> Choice:
    """Return how `pairs` ({arch}/{level}/run-{n}/epoch-{e}) was chosen among the private sets there were.

    A private U-Net is named private-unet/{level}/run-{n}, a vote vote/{level}/run-{n}. `results` is the
    study's folder of results, `history` the run's history.csv (None for a vote), `train_patients` the ids of
    `cohort` that it was trained on, and `epochs` the epochs of which the run has saved a generator.
    `trainings` are what the site's ledgers say; None for a public cohort.
    """
    run = GanName.parse(pairs).run_name
    candidates = sorted({pairs, *(f"{run}/epoch-{epoch}" for epoch in epochs), *_private_sets(results)})
    faults = (_shown_of_training(history) if history else []) + _scored_on_training(
        candidates, results, cohort, train_patients
    )
    if trainings:
        here = {
            (name, _identity(name, results))
            for name in {str(GanName.parse(one).run_name) for one in candidates}
        }
        missing = sorted(name for name, _ in trainings.charged - here)
        if missing:
            faults.append(
                f"the site's ledgers have private runs on these patients of which this study has no files "
                f"({', '.join(missing)}): no file shows what chose among them"
            )
    ledgers = (trainings.runs, trainings.models) if trainings else ()
    told = tell_choices(len(candidates), *ledgers, model=run.arch == PRIVATE_UNET)
    if len(candidates) == 1:
        return Choice(1, *told, tuple(faults))
    by_validation, by_nobody_knows = told
    scores = {one: _validation_score(one, results) for one in candidates}
    unknown = [one for one in candidates if scores[one] is None]
    if unknown:
        faults.append(
            f"there are {len(candidates)} private sets, and no validation result of {', '.join(unknown)}"
        )
    elif max(scores.values()) > scores[pairs]:
        best = max(candidates, key=lambda one: scores[one])
        faults.append(f"there are {len(candidates)} private sets, and validation patients chose {best}")
    else:
        return Choice(len(candidates), by_validation, tuple(faults))
    return Choice(len(candidates), by_nobody_knows, tuple(faults))


def _private_sets(results: Path) -> list[str]:
    found = (
        path.relative_to(results / "synthetic") for path in results.glob("synthetic/*/*/run-*/epoch-*.npz")
    )
    names = [path.as_posix().removesuffix(".npz") for path in found]
    votes = (path.parent.relative_to(results).as_posix() for path in results.glob("vote/*/run-*/pairs.npz"))
    models = results.glob(f"{PRIVATE_UNET}/*/run-*/unet.pt")
    unets = (path.parent.relative_to(results).as_posix() for path in models)
    return [*(name for name in names if GanName.parse(name).private), *votes, *unets]


def _identity(name: str, results: Path) -> str | None:
    """Return the identity of the ledger that a run's privacy.json names; None where there is none."""
    path = find_run(results, name) / "privacy.json"
    ledger = read_json(path, keys=()).get("ledger") if path.exists() else None
    return ledger["identity"] if ledger else None


def _shown_of_training(history: Path) -> list[str]:
    with reading(history):
        columns = next(csv.reader(read_text(history).splitlines()))
    more = sorted(set(columns) - SHOWN)
    return [f"{history} shows {', '.join(more)} of training patients"] if more else []


def _scored_on_training(
    candidates: Collection[str], results: Path, cohort: str, train_patients: Collection[str]
) -> list[str]:
    scored = [
        path
        for one in candidates
        for path in sorted((results / "metrics" / one).glob(f"*/{cohort}/*.csv"))
        if path.stem in train_patients
    ]
    return [f"{scored[0]} is a score on a training patient ({len(scored)} such files)"] if scored else []


def _validation_score(pairs: str, results: Path) -> float | None:
    path = results / "selection" / f"{pairs}.json"
    return read_json(path, keys=["validation_dsc"])["validation_dsc"] if path.exists() else None
