"""Shield the hulls of a cohort of heads; under local privacy each person is charged once."""

from pathlib import Path

from privessel.deid.promise import say_promise
from privessel.deid.shield import HullModel
from privessel.deid.shielding import Shield, save_hulls
from privessel.files.atomic import atomic_path
from privessel.files.reading import file_digest
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    params, given, made = snakemake.params, snakemake.input, snakemake.output
    names = [scan["name"] for scan in params.scans]
    checked = read_table(given.checked, columns=["person", "session", "sha256"]).astype(str)
    # No parameter of the rule: a new budget must not draw anew.
    site = Site.from_config(snakemake.config["privacy"]) if params.charged else None
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
        dict(zip(checked["person"] + "_" + checked["session"], checked["sha256"], strict=True)),
    )
    save_hulls(Path(made.hulls), hulls)
    with atomic_path(Path(made.promise)) as partial:
        partial.write_text(say_promise(snakemake.wildcards.hull, delta=params.local["delta"]) + "\n")
