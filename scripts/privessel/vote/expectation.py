"""What a vote is worth: the exact mean over its mechanism, and its 5 % quantile. It looks at patients."""

from collections.abc import Sequence

import pandas as pd

from privessel.vote.ballots import Ballot
from privessel.vote.mechanism import expect
from privessel.vote.ranks import add_ranks, rank
from privessel.vote.run import exact_epsilon

COLUMNS = ["source", "candidates", "patients", "expected_dsc", "low_dsc", "least_dsc", "best_dsc"]


def tabulate_expectations(
    votes: Sequence[str], ballots: Sequence[Ballot], dsc: Sequence[float]
) -> pd.DataFrame:
    """Return one row for each vote, for inside only: no eps covers these numbers.

    votes: names such as vote/eps-1/run-1. dsc: the mean test DSC of each candidate's own U-Net.
    `expected_dsc` is its mean over all draws, each as likely as the mechanism makes it, and `low_dsc` what
    5 % of the draws do not exceed; `least_dsc` and `best_dsc` are the worst and the best candidate's.
    """
    utilities = add_ranks([rank(ballot.counts) for ballot in ballots])
    rows = []
    for vote in votes:
        mean, low = expect(dsc, utilities, epsilon=exact_epsilon(vote.split("/")[1]))
        rows.append((vote, len(dsc), len(ballots), mean, low, min(dsc), max(dsc)))
    return pd.DataFrame(rows, columns=COLUMNS)
