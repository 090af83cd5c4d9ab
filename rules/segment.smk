# U-Nets on every source of pairs, whole-volume prediction, metrics, and the choice by validation patients.


rule unet:
    input:
        pairs=lambda w: sources.pairs_of(w.source),
    output:
        weights=f"{RESULTS}/unet/{{source}}/{{setting}}/weights.pt",
        history=f"{RESULTS}/unet/{{source}}/{{setting}}/history.csv",
    log:
        f"{LOGS}/unet/{{source}}/{{setting}}.log",
    benchmark:
        f"{LOGS}/unet/{{source}}/{{setting}}.tsv"
    wildcard_constraints:
        setting="lr-[^/]+",
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=cost.unet_memory(),
        runtime=cost.unet_minutes,
        gpu=1,
    params:
        code=code.digest("train_unet.py"),
        training=settings.unet.model_dump(mode="json", exclude={"grid"}),
        setting=lambda w: sources.setting(w.setting),
        shuffled=lambda w: w.source.endswith("-shuffled"),
        seed=settings.seed,
    script:
        "../scripts/train_unet.py"


rule validate:
    input:
        weights=f"{RESULTS}/unet/{{source}}/{{setting}}/weights.pt",
        scans=sources.scans(settings.train_cohort, "validation"),
    output:
        table=sources.metric_table("{source}", "{setting}", settings.train_cohort),
        metrics=sources.metric_files("{source}", "{setting}", settings.train_cohort, "validation"),
    log:
        f"{LOGS}/validate/{{source}}/{{setting}}.log",
    benchmark:
        f"{LOGS}/validate/{{source}}/{{setting}}.tsv"
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=cost.evaluation_memory(settings.train_cohort),
        runtime=cost.evaluation_minutes(settings.train_cohort, "validation"),
    params:
        code=code.digest("evaluate_unet.py"),
        patients=study.cohorts.records(settings.train_cohort, "validation"),
        prediction=settings.prediction.model_dump(),
        patch_size=settings.patches.size,
        threads=settings.unet.threads,
        device=settings.unet.device,
    script:
        "../scripts/evaluate_unet.py"


rule select:
    input:
        lambda w: [
            sources.metric_table(w.source, setting, settings.train_cohort) for setting in sources.settings_of(w.source)
        ],
    output:
        f"{RESULTS}/selection/{{source}}.json",
    log:
        f"{LOGS}/select/{{source}}.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        settings=lambda w: sources.settings_of(w.source),
    script:
        "../scripts/select_setting.py"


rule baseline:
    input:
        scans=sources.scans(settings.train_cohort, "validation"),
    output:
        f"{RESULTS}/selection/{{baseline}}.json",
    log:
        f"{LOGS}/baseline/{{baseline}}.log",
    benchmark:
        f"{LOGS}/baseline/{{baseline}}.tsv"
    conda:
        CPU_ENV
    resources:
        mem_mb=cost.volume_memory(65, settings.train_cohort),
        runtime=60,
    params:
        code=code.digest("tune_baseline.py"),
        patients=study.cohorts.records(settings.train_cohort, "validation"),
        patch_size=settings.patches.size,
        frangi_sigmas=settings.baselines.model_dump(mode="json")["frangi_sigmas"],
        candidates=settings.baselines.candidates,
    script:
        "../scripts/tune_baseline.py"


# A rule's outputs can't depend on its wildcards, and cohorts have patients of their own: one rule a cohort.
for cohort in settings.test_cohorts:

    rule:
        name:
            f"test_{cohort}"
        input:
            selection=f"{RESULTS}/selection/{{source}}.json",
            weights=lambda w: sources.weights_of(w.source),
            scans=sources.scans(cohort, "test"),
        output:
            table=sources.metric_table("{source}", "selected", cohort),
            metrics=sources.metric_files("{source}", "selected", cohort, "test"),
            predictions=sources.predictions("{source}", cohort),
        log:
            f"{LOGS}/test/{{source}}/{cohort}.log",
        benchmark:
            f"{LOGS}/test/{{source}}/{cohort}.tsv"
        conda:
            TORCH_ENV
        threads: settings.unet.threads
        resources:
            mem_mb=cost.evaluation_memory(cohort),
            runtime=cost.evaluation_minutes(cohort, "test"),
        params:
            code=code.digest("evaluate_unet.py"),
            patients=study.cohorts.records(cohort, "test"),
            prediction=settings.prediction.model_dump(),
            patch_size=settings.patches.size,
            threads=settings.unet.threads,
            device=settings.unet.device,
        script:
            "../scripts/evaluate_unet.py"

    rule:
        name:
            f"test_baseline_{cohort}"
        input:
            selection=f"{RESULTS}/selection/{{baseline}}.json",
            scans=sources.scans(cohort, "test"),
        output:
            table=sources.metric_table("{baseline}", "selected", cohort),
            metrics=sources.metric_files("{baseline}", "selected", cohort, "test"),
            predictions=sources.predictions("{baseline}", cohort),
        log:
            f"{LOGS}/test/{{baseline}}/{cohort}.log",
        benchmark:
            f"{LOGS}/test/{{baseline}}/{cohort}.tsv"
        conda:
            CPU_ENV
        resources:
            mem_mb=cost.volume_memory(65, cohort),
            runtime=240,
        params:
            code=code.digest("evaluate_baseline.py"),
            patients=study.cohorts.records(cohort, "test"),
            patch_size=settings.patches.size,
        script:
            "../scripts/evaluate_baseline.py"
