# Whole heads, first part: from T1w scans, or a simulation, to checked heads in a common frame, and the paper's privacy
# transform of them. Everything here stays inside.


localrules:
    deid_intake,


rule head:
    output:
        image=f"{DATA}/{{heads}}/sub-{{person}}/ses-{{session}}/anat/sub-{{person}}_ses-{{session}}_T1w.nii.gz",
        sidecar=f"{DATA}/{{heads}}/sub-{{person}}/ses-{{session}}/anat/sub-{{person}}_ses-{{session}}_T1w.json",
        brain=f"{DATA}/{{heads}}/derivatives/brain/sub-{{person}}/ses-{{session}}/anat/sub-{{person}}_ses-{{session}}_desc-brain_mask.nii.gz",
    log:
        f"{LOGS}/deid/heads/{{heads}}/{{person}}_{{session}}.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(lambda w: heads.scan_megabytes(w.heads)),
        runtime=10,
    params:
        code=code.digest("make_head.py"),
        root=lambda w: f"{DATA}/{w.heads}",
        visit=lambda w: settings.deid.sessions.index(w.session) + 1,
        side=lambda w: heads.cohorts[w.heads].phantom.side,
        seed=settings.seed,
    script:
        "../scripts/make_head.py"


rule head_table:
    output:
        participants=f"{DATA}/{{heads}}/participants.tsv",
        columns=f"{DATA}/{{heads}}/participants.json",
        descriptions=[
            f"{DATA}/{{heads}}/{folder}{name}"
            for folder in ("", "derivatives/brain/")
            for name in ("dataset_description.json", "README")
        ],
    log:
        f"{LOGS}/deid/heads/{{heads}}/table.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("make_head_table.py"),
        root=lambda w: f"{DATA}/{w.heads}",
        splits=lambda w: heads.splits(w.heads),
        seed=settings.seed,
    script:
        "../scripts/make_head_table.py"


# Scans of your own are no inputs, as in cohort.smk: their contents decide.
rule brain_mask:
    output:
        f"{heads.folder}/brain/{{heads}}/{{scan}}.nii.gz",
    log:
        f"{LOGS}/deid/brain/{{heads}}/{{scan}}.log",
    benchmark:
        f"{LOGS}/deid/brain/{{heads}}/{{scan}}.tsv"
    conda:
        HEADS_ENV
    resources:
        mem_mb=memory(lambda w: 1500 + heads.scan_megabytes(w.heads)),
        runtime=20,
    params:
        code=code.digest("make_brain_mask.py"),
        image=lambda w: heads.scan(w.heads, w.scan).image,
        contents=lambda w: heads.contents(w.heads, w.scan),
        tool=settings.deid.brain_tool,
    script:
        "../scripts/make_brain_mask.py"


# A faulty scan does not end the job: its outcome says what is wrong, all others are checked too, and `heads_checked`
# refuses it.
rule check_head:
    input:
        simulated=lambda w: heads.simulated(w.heads, w.scan),
    output:
        outcome=f"{heads.folder}/intake/{{heads}}/{{scan}}.json",
        picture=f"{heads.folder}/intake/{{heads}}/{{scan}}.png",
    log:
        f"{LOGS}/deid/intake/{{heads}}/{{scan}}.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(lambda w: heads.scan_megabytes(w.heads)),
        runtime=10,
    params:
        code=code.digest("check_head.py"),
        scan=lambda w: vars(heads.scan(w.heads, w.scan)),
        contents=lambda w: heads.contents(w.heads, w.scan),
        most_voxel_mm=settings.deid.voxel_mm,
    script:
        "../scripts/check_head.py"


rule heads_checked:
    input:
        [path for name in heads.names for path in heads.files("intake", name, "json")],
    output:
        f"{heads.folder}/intake.json",
    log:
        f"{LOGS}/deid/intake.log",
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("list_heads.py"),
        scans=[record for name in heads.names for record in heads.records(name)],
    script:
        "../scripts/list_heads.py"


rule head_frame:
    input:
        simulated=lambda w: heads.simulated(w.heads, w.scan),
        # Another person more frames nobody anew: what decides on a scan is its contents.
        checked=ancient(f"{heads.folder}/intake.json"),
    output:
        frame=f"{heads.folder}/frame/{{heads}}/{{scan}}.npz",
        gamma=f"{heads.folder}/gamma/{{heads}}/{{scan}}.npz",
        picture=f"{heads.folder}/frame/{{heads}}/{{scan}}.png",
    log:
        f"{LOGS}/deid/frame/{{heads}}/{{scan}}.log",
    benchmark:
        f"{LOGS}/deid/frame/{{heads}}/{{scan}}.tsv"
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(lambda w: heads.scan_megabytes(w.heads)),
        runtime=20,
    params:
        code=code.digest("frame_head.py"),
        scan=lambda w: vars(heads.scan(w.heads, w.scan)),
        contents=lambda w: heads.contents(w.heads, w.scan),
        cube={
            "side": settings.deid.size,
            "field_of_view": settings.deid.field_of_view,
        },
        corrections=settings.deid.preprocessing.model_dump(),
        surface={
            "rotations": settings.deid.rotations,
            "planes": settings.deid.planes,
            "level": settings.deid.threshold,
        },
        seed=settings.seed,
    script:
        "../scripts/frame_head.py"


rule deid_intake:
    input:
        rules.heads_checked.output,
        [path for name in heads.names for path in heads.files("intake", name, "png")],
