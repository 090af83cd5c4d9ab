"""privessel: from a private cohort of TOF-MRA scans to synthetic patches, and what they are worth at every level.

The rules follow the data from left to right: cohort, gan, segment, transfer, quality, report; privacy is the plan for it. README.md says
how to use them.
"""

from snakemake.utils import min_version, validate

min_version("9.0")


configfile: "config.yaml"


# Used with --sdm apptainer alone: docs/install.md.
container: "privessel.sif"


report: "report/workflow.rst"


validate(config, "schemas/config.schema.yaml")


include: "rules/common.smk"
include: "rules/patients.smk"
include: "rules/resources.smk"
include: "rules/products.smk"
include: "rules/bundle.smk"
include: "rules/attacks.smk"
include: "rules/checks.smk"


wildcard_constraints:
    cohort="|".join(map(re.escape, COHORTS)),
    patient="[A-Za-z0-9][A-Za-z0-9._-]*",
    arch=one_of({config["arch"], *config["compared"]}),
    level=r"inf|(?:noise|eps)-\d+(?:\.\d+)?",
    run=r"\d+",
    epoch=r"\d+",
    setting="lr-[^/]+",
    source=r"real|[a-z]+-[a-z]+|[a-z-]+/[a-z0-9.-]+/run-\d+/epoch-\d+(?:-shuffled)?",
    baseline="threshold|frangi",
    split="train|validation|test",
    start=one_of(["scratch", *TRANSFER_STARTS]),
    k=r"\d+",
    draw=r"\d+",


# Snakemake would train first, and only then refuse the outputs and delete them.
onstart:
    if ahead := made_in_the_future():
        raise WorkflowError(
            f"{ahead[0]} and {len(ahead) - 1} more files have times in the future: the clock was ahead when they were "
            "made, or is behind now. Remedy: put the clock right, then "
            f"`find {RESULTS} {DATA} -newermt now -exec touch {{}} +`, and start again."
        )


localrules:
    all,
    audit,
    export,
    ledger,
    release,
    secret,


include: "rules/cohort.smk"
include: "rules/privacy.smk"
include: "rules/gan.smk"
include: "rules/segment.smk"


if TRANSFER:

    include: "rules/transfer.smk"


if EPOCH_STUDY:

    include: "rules/epochs.smk"


include: "rules/quality.smk"
include: "rules/report.smk"
include: "rules/export.smk"
include: "rules/release.smk"
include: "rules/audit.smk"


rule all:
    default_target: True
    input:
        [f"{RESULTS}/figures/{figure}.pdf" for figure in FIGURES],
        f"{RESULTS}/summary.txt",
        f"{RESULTS}/report.html",
        [f"{RESULTS}/synthetic/{pairs}.png" for pairs in PAIRS],
        CHECKED,
