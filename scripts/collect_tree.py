"""Gather a typical test patient's prediction by the best private run (by validation), for figure 7."""

from pathlib import Path

from privessel.cohort.nifti import load_mask
from privessel.cohort.scan import load_native_scan
from privessel.cohort.table import Patient
from privessel.figures.errors import fig7_data
from privessel.files.arrays import write_arrays
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.scores.choice import add_scores, choose_best_private, choose_patient

with logged(snakemake.log[0]):
    params, scores = snakemake.params, read_table(snakemake.input.scores)
    patient = choose_patient(scores, cohort=params.cohort)
    best = add_scores(choose_best_private(scores), scores, cohort=params.cohort, patient=patient).iloc[0]
    ending = f"/{best['source']}/{params.cohort}/{patient}.nii.gz"
    scan = load_native_scan(Patient(**params.patients[patient]), patch_size=params.patch_size)
    data = fig7_data(
        image=scan.image,
        truth=scan.vessels,
        prediction=load_mask(Path(next(path for path in params.predictions if path.endswith(ending)))),
        brain=scan.brain,
        spacing=scan.spacing,
        model=best,
    )
    write_arrays(Path(snakemake.output[0]), **data)
