"""Bring the true tissues of a simulated cohort's scans into their frames."""

from pathlib import Path

from privessel.deid.head_cohort import make_people
from privessel.deid.utility import true_tissues
from privessel.files.arrays import write_arrays
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, cohort = snakemake.params, snakemake.wildcards.heads
    people = {person.id: person for person in make_people(params.splits, cohort=cohort, seed=params.seed)}
    labels = {
        scan["name"]: true_tissues(
            people[scan["person"]],
            visit=params.sessions.index(scan["session"]) + 1,
            side=params.side,
            frame=Path(frame),
        )
        for scan, frame in zip(params.scans, snakemake.input.frames, strict=True)
    }
    write_arrays(Path(snakemake.output[0]), **labels)
