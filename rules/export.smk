# Synthetic sets as files for tools that others train with. An export is as private as its pairs, and no more.


rule nnunet:
    input:
        pairs=f"{RESULTS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.npz",
    output:
        directory(f"{RESULTS}/export/nnunet/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}"),
    log:
        f"{LOGS}/export/nnunet/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.log",
    conda:
        CPU_ENV
    threads: settings.quality.threads
    resources:
        mem_mb=cost.pairs_memory(),
        runtime=60,
    params:
        code=code.digest("export_nnunet.py"),
        dataset_id=lambda w: study.gans.dataset_id(f"{w.arch}/{w.level}/run-{w.run}/epoch-{w.epoch}"),
        name=lambda w: f"{w.arch}-{w.level}-run-{w.run}-epoch-{w.epoch}".replace(".", "p"),
    script:
        "../scripts/export_nnunet.py"


rule png:
    input:
        pairs=f"{RESULTS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.npz",
    output:
        directory(f"{RESULTS}/export/png/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}"),
    log:
        f"{LOGS}/export/png/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.log",
    conda:
        CPU_ENV
    threads: settings.quality.threads
    resources:
        mem_mb=cost.pairs_memory(),
        runtime=60,
    params:
        code=code.digest("export_png.py"),
    script:
        "../scripts/export_png.py"


rule export:
    input:
        lambda w: [f"{RESULTS}/export/{form}/{pairs}" for form in ("nnunet", "png") for pairs in study.gans.exported()],
