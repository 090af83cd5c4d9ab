# What may leave the building: one synthetic set as a folder and an archive, made and searched here, or refused with the reason.


rule release_bundle:
    input:
        unpack(lambda w: study.release.inputs()),
        patches=sources.patches(settings.train_cohort),
        patients=sources.scans(settings.train_cohort, "train"),
    output:
        # The folder beside it is no output: Snakemake would delete what somebody has put there.
        f"{RESULTS}/release/{settings.release.name}.tar.gz",
    log:
        f"{LOGS}/release/{settings.release.name}.log",
    conda:
        TORCH_ENV
    threads: settings.quality.threads
    resources:
        mem_mb=cost.release_memory(),
        runtime=cost.release_minutes(),
    params:
        code=code.digest("make_release.py", "release/verify"),
        terms=study.release.terms(),
        pairs=settings.release.pairs,
        public=study.site.public,
        max_overlap=settings.patches.max_overlap,
        steps=study.release.steps(),
        seed=settings.seed,
        # Which other sets there are, and how they were scored: no inputs, because none of them has to be there.
        results=lambda w, output: str(Path(output[0]).parents[1]),
        folders=[*(str(study.cohorts.root(cohort)) for cohort in cohorts), RESULTS, DATA, LOGS],
        patients={cohort: [patient.id for patient in study.cohorts.patients[cohort]] for cohort in cohorts},
    script:
        "../scripts/make_release.py"


# A target of its own, advice for the owner. It decides nothing about a release: a decision that looked at training patches
# would tell about them. It compares every image with every patch, which can take an hour.
rule copies:
    input:
        pairs=lambda w: study.release.searched(),
        patches=sources.patches(settings.train_cohort),
    output:
        f"{RESULTS}/privacy/copies-{settings.release.name}-inside-only.csv",
    log:
        f"{LOGS}/privacy/copies-{settings.release.name}.log",
    conda:
        TORCH_ENV
    threads: settings.quality.threads
    resources:
        mem_mb=cost.release_memory(),
        runtime=cost.copies_minutes(),
    params:
        code=code.digest("search_copies.py"),
    script:
        "../scripts/search_copies.py"


rule release:
    input:
        rules.release_bundle.output,
