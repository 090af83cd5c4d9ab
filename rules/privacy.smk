# What privacy costs: `snakemake plan` says it in seconds, before any training.


rule plan_data:
    input:
        code=lib("privacy/accounting", "privacy/losses", "privacy/patient", "privacy/planner"),
    output:
        levels=f"{RESULTS}/privacy/plan.csv",
        patients=f"{RESULTS}/privacy/plan-patients.csv",
    log:
        f"{LOGS}/privacy/plan.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        levels=config["levels"],
        mechanism=planned_mechanism(),
        patient_delta=config["privacy"]["patient_delta"],
        patient_epsilons=[1, 3, 8],
        times_patients=[1, 10, 100],
        mean_noise=1 / 32,
    script:
        "../scripts/plan_privacy.py"


rule plan:
    input:
        levels=f"{RESULTS}/privacy/plan.csv",
        patients=f"{RESULTS}/privacy/plan-patients.csv",
        code=lib("figures/plan", "figures/style"),
    output:
        pdf=f"{RESULTS}/privacy/plan.pdf",
        png=report(
            f"{RESULTS}/privacy/plan.png",
            caption="../report/plan.rst",
            category="Privacy",
            labels={"figure": "plan"},
        ),
    log:
        f"{LOGS}/privacy/plan_figure.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "../scripts/draw_plan.py"
