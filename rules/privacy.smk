# What privacy will cost (`snakemake plan`, before any training) and what it has cost (`snakemake ledger`). Secret and
# ledgers lie in privacy.state and are no rule's output, because Snakemake deletes outputs and makes them anew.


rule plan_data:
    output:
        levels=f"{RESULTS}/privacy/plan.csv",
        regions=f"{RESULTS}/privacy/plan-regions.csv",
        patients=f"{RESULTS}/privacy/plan-patients.csv",
        budget=f"{RESULTS}/privacy/plan-budget.csv",
        unets=f"{RESULTS}/privacy/plan-private-unets.csv",
    log:
        f"{LOGS}/privacy/plan.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        code=code.digest("plan_privacy.py"),
        levels=list(settings.levels),
        runs={level: len(study.gans.runs(level)) for level in settings.levels},
        budget=study.site.charged_budget(),
        votes=dict(zip(settings.votes, settings.vote.levels)),
        mechanism=study.planned_mechanism(),
        private_unet=study.planned_private_unet(),
        private_unet_runs=study.private_unet_runs(),
        patient_delta=study.site.patient_delta,
        overlaps=[1, 2, 5, 10, 20],
        patient_epsilons=[1, 3, 8],
        times_patients=[1, 10, 100],
        mean_noise=1 / 32,
    script:
        "../scripts/plan_privacy.py"


rule plan:
    input:
        levels=f"{RESULTS}/privacy/plan.csv",
        regions=f"{RESULTS}/privacy/plan-regions.csv",
        patients=f"{RESULTS}/privacy/plan-patients.csv",
        budget=f"{RESULTS}/privacy/plan-budget.csv",
        unets=f"{RESULTS}/privacy/plan-private-unets.csv",
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
        mem_mb=memory(1000),
        runtime=5,
    params:
        code=code.digest("draw_plan.py"),
    script:
        "../scripts/draw_plan.py"


rule secret:
    log:
        f"{LOGS}/privacy/secret.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        state=lambda w: str(study.site.state()),
    script:
        "../scripts/create_secret.py"


rule ledger_data:
    input:
        patients=sources.scans(settings.train_cohort, "train"),
        ledgers=lambda w: study.site.ledgers(),
    output:
        patients=f"{RESULTS}/privacy/ledger.csv",
        runs=f"{RESULTS}/privacy/ledger-runs.csv",
    log:
        f"{LOGS}/privacy/ledger_data.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        code=code.digest("tabulate_ledger.py"),
        budget=study.site.budget(),
    script:
        "../scripts/tabulate_ledger.py"


# Without an output, so that it shows the tables whenever it is asked.
rule ledger:
    input:
        patients=f"{RESULTS}/privacy/ledger.csv",
        runs=f"{RESULTS}/privacy/ledger-runs.csv",
    log:
        f"{LOGS}/privacy/ledger.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(1000),
        runtime=5,
    params:
        cohort=settings.train_cohort,
        who="Training patients",
    script:
        "../scripts/print_ledger.py"
