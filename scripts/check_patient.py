"""Check one patient's scan and masks; write what they contain and what is wrong with them, and a picture."""

import json
from pathlib import Path

from privessel.cohort.outcome import check
from privessel.cohort.picture import draw_patient, save_picture
from privessel.cohort.plausibility import Limits
from privessel.cohort.scan import read_files
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    patient = Patient(**snakemake.params.patient)
    limits = Limits(**snakemake.params.limits)
    files = read_files(patient)
    outcome = check(patient, files, patch_size=snakemake.params.patch_size, limits=limits)
    save_picture(Path(snakemake.output.picture), draw_patient(files))
    with atomic_path(Path(snakemake.output.outcome)) as partial:
        partial.write_text(json.dumps(outcome, indent=1) + "\n")
