"""Choose the cut-off of a baseline (global threshold or vesselness filter) on the validation patients."""

import json
from pathlib import Path

from privessel.cohort.scan import load_scan
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.scores.baselines import choose_frangi, choose_threshold

with logged(snakemake.log[0]):
    params = snakemake.params
    scans = (load_scan(Patient(**record), patch_size=params.patch_size) for record in params.patients)
    if snakemake.wildcards.baseline == "frangi":
        choice = choose_frangi(scans, sigma_sets=params.frangi_sigmas, candidates=params.candidates)
    else:
        choice = choose_threshold(scans, candidates=params.candidates)
    selection = {"validation_dsc": choice.pop("dsc"), "parameters": choice}
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(json.dumps(selection, indent=1) + "\n")
