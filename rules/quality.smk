# How close images come to real ones (Frechet), how alike they are (SSIM), and all of them in one t-SNE. A control's images
# are those of the pairs it shuffles, so it has no row.


rule features:
    input:
        train=sources.patches(settings.train_cohort),
        test=sources.patches(settings.test_cohorts[0], split="test"),
        weights=settings.quality.inception_weights or [],
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
    threads: settings.quality.threads
    resources:
        mem_mb=cost.quality_memory(),
        runtime=cost.quality_minutes(),
    params:
        code=code.digest("extract_features.py"),
        images=settings.quality.frechet_images,
        threads=settings.quality.threads,
        device=settings.quality.device,
        seed=settings.seed,
    script:
        "../scripts/extract_features.py"


rule quality:
    input:
        images=lambda w: sources.pairs_of(w.source),
        real=f"{RESULTS}/quality/features.npz",
        weights=settings.quality.inception_weights or [],
    output:
        f"{RESULTS}/quality/{{source}}.csv",
    log:
        f"{LOGS}/quality/{{source}}.log",
    benchmark:
        f"{LOGS}/quality/{{source}}.tsv"
    conda:
        TORCH_ENV
    threads: settings.quality.threads
    resources:
        mem_mb=cost.quality_memory(),
        runtime=cost.quality_minutes(),
    params:
        code=code.digest("measure_quality.py"),
        frechet_images=settings.quality.frechet_images,
        ssim_images=settings.quality.ssim_images,
        threads=settings.quality.threads,
        device=settings.quality.device,
        seed=settings.seed,
    script:
        "../scripts/measure_quality.py"


rule quality_table:
    input:
        quality=[f"{RESULTS}/quality/{source}.csv" for source in sources.image_sets],
        selections=[f"{RESULTS}/selection/{source}.json" for source in sources.image_sets],
        privacy=sources.privacy_records,
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
        code=code.digest("collect_quality.py"),
        sources={source: sources.records[source] for source in sources.image_sets},
    script:
        "../scripts/collect_quality.py"


rule fig9_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        images=[path for source in sources.embedded for path in sources.pairs_of(source)],
    output:
        f"{RESULTS}/figures/fig9.npz",
    log:
        f"{LOGS}/figures/fig9_data.log",
    benchmark:
        f"{LOGS}/figures/fig9_data.tsv"
    conda:
        TORCH_ENV
    resources:
        mem_mb=cost.embedding_memory(),
        runtime=60,
    params:
        code=code.digest("collect_embedding.py"),
        files={source: sources.pairs_of(source) for source in sources.embedded},
        images=settings.quality.tsne_images,
        perplexity=settings.quality.perplexity,
        seed=settings.seed,
    script:
        "../scripts/collect_embedding.py"
