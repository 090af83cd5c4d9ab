# Which epoch is best: validation scores of more generators of the listed runs.


rule epochs_table:
    input:
        metrics=[
            path
            for pairs in EPOCH_STUDY
            for path in metric_files(pairs, STUDY_SETTING, config["train_cohort"], "validation")
        ],
        privacy=[f"{RESULTS}/gan/{gan}/privacy.json" for gan in STUDIED_GANS],
        selections=[f"{RESULTS}/selection/{source}.json" for source in [*config["rivals"], *BASELINES]],
    output:
        f"{RESULTS}/tables/epochs.csv",
    log:
        f"{LOGS}/epochs.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=lib_digest("scores/epochs", "scores/tally", "scores/table"),
        sources={
            pairs: {"kind": "private" if is_private(gan_record(pairs)["level"]) else "inf"} | gan_record(pairs)
            for pairs in EPOCH_STUDY
        },
        kept=PAIRS,
        free={source: SOURCE_RECORDS[source] for source in [*config["rivals"], *BASELINES]},
    script:
        "../scripts/collect_epochs.py"
