# The promise attacked (`snakemake audit`): the code of a private step called many times without anybody's patches; and each
# audited level trained once more, with canaries among its patches by a coin for each, then everything attacked that training
# has released. What is made of patients here looks at them outside the mechanism, and stays inside.


rule audited_steps:
    output:
        steps=f"{RESULTS}/audit/{{arch}}/{{level}}/steps.csv",
    log:
        f"{LOGS}/audit/{{arch}}/{{level}}/steps.log",
    benchmark:
        f"{LOGS}/audit/{{arch}}/{{level}}/steps.tsv"
    wildcard_constraints:
        level=PRIVATE_LEVEL,
    conda:
        TORCH_ENV
    threads: settings.gan.threads
    resources:
        mem_mb=cost.gan_memory(),
        runtime=study.audit_cost.audited_steps_minutes,
        gpu=1,
    params:
        code=code.digest("audit_steps.py"),
        training=lambda w: study.audit.training(w.arch, w.level),
        privacy=study.site.promise(),
        patch_size=settings.patches.size,
        cohort=settings.train_cohort,
        seed=settings.seed,
        guesses=settings.audit.step_guesses,
        confidence=settings.audit.confidence,
    script:
        "../scripts/audit_steps.py"


rule audited_gan:
    input:
        patches=sources.patches(settings.train_cohort),
        patients=sources.scans(settings.train_cohort, "train"),
        public=lambda w: study.audit.canary_patches(),
    output:
        generator=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{study.audit.epoch('inf')}.pt",
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
    threads: settings.gan.threads
    resources:
        mem_mb=study.audit_cost.audited_memory(),
        runtime=study.audit_cost.audited_minutes,
        gpu=1,
    params:
        step=code.step_files(audited=True),
        code=lambda w: study.training_digest("audit_gan.py", w.level),
        training=lambda w: study.audit.training(w.arch, w.level),
        privacy=rules.gan.params.privacy,
        patch_size=settings.patches.size,
        seed=settings.seed,
        public=study.site.public,
        cohort=settings.train_cohort,
        plan=study.audit.plan(),
    script:
        "../scripts/audit_gan.py"


use rule audited_gan as private_audited_gan with:
    input:
        patches=sources.patches(settings.train_cohort),
        patients=sources.scans(settings.train_cohort, "train"),
        public=lambda w: study.audit.canary_patches(),
        site=[] if study.site.public else (lambda w: study.site.require_secret()),
    output:
        generator=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{study.audit.epoch(ANY_PRIVATE)}.pt",
        critic=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/critic.pt",
        history=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        level=PRIVATE_LEVEL,


rule attack:
    input:
        generator=lambda w: (
            f"{RESULTS}/audit/{w.arch}/{w.level}/run-{w.run}/generator-epoch-{study.audit.epoch(w.level)}.pt"
        ),
        critic=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/critic.pt",
        privacy=f"{RESULTS}/audit/{{arch}}/{{level}}/run-{{run}}/privacy.json",
        train=sources.patches(settings.train_cohort),
        validation=sources.patches(settings.train_cohort, split="validation"),
        test=sources.patches(settings.test_cohorts[0], split="test"),
        public=lambda w: study.audit.canary_patches(),
        site=lambda w: [] if study.site.public or w.level == "inf" else study.site.require_secret(),
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
    threads: settings.quality.threads
    resources:
        mem_mb=study.audit_cost.attack_memory(),
        runtime=study.audit_cost.attack_minutes(),
    params:
        code=code.digest("attack_gan.py"),
        synthesis=settings.synthesis.model_dump(include={"label_threshold", "batch"})
        | {"n": settings.audit.attacker_pairs},
        background=lambda w: settings.gan_keys(w.level, w.arch)["label_background"],
        patches=settings.audit.patches,
        neighbours=settings.audit.neighbours,
        seed=settings.seed,
        threads=settings.quality.threads,
        public=study.site.public,
    script:
        "../scripts/attack_gan.py"


rule audit_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        bounds=lambda w: study.audit.files("bound.csv"),
        steps=lambda w: study.audit.step_files(),
        memberships=lambda w: study.audit.files("membership.csv"),
        curves=lambda w: study.audit.files("roc.csv"),
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
        code=code.digest("tabulate_audit.py"),
        unit=settings.privacy.unit,
        seed=settings.seed,
    script:
        "../scripts/tabulate_audit.py"


rule audit:
    input:
        [f"{RESULTS}/figures/{figure}.pdf" for figure in study.products.audit_figures],
        lambda w: study.audit.files("neighbours.png"),
