"""Shield the hulls of a cohort of heads; under local privacy each person is charged once."""

from pathlib import Path

from privessel.deid.promise import say_promise
from privessel.deid.shield import HullModel
from privessel.deid.shielding import Shield
from privessel.files.arrays import write_arrays
from privessel.files.atomic import atomic_path
from privessel.files.reading import file_digest, read_json
from privessel.files.script import logged
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    params, given, made = snakemake.params, snakemake.input, snakemake.output
    names = [scan["name"] for scan in params.scans]
    # No parameter of the rule: a new budget must not draw anew.
    site = Site.from_config(snakemake.config["privacy"]) if params.charged else None
    checked = read_json(given.checked, keys=())
    shield = Shield(
        cohort=snakemake.wildcards.heads,
        kind=snakemake.wildcards.hull,
        seed=params.seed,
        site=site,
        results=Path(made.hulls).parents[3],
        draws=Path(made.hulls).parents[2] / "draws",
        code_files=tuple(map(Path, params.step)),
        model_digest=file_digest(given.model),
        **params.local,
    )
    hulls = shield.make(
        HullModel.load(Path(given.model)),
        dict(zip(names, map(Path, given.gammas), strict=True)),
        {scan["name"]: scan["person"] for scan in params.scans},
        {name: checked[f"{snakemake.wildcards.heads}/{name}"] for name in names},
    )
    write_arrays(Path(made.hulls), **hulls)
    with atomic_path(Path(made.promise)) as partial:
        words = say_promise(shield.kind, delta=shield.delta, public=site is None)
        partial.write_text(words + "\n")
