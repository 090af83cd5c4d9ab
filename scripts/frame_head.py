"""Bring a checked T1w scan into the common frame of its brain, and make the paper's privacy transform."""

from pathlib import Path

from privessel.cohort.picture import save_picture
from privessel.deid.preparation import make_gamma, prepare
from privessel.deid.qc import draw_scan
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.study.head_scans import HeadScan

with logged(snakemake.log[0]):
    params, made = snakemake.params, snakemake.output
    scan, cohort = HeadScan(**params.scan), snakemake.wildcards.heads
    digest = read_json(snakemake.input.checked, keys=())[f"{cohort}/{scan.name}"]
    framed = prepare(scan, digest=digest, corrections=params.corrections, **params.cube)
    gamma = make_gamma(framed, seed=params.seed, name=f"{cohort} {scan.name}", settings=params.surface)
    framed.save(Path(made.frame))
    gamma.save(Path(made.gamma))
    save_picture(Path(made.picture), draw_scan(framed, gamma))
