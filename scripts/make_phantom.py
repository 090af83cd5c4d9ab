"""Simulate one patient of a phantom cohort and write the BIDS files."""

from pathlib import Path

from privessel.files.script import logged
from privessel.phantom import simulate, write_patient
from privessel.phantom.sets import MANY_SCANNERS
from privessel.seeds import derive

with logged(snakemake.log[0]):
    cohort, patient = snakemake.wildcards.cohort, snakemake.wildcards.patient
    seed = derive(snakemake.params.seed, "phantom", cohort, patient)
    parameters = snakemake.params.phantom["parameters"]
    phantom = simulate(
        seed=seed,
        shape=tuple(snakemake.params.phantom["shape"]),
        spacing=tuple(snakemake.params.phantom["spacing"]),
        parameters=parameters,
    )
    write_patient(
        Path(snakemake.params.root),
        patient,
        phantom,
        seed=seed,
        one_sequence=parameters not in MANY_SCANNERS,
    )
