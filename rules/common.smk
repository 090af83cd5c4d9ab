"""The study that all rules ask: `study` answers what there is to make, from what, and at which cost."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.append(str(Path(workflow.basedir, "scripts")))

from privessel.errors import CohortError, ConfigError
from privessel.figures.registry import FIGURES
from privessel.study.config.files import check_files, check_texts, read_arguments
from privessel.study.gans import ANY_PRIVATE
from privessel.study.head_tools import check_installed
from privessel.study.names import PRIVATE_LEVEL, PRIVATE_UNET_NAME, VOTE_LEVEL, VOTE_NAME
from privessel.study.resources import memory
from privessel.study.study import Study, one_of

try:
    if workflow.is_main_process:  # every job reads this file, too
        profiles, given = read_arguments(sys.argv[1:], workflow=Path(workflow.basedir))
        check_files([*workflow.configfiles, *profiles])
        check_texts(given)
    study = Study(
        config,
        figures=FIGURES,
        scripts=Path(workflow.basedir, "scripts"),
        redraw="--allowed-rules" in sys.argv,
        dry_run=workflow.output_settings.dryrun,
    )
    # Read now, so that a wrong table shows before any job.
    cohorts = study.cohorts.names
    study.deid.check()
    study.head_gans.check()
    if not workflow.deployment_settings.deployment_method:  # else the tools are where the jobs run
        check_installed(study.deid.tools)
    if workflow.is_main_process:
        study.tell_notices()
        if workflow.dag_settings:
            study.warn_of_triggers(trigger.name for trigger in workflow.rerun_triggers)
except (CohortError, ConfigError) as error:
    raise WorkflowError(str(error)) from None

HOME = Path(os.path.relpath(workflow.basedir))  # of the workflow's own files, whichever folder it is run from
RESULTS, DATA, LOGS = study.results, study.data, study.logs
heads, head_gans, head_uses = study.deid, study.head_gans, study.head_uses
settings, sources, transfers, cost, code = study.config, study.sources, study.transfers, study.cost, study.code
# Scripts read the budget from the config and not from params, because a new budget must not start finished runs again.
config["privacy"]["budget"] = study.site.budget()
CPU_ENV = "../envs/images.yaml"
TORCH_ENV = "../envs/torch.yaml"
HEADS_ENV = "../envs/heads.yaml"
# Scans are checked and cut before anything is trained, so that bad input shows before hours of training. No input() here
# is ancient(): Snakemake ignores every other reason to run a job whose ancient input is being made anew.
FIRST = 20
