# Private U-Nets: the U-Net of a public cohort is trained further on patients, by noisy gradients. It is a model, not data.


# On patients a run that is paid for is not trained again; for any reason to start it, the script brings its files back or refuses.
rule private_unet:
    input:
        patches=sources.patches(settings.train_cohort),
        patients=sources.scans(settings.train_cohort, "train"),
        start=sources.start_weights,
        site=[] if study.site.public else (lambda w: study.site.require_secret()),
    output:
        weights=f"{RESULTS}/private-unet/{{level}}/run-{{run}}/unet.pt",
        history=f"{RESULTS}/private-unet/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/private-unet/{{level}}/run-{{run}}/privacy.json",
    log:
        f"{LOGS}/private-unet/{{level}}/run-{{run}}.log",
    benchmark:
        f"{LOGS}/private-unet/{{level}}/run-{{run}}.tsv"
    wildcard_constraints:
        level=PRIVATE_LEVEL,
    priority: 10
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=cost.private_unet_memory(),
        runtime=cost.private_unet_minutes(),
        gpu=1,
    params:
        step=code.private_unet_files(),
        code=lambda w: study.training_digest("train_private_unet.py", w.level),
        training=study.private_unet_training(),
        start=settings.private_unet.start,
        seed=settings.seed,
        public=study.site.public,
        cohort=settings.train_cohort,
    script:
        "../scripts/train_private_unet.py"


# It is judged like the U-Net of any other source; validation patients have nothing to choose.
rule trained_private_unet:
    input:
        f"{RESULTS}/{{source}}/unet.pt",
    output:
        f"{RESULTS}/unet/{{source}}/trained/weights.pt",
    log:
        f"{LOGS}/unet/{{source}}/trained.log",
    wildcard_constraints:
        source=PRIVATE_UNET_NAME,
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("take_own_unet.py"),
    script:
        "../scripts/take_own_unet.py"


# Its single steps are audited (`snakemake audit`) by the code that trains, without anybody's patches.
rule audited_unet_steps:
    input:
        start=sources.start_weights,
    output:
        steps=f"{RESULTS}/audit/private-unet/{{level}}/steps.csv",
    log:
        f"{LOGS}/audit/private-unet/{{level}}/steps.log",
    benchmark:
        f"{LOGS}/audit/private-unet/{{level}}/steps.tsv"
    wildcard_constraints:
        level=PRIVATE_LEVEL,
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=cost.private_unet_memory(),
        runtime=study.audit_cost.audited_unet_steps_minutes(),
        gpu=1,
    params:
        code=code.digest("audit_unet_steps.py"),
        training=study.private_unet_training(),
        cohort=settings.train_cohort,
        seed=settings.seed,
        guesses=settings.audit.step_guesses,
        confidence=settings.audit.confidence,
    script:
        "../scripts/audit_unet_steps.py"
