"""Kill random processes of a small private study at random times, and compare what it ends with.

    python tests/kills/kill_test.py --seeds 20 --table kills.csv

A hospital's patients (phantoms that pass for them), one GAN with privacy and one without, U-Nets, predictions
and a figure, on two cores. It runs once undisturbed. Then, for each seed, a fresh copy is started, and
`kill -9` hits one of its processes: snakemake, the shell of a job, or a job itself. What is left is cleared
away as a person would, and the same command is given again; up to three times. Every result must have the
bits of the undisturbed run, at every kill already, and the ledger must never be below the steps whose
influence is saved.

The table goes to standard output as markdown. With --table a seed that kept every promise is a row of that
CSV, and not run again. The exit status is 1 where one broke a promise; its folder is then kept and named.
"""

import argparse
import csv
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "workflow"), str(TESTS.parent / "scripts")]

from conftest import Workflow  # noqa: E402
from hospital import Hospital, hospital_at  # noqa: E402
from promises import TARGETS, begin, broken_promises, charged_twice, charges, digests, study_at, taken  # noqa: E402
from victims import clear_away, kill_one  # noqa: E402

MOST_KILLS = 3
CARELESS_SECONDS = 3.0  # for so long at most, what a killed snakemake leaves behind works on unnoticed


@dataclass
class Row:
    """What one seed came to; `broken` says which promises were, and is empty when all were kept."""

    seed: int
    killed: str
    when: str
    reruns: int
    digests: str
    charged: int
    taken: int
    twice: int
    seconds: int
    broken: str


# --- One seed --------------------------------------------------------------------------------------------


def disturb(study: Hospital, seed: int, *, duration: float, expected: dict[str, str]) -> Row:
    """Run a study with kills of this seed's, to its end."""
    dice, started = random.Random(seed), time.monotonic()
    killed, when, broken, left = [], [], [], duration
    for _ in range(dice.randint(1, MOST_KILLS)):
        share = dice.uniform(0.02, 0.95)
        run = study.start(*study.arguments, *TARGETS)
        try:
            before = time.monotonic()
            while run.poll() is None and time.monotonic() - before < share * left:
                time.sleep(0.02)
            if run.poll() is not None:
                break
            kind, work = kill_one(run.pid, dice)
            killed.append(f"{kind} ({work})")
            when.append(f"{share * left / duration:.0%}")
            left *= 1 - share  # what is finished is not done again
            if kind == "snakemake":
                time.sleep(dice.uniform(0, CARELESS_SECONDS))
            else:
                run.wait(timeout=600)  # the other jobs end, then it says what failed
        finally:
            clear_away(run)
        broken += broken_promises(study, expected)
        if any((study.folder / ".snakemake/locks").glob("*")):
            unlocked = study.study("--unlock")
            broken += [f"--unlock failed: {unlocked.stdout[-500:]}"] if unlocked.returncode else []
    ended = study.study(*TARGETS)
    broken += [f"it did not end: {ended.stdout[-3000:]}"] if ended.returncode else []
    broken += broken_promises(study, expected)
    equal = sum(digest == expected.get(name) for name, digest in digests(study).items())
    if equal != len(expected):
        broken.append(f"{len(expected) - equal} results are missing or other ones")
    return Row(
        seed, " then ".join(killed) or "nothing, it had ended", ", ".join(when), len(killed),
        f"{equal} of {len(expected)}", len(charges(study)), taken(study), charged_twice(study),
        round(time.monotonic() - started), "; ".join(dict.fromkeys(broken)),
    )  # fmt: skip


# --- All of them -----------------------------------------------------------------------------------------


def prepare(root: Path) -> tuple[Path, Path]:
    """Make the patients' scans and the site's secret; return their folders."""
    workflow = Workflow.install(root / "phantoms")
    images = [f"data/tiny/phantom-a/sub-a00{n}/anat/sub-a00{n}_acq-TOF_angio.nii.gz" for n in range(1, 6)]
    made = workflow.tiny("data/tiny/phantom-a/participants.tsv", *images)
    assert made.returncode == 0, made.stdout[-3000:]
    scans, secret = workflow.folder / "data/tiny/phantom-a", root / "secret"
    made = hospital_at(root / "site", scans, secret).study("secret")
    assert made.returncode == 0, made.stdout[-3000:]
    return scans, secret


def tabulate(rows: list[Row]) -> str:
    """Return the rows as a markdown table."""
    columns = ["seed", "killed", "after (share of a run)", "reruns", "equal results", "charged / taken"]
    columns += ["charged twice", "seconds"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        lines.append(
            f"| {row.seed} | {row.killed} | {row.when} | {row.reruns} | {row.digests} | "
            f"{row.charged} / {row.taken} | {row.twice} | {row.seconds} |"
        )
    return "\n".join(lines)


def read_rows(table: Path | None) -> dict[int, Row]:
    """Return the seeds that an earlier call has finished well."""
    if table is None or not table.exists():
        return {}
    with table.open(newline="") as lines:
        rows = [
            Row(**{field.name: field.type(record[field.name]) for field in fields(Row)})
            for record in csv.DictReader(lines)
        ]
    return {row.seed: row for row in rows if not row.broken}


def write_rows(table: Path, rows: list[Row]) -> None:
    """Write the CSV anew."""
    with table.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(map(asdict, rows))


def main() -> int:
    """Run the seeds that are left and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="how many, counted from 1")
    parser.add_argument("--table", type=Path, help="CSV of the finished seeds, read and written")
    given = parser.parse_args()
    rows = read_rows(given.table)
    left = [seed for seed in range(1, given.seeds + 1) if seed not in rows]
    root = Path(tempfile.mkdtemp(prefix="kills-"))
    os.environ |= {"TMPDIR": str(root), "XDG_CACHE_HOME": str(root / "cache")}  # what killed processes leave
    if left:
        scans, secret = prepare(root)
        undisturbed = study_at(root / "undisturbed", scans=scans, secret=secret)
        begin(undisturbed)
        secret = shutil.copytree(undisturbed.state, root / "begun")  # with the nonce of the private run
        before = time.monotonic()
        ended = undisturbed.study(*TARGETS)
        assert ended.returncode == 0, ended.stdout[-3000:]
        duration, expected = time.monotonic() - before, digests(undisturbed)
        print(f"undisturbed: {duration:.0f} s, {len(expected)} results", file=sys.stderr, flush=True)
    while left:
        seed = left[0]
        study = study_at(root / f"seed-{seed}", scans=scans, secret=secret)
        row = disturb(study, seed, duration=duration, expected=expected)
        print(row, file=sys.stderr, flush=True)
        if not row.broken:
            shutil.rmtree(root / f"seed-{seed}")
            if not row.reruns:  # the machine has become faster, so all kills came too late: once more, sooner
                duration = min(0.9 * duration, row.seconds)
                continue
        rows[seed] = row
        left.remove(seed)
        if given.table:
            write_rows(given.table, list(rows.values()))
    broken = [row for row in rows.values() if row.broken]
    print(tabulate(list(rows.values())))
    for row in broken:
        print(f"seed {row.seed}: {row.broken} (kept in {root})")
    if not broken:
        shutil.rmtree(root)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
