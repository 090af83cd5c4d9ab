# What privacy costs: `snakemake plan` says it in seconds, before any training.


def planned_mechanism():
    """What the private levels will do, as `planner.plan_levels` takes it: up to the last kept epoch, per patch."""
    training, patients = gan_training("noise-1"), len(ids(config["train_cohort"], "train"))
    steps = max(training["kept_epochs"]) * training["steps_per_epoch"] * training["critic_steps"]
    return {
        "sampling_rate": training["batch"] / (patients * config["patches"]["per_patient"]),
        "steps": steps,
        "critic_steps": training["critic_steps"],
        "delta": config["privacy"]["delta"],
        "unit": "patch",
        "patients": patients,
        "patches_per_patient": config["patches"]["per_patient"],
    }


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
