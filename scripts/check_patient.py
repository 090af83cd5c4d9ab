"""Check one patient's scan and masks, and write what they contain."""

import json
from pathlib import Path

from privessel.cohort.description import describe
from privessel.cohort.scan import load_native_scan, prepare
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    patient = Patient(**snakemake.params.patient)
    native = load_native_scan(patient, patch_size=snakemake.params.patch_size)
    description = describe(patient, native, prepare(patient, native))
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(json.dumps(description, indent=1) + "\n")
