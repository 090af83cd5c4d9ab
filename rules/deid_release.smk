# Whole heads, last part: heads on the scanner's grid, each checked after it was written, and the archive in which they may
# leave. It is the only door, as release.smk is for the vessels.


localrules:
    deid_release,


# The picture shows a face, and stays. A head that fails its last check has the picture alone.
rule released_head:
    input:
        unpack(lambda w: study.head_release.source(w)),
    output:
        image=f"{heads.folder}/native/{{hull}}/{{heads}}/{{scan}}_T1w.nii.gz",
        mask=f"{heads.folder}/native/{{hull}}/{{heads}}/{{scan}}_defacemask.nii.gz",
        sidecar=f"{heads.folder}/native/{{hull}}/{{heads}}/{{scan}}_T1w.json",
    log:
        f"{LOGS}/deid/native/{{hull}}/{{heads}}/{{scan}}.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(lambda w: 2 * heads.scan_megabytes(w.heads)),
        runtime=20,
    params:
        code=code.digest("release_head.py"),
        scan=lambda w: vars(heads.scan(w.heads, w.scan)),
        contents=lambda w: heads.contents(w.heads, w.scan),
        picture=f"{heads.folder}/native/{{hull}}/{{heads}}/{{scan}}-inside-only.png",
    script:
        "../scripts/release_head.py"


rule head_release:
    input:
        unpack(lambda w: study.head_release.inputs()),
    output:
        # The folder beside it is no output: Snakemake would delete what somebody has put there.
        archive=study.head_release.archive,
        # Whose code is whose; it stays inside.
        codes=f"{heads.folder}/codes-{settings.deid.release.name}-inside-only.csv",
    log:
        f"{LOGS}/release/{settings.deid.release.name}.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(lambda w: study.head_release.megabytes()),
        runtime=lambda w: study.head_release.minutes(),
    params:
        code=code.digest("make_head_release.py", "release/verify_heads"),
        terms=study.head_release.terms(),
        cohort=heads.own,
        scans=lambda w: heads.records(heads.own),
        released=lambda w: study.head_release.records(),
        # Whom a generator may have learned from, as trainings name people.
        known=lambda w: [f"{heads.known}/{person}" for person in heads.people(heads.known)],
        step=code.hull_files(),
        public=study.head_release.public,
        seed=settings.seed,
        folders=[*study.head_release.places(), RESULTS, DATA, LOGS],
        people=lambda w: study.head_release.people()
        | {cohort: [patient.id for patient in study.cohorts.patients[cohort]] for cohort in cohorts},
    script:
        "../scripts/make_head_release.py"


rule deid_release:
    input:
        rules.head_release.output.archive,
