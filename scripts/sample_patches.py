"""Cut one patient's patches: half centred on vessels, half anywhere in the brain."""

from pathlib import Path

from privessel.cohort.patches import save
from privessel.cohort.sampling import sample_patient
from privessel.cohort.scan import load_scan
from privessel.cohort.table import Patient
from privessel.files.script import logged
from privessel.seeds import derive

with logged(snakemake.log[0]):
    patient = Patient(**snakemake.params.patient)
    scan = load_scan(patient, patch_size=snakemake.params.size)
    sampled = sample_patient(
        patient,
        scan,
        n=snakemake.params.n,
        size=snakemake.params.size,
        max_overlap=snakemake.params.max_overlap,
        seed=derive(snakemake.params.seed, "patches", patient.cohort, patient.id),
    )
    save(Path(snakemake.output[0]), sampled)
