"""Cut one patient's patches: half centred on vessels, half anywhere in the brain."""

from pathlib import Path

from privessel.cohort import Patient
from privessel.job import logged
from privessel.patches import save
from privessel.sampling import sample_patient
from privessel.scan import load_scan
from privessel.seeds import derive

with logged(snakemake.log[0]):
    patient = Patient(**snakemake.params.patient)
    scan = load_scan(patient, patch_size=snakemake.params.size)
    sampled = sample_patient(
        patient,
        scan,
        n=snakemake.params.n,
        size=snakemake.params.size,
        seed=derive(snakemake.params.seed, "patches", patient.cohort, patient.id),
    )
    save(Path(snakemake.output[0]), sampled)
