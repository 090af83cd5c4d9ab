# The vote: public candidates, a ballot of each training patient, and a private draw. Ballots, and what is computed from them
# beside the draw, look at patients outside the mechanism: inside only.


rule candidate:
    output:
        pairs=f"{RESULTS}/vote/candidates/{{candidate}}/pairs.npz",
        setting=f"{RESULTS}/vote/candidates/{{candidate}}/setting.json",
        weights=f"{RESULTS}/vote/candidates/{{candidate}}/weights.pt",
        history=f"{RESULTS}/vote/candidates/{{candidate}}/history.csv",
    log:
        f"{LOGS}/vote/candidates/{{candidate}}.log",
    benchmark:
        f"{LOGS}/vote/candidates/{{candidate}}.tsv"
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=study.vote_cost.candidate_memory(),
        runtime=study.vote_cost.candidate_minutes(),
    params:
        code=study.voting_digest("make_candidate.py"),
        design=study.vote_design(),
        training=study.candidate_training(),
        seed=settings.seed,
    script:
        "../scripts/make_candidate.py"


# A job a patient, which sees this patient's scan and no other's. An edit of its code fills the ballots anew: a vote that is
# finished stays as it is for all that, and one that is still to come is not drawn from stale ballots.
rule ballot:
    input:
        simulated=lambda w: study.cohorts.simulated_files(w.cohort, w.patient),
        checked=lambda w: sources.scans_with(w.cohort, w.patient),
        weights=sources.candidate_files("weights.pt"),
    output:
        f"{RESULTS}/vote/ballots-inside-only/{{cohort}}/{{patient}}.json",
    log:
        f"{LOGS}/vote/ballots/{{cohort}}/{{patient}}.log",
    benchmark:
        f"{LOGS}/vote/ballots/{{cohort}}/{{patient}}.tsv"
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=study.vote_cost.ballot_memory(),
        runtime=study.vote_cost.ballot_minutes(),
    params:
        code=code.digest("fill_ballot.py"),
        patient=lambda w: study.cohorts.record(w.cohort, w.patient),
        size=settings.patches.size,
        patches=settings.vote.patches,
        stride=settings.prediction.stride,
        seed=settings.seed,
        threads=settings.unet.threads,
        prediction={"batch": settings.prediction.batch, "device": settings.unet.device},
    script:
        "../scripts/fill_ballot.py"


# On patients a vote that is paid for is not drawn again; for any reason to start it, the script brings its files back or refuses.
rule vote:
    input:
        ballots=sources.ballots(),
        patients=sources.scans(settings.train_cohort, "train"),
        pairs=sources.candidate_files("pairs.npz"),
        setting=sources.candidate_files("setting.json"),
        weights=sources.candidate_files("weights.pt"),
        site=[] if study.site.public else (lambda w: study.site.require_secret()),
    output:
        pairs=f"{RESULTS}/vote/{{level}}/run-{{run}}/pairs.npz",
        setting=f"{RESULTS}/vote/{{level}}/run-{{run}}/setting.json",
        weights=f"{RESULTS}/vote/{{level}}/run-{{run}}/unet.pt",
        privacy=f"{RESULTS}/vote/{{level}}/run-{{run}}/privacy.json",
    log:
        f"{LOGS}/vote/{{level}}/run-{{run}}.log",
    wildcard_constraints:
        level=VOTE_LEVEL,
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(1500),
        runtime=15,
    params:
        step=code.vote_files(),
        code=study.voting_digest("hold_vote.py"),
        voting={"patients": study.site.training_patients, "patches": settings.vote.patches},
        seed=settings.seed,
        public=study.site.public,
        cohort=settings.train_cohort,
    script:
        "../scripts/hold_vote.py"


# A vote's own U-Net is one of those that validation patients choose from.
rule voted_unet:
    input:
        f"{RESULTS}/{{source}}/unet.pt",
    output:
        f"{RESULTS}/unet/{{source}}/voted/weights.pt",
    log:
        f"{LOGS}/unet/{{source}}/voted.log",
    wildcard_constraints:
        source=VOTE_NAME,
    conda:
        CPU_ENV
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        code=code.digest("take_own_unet.py"),
    script:
        "../scripts/take_own_unet.py"


# How good each candidate's own U-Net is on the test patients, and with them what a vote is worth before it is drawn.
rule candidate_test:
    input:
        weights=f"{RESULTS}/vote/candidates/{{candidate}}/weights.pt",
        scans=sources.scans(settings.train_cohort, "test"),
    output:
        table=sources.metric_table("vote/candidate-{candidate}", "own", settings.train_cohort),
        metrics=sources.metric_files("vote/candidate-{candidate}", "own", settings.train_cohort, "test"),
    log:
        f"{LOGS}/test/vote/candidate-{{candidate}}.log",
    benchmark:
        f"{LOGS}/test/vote/candidate-{{candidate}}.tsv"
    conda:
        TORCH_ENV
    threads: settings.unet.threads
    resources:
        mem_mb=cost.evaluation_memory(settings.train_cohort),
        runtime=cost.evaluation_minutes(settings.train_cohort, "test"),
    params:
        code=code.digest("evaluate_unet.py"),
        patients=study.cohorts.records(settings.train_cohort, "test"),
        prediction=settings.prediction.model_dump(),
        patch_size=settings.patches.size,
        threads=settings.unet.threads,
        device=settings.unet.device,
    script:
        "../scripts/evaluate_unet.py"


rule vote_expectation:
    input:
        ballots=sources.ballots(),
        tables=sources.candidate_tables(),
    output:
        f"{RESULTS}/vote/expectation-inside-only.csv",
    log:
        f"{LOGS}/vote/expectation.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(1500),
        runtime=10,
    params:
        code=code.digest("expect_vote.py"),
        votes=list(settings.votes),
        patients=study.cohorts.ids(settings.train_cohort, "test"),
    script:
        "../scripts/expect_vote.py"
