"""Say what each vote is worth before it is drawn: the exact mean over all draws, and their 5 % quantile."""

from pathlib import Path

from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.scores.table import read_metrics
from privessel.vote.ballots import Ballot
from privessel.vote.expectation import tabulate_expectations

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    tables = [read_metrics(path, patients=params.patients) for path in given.tables]
    ballots = [Ballot.load(Path(path)) for path in given.ballots]
    table = tabulate_expectations(params.votes, ballots, [rows["dsc"].mean() for rows in tables])
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False)
