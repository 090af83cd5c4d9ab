"""Check a T1w scan, bring it into the common frame of its brain, and make the paper's privacy transform."""

from pathlib import Path

from privessel.cohort.picture import save_picture
from privessel.deid.preparation import make_gamma, prepare, write_report
from privessel.deid.qc import draw_scan
from privessel.files.script import logged
from privessel.study.head_scans import HeadScan

with logged(snakemake.log[0]):
    params, made = snakemake.params, snakemake.output
    scan = HeadScan(**params.scan)
    framed, report, digest = prepare(scan, corrections=params.corrections, **params.cube)
    gamma = make_gamma(
        framed, seed=params.seed, name=f"{snakemake.wildcards.heads} {scan.name}", settings=params.surface
    )
    framed.save(Path(made.frame))
    gamma.save(Path(made.gamma))
    save_picture(Path(made.picture), draw_scan(framed, gamma))
    write_report(Path(made.report), scan, report, digest)
