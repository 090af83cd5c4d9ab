# The long table of scores, and figures in two rules each: the data, and the drawing of it.
# `snakemake fig3 --allowed-rules fig3` redraws from the data alone, without patients.


rule scores:
    input:
        metrics=[
            path
            for source in TESTED
            for cohort in config["test_cohorts"]
            for path in metric_files(source, "selected", cohort, "test")
        ],
        selections=[f"{RESULTS}/selection/{source}.json" for source in TESTED],
        privacy=[f"{RESULTS}/gan/{gan}/privacy.json" for gan in GANS],
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
        code=lib_digest("scores/tally", "scores/table"),
        sources=SOURCE_RECORDS,
    script:
        "../scripts/collect_scores.py"


for figure in [figure for figure in TABLE_OF if figure in FIGURES]:

    rule:
        name:
            f"{figure}_data"
        input:
            table=f"{RESULTS}/tables/{TABLE_OF[figure]}.csv",
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
            code=lib_digest("figures", "scores/significance"),
            figure=figure,
            seed=config["seed"],
        script:
            "../scripts/tabulate_figure.py"


rule comparison_data:
    input:
        published="report/published.csv",
        scores=f"{RESULTS}/tables/scores.csv",
        quality=f"{RESULTS}/tables/quality.csv",
        transfer=f"{RESULTS}/tables/transfer.csv" if TRANSFER else [],
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
        code=lib_digest("figures", "scores/transfer"),
    script:
        "../scripts/tabulate_comparison.py"


rule fig2_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        real=patches(config["train_cohort"])[0],
        rivals=[patches(rival)[0] for rival in config["rivals"]],
        pairs=[f"{RESULTS}/synthetic/{pairs}.npz" for pairs in PAIRS],
    output:
        f"{RESULTS}/figures/fig2.npz",
    log:
        f"{LOGS}/figures/fig2_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=pairs_memory(),
        runtime=30,
    params:
        code=lib_digest("figures", "cohort/patches"),
        pairs=PAIRS,
        rivals=config["rivals"],
    script:
        "../scripts/collect_pairs.py"


# Figure 4 shows every level on the study's own test patients, S2 the three of lowest eps on the second cohort.
for figure, cohort, lowest in (("fig4", config["test_cohorts"][0], None), ("figS2", SECOND_COHORT, 3)):
    if figure in FIGURES:

        rule:
            name:
                f"{figure}_data"
            input:
                scores=f"{RESULTS}/tables/scores.csv",
                scans=scans(cohort, "test"),
                predictions=[
                    path
                    for source in ["real", *config["rivals"], *BASELINES, *PAIRS]
                    for path in prediction_files(source, cohort)
                ],
            output:
                f"{RESULTS}/figures/{figure}.npz",
            log:
                f"{LOGS}/figures/{figure}_data.log",
            conda:
                CPU_ENV
            resources:
                mem_mb=volume_memory(60, cohort),
                runtime=10,
            params:
                code=lib_digest("cohort/table", "figures", "cohort/nifti", "cohort/scan"),
                cohort=cohort,
                lowest=lowest,
                patients={record["id"]: record for record in patient_records(cohort, "test")},
                patch_size=config["patches"]["size"],
            script:
                "../scripts/collect_errors.py"


rule fig7_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        scans=scans(config["test_cohorts"][0], "test"),
        predictions=[path for source in PRIVATE_PAIRS for path in prediction_files(source, config["test_cohorts"][0])],
    output:
        f"{RESULTS}/figures/fig7.npz",
    log:
        f"{LOGS}/figures/fig7_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=volume_memory(60, config["test_cohorts"][0]),
        runtime=10,
    params:
        code=lib_digest("cohort/table", "figures", "cohort/nifti", "cohort/scan"),
        cohort=config["test_cohorts"][0],
        patients={record["id"]: record for record in patient_records(config["test_cohorts"][0], "test")},
        patch_size=config["patches"]["size"],
    script:
        "../scripts/collect_tree.py"


for figure in [*FIGURES, *AUDIT_FIGURES]:

    rule:
        name:
            figure
        input:
            data=figure_data(figure),
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
            code=lib_digest("figures", "scores/significance"),
            figure=figure,
        script:
            "../scripts/draw_figure.py"


rule summary:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        figures=[f"{RESULTS}/figures/{figure}.png" for figure in FIGURES],
        sheets=[f"{RESULTS}/synthetic/{pairs}.png" for pairs in PAIRS],
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
        code=lib_digest("scores/tally", "report/summary"),
        study=config["study"],
    script:
        "../scripts/summarise.py"


rule report:
    input:
        figures=[f"{RESULTS}/figures/{figure}.png" for figure in REPORTED],
        captions=[f"report/{figure}.rst" for figure in REPORTED],
        tables=list(TABLES.values()),
        plan=f"{RESULTS}/privacy/plan.csv",
        summary=f"{RESULTS}/summary.txt",
        privacy=[f"{RESULTS}/gan/{gan}/privacy.json" for gan in GANS],
        template="scripts/privessel/report/page.html.j2",
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
        code=lib_digest("scores/tally", "report/provenance", "report/page"),
        study=config["study"],
        source=os.path.relpath(workflow.basedir),
        packages=["snakemake", "numpy", "scipy", "pandas", "nibabel"],
        config=shown_config(),
        logs=LOGS,
        names=REPORTED,
        titles=[TITLES[figure] for figure in REPORTED],
        table_titles=list(TABLES),
        overview=study_overview(),
    script:
        "../scripts/write_report.py"
