# How close images come to real ones (Frechet), how alike they are (SSIM), and all of them in one t-SNE. A control's images
# are those of the pairs it shuffles, so it has no row.


rule features:
    input:
        train=patches(config["train_cohort"]),
        test=patches(config["test_cohorts"][0], split="test"),
        weights=config["quality"]["inception_weights"] or [],
    output:
        f"{RESULTS}/quality/features.npz",
    log:
        f"{LOGS}/quality/features.log",
    benchmark:
        f"{LOGS}/quality/features.tsv"
    # Before any training: it finds out whether the weights are the right ones.
    priority: FIRST
    conda:
        TORCH_ENV
    threads: config["quality"]["threads"]
    resources:
        mem_mb=quality_memory(),
        runtime=quality_minutes(),
    params:
        code=lib_digest("device", "quality/features", "quality/images", "cohort/patches", "quality/distances"),
        images=config["quality"]["frechet_images"],
        threads=config["quality"]["threads"],
        device=config["quality"]["device"],
        seed=config["seed"],
    script:
        "../scripts/extract_features.py"


rule quality:
    input:
        images=lambda w: pairs_of(w.source),
        real=f"{RESULTS}/quality/features.npz",
        weights=config["quality"]["inception_weights"] or [],
    output:
        f"{RESULTS}/quality/{{source}}.csv",
    log:
        f"{LOGS}/quality/{{source}}.log",
    benchmark:
        f"{LOGS}/quality/{{source}}.tsv"
    conda:
        TORCH_ENV
    threads: config["quality"]["threads"]
    resources:
        mem_mb=quality_memory(),
        runtime=quality_minutes(),
    params:
        code=lib_digest("device", "quality/features", "quality/images", "cohort/patches", "quality/distances"),
        frechet_images=config["quality"]["frechet_images"],
        ssim_images=config["quality"]["ssim_images"],
        threads=config["quality"]["threads"],
        device=config["quality"]["device"],
        seed=config["seed"],
    script:
        "../scripts/measure_quality.py"


rule quality_table:
    input:
        quality=[f"{RESULTS}/quality/{source}.csv" for source in IMAGE_SETS],
        selections=[f"{RESULTS}/selection/{source}.json" for source in IMAGE_SETS],
        privacy=[f"{RESULTS}/gan/{gan}/privacy.json" for gan in GANS],
    output:
        f"{RESULTS}/tables/quality.csv",
    log:
        f"{LOGS}/quality/table.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=lib_digest("scores/tally", "scores/table"),
        sources={source: SOURCE_RECORDS[source] for source in IMAGE_SETS},
    script:
        "../scripts/collect_quality.py"


rule fig9_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        images=[path for source in EMBEDDED for path in pairs_of(source)],
    output:
        f"{RESULTS}/figures/fig9.npz",
    log:
        f"{LOGS}/figures/fig9_data.log",
    benchmark:
        f"{LOGS}/figures/fig9_data.tsv"
    conda:
        TORCH_ENV
    resources:
        mem_mb=embedding_memory(),
        runtime=60,
    params:
        code=lib_digest("quality/embedding", "scores/choice", "scores/tally", "quality/images", "cohort/patches", "quality/distances"),
        files={source: pairs_of(source) for source in EMBEDDED},
        images=config["quality"]["tsne_images"],
        perplexity=config["quality"]["perplexity"],
        seed=config["seed"],
    script:
        "../scripts/collect_embedding.py"
