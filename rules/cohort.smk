# From a folder of scans, or a phantom's parameters, to checked patients and their patches.


rule phantom_patient:
    output:
        image=f"{DATA}/{{cohort}}/sub-{{patient}}/anat/sub-{{patient}}_acq-TOF_angio.nii.gz",
        sidecar=f"{DATA}/{{cohort}}/sub-{{patient}}/anat/sub-{{patient}}_acq-TOF_angio.json",
        vessels=f"{DATA}/{{cohort}}/derivatives/vessels/sub-{{patient}}/anat/sub-{{patient}}_acq-TOF_desc-vessels_mask.nii.gz",
        brain=f"{DATA}/{{cohort}}/derivatives/brain/sub-{{patient}}/anat/sub-{{patient}}_acq-TOF_desc-brain_mask.nii.gz",
    log:
        f"{LOGS}/phantom/{{cohort}}/{{patient}}.log",
    benchmark:
        f"{LOGS}/phantom/{{cohort}}/{{patient}}.tsv"
    priority: FIRST
    conda:
        CPU_ENV
    resources:
        mem_mb=cost.volume_memory(45),
        runtime=10,
    params:
        code=code.digest("make_phantom.py"),
        root=lambda w: f"{DATA}/{w.cohort}",
        phantom=lambda w: settings.cohorts[w.cohort].phantom.model_dump(mode="json", exclude={"patients"}),
        seed=settings.seed,
    script:
        "../scripts/make_phantom.py"


rule phantom_table:
    output:
        participants=f"{DATA}/{{cohort}}/participants.tsv",
        columns=f"{DATA}/{{cohort}}/participants.json",
        descriptions=[
            f"{DATA}/{{cohort}}/{folder}{name}"
            for folder in ("", "derivatives/vessels/", "derivatives/brain/")
            for name in ("dataset_description.json", "README")
        ],
        sidecars=[
            f"{DATA}/{{cohort}}/derivatives/{mask}/acq-TOF_desc-{mask}_mask.json" for mask in ("vessels", "brain")
        ],
    log:
        f"{LOGS}/phantom/{{cohort}}/table.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("make_phantom_table.py"),
        root=lambda w: f"{DATA}/{w.cohort}",
        splits=lambda w: study.cohorts.phantom_splits(w.cohort),
    script:
        "../scripts/make_phantom_table.py"


# A faulty scan does not end the job: its outcome says what is wrong, all others are checked too, and `checked` refuses it.
# Scans of your own are no inputs: their contents decide, whatever the times of their files (files/source.py).
rule check_patient:
    input:
        simulated=lambda w: study.cohorts.simulated_files(w.cohort, w.patient),
    output:
        outcome=f"{RESULTS}/cohort/{{cohort}}/{{patient}}.json",
        picture=f"{RESULTS}/cohort/{{cohort}}/{{patient}}.png",
    log:
        f"{LOGS}/intake/{{cohort}}/{{patient}}.log",
    benchmark:
        f"{LOGS}/intake/{{cohort}}/{{patient}}.tsv"
    priority: FIRST + 2
    conda:
        CPU_ENV
    resources:
        mem_mb=cost.volume_memory(40),
        runtime=10,
    params:
        code=code.digest("check_patient.py"),
        patient=lambda w: study.cohorts.record(w.cohort, w.patient),
        contents=lambda w: study.cohorts.contents(w.cohort, w.patient),
        patch_size=settings.patches.size,
        limits=settings.checks.refused(),
    script:
        "../scripts/check_patient.py"


# One small file stands for a split's scans wherever they are read again: it holds their digests, and a step that reads
# it reruns when a scan has changed, not when one was touched.
rule checked:
    input:
        outcomes=lambda w: sources.outcomes(w.cohort, w.split),
        # A new test patient is compared with all training patients, and no training begins anew because of that patient.
        earlier=lambda w: sources.earlier_outcomes(w.cohort, w.split),
        # Of a phantom, the table its rule wrote must name the patients that the config's counts named.
        table=lambda w: f"{DATA}/{w.cohort}/participants.tsv" if study.cohorts.is_phantom(w.cohort) else [],
    output:
        f"{RESULTS}/cohort/{{cohort}}/{{split}}.csv",
    log:
        f"{LOGS}/intake/{{cohort}}/{{split}}.log",
    priority: FIRST + 1
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("list_patients.py"),
        patients=lambda w: study.cohorts.records(w.cohort, w.split),
    script:
        "../scripts/list_patients.py"


# What is only unusual is told from the numbers of the checks, so that another limit of a warning trains nothing anew.
rule remarks:
    input:
        sources.all_outcomes(),
    output:
        f"{RESULTS}/cohort/remarks.txt",
    log:
        f"{LOGS}/intake/remarks.log",
    priority: FIRST
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("list_remarks.py"),
        usual=settings.checks.warned(),
        trained=settings.train_cohort,
        size=settings.patches.size,
    script:
        "../scripts/list_remarks.py"


# Shows patients' scans: inside only.
rule intake_page:
    input:
        outcomes=study.cohorts.intake_files("json", RESULTS),
        pictures=study.cohorts.intake_files("png", RESULTS),
        template=str(HOME / "scripts/privessel/report/intake.html.j2"),
    output:
        f"{RESULTS}/cohort/index.html",
    log:
        f"{LOGS}/intake/page.log",
    priority: FIRST + 3
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(1500),
        runtime=15,
    params:
        code=code.digest("write_intake.py"),
        study=settings.study,
        public=study.cohorts.intake_is_public,
        notices=study.notices,
        usual=settings.checks.warned(),
        trained=settings.train_cohort,
        size=settings.patches.size,
    script:
        "../scripts/write_intake.py"


# Without an output, so that it says what was found whenever it is asked.
rule intake:
    input:
        page=f"{RESULTS}/cohort/index.html",
        outcomes=study.cohorts.intake_files("json", RESULTS),
    log:
        f"{LOGS}/intake/intake.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        usual=settings.checks.warned(),
    script:
        "../scripts/tell_intake.py"


rule patches:
    input:
        simulated=lambda w: study.cohorts.simulated_files(w.cohort, w.patient),
        checked=lambda w: sources.scans_with(w.cohort, w.patient),
    output:
        f"{RESULTS}/patches/{{cohort}}/{{patient}}.npz",
    log:
        f"{LOGS}/patches/{{cohort}}/{{patient}}.log",
    benchmark:
        f"{LOGS}/patches/{{cohort}}/{{patient}}.tsv"
    priority: FIRST
    conda:
        CPU_ENV
    resources:
        mem_mb=cost.volume_memory(20),
        runtime=10,
    params:
        code=code.digest("sample_patches.py"),
        patient=lambda w: study.cohorts.record(w.cohort, w.patient),
        size=settings.patches.size,
        n=settings.patches.per_patient,
        max_overlap=settings.patches.max_overlap,
        seed=settings.seed,
    script:
        "../scripts/sample_patches.py"
