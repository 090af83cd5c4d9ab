# GANs per level and run, and the labelled pairs they make.


rule gan:
    input:
        patches=sources.patches(settings.train_cohort),
        patients=sources.scans(settings.train_cohort, "train"),
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt"
            for epoch in study.gans.kept_epochs(private=False)
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    log:
        f"{LOGS}/gan/{{arch}}/{{level}}/run-{{run}}.log",
    benchmark:
        f"{LOGS}/gan/{{arch}}/{{level}}/run-{{run}}.tsv"
    wildcard_constraints:
        level="inf",
    priority: 10
    conda:
        TORCH_ENV
    threads: settings.gan.threads
    resources:
        mem_mb=cost.gan_memory(),
        runtime=cost.gan_minutes,
        gpu=1,
    params:
        # The files that decide a step are part of a run's identity; the digest of these and all others starts it again.
        step=code.step_files(audited=False),
        code=lambda w: study.training_digest("train_gan.py", w.level),
        training=lambda w: study.gans.training(w.arch, w.level, w.run),
        privacy=study.site.promise(),
        patch_size=settings.patches.size,
        seed=settings.seed,
        public=study.site.public,
        cohort=settings.train_cohort,
    script:
        "../scripts/train_gan.py"


# On patients a run that is paid for is not started again because code was edited (rule 11 of the mechanism); for any other
# reason to start it, the script brings its files back or refuses.
use rule gan as private_gan with:
    input:
        patches=sources.patches(settings.train_cohort),
        patients=sources.scans(settings.train_cohort, "train"),
        site=[] if study.site.public else (lambda w: study.site.require_secret()),
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt"
            for epoch in study.gans.kept_epochs(private=True)
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        level=PRIVATE_LEVEL,


# Runs of the epoch study keep more generators; a rule's outputs can't depend on its wildcards.
use rule gan as studied_gan with:
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt"
            for epoch in study.gans.studied_epochs(private=False)
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        arch=settings.arch,
        level=one_of({"inf"}.intersection(study.gans.studied_levels)),
        run=one_of(study.gans.studied_runs),


use rule private_gan as studied_private_gan with:
    output:
        generators=[
            f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{epoch}.pt"
            for epoch in study.gans.studied_epochs(private=True)
        ],
        history=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/history.csv",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    wildcard_constraints:
        arch=settings.arch,
        level=one_of(set(study.gans.studied_levels) - {"inf"}),
        run=one_of(study.gans.studied_runs),


ruleorder: studied_gan > gan
ruleorder: studied_private_gan > private_gan


rule synthetic:
    input:
        generator=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/generator-epoch-{{epoch}}.pt",
        privacy=f"{RESULTS}/gan/{{arch}}/{{level}}/run-{{run}}/privacy.json",
    output:
        pairs=f"{RESULTS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.npz",
        sheet=report(
            f"{RESULTS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.png",
            caption="../report/sheet.rst",
            category="Synthetic pairs",
            labels={"level": "{level}", "run": "{run}", "epoch": "{epoch}"},
        ),
    log:
        f"{LOGS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.log",
    benchmark:
        f"{LOGS}/synthetic/{{arch}}/{{level}}/run-{{run}}/epoch-{{epoch}}.tsv"
    priority: 10
    conda:
        TORCH_ENV
    threads: settings.gan.threads
    resources:
        mem_mb=cost.synthesis_memory(),
        runtime=60,
    params:
        code=code.digest("synthesise.py"),
        synthesis=settings.synthesis.model_dump(),
        seed=settings.seed,
        threads=settings.gan.threads,
        device=settings.gan.device,
    script:
        "../scripts/synthesise.py"
