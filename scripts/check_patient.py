"""Check one patient's scan and masks, and write what they contain and what is wrong with them."""

import json
from pathlib import Path

from privessel.cohort.description import check_patient
from privessel.cohort.plausibility import Limits
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    report = check_patient(
        Patient(**snakemake.params.patient),
        patch_size=snakemake.params.patch_size,
        limits=Limits(**snakemake.params.limits),
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(json.dumps(report, indent=1) + "\n")
