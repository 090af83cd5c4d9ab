# Kossen et al. 2021: U-Nets on few patients of the second cohort, from scratch and from a source's chosen U-Net.


rule transfer_unet:
    input:
        pairs=lambda w: [
            f"{RESULTS}/patches/{settings.second_cohort}/{patient}.npz"
            for patient in transfers.chosen_patients(w.k, w.draw)
        ],
        selection=lambda w: [] if w.start == "scratch" else f"{RESULTS}/selection/{w.start}.json",
        starts=lambda w: (
            []
            if w.start == "scratch"
            else [f"{RESULTS}/unet/{w.start}/{setting}/weights.pt" for setting in sources.settings]
        ),
    output:
        weights=f"{RESULTS}/unet/transfer/{{start}}/patients-{{k}}/draw-{{draw}}/weights.pt",
        history=f"{RESULTS}/unet/transfer/{{start}}/patients-{{k}}/draw-{{draw}}/history.csv",
    log:
        f"{LOGS}/unet/transfer/{{start}}/patients-{{k}}/draw-{{draw}}.log",
    benchmark:
        f"{LOGS}/unet/transfer/{{start}}/patients-{{k}}/draw-{{draw}}.tsv"
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=cost.transfer_memory(),
        runtime=cost.transfer_minutes,
        gpu=1,
    params:
        code=code.digest("train_transfer.py"),
        training=settings.unet.model_dump(mode="json", exclude={"grid"})
        | settings.transfer.model_dump(mode="json", include={"epochs", "learning_rate", "dropout", "augment"}),
        seed=settings.seed,
    script:
        "../scripts/train_transfer.py"


rule test_transfer:
    input:
        weights=f"{RESULTS}/unet/transfer/{{start}}/patients-{{k}}/draw-{{draw}}/weights.pt",
        scans=sources.scans(settings.second_cohort, "test"),
    output:
        table=sources.metric_table("transfer/{start}/patients-{k}", "draw-{draw}", settings.second_cohort),
        metrics=sources.metric_files("transfer/{start}/patients-{k}", "draw-{draw}", settings.second_cohort, "test"),
    log:
        f"{LOGS}/test/transfer/{{start}}/patients-{{k}}/draw-{{draw}}.log",
    benchmark:
        f"{LOGS}/test/transfer/{{start}}/patients-{{k}}/draw-{{draw}}.tsv"
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=cost.evaluation_memory(settings.second_cohort),
        runtime=cost.evaluation_minutes(settings.second_cohort, "test"),
    params:
        code=code.digest("evaluate_unet.py"),
        patients=study.cohorts.records(settings.second_cohort, "test"),
        prediction=settings.prediction.model_dump(),
        patch_size=settings.patches.size,
        threads=settings.unet.threads,
        device=settings.unet.device,
    script:
        "../scripts/evaluate_unet.py"


rule transfer_table:
    input:
        metrics=[transfers.table(training) for training in transfers.trainings],
        scores=f"{RESULTS}/tables/scores.csv",
    output:
        f"{RESULTS}/tables/transfer.csv",
    log:
        f"{LOGS}/transfer.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        code=code.digest("collect_transfer.py"),
        starts=transfers.starts,
        patients=study.cohorts.ids(settings.second_cohort, "test"),
        cohort=settings.second_cohort,
    script:
        "../scripts/collect_transfer.py"
