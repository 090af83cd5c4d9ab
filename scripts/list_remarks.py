"""Say what is unusual about the scans of a study, and how their voxels differ in size."""

import logging
from pathlib import Path

from privessel.cohort.outcome import read_outcomes
from privessel.cohort.spacing import find_differences
from privessel.cohort.unusual import Usual, find_unusual
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params = snakemake.params
    usual = Usual(**params.usual)
    outcomes = read_outcomes(snakemake.input)
    earlier = [warning for outcome in outcomes for warning in outcome["warnings"]]  # their checks logged them
    found = [told for outcome in outcomes for told in find_unusual(outcome, usual)]
    found += find_differences(outcomes, trained=params.trained, size=params.size)
    for sentence in found:
        logging.getLogger("privessel").warning("warning: %s", sentence)
    with atomic_path(Path(snakemake.output[0])) as partial:
        text = "\n".join([*earlier, *found] or ["No scan has a remark, and the voxels of all are alike."])
        partial.write_text(text + "\n", encoding="utf-8")
