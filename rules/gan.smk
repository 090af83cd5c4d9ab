# GANs per level and run, and the labelled pairs they make.


rule gan:
    input:
        patches=patches(config["train_cohort"]),
        patients=scans(config["train_cohort"], "train"),
        # What decides a step, and so is part of a run's identity.
        code=lib(
            "device",
            "gan/losses",
            "gan/step",
            "gan/nets",
            "gan/training",
            "cohort/patches",
            "privacy/clipping",
            "privacy/keys",
            "privacy/layers",
            "privacy/mechanism",
            "gan/loop",
        ),
        bookkeeping_code=lib(
            "study/architectures",
            "cohort/intake",
            "files/checkpoint",
            "cohort/table",
            "gan/paid_runs",
            "gan/files",
            "gan/run",
            "privacy/account",
            "privacy/accounting",
            "privacy/chain",
            "privacy/ledger",
            "privacy/losses",
            "privacy/patient",
            "privacy/planner",
            "privacy/site",
            "privacy/spending",
        ),
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt" for epoch in kept_epochs("inf")
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    log:
        f"{LOGS}/gan/{{arch}}/{{level}}/run-{{run}}.log",
    benchmark:
        f"{LOGS}/gan/{{arch}}/{{level}}/run-{{run}}.tsv"
    wildcard_constraints:
        level="inf",
    priority: 10
    conda:
        TORCH_ENV
    threads: config["gan"]["threads"]
    resources:
        mem_mb=memory(gan_memory),
        runtime=gan_minutes,
        gpu=1,
    params:
        training=lambda w: gan_training(w.level, w.arch) | {"kept_epochs": saved_epochs(w.arch, w.level, w.run)},
        privacy={key: config["privacy"][key] for key in ("unit", "patient_patches", "delta", "patient_delta")},
        patch_size=config["patches"]["size"],
        seed=config["seed"],
        public=is_public(config["train_cohort"]),
        cohort=config["train_cohort"],
    script:
        "../scripts/train_gan.py"


# On patients a run that is paid for is not started again because code was edited (rule 11 of the mechanism); for any other
# reason to start it, the script brings its files back or refuses.
use rule gan as private_gan with:
    input:
        patches=patches(config["train_cohort"]),
        patients=scans(config["train_cohort"], "train"),
        site=[] if is_public(config["train_cohort"]) else require_secret,
        code=settled(rules.gan.input.code),
        bookkeeping_code=settled(rules.gan.input.bookkeeping_code),
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt"
            for epoch in kept_epochs("noise-1")
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        level=r"(?:noise|eps)-\d+(?:\.\d+)?",


# Runs of the epoch study keep more generators; a rule's outputs can't depend on its wildcards.
use rule gan as studied_gan with:
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt"
            for epoch in studied_epochs("inf")
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        arch=config["arch"],
        level=one_of({"inf"}.intersection(STUDIED_LEVELS)),
        run=one_of(STUDIED_RUNS),


use rule private_gan as studied_private_gan with:
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt"
            for epoch in studied_epochs("noise-1")
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        arch=config["arch"],
        level=one_of(filter(is_private, STUDIED_LEVELS)),
        run=one_of(STUDIED_RUNS),


ruleorder: studied_gan > gan
ruleorder: studied_private_gan > private_gan


rule synthetic:
    input:
        generator=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{{epoch}}.pt",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    output:
        pairs=f"{RESULTS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.npz",
        sheet=report(
            f"{RESULTS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.png",
            caption="../report/sheet.rst",
            category="Synthetic pairs",
            labels={"level": "{level}", "run": "{run}", "epoch": "{epoch}"},
        ),
    log:
        f"{LOGS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.log",
    benchmark:
        f"{LOGS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.tsv"
    priority: 10
    conda:
        TORCH_ENV
    threads: config["gan"]["threads"]
    resources:
        mem_mb=memory(synthesis_memory),
        runtime=60,
    params:
        code=lib_digest("files/checkpoint", "device", "figures/pairs", "figures/style", "gan/nets", "cohort/patches", "gan/synthesis"),
        synthesis=config["synthesis"],
        seed=config["seed"],
        threads=config["gan"]["threads"],
        device=config["gan"]["device"],
    script:
        "../scripts/synthesise.py"
