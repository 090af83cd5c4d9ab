# Whole heads, last part: what tools find in the heads that each method makes, and what it took. Everything stays inside.


# Only simulated scans have a truth.
rule true_tissues:
    input:
        frames=lambda w: heads.files("frame", w.heads),
    output:
        f"{heads.folder}/truth/{{heads}}.npz",
    log:
        f"{LOGS}/deid/truth/{{heads}}.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(lambda w: 2 * heads.cohort_megabytes(w.heads)),
        runtime=60,
    params:
        code=code.digest("simulate_tissues.py"),
        scans=lambda w: heads.records(w.heads),
        splits=lambda w: heads.splits(w.heads),
        sessions=list(settings.deid.sessions),
        side=lambda w: heads.cohorts[w.heads].phantom.side,
        seed=settings.seed,
    script:
        "../scripts/simulate_tissues.py"


rule tissues:
    input:
        frames=lambda w: heads.files("frame", w.heads),
        gammas=lambda w: heads.gammas_of(w.method, w.heads),
        hulls=lambda w: heads.hulls_of(w.method, w.heads),
        made=lambda w: head_gans.made_of(w.method, w.heads),
        average=f"{heads.folder}/public/average.npz",
        reference=lambda w: head_uses.reference_of(w.method),
    output:
        labels=f"{heads.folder}/tissues/{{method}}/{{heads}}.npz",
        table=f"{heads.folder}/tissues/{{method}}/{{heads}}.csv",
    log:
        f"{LOGS}/deid/tissues/{{method}}/{{heads}}.log",
    benchmark:
        f"{LOGS}/deid/tissues/{{method}}/{{heads}}.tsv"
    wildcard_constraints:
        heads=heads.own,
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(lambda w: 2 * heads.cohort_megabytes(w.heads)),
        runtime=head_uses.tissue_minutes(),
    params:
        code=code.digest("find_tissues.py"),
        scans=lambda w: heads.records(w.heads),
        hull=lambda w: w.method.partition("-")[2],
    script:
        "../scripts/find_tissues.py"


rule head_age:
    input:
        frames=heads.files("frame", heads.known),
        table=head_uses.table_made(heads.known),
        checked=f"{heads.folder}/intake.json",
    output:
        weights=f"{heads.folder}/age/network.pt",
        history=f"{heads.folder}/age/history.csv",
    log:
        f"{LOGS}/deid/age.log",
    benchmark:
        f"{LOGS}/deid/age.tsv"
    conda:
        TORCH_ENV
    threads: settings.deid.age.threads
    resources:
        mem_mb=memory(head_uses.age_megabytes()),
        runtime=head_uses.age_minutes(),
        gpu=1,
    params:
        code=code.digest("train_age.py"),
        people=[scan.person for scan in heads.scans(heads.known)],
        table=head_uses.table_path(heads.known),
        cohort=heads.known,
        training=head_uses.ages(),
        seed=settings.seed,
    script:
        "../scripts/train_age.py"


rule ages:
    input:
        frames=heads.files("frame", heads.own),
        gammas=heads.files("gamma", heads.own),
        hulls=[f"{heads.folder}/hulls/{hull}/{heads.own}.npz" for hull in head_uses.shields],
        made=[path for hull in head_uses.filled for path in head_gans.made(hull, heads.own)],
        average=f"{heads.folder}/public/average.npz",
        weights=f"{heads.folder}/age/network.pt",
    output:
        f"{heads.folder}/age/predicted.csv",
    log:
        f"{LOGS}/deid/ages.log",
    benchmark:
        f"{LOGS}/deid/ages.tsv"
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(1500 + heads.cohort_megabytes(heads.own)),
        runtime=head_uses.read_minutes(),
    params:
        code=code.digest("predict_ages.py"),
        scans=heads.records(heads.own),
        methods=head_uses.methods,
        shields=head_uses.shields,
        filled=head_uses.filled,
    script:
        "../scripts/predict_ages.py"


rule head_metrics:
    input:
        tissues=[f"{heads.folder}/tissues/{method}/{heads.own}.csv" for method in head_uses.methods],
        ages=[f"{heads.folder}/age/predicted.csv"] if head_uses.has_ages else [],
        table=head_uses.table_made(heads.own),
    output:
        metrics=head_uses.metrics,
        volumes=f"{heads.folder}/tables/volumes.csv",
        figure=f"{heads.folder}/figures/deid_fig4.csv",
    log:
        f"{LOGS}/deid/metrics.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(700),
        runtime=10,
    params:
        code=code.digest("judge_heads.py"),
        methods=head_uses.methods,
        table=head_uses.table_path(heads.own),
        cohort=heads.own,
        truth=heads.is_phantom(heads.own),
    script:
        "../scripts/judge_heads.py"


rule head_times:
    input:
        head_uses.benchmarks(LOGS),
    output:
        f"{heads.folder}/tables/times.csv",
    log:
        f"{LOGS}/deid/times.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("tabulate_times.py"),
        steps=head_uses.steps(LOGS),
    script:
        "../scripts/tabulate_times.py"


# Shows a person's brain: inside only, unless nobody's.
rule deid_fig5_data:
    input:
        gammas=[f"{heads.folder}/gamma/{heads.own}/{scan.name}.npz" for scan in head_uses.scaled],
        gans=head_gans.generators(heads.own) if head_uses.filled else [],
    output:
        f"{heads.folder}/figures/deid_fig5.npz",
    log:
        f"{LOGS}/deid/figures/deid_fig5_data.log",
    benchmark:
        f"{LOGS}/deid/figures/deid_fig5_data.tsv"
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(1500 + heads.cohort_megabytes(heads.own)),
        runtime=60,
    params:
        code=code.digest("scale_heads.py"),
        scans=head_uses.scaled_records,
        folds=head_gans.needed(heads.own) if head_uses.filled else [],
        factors=list(settings.deid.scaling.factors),
        voxel=settings.deid.field_of_view / settings.deid.size,
        seed=settings.seed,
    script:
        "../scripts/scale_heads.py"


for figure, draw, data in (
    ("deid_fig4", "deid_utility:deid_fig4", "figures/deid_fig4.csv"),
    ("deid_fig5", "deid_scaling:deid_fig5", "figures/deid_fig5.npz"),
):

    rule:
        name:
            figure
        input:
            data=f"{heads.folder}/{data}",
        output:
            pdf=f"{heads.folder}/figures/{figure}.pdf",
            png=report(
                f"{heads.folder}/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Whole heads",
                labels={"figure": figure},
            ),
        log:
            f"{LOGS}/deid/figures/{figure}.log",
        conda:
            CPU_ENV
        resources:
            mem_mb=memory(700),
            runtime=5,
        params:
            code=code.digest("draw_heads.py", f"figures/{draw.partition(':')[0]}"),
            draw=draw,
        script:
            "../scripts/draw_heads.py"


rule deid_tables:
    input:
        head_uses.tables,
