"""A first study for a folder of scans: its table with a split, and a config that says what was understood."""

import json
import random
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from privessel.cohort.layouts import Layout, list_scans, recognise
from privessel.cohort.naming import BRAIN, FIELDS, IMAGE, VESSELS
from privessel.cohort.rows import SPLITS
from privessel.errors import CohortError
from privessel.files.tsv import read_tsv
from privessel.seeds import derive
from privessel.study import names
from privessel.study.config.agreement import RESERVED
from privessel.study.config.reading import read_config

FEWEST = 3  # one patient for each split
_PAPER = Path(__file__).parents[3] / "config.yaml"  # what a first study is read on top of
_NOTHING = ("", "n/a")  # what an empty cell of a table holds
_NO_MASKS = "vessels/{patient}.nii.gz"  # where masks are asked for, where there are none
_SAID_OF = {
    "IXI": "IXI's own download has no vessel masks; COSTA and others give some to its scans",
    "OASIS-3": "OASIS-3 has no vessel masks of its own",
    "TopCoW": "TopCoW numbers the arteries of the circle of Willis (1 to 13) and leaves all other vessels "
    "out: the check refuses such masks until every number is 1, and a model then learns that circle alone",
    "COSTA": "COSTA's scans are skull-stripped: the brain is where they are not 0",
}


@dataclass(frozen=True)
class FirstStudy:
    """What was written and understood: the config, the table, and what could not be told."""

    config: Path
    table: Path
    kind: str
    patients: dict[str, str]  # patient -> split
    remarks: list[str]


def start_study(
    folder: Path, *, study: str = "mine", shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 2022,
    where: Path = Path(),
) -> FirstStudy:  # fmt: skip
    """Write `{study}.yaml` in `where` and a participants table for the scans below `folder`.

    The table is written into `folder`, or beside the config where the folder has one already or cannot be
    written. A column `split` of an existing table is kept; else patients are split at random, by `seed`, in
    the `shares` of train, validation and test. Nothing is overwritten. Raises CohortError, whose last words
    say what to do next, where there is no folder, no image, too few patients, a table with a split for only
    some of them, or a file in the way.
    """
    folder, config = Path(folder).expanduser().absolute(), where / f"{study}.yaml"
    again = _command(folder)
    if not re.fullmatch(names.STUDY, study):
        raise CohortError(f"a study cannot be named {study!r}. Next: {again} --study mine")
    if not folder.is_dir():
        raise CohortError(f"{folder} is no folder. Next: python scripts/start_study.py FOLDER-OF-SCANS")
    if config.exists():
        raise CohortError(f"{config} exists and is not overwritten. Next: {again} --study another")
    if len(shares) != len(SPLITS) or min(shares) <= 0:
        raise CohortError(f"shares need three numbers above 0. Next: {again} --shares 60 20 20")
    layout = recognise(list_scans(folder))
    if layout is None:
        raise CohortError(
            f"{folder} has no NIfTI file that its name says to be an angiography (such as *_angio.nii.gz, "
            "*-MRA.nii.gz, *_img.nii.gz, imagesTr/*.nii.gz) of a patient called by letters, digits and . _ - "
            "alone. Next: rename the files, or copy the example of docs/cohort.md to mine.yaml and give your "
            "own templates"
        )
    remarks = list(layout.remarks)
    ids, there = list(layout.patients), folder / "participants.tsv"
    splits = _known_splits(there, ids)
    if splits:
        remarks.append(f"{len(splits)} of {len(ids)} patients found are in your participants.tsv")
        if left_out := [patient for patient in ids if patient not in splits]:
            remarks.append(f"left out, because they have no row there: {', '.join(left_out)}")
    else:
        if len(ids) < FEWEST:
            raise CohortError(
                f"{folder} has {len(ids)} patients with the files needed; a study needs at least {FEWEST}, "
                f"one for each split.{_listed(remarks)} Next: add scans and masks, then {again}"
            )
        splits = split_patients(ids, shares=shares, seed=seed)
    if layout.kind in _SAID_OF:
        remarks.append(_SAID_OF[layout.kind])
    if layout.templates[VESSELS] is None:
        remarks.append(f"no vessel masks were found: put them at {folder}/{_NO_MASKS}, or correct `vessels`")
    wanted = _table_text({patient: layout.patients[patient] for patient in splits}, splits)
    table = there if _says_as_much(there, wanted) else _write_table(folder, config, wanted)
    _write_new(config, _config_text(study, folder, layout, splits, table))
    return FirstStudy(config, table, layout.kind, splits, remarks)


def split_patients(ids: Sequence[str], *, shares: Sequence[float], seed: int) -> dict[str, str]:
    """Return patient -> split: the shares of train, validation and test, at least one patient each.

    The order of `ids` does not matter. Raises ValueError for fewer than three patients.

    >>> split_patients(["a", "b", "c"], shares=(0.6, 0.2, 0.2), seed=1) == split_patients(
    ...     ["c", "b", "a"], shares=(60, 20, 20), seed=1)
    True
    """
    if len(ids) < FEWEST:
        raise ValueError(f"{len(ids)} patients cannot be in three splits")
    counts = [max(1, round(len(ids) * share / sum(shares))) for share in shares]
    while (surplus := sum(counts) - len(ids)) != 0:
        largest = counts.index(max(counts))
        counts[largest] -= 1 if surplus > 0 else -1
    drawn = sorted(ids)
    random.Random(derive(seed, "split")).shuffle(drawn)
    labels = [split for split, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    of = dict(zip(drawn, labels, strict=True))
    return {patient: of[patient] for patient in sorted(ids)}


def _known_splits(table: Path, ids: Sequence[str]) -> dict[str, str]:
    """Return the splits that an existing table has for patients that were found, {} where it has none.

    A patient without a row is left out of the study. Raises CohortError where rows of patients that were
    found have no split, or another word than one of the three, while any has something there.
    """
    rows = {row.get("participant_id", "").removeprefix("sub-"): row.get("split", "") for row in _read(table)}
    splits = {patient: rows[patient] for patient in ids if patient in rows}
    faulty = [patient for patient, split in splits.items() if split not in SPLITS]
    if all(split in _NOTHING for split in splits.values()):
        return {}
    if faulty:
        raise CohortError(
            f"{table} has a column split, but not one of {', '.join(SPLITS)} for {len(faulty)} of "
            f"{len(splits)} patients, such as {faulty[0]} ('{splits[faulty[0]]}'). Next: write their split, "
            "or remove their rows to leave them out, or remove the column to split all at random; then "
            f"{_command(table.parent)}"
        )
    return splits


def _says_as_much(table: Path, wanted: str) -> bool:
    """Whether an existing table lists the same patients with all that the wanted one says of them."""
    there, asked = _read(table), _rows(wanted)
    return len(there) == len(asked) and all(any(row.items() <= own.items() for own in there) for row in asked)


def _read(table: Path) -> list[dict[str, str]]:
    """Return the rows of the folder's own table, if it has one; a broken one is refused, not replaced."""
    if not table.is_file():
        return []
    try:
        return read_tsv(table)[1]
    except ValueError as problem:
        raise CohortError(f"{table} {problem}. Next: do that, then {_command(table.parent)}") from problem


def _rows(text: str) -> list[dict[str, str]]:
    lines = [line.split("\t") for line in text.splitlines() if line.strip()]
    return [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]


def _table_text(patients: Mapping[str, Mapping[str, str]], splits: Mapping[str, str]) -> str:
    """Return a table of participant_id, split and the columns that the templates need."""
    columns = [name for name in FIELDS if any(name in fields for fields in patients.values())]
    rows = ["\t".join(["participant_id", "split", *columns])]
    rows += [
        "\t".join([f"sub-{patient}", splits[patient], *(fields.get(name, "n/a") for name in columns)])
        for patient, fields in patients.items()
    ]
    return "\n".join(rows) + "\n"


def _write_table(folder: Path, config: Path, text: str) -> Path:
    """Write the table into the folder of scans, or beside the config, where it must be new; return where."""
    table = folder / "participants.tsv"
    try:
        _write_new(table, text)
    except OSError:  # it is there already, or the folder is not ours to write to
        table = config.absolute().with_name(f"{config.stem}-participants.tsv")
        if table.exists():
            raise CohortError(
                f"{table} exists and is not overwritten. Next: remove it, or "
                f"{_command(folder)} --study another"
            ) from None
        _write_new(table, text)
    return table


def _command(folder: Path) -> str:
    return f"python scripts/start_study.py {shlex.quote(str(folder))}"


def _write_new(path: Path, text: str) -> None:
    """Write a file that must not exist yet."""
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _config_text(study: str, folder: Path, layout: Layout, splits: Mapping[str, str], table: Path) -> str:
    """Return the config: what differs from the paper's study, each line with its reason."""
    name, counts = _cohort_name(folder), Counter(splits.values())
    said = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    paper = read_config(yaml.safe_load(_PAPER.read_text(encoding="utf-8")))
    patients = min(max(1, counts["train"] // 2), counts["test"])
    images = min(patients * paper.patches.per_patient, paper.quality.frechet_images)
    vessels, brain = layout.templates[VESSELS], layout.templates[BRAIN]
    lines = [
        f"# Read on top of config.yaml, which explains every key. Layout: {layout.kind}; {said}.",
        f"study: {study}  # everything is written to results/{study}/ and logs/{study}/",
        "cohorts:",
        f"  {name}:",
        f"    root: {_quoted(str(folder))}",
        "    public: false  # patients; true only for scans that anyone may have: nothing is charged then",
        f"    image: {_quoted(layout.templates[IMAGE] or '')}",
        f"    vessels: {_quoted(vessels or _NO_MASKS)}"
        + ("" if vessels else "  # NOT FOUND: put masks there"),
        f"    brain: {_quoted(brain or '')}" + ("" if brain else "  # no brain masks: the non-zero voxels"),
        f"train_cohort: {name}",
        f"test_cohorts: [{name}]",
        "levels: [inf]  # no privacy yet; then [inf, eps-5], with privacy.state and the target `secret`",
        "vote: {levels: []}  # no vote of patients yet; then [1.0], with privacy.state: docs/vote.md",
        "shuffled: [inf]  # control with shuffled labels",
        f"quality: {{frechet_images: {images}}}  # at most what half of train, or test, has in patches",
        "epoch_study: {epochs: []}  # this and the next: need private levels, or a second cohort",
        "transfer: {patients: []}",
        "export: []",
    ]
    if table.parent != folder:
        why = "participants.tsv there does not fit, or cannot be written"
        lines.insert(5, f"    participants: {_quoted(str(table))}  # {why}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text as YAML has it in double quotes, whatever characters it holds."""
    return json.dumps(text, ensure_ascii=False)


def _cohort_name(folder: Path) -> str:
    """Return a folder's name as the name of a cohort, `patients` where none can be made of it."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-").lstrip("0123456789-")
    return name if re.fullmatch(names.COHORT, name) and name not in RESERVED else "patients"


def _listed(remarks: Sequence[str]) -> str:
    return "".join(f" {remark[0].upper()}{remark[1:]}." for remark in remarks)
