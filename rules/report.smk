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
        code=lib("figures/tally", "scores"),
    output:
        f"{RESULTS}/tables/scores.csv",
    log:
        f"{LOGS}/scores.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        sources=SOURCE_RECORDS,
    script:
        "../scripts/collect_scores.py"


for figure in ("fig3", "fig5", "table1"):

    rule:
        name:
            f"{figure}_data"
        input:
            scores=f"{RESULTS}/tables/scores.csv",
            code=lib("figures"),
        output:
            f"{RESULTS}/figures/{figure}.csv",
        log:
            f"{LOGS}/figures/{figure}_data.log",
        conda:
            CPU_ENV
        resources:
            mem_mb=500,
            runtime=5,
        params:
            figure=figure,
            test_cohorts=config["test_cohorts"],
        script:
            "../scripts/tabulate_figure.py"


rule fig2_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        real=patches(config["train_cohort"])[0],
        pairs=[f"{RESULTS}/synthetic/{pairs}.npz" for pairs in PAIRS],
        code=lib("figures", "patches"),
    output:
        f"{RESULTS}/figures/fig2.npz",
    log:
        f"{LOGS}/figures/fig2_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=lambda w: 1500 + 2 * config["synthesis"]["pairs"] * config["patches"]["size"] ** 2 // 10**6,
        runtime=30,
    params:
        pairs=PAIRS,
    script:
        "../scripts/collect_pairs.py"


rule fig4_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        scans=scans(config["test_cohorts"][0], "test"),
        predictions=[
            path for source in ["real", *PAIRS] for path in prediction_files(source, config["test_cohorts"][0])
        ],
        code=lib("cohort", "figures", "nifti", "scan"),
    output:
        f"{RESULTS}/figures/fig4.npz",
    log:
        f"{LOGS}/figures/fig4_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        cohort=config["test_cohorts"][0],
        patients={record["id"]: record for record in patient_records(config["test_cohorts"][0], "test")},
        patch_size=config["patches"]["size"],
    script:
        "../scripts/collect_errors.py"


rule fig7_data:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        scans=scans(config["test_cohorts"][0], "test"),
        predictions=[path for source in PRIVATE_PAIRS for path in prediction_files(source, config["test_cohorts"][0])],
        code=lib("cohort", "figures", "nifti", "scan"),
    output:
        f"{RESULTS}/figures/fig7.npz",
    log:
        f"{LOGS}/figures/fig7_data.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        cohort=config["test_cohorts"][0],
        patients={record["id"]: record for record in patient_records(config["test_cohorts"][0], "test")},
        patch_size=config["patches"]["size"],
    script:
        "../scripts/collect_tree.py"


for figure in FIGURES:

    rule:
        name:
            figure
        input:
            data=figure_data(figure),
            code=lib("figures"),
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
            mem_mb=1500,
            runtime=5,
        params:
            figure=figure,
        script:
            "../scripts/draw_figure.py"


rule summary:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        figures=[f"{RESULTS}/figures/{figure}.png" for figure in FIGURES],
        sheets=[f"{RESULTS}/synthetic/{pairs}.png" for pairs in PAIRS],
        code=lib("figures/tally", "summary"),
    output:
        f"{RESULTS}/summary.txt",
    log:
        f"{LOGS}/summary.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=500,
        runtime=5,
    params:
        study=config["study"],
    script:
        "../scripts/summarise.py"
