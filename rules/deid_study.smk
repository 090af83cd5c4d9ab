# Whole heads, second part: public models, shielded hulls, what each method leaves of a face, and who can tell whose it is.


rule public_heads:
    input:
        frames=heads.files("frame", heads.known),
        gammas=heads.files("gamma", heads.known),
    output:
        model=f"{heads.folder}/public/hulls.npz",
        average=f"{heads.folder}/public/average.npz",
    log:
        f"{LOGS}/deid/public.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(lambda w: heads.cohort_megabytes(heads.known)),
        runtime=30,
    params:
        code=code.digest("fit_public_heads.py"),
        rank=settings.deid.code.rank,
    script:
        "../scripts/fit_public_heads.py"


# On patients a draw of local privacy that is paid for is never made again; the script brings it back.
rule hulls:
    input:
        gammas=lambda w: heads.files("gamma", w.heads),
        checked=f"{heads.folder}/intake.json",
        model=f"{heads.folder}/public/hulls.npz",
        site=lambda w: study.site.require_secret() if heads.needs_secret(w.hull, w.heads) else [],
    output:
        hulls=f"{heads.folder}/hulls/{{hull}}/{{heads}}.npz",
        promise=f"{heads.folder}/hulls/{{hull}}/{{heads}}.txt",
    log:
        f"{LOGS}/deid/hulls/{{hull}}/{{heads}}.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(lambda w: heads.cohort_megabytes(w.heads)),
        runtime=60,
    params:
        step=code.hull_files(),
        code=lambda w: "" if heads.needs_secret(w.hull, w.heads) else code.digest("shield_hulls.py"),
        scans=lambda w: heads.records(w.heads),
        local={
            "delta": settings.deid.delta,
            "clip": settings.deid.code.clip,
            "number": settings.deid.draw,
        },
        charged=lambda w: heads.needs_secret(w.hull, w.heads),
        seed=settings.seed,
    script:
        "../scripts/shield_hulls.py"


rule faces:
    input:
        frames=lambda w: heads.frames_of(w.method, w.heads),
        gammas=lambda w: heads.gammas_of(w.method, w.heads),
        hulls=lambda w: heads.hulls_of(w.method, w.heads),
        made=lambda w: head_gans.made_of(w.method, w.heads),
        average=f"{heads.folder}/public/average.npz",
    output:
        f"{heads.folder}/faces/{{method}}/{{heads}}.npz",
    log:
        f"{LOGS}/deid/faces/{{method}}/{{heads}}.log",
    benchmark:
        f"{LOGS}/deid/faces/{{method}}/{{heads}}.tsv"
    conda:
        HEADS_ENV
    resources:
        mem_mb=memory(lambda w: heads.cohort_megabytes(w.heads)),
        runtime=60,
    params:
        code=code.digest("measure_faces.py"),
        scans=lambda w: heads.records(w.heads),
        yaws=settings.deid.attack.yaws,
    script:
        "../scripts/measure_faces.py"


rule identification:
    input:
        asked=heads.faces(heads.own),
        known=heads.faces(heads.known),
        checked=f"{heads.folder}/intake.json",
    output:
        f"{heads.folder}/tables/identification.csv",
    log:
        f"{LOGS}/deid/identification.log",
    benchmark:
        f"{LOGS}/deid/identification.tsv"
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(lambda w: 4 * heads.cohort_megabytes(heads.known)),
        runtime=120,
    params:
        code=code.digest("identify_heads.py"),
        methods=heads.methods,
        study={
            "questions": settings.deid.attack.questions,
            "candidates": settings.deid.attack.candidates,
            "samples": settings.deid.attack.bootstrap,
        },
        seed=settings.seed,
    script:
        "../scripts/identify_heads.py"


# Shows a person's scan: inside only, unless nobody's.
rule deid_fig1_data:
    input:
        frame=lambda w: f"{heads.folder}/frame/{heads.own}/{heads.shown.name}.npz",
        gamma=lambda w: f"{heads.folder}/gamma/{heads.own}/{heads.shown.name}.npz",
        hulls=[f"{heads.folder}/hulls/{hull}/{heads.own}.npz" for hull in heads.shielded],
        made=[f"{heads.folder}/made/{hull}/{heads.own}/{heads.shown.name}.npz" for hull in head_gans.keys.hulls],
        average=f"{heads.folder}/public/average.npz",
    output:
        f"{heads.folder}/figures/deid_fig1.npz",
    log:
        f"{LOGS}/deid/figures/deid_fig1_data.log",
    conda:
        HEADS_ENV
    resources:
        mem_mb=memory(lambda w: heads.scan_megabytes(heads.own)),
        runtime=10,
    params:
        code=code.digest("collect_heads.py"),
        methods=heads.shown_methods,
        shielded=heads.shielded,
        gans=head_gans.keys.hulls,
        scan=lambda w: heads.shown.name,
    script:
        "../scripts/collect_heads.py"


for figure, draw, data in (
    ("deid_fig1", "deid_methods:deid_fig1", "figures/deid_fig1.npz"),
    ("deid_fig3", "deid_attack:deid_fig3", "tables/identification.csv"),
    ("deid_shield", "deid_shield:deid_shield", "tables/identification.csv"),
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


rule deid:
    input:
        [
            f"{heads.folder}/figures/{figure}.pdf"
            for figure in ("deid_fig1", "deid_fig3", "deid_fig4", "deid_fig5", "deid_shield")
        ],
        head_uses.tables,
        [f"{DATA}/{name}/participants.tsv" for name in heads.names if heads.is_phantom(name)],
