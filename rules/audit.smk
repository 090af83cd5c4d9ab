# The promise attacked (`snakemake audit`): each audited level trained once more, with canaries among its patches by a coin for
# each, then everything attacked that training has released. What is made here looks at patients outside the mechanism, and
# stays inside.


rule audited_gan:
    input:
        patches=patches(config["train_cohort"]),
        patients=scans(config["train_cohort"], "train"),
        public=lambda w: canary_files(),
        code=lib(
            "audit/run",
            "audit/canaries",
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
            "audit/plan",
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
        generator=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{audited_epoch('inf')}.pt",
        critic=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/critic.pt",
        history=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    log:
        f"{LOGS}/audit/{{arch}}/{{level}}/run-{{run}}/gan.log",
    benchmark:
        f"{LOGS}/audit/{{arch}}/{{level}}/run-{{run}}/gan.tsv"
    wildcard_constraints:
        level="inf",
    conda:
        TORCH_ENV
    threads: config["gan"]["threads"]
    resources:
        mem_mb=memory(audited_memory),
        runtime=audited_minutes,
        gpu=1,
    params:
        training=lambda w: gan_training(w.level, w.arch) | {"kept_epochs": [audited_epoch(w.level)]},
        privacy=rules.gan.params.privacy,
        patch_size=config["patches"]["size"],
        seed=config["seed"],
        public=is_public(config["train_cohort"]),
        cohort=config["train_cohort"],
        plan={key: config["audit"][key] for key in ("canaries", "guesses_in", "guesses_out", "confidence", "every")},
    script:
        "../scripts/audit_gan.py"


use rule audited_gan as private_audited_gan with:
    input:
        patches=patches(config["train_cohort"]),
        patients=scans(config["train_cohort"], "train"),
        public=lambda w: canary_files(),
        site=[] if is_public(config["train_cohort"]) else require_secret,
        code=settled(rules.audited_gan.input.code),
        bookkeeping_code=settled(rules.audited_gan.input.bookkeeping_code),
    output:
        generator=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{audited_epoch('noise-1')}.pt",
        critic=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/critic.pt",
        history=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        level=r"(?:noise|eps)-\d+(?:\.\d+)?",


rule attack:
    input:
        generator=lambda w: (
            f"{RESULTS}/audit/{w.arch}/{w.level}/run-{w.run}/generator-epoch-{audited_epoch(w.level)}.pt"
        ),
        critic=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/critic.pt",
        privacy=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/privacy.json",
        train=patches(config["train_cohort"]),
        validation=patches(config["train_cohort"], split="validation"),
        test=patches(config["test_cohorts"][0], split="test"),
        public=lambda w: canary_files(),
        site=lambda w: [] if is_public(config["train_cohort"]) or not is_private(w.level) else require_secret(w),
    output:
        bound=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/bound.csv",
        membership=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/membership.csv",
        roc=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/roc.csv",
        neighbours=report(
            f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/neighbours.png",
            caption="../report/neighbours.rst",
            category="Audit",
            labels={"figure": "nearest patches", "level": "{level}"},
        ),
    log:
        f"{LOGS}/audit/{{arch}}/{{level}}/run-{{run}}/attack.log",
    benchmark:
        f"{LOGS}/audit/{{arch}}/{{level}}/run-{{run}}/attack.tsv"
    conda:
        TORCH_ENV
    threads: config["quality"]["threads"]
    resources:
        mem_mb=memory(attack_cost()[0]),
        runtime=attack_cost()[1],
    params:
        code=lib_digest(
            "study/architectures",
            "audit/attack",
            "audit/plan",
            "audit/run",
            "audit/canaries",
            "cohort/intake",
            "files/checkpoint",
            "cohort/table",
            "device",
            "figures/neighbours",
            "figures/style",
            "gan/losses",
            "gan/run",
            "gan/step",
            "gan/nets",
            "gan/training",
            "audit/membership",
            "cohort/patches",
            "privacy/account",
            "privacy/accounting",
            "privacy/chain",
            "privacy/clipping",
            "privacy/keys",
            "privacy/layers",
            "privacy/ledger",
            "privacy/losses",
            "privacy/mechanism",
            "privacy/patient",
            "privacy/planner",
            "privacy/site",
            "privacy/spending",
            "scores/significance",
            "gan/synthesis",
        ),
        synthesis={key: config["synthesis"][key] for key in ("label_threshold", "batch")}
        | {"n": config["audit"]["synthetic"]},
        background=lambda w: gan_training(w.level, w.arch)["label_background"],
        patches=config["audit"]["patches"],
        neighbours=config["audit"]["neighbours"],
        seed=config["seed"],
        threads=config["quality"]["threads"],
        public=is_public(config["train_cohort"]),
    script:
        "../scripts/attack_gan.py"


rule audit_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        bounds=audit_files("bound.csv"),
        memberships=audit_files("membership.csv"),
        curves=audit_files("roc.csv"),
    output:
        utility_privacy=f"{RESULTS}/figures/utility_privacy.csv",
        attacks=f"{RESULTS}/figures/attacks.csv",
    log:
        f"{LOGS}/figures/audit_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=lib_digest("figures", "scores/significance"),
        seed=config["seed"],
    script:
        "../scripts/tabulate_audit.py"


rule audit:
    input:
        [f"{RESULTS}/figures/{figure}.pdf" for figure in AUDIT_FIGURES],
        audit_files("neighbours.png"),
