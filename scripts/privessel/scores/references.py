"""What the GANs of a study are held against: real patches, and what costs no patient any privacy (eps = 0).

These sources are chosen by their kind alone. A study may give its public cohorts and baselines any name.
"""

from collections.abc import Sequence

import pandas as pd

from privessel.study.names import BASELINE, FREE_KINDS, PHANTOM, REAL

REFERENCE_KINDS = (REAL, *FREE_KINDS)
# The sources of the shipped studies keep the order in which their figures have always shown them. The list
# decides that order and nothing else: all other sources follow in the order of their table.
_FIRST = ("phantom-random", "phantom-one", "threshold", "frangi")
_MISSING = {REAL: "real patches", PHANTOM: "any public cohort", BASELINE: "any baseline"}


def select_references(rows: pd.DataFrame, *, kinds: Sequence[str] = REFERENCE_KINDS) -> pd.DataFrame:
    """Return the rows of these kinds: real patches first, then the sources without privacy cost.

    rows: any table with the columns `source` and `kind`. Rows of one source keep their order.
    """
    chosen = rows[rows["kind"].isin(kinds)]
    real = chosen["source"][chosen["kind"] == REAL]
    order = list(dict.fromkeys([*real, *_FIRST, *chosen["source"]]))
    return chosen.sort_values("source", key=lambda names: names.map(order.index), kind="stable")


def list_free(rows: pd.DataFrame) -> list[str]:
    """Return the names of the sources at eps = 0 in the order in which tables show them."""
    return list(dict.fromkeys(select_references(rows, kinds=FREE_KINDS)["source"]))


def list_missing(rows: pd.DataFrame, *, kinds: Sequence[str] = REFERENCE_KINDS) -> list[str]:
    """Return in words the kinds of reference that a table has no source of, though every study should."""
    there = set(rows["kind"])
    return [_MISSING[kind] for kind in kinds if kind not in there]
