# Kossen et al. 2021: U-Nets on few patients of the second cohort, from scratch and from a source's chosen U-Net.


rule transfer_unet:
    input:
        pairs=lambda w: [f"{RESULTS}/patches/{SECOND_COHORT}/{patient}.npz" for patient in drawn_patients(w)],
        selection=lambda w: [] if w.start == "scratch" else f"{RESULTS}/selection/{w.start}.json",
        starts=lambda w: (
            [] if w.start == "scratch" else [f"{RESULTS}/unet/{w.start}/{setting}/weights.pt" for setting in SETTINGS]
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
    threads: config["unet"]["threads"]
    resources:
        mem_mb=memory(lambda w: unet_memory(drawn_pairs(w.k))),
        runtime=lambda w: unet_minutes(drawn_pairs(w.k), epochs=config["transfer"]["epochs"]),
        gpu=1,
    params:
        code=lib_digest("unet/augmentation", "files/checkpoint", "device", "cohort/patches", "unet/loop", "unet/net", "unet/state"),
        training={
            **{key: config["unet"][key] for key in config["unet"] if key != "grid"},
            **{key: config["transfer"][key] for key in ("epochs", "learning_rate", "dropout", "augment")},
        },
        seed=config["seed"],
    script:
        "../scripts/train_transfer.py"


rule test_transfer:
    input:
        weights=f"{RESULTS}/unet/transfer/{{start}}/patients-{{k}}/draw-{{draw}}/weights.pt",
        scans=scans(SECOND_COHORT, "test"),
    output:
        metrics=metric_files("transfer/{start}/patients-{k}", "draw-{draw}", SECOND_COHORT, "test"),
    log:
        f"{LOGS}/test/transfer/{{start}}/patients-{{k}}/draw-{{draw}}.log",
    benchmark:
        f"{LOGS}/test/transfer/{{start}}/patients-{{k}}/draw-{{draw}}.tsv"
    conda:
        TORCH_ENV
    threads: config["unet"]["threads"]
    resources:
        mem_mb=evaluation_memory(SECOND_COHORT),
        runtime=evaluation_minutes(SECOND_COHORT, "test"),
    params:
        code=lib_digest(
            "files/checkpoint", "cohort/table", "device", "scores/evaluation", "scores/metrics", "cohort/nifti", "cohort/patches", "unet/prediction", "cohort/scan", "unet/net"
        ),
        patients=patient_records(SECOND_COHORT, "test"),
        prediction=config["prediction"],
        patch_size=config["patches"]["size"],
        threads=config["unet"]["threads"],
        device=config["unet"]["device"],
    script:
        "../scripts/evaluate_unet.py"


rule transfer_table:
    input:
        metrics=[path for tuned in TRANSFER for path in tuned_metric_files(tuned)],
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
        code=lib_digest("scores/tally", "scores/transfer"),
        starts=TRANSFER_STARTS,
        cohort=SECOND_COHORT,
    script:
        "../scripts/collect_transfer.py"
