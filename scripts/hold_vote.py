"""Draw one of the candidates by the training patients' ballots, and leave what was drawn."""

from pathlib import Path

from privessel.files.script import logged
from privessel.privacy.site import Site
from privessel.vote.ballots import Ballot
from privessel.vote.run import Vote, hold_vote

with logged(snakemake.log[0]):
    params, given, wildcards = snakemake.params, snakemake.input, snakemake.wildcards
    folder = Path(snakemake.output.privacy).parent
    files = {"pairs.npz": given.pairs, "setting.json": given.setting, "unet.pt": given.weights}
    columns = zip(*([Path(path) for path in paths] for paths in files.values()), strict=True)
    # No parameter of the rule: a new budget must not rerun finished votes.
    site = None if params.public else Site.from_config(snakemake.config["privacy"])
    hold_vote(
        Vote(wildcards.level, int(wildcards.run), params.cohort),
        [Ballot.load(Path(path)) for path in given.ballots],
        [dict(zip(files, column, strict=True)) for column in columns],
        source_of={
            "seed": params.seed,
            "site": site,
            "scans": Path(given.patients),
            "results": folder.parents[2],
        },
        settings=params.voting,
        code=[Path(path) for path in params.step],
        folder=folder,
    )
