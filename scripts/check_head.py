"""Check a T1w scan of a head and its brain mask; write what was found and what is wrong, and a picture."""

import json
from pathlib import Path

from privessel.cohort.picture import save_picture
from privessel.deid.outcome import check, draw_source
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.study.head_scans import HeadScan

with logged(snakemake.log[0]):
    scan = HeadScan(**snakemake.params.scan)
    outcome = check(scan, most_voxel_mm=snakemake.params.most_voxel_mm)
    save_picture(Path(snakemake.output.picture), draw_source(scan))
    with atomic_path(Path(snakemake.output.outcome)) as partial:
        partial.write_text(json.dumps(outcome, indent=1) + "\n")
