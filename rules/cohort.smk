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
        descriptions=[
            f"{DATA}/{{cohort}}/{folder}dataset_description.json"
            for folder in ("", "derivatives/vessels/", "derivatives/brain/")
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


# Scans of your own are no inputs: their contents decide, whatever the times of their files (files/source.py).
rule intake:
    input:
        simulated=lambda w: study.cohorts.simulated_files(w.cohort, w.patient),
    output:
        f"{RESULTS}/cohort/{{cohort}}/{{patient}}.json",
    log:
        f"{LOGS}/intake/{{cohort}}/{{patient}}.log",
    benchmark:
        f"{LOGS}/intake/{{cohort}}/{{patient}}.tsv"
    priority: FIRST
    conda:
        CPU_ENV
    resources:
        mem_mb=cost.volume_memory(30),
        runtime=10,
    params:
        code=code.digest("check_patient.py"),
        patient=lambda w: study.cohorts.record(w.cohort, w.patient),
        contents=lambda w: study.cohorts.contents(w.cohort, w.patient),
        patch_size=settings.patches.size,
    script:
        "../scripts/check_patient.py"


# One small file stands for a split's scans wherever they are read again: it holds their digests, and a step that reads
# it reruns when a scan has changed, not when one was touched.
rule checked:
    input:
        reports=lambda w: [
            f"{RESULTS}/cohort/{w.cohort}/{patient}.json" for patient in study.cohorts.ids(w.cohort, w.split)
        ],
        # Of a phantom, the table its rule wrote must name the patients that the config's counts named.
        table=lambda w: f"{DATA}/{w.cohort}/participants.tsv" if study.cohorts.is_phantom(w.cohort) else [],
    output:
        f"{RESULTS}/cohort/{{cohort}}/{{split}}.csv",
    log:
        f"{LOGS}/intake/{{cohort}}/{{split}}.log",
    priority: FIRST
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


rule spacings:
    input:
        study.checked_splits(),
    output:
        f"{RESULTS}/cohort/spacing.txt",
    log:
        f"{LOGS}/intake/spacings.log",
    priority: FIRST
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("compare_spacings.py"),
        tables={name: sources.scan_lists(name) for name in study.cohorts.names},
        trained=settings.train_cohort,
        size=settings.patches.size,
    script:
        "../scripts/compare_spacings.py"


rule patches:
    input:
        simulated=lambda w: study.cohorts.simulated_files(w.cohort, w.patient),
        checked=f"{RESULTS}/cohort/{{cohort}}/{{patient}}.json",
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
