"""Check a T1w scan, bring it into the common frame of its brain, and make the paper's privacy transform."""

from pathlib import Path

from privessel.cohort.picture import save_picture
from privessel.deid.preparation import ScanFiles, make_gamma, prepare, write_report
from privessel.deid.qc import draw_scan
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, made = snakemake.params, snakemake.output
    scan = params.scan
    files = ScanFiles(scan["person"], scan["session"], Path(scan["image"]), Path(scan["brain"]))
    framed, report, digest = prepare(files, **params.cube)
    gamma = make_gamma(
        framed, seed=params.seed, name=f"{snakemake.wildcards.heads} {files.name}", settings=params.surface
    )
    framed.save(Path(made.frame))
    gamma.save(Path(made.gamma))
    save_picture(Path(made.picture), draw_scan(framed, gamma))
    write_report(Path(made.report), files, report, digest)
