# Which epoch is best: validation scores of more generators of the listed runs.


rule epochs_table:
    input:
        metrics=[
            sources.metric_table(pairs, sources.study_setting, settings.train_cohort)
            for pairs in study.gans.studied_pairs
        ],
        privacy=[f"{RESULTS}/gan/{gan}/privacy.json" for gan in study.gans.studied],
        selections=[f"{RESULTS}/selection/{source}.json" for source in sources.free],
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
        code=code.digest("collect_epochs.py"),
        sources=sources.studied_records(),
        kept=study.gans.pairs,
        patients={settings.train_cohort: study.cohorts.ids(settings.train_cohort, "validation")},
        free={source: sources.records[source] for source in sources.free},
    script:
        "../scripts/collect_epochs.py"
