# Whole heads, third part: GANs that make heads in the hulls, one a fold of people. None makes the head of somebody it has seen.


# With `learns_from: public`, nothing of the people whose heads are de-identified is an input here, nor the list of their checks.
rule head_gan:
    input:
        frames=lambda w: head_gans.learned_files("frame", int(w.fold)),
        gammas=lambda w: head_gans.learned_files("gamma", int(w.fold)),
        checked=f"{heads.folder}/intake.json" if head_gans.learns_from_own else [],
    output:
        generator=f"{heads.folder}/gan/fold-{{fold}}/generator.pt",
        history=f"{heads.folder}/gan/fold-{{fold}}/history.csv",
    log:
        f"{LOGS}/deid/gan/fold-{{fold}}.log",
    benchmark:
        f"{LOGS}/deid/gan/fold-{{fold}}.tsv"
    wildcard_constraints:
        fold=r"\d+",
    priority: 10
    conda:
        TORCH_ENV
    threads: head_gans.keys.threads
    resources:
        mem_mb=memory(head_gans.megabytes),
        runtime=head_gans.minutes(),
        gpu=1,
    params:
        code=code.digest("train_head_gan.py"),
        training=head_gans.settings(),
        size=settings.deid.size,
        people=lambda w: head_gans.learned_people(int(w.fold)),
        held_out=lambda w: head_gans.held_out(int(w.fold)),
        patients=lambda w: head_gans.learned_patients(int(w.fold)),
        seed=settings.seed,
    script:
        "../scripts/train_head_gan.py"


rule made_heads:
    input:
        gans=lambda w: head_gans.generators(w.heads),
        gammas=lambda w: heads.files("gamma", w.heads),
        hulls=lambda w: heads.hulls_of(f"hull-{w.hull}", w.heads),
        checked=f"{heads.folder}/intake.json",
    output:
        heads=head_gans.made("{hull}", heads.own, wildcard=True),
        promise=f"{heads.folder}/made/{{hull}}/{{heads}}.txt",
    log:
        f"{LOGS}/deid/made/{{hull}}/{{heads}}.log",
    benchmark:
        f"{LOGS}/deid/made/{{hull}}/{{heads}}.tsv"
    wildcard_constraints:
        heads=heads.own,
        hull=one_of(head_gans.keys.hulls),
    conda:
        TORCH_ENV
    threads: head_gans.keys.threads
    resources:
        mem_mb=memory(lambda w: head_gans.made_megabytes()),
        runtime=lambda w: head_gans.made_minutes(w.heads),
    params:
        code=code.digest("make_gan_heads.py"),
        scans=lambda w: head_gans.records(w.heads),
        folds=lambda w: head_gans.needed(w.heads),
        promise=lambda w: head_gans.promise(w.heads),
        seed=settings.seed,
        device=head_gans.keys.device,
        threads=head_gans.keys.threads,
    script:
        "../scripts/make_gan_heads.py"


# Those of public people, which attackers learn from; a rule's outputs can't depend on its wildcards.
use rule made_heads as made_public_heads with:
    output:
        heads=head_gans.made("{hull}", heads.known, wildcard=True),
        promise=f"{heads.folder}/made/{{hull}}/{{heads}}.txt",
    wildcard_constraints:
        heads=heads.known,
        hull=one_of(head_gans.keys.hulls),
