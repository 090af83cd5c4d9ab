# What the draws of hulls, and all other private runs of the site, have cost the people whose heads are de-identified
# (`snakemake deid_ledger`). It stays inside.


rule head_ledger_data:
    input:
        checked=f"{heads.folder}/intake.json",
        ledgers=lambda w: study.site.ledgers(),
    output:
        people=f"{heads.folder}/ledger.csv",
        runs=f"{heads.folder}/ledger-runs.csv",
    log:
        f"{LOGS}/deid/ledger_data.log",
    conda:
        TORCH_ENV
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        code=code.digest("tabulate_head_ledger.py"),
        budget=study.site.budget(),
        cohort=heads.own,
        scans=lambda w: heads.records(heads.own),
    script:
        "../scripts/tabulate_head_ledger.py"


use rule ledger as deid_ledger with:
    input:
        patients=f"{heads.folder}/ledger.csv",
        runs=f"{heads.folder}/ledger-runs.csv",
    log:
        f"{LOGS}/deid/ledger.log",
    params:
        cohort=heads.own,
        who="People",
