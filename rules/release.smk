# What may leave the building: one synthetic set as a folder and an archive, made and searched here, or refused with the reason.


rule release_bundle:
    input:
        unpack(lambda w: release_paths()),
        patches=patches(config["train_cohort"]),
        patients=scans(config["train_cohort"], "train"),
    output:
        # The folder beside it is no output: Snakemake would delete what somebody has put there.
        f"{RESULTS}/release/{config['release']['name']}.tar.gz",
    log:
        f"{LOGS}/release/{config['release']['name']}.log",
    conda:
        TORCH_ENV
    threads: config["quality"]["threads"]
    resources:
        mem_mb=memory(release_cost()[0]),
        runtime=release_cost()[1],
    params:
        code=lib_digest(
            "cohort/intake",
            "files/checkpoint",
            "cohort/table",
            "release/export",
            "gan/nets",
            "cohort/patches",
            "privacy/account",
            "privacy/accounting",
            "privacy/chain",
            "privacy/keys",
            "privacy/ledger",
            "privacy/losses",
            "privacy/patient",
            "privacy/site",
            "privacy/spending",
            "release",
            "gan/synthesis",
        ),
        terms=config["release"],
        pairs=config["release"]["pairs"],
        public=is_public(config["train_cohort"]),
        steps=release_steps(),
        seed=config["seed"],
        # Which other sets there are, and how they were scored: no inputs, because none of them has to be there.
        results=lambda w, output: str(Path(output[0]).parents[1]),
        folders=[str(layout(cohort)["root"]) for cohort in COHORTS] + [RESULTS, DATA, LOGS],
        patients={cohort: [patient.id for patient in COHORTS[cohort]] for cohort in COHORTS},
    script:
        "../scripts/make_release.py"


rule release:
    input:
        rules.release_bundle.output,
