# U-Nets on every source of pairs, whole-volume prediction, metrics, and the choice by validation patients.


rule unet:
    input:
        pairs=lambda w: pairs_of(w.source),
    output:
        weights=f"{RESULTS}/unet/{{source}}/{{setting}}/weights.pt",
        history=f"{RESULTS}/unet/{{source}}/{{setting}}/history.csv",
    log:
        f"{LOGS}/unet/{{source}}/{{setting}}.log",
    benchmark:
        f"{LOGS}/unet/{{source}}/{{setting}}.tsv"
    conda:
        TORCH_ENV
    threads: config["unet"]["threads"]
    resources:
        mem_mb=memory(lambda w: unet_memory(source_pairs(w.source))),
        runtime=lambda w: unet_minutes(source_pairs(w.source), epochs=config["unet"]["epochs"]),
        gpu=1,
    params:
        code=lib_digest("unet/augmentation", "files/checkpoint", "device", "cohort/patches", "unet/loop", "unet/net", "unet/state"),
        training={key: config["unet"][key] for key in config["unet"] if key != "grid"},
        setting=lambda w: KNOWN_SETTINGS[w.setting],
        shuffled=lambda w: w.source.endswith("-shuffled"),
        seed=config["seed"],
    script:
        "../scripts/train_unet.py"


rule validate:
    input:
        weights=f"{RESULTS}/unet/{{source}}/{{setting}}/weights.pt",
        scans=scans(config["train_cohort"], "validation"),
    output:
        metrics=[
            f"{RESULTS}/metrics/{{source}}/{{setting}}/{config['train_cohort']}/{patient}.csv"
            for patient in ids(config["train_cohort"], "validation")
        ],
    log:
        f"{LOGS}/validate/{{source}}/{{setting}}.log",
    benchmark:
        f"{LOGS}/validate/{{source}}/{{setting}}.tsv"
    conda:
        TORCH_ENV
    threads: config["unet"]["threads"]
    resources:
        mem_mb=evaluation_memory(config["train_cohort"]),
        runtime=evaluation_minutes(config["train_cohort"], "validation"),
    params:
        code=lib_digest(
            "files/checkpoint", "cohort/table", "device", "scores/evaluation", "scores/metrics", "cohort/nifti", "cohort/patches", "unet/prediction", "cohort/scan", "unet/net"
        ),
        patients=patient_records(config["train_cohort"], "validation"),
        prediction=config["prediction"],
        patch_size=config["patches"]["size"],
        threads=config["unet"]["threads"],
        device=config["unet"]["device"],
    script:
        "../scripts/evaluate_unet.py"


rule select:
    input:
        lambda w: [
            path
            for setting in SETTINGS
            for path in metric_files(w.source, setting, config["train_cohort"], "validation")
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
        settings=list(SETTINGS),
    script:
        "../scripts/select_setting.py"


rule baseline:
    input:
        scans=scans(config["train_cohort"], "validation"),
    output:
        f"{RESULTS}/selection/{{baseline}}.json",
    log:
        f"{LOGS}/baseline/{{baseline}}.log",
    benchmark:
        f"{LOGS}/baseline/{{baseline}}.tsv"
    conda:
        CPU_ENV
    resources:
        mem_mb=volume_memory(50, config["train_cohort"]),
        runtime=60,
    params:
        code=lib_digest("scores/baselines", "cohort/table", "cohort/nifti", "cohort/scan"),
        patients=patient_records(config["train_cohort"], "validation"),
        patch_size=config["patches"]["size"],
        frangi_sigmas=config["baselines"]["frangi_sigmas"],
        candidates=config["baselines"]["candidates"],
    script:
        "../scripts/tune_baseline.py"


# A rule's outputs can't depend on its wildcards, and cohorts have patients of their own: one rule a cohort.
for cohort in config["test_cohorts"]:

    rule:
        name:
            f"test_{cohort}"
        input:
            selection=f"{RESULTS}/selection/{{source}}.json",
            weights=[f"{RESULTS}/unet/{{source}}/{setting}/weights.pt" for setting in SETTINGS],
            scans=scans(cohort, "test"),
        output:
            metrics=metric_files("{source}", "selected", cohort, "test"),
            predictions=prediction_files("{source}", cohort),
        log:
            f"{LOGS}/test/{{source}}/{cohort}.log",
        benchmark:
            f"{LOGS}/test/{{source}}/{cohort}.tsv"
        conda:
            TORCH_ENV
        threads: config["unet"]["threads"]
        resources:
            mem_mb=evaluation_memory(cohort),
            runtime=evaluation_minutes(cohort, "test"),
        params:
            code=lib_digest(
                "files/checkpoint",
                "cohort/table",
                "device",
                "scores/evaluation",
                "scores/metrics",
                "cohort/nifti",
                "cohort/patches",
                "unet/prediction",
                "cohort/scan",
                "unet/net",
            ),
            patients=patient_records(cohort, "test"),
            prediction=config["prediction"],
            patch_size=config["patches"]["size"],
            threads=config["unet"]["threads"],
            device=config["unet"]["device"],
        script:
            "../scripts/evaluate_unet.py"

    rule:
        name:
            f"test_baseline_{cohort}"
        input:
            selection=f"{RESULTS}/selection/{{baseline}}.json",
            scans=scans(cohort, "test"),
        output:
            metrics=metric_files("{baseline}", "selected", cohort, "test"),
            predictions=prediction_files("{baseline}", cohort),
        log:
            f"{LOGS}/test/{{baseline}}/{cohort}.log",
        benchmark:
            f"{LOGS}/test/{{baseline}}/{cohort}.tsv"
        conda:
            CPU_ENV
        resources:
            mem_mb=volume_memory(50, cohort),
            runtime=240,
        params:
            code=lib_digest("scores/baselines", "cohort/table", "scores/evaluation", "scores/metrics", "cohort/nifti", "cohort/scan"),
            patients=patient_records(cohort, "test"),
            patch_size=config["patches"]["size"],
        script:
            "../scripts/evaluate_baseline.py"
