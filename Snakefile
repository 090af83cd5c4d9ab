"""privessel: from a private cohort of TOF-MRA scans to synthetic patches, and what they are worth at every level.

The rules follow the data from left to right: cohort, gan, segment, transfer, quality, report; privacy is the plan for it. README.md says
how to use them.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


# Beside this file, so that `--directory` and `-s` work from any folder.
configfile: str(Path(workflow.basedir, "config.yaml"))


# Used with --sdm apptainer alone: docs/install.md.
container: str(Path(workflow.basedir, "privessel.sif"))


report: "report/workflow.rst"


# Checks the config against the typed model; the schema that editors complete from is made from the same model.
include: "rules/common.smk"


wildcard_constraints:
    **study.wildcard_constraints(),


onstart:
    try:
        study.check_clock()
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


localrules:
    all,
    audit,
    export,
    intake,
    ledger,
    release,
    secret,


include: "rules/cohort.smk"
include: "rules/privacy.smk"
include: "rules/gan.smk"
include: "rules/segment.smk"


if settings.votes:

    include: "rules/vote.smk"


if settings.private_unets:

    include: "rules/private_unet.smk"


if transfers.trainings:

    include: "rules/transfer.smk"


if study.gans.studied_pairs:

    include: "rules/epochs.smk"


include: "rules/quality.smk"
include: "rules/report.smk"
include: "rules/export.smk"
include: "rules/release.smk"
include: "rules/audit.smk"


if settings.deid.enabled:

    include: "rules/deid_heads.smk"
    include: "rules/deid_gan.smk"
    include: "rules/deid_study.smk"
    include: "rules/deid_utility.smk"
    include: "rules/deid_release.smk"
    include: "rules/deid_ledger.smk"


rule all:
    default_target: True
    input:
        [f"{RESULTS}/figures/{figure}.pdf" for figure in study.products.figures],
        f"{RESULTS}/summary.txt",
        f"{RESULTS}/report.html",
        [f"{RESULTS}/synthetic/{pairs}.png" for pairs in study.gans.pairs],
        study.checked_splits(),
        f"{RESULTS}/cohort/remarks.txt",
