"""Put a made head back around the stored brain on the scanner's grid; write it if it passes every check."""

from pathlib import Path

from privessel.deid.released import Parts, write_head
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.study.head_scans import HeadScan

with logged(snakemake.log[0]):
    given, made, wildcards = snakemake.input, snakemake.output, snakemake.wildcards
    checked = read_json(given.checked, keys=())
    parts = Parts.read(
        {name: Path(given[name]) for name in ("frame", "made", "hulls", "average")},
        scan=wildcards.scan,
        digest=checked[f"{wildcards.heads}/{wildcards.scan}"],
    )
    write_head(
        HeadScan(**snakemake.params.scan),
        parts,
        image=Path(made.image),
        mask=Path(made.mask),
        sidecar=Path(made.sidecar),
        picture=Path(snakemake.params.picture),
    )
