"""Say what the check of all patients has found, and end with an error where some cannot be used."""

import logging

from privessel.cohort.likeness import mark_repeated
from privessel.cohort.outcome import read_outcomes, require_usable
from privessel.cohort.unusual import Usual, add_unusual
from privessel.files.script import logged
from privessel.report.intake import summarise_intake

with logged(snakemake.log[0]):
    outcomes = mark_repeated(read_outcomes(snakemake.input.outcomes))
    outcomes = add_unusual(outcomes, Usual(**snakemake.params.usual))
    say = logging.getLogger("privessel").info
    say("%s. Look at them: %s", summarise_intake(outcomes), snakemake.input.page)
    require_usable(outcomes)
    say("Next: the same command with the target `plan` (what privacy will cost), then without a target.")
