# The long table of scores, and figures in two rules each: the data, and the drawing of it.
# `snakemake fig3 --allowed-rules fig3` redraws from the data alone, without patients.


rule scores:
    input:
        metrics=[
            sources.metric_table(source, "selected", cohort)
            for source in sources.tested
            for cohort in settings.test_cohorts
        ],
        selections=[f"{RESULTS}/selection/{source}.json" for source in sources.tested],
        privacy=sources.privacy_records,
    output:
        f"{RESULTS}/tables/scores.csv",
    log:
        f"{LOGS}/scores.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        code=code.digest("collect_scores.py"),
        sources=sources.records,
        patients={cohort: study.cohorts.ids(cohort, "test") for cohort in settings.test_cohorts},
    script:
        "../scripts/collect_scores.py"


for figure, table in study.products.tabulated.items():

    rule:
        name:
            f"{figure}_data"
        input:
            table=f"{RESULTS}/tables/{table}.csv",
        output:
            f"{RESULTS}/figures/{figure}.csv",
        log:
            f"{LOGS}/figures/{figure}_data.log",
        conda:
            CPU_ENV
        resources:
            mem_mb=memory(500),
            runtime=5,
        params:
            code=code.digest("tabulate_figure.py", study.products.module(figure)),
            figure=figure,
            seed=settings.seed,
        script:
            "../scripts/tabulate_figure.py"


rule comparison_data:
    input:
        published=str(HOME / "report/published.csv"),
        scores=f"{RESULTS}/tables/scores.csv",
        quality=f"{RESULTS}/tables/quality.csv",
        transfer=f"{RESULTS}/tables/transfer.csv" if transfers.trainings else [],
    output:
        f"{RESULTS}/figures/comparison.csv",
    log:
        f"{LOGS}/figures/comparison_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("tabulate_comparison.py"),
    script:
        "../scripts/tabulate_comparison.py"


rule fig2_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        real=sources.patches(settings.train_cohort)[0],
        baselines=[sources.patches(cohort)[0] for cohort in settings.public_baselines],
        pairs=[path for source in sources.level_sets for path in sources.pairs_of(source)],
    output:
        f"{RESULTS}/figures/fig2.npz",
    log:
        f"{LOGS}/figures/fig2_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=cost.pairs_memory(),
        runtime=30,
    params:
        code=code.digest("collect_pairs.py"),
        pairs=sources.level_sets,
        baselines=list(settings.public_baselines),
    script:
        "../scripts/collect_pairs.py"


# Figure 4 shows every level on the study's own test patients, S2 the three of lowest eps on the second cohort.
for figure, cohort, lowest in (("fig4", settings.test_cohorts[0], None), ("figS2", settings.second_cohort, 3)):
    if figure in study.products.figures:

        rule:
            name:
                f"{figure}_data"
            input:
                scores=f"{RESULTS}/tables/scores.csv",
                scans=sources.scans(cohort, "test"),
                # Beside its table an evaluation leaves the masks, one of which is shown.
                evaluations=[
                    sources.metric_table(source, "selected", cohort)
                    for source in ["real", *sources.free, *sources.levels]
                ],
            output:
                f"{RESULTS}/figures/{figure}.npz",
            log:
                f"{LOGS}/figures/{figure}_data.log",
            conda:
                CPU_ENV
            resources:
                mem_mb=cost.volume_memory(60, cohort),
                runtime=10,
            params:
                code=code.digest("collect_errors.py"),
                cohort=cohort,
                lowest=lowest,
                predictions=[
                    path
                    for source in ["real", *sources.free, *sources.levels]
                    for path in sources.predictions(source, cohort)
                ],
                patients={record["id"]: record for record in study.cohorts.records(cohort, "test")},
                patch_size=settings.patches.size,
            script:
                "../scripts/collect_errors.py"


rule fig7_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        scans=sources.scans(settings.test_cohorts[0], "test"),
        evaluations=[
            sources.metric_table(source, "selected", settings.test_cohorts[0]) for source in study.gans.private_pairs
        ],
    output:
        f"{RESULTS}/figures/fig7.npz",
    log:
        f"{LOGS}/figures/fig7_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=cost.volume_memory(60, settings.test_cohorts[0]),
        runtime=10,
    params:
        code=code.digest("collect_tree.py"),
        cohort=settings.test_cohorts[0],
        predictions=[
            path
            for source in study.gans.private_pairs
            for path in sources.predictions(source, settings.test_cohorts[0])
        ],
        patients={record["id"]: record for record in study.cohorts.records(settings.test_cohorts[0], "test")},
        patch_size=settings.patches.size,
    script:
        "../scripts/collect_tree.py"


for figure in [*study.products.figures, *study.products.audit_figures]:

    rule:
        name:
            figure
        input:
            data=study.products.figure_data(figure),
        output:
            pdf=f"{RESULTS}/figures/{figure}.pdf",
            png=report(
                f"{RESULTS}/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Figures and tables",
                labels={"figure": figure},
            ),
        log:
            f"{LOGS}/figures/{figure}.log",
        conda:
            CPU_ENV
        resources:
            mem_mb=memory(1500),
            runtime=5,
        params:
            code=code.digest("draw_figure.py", study.products.module(figure)),
            figure=figure,
        script:
            "../scripts/draw_figure.py"


rule summary:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        figures=[f"{RESULTS}/figures/{figure}.png" for figure in study.products.figures],
        sheets=[f"{RESULTS}/synthetic/{pairs}.png" for pairs in study.gans.pairs],
        votes=f"{RESULTS}/vote/expectation-inside-only.csv" if settings.votes else [],
    output:
        f"{RESULTS}/summary.txt",
    log:
        f"{LOGS}/summary.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("summarise.py"),
        study=settings.study,
        public=study.site.public,
    script:
        "../scripts/summarise.py"


rule report:
    input:
        figures=[f"{RESULTS}/figures/{figure}.png" for figure in study.products.reported],
        captions=[str(HOME / f"report/{figure}.rst") for figure in study.products.reported],
        tables=list(study.products.tables.values()),
        plan=f"{RESULTS}/privacy/plan.csv",
        summary=f"{RESULTS}/summary.txt",
        privacy=sources.privacy_records,
        template=str(HOME / "scripts/privessel/report/page.html.j2"),
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        code=code.digest("write_report.py"),
        study=settings.study,
        source=str(HOME),
        packages=["snakemake", "numpy", "scipy", "pandas", "nibabel"],
        config=study.shown_config(),
        logs=LOGS,
        names=list(study.products.reported),
        titles=list(study.products.reported.values()),
        table_titles=list(study.products.tables),
        overview=study.products.overview(),
    script:
        "../scripts/write_report.py"
