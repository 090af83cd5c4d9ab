"""The identification study: every attacker asks every method's heads, in every view, of each query."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privessel.deid.attack import Heads, answer, bootstrap, draw_questions, fit_embedding, learn_ways
from privessel.deid.faces import ORIGINAL, QUERIES, VIEWS, Faces, as_photographs
from privessel.errors import CohortError

COLUMNS = [
    *("method", "view", "query", "attacker", "rate", "sd", "low", "high"),
    *("people", "known", "questions", "candidates"),
]


def ask(
    methods: Mapping[str, Faces],
    known: Mapping[str, Faces],
    *,
    questions: int,
    candidates: int,
    samples: int,
    seed: int,
) -> pd.DataFrame:
    """Return identification rates in percent, a row for each view, method, query and attacker (COLUMNS).

    methods: the faces of the people asked about, by method, `original` among them. known: those of other
    people, whom attackers have seen, by the same methods. Candidates are each person's first scan; the query
    is the same scan, or the second one of those who have one, unless they are fewer than a question has
    candidates. questions, candidates: how many, and of how many each. samples: of the bootstrap over people.
    Raises CohortError where there are too few people, ValueError where methods have not the same scans.
    """
    _check(methods, known, candidates=candidates)
    asked = _list_queries(methods[ORIGINAL], candidates=candidates)
    drawn = {query: _draw(len(firsts), questions, candidates, seed) for query, (_, firsts) in asked.items()}
    others, rows = known[ORIGINAL].people, []
    for view in VIEWS:
        queries, seen = _vectors(methods[ORIGINAL], view), _vectors(known[ORIGINAL], view)
        learned = fit_embedding(seen, others)
        for method, faces in methods.items():
            released = _vectors(faces, view)
            attackers = learn_ways(Heads(seen, _vectors(known[method], view), others), learned)
            for query, (asking, firsts) in asked.items():
                for attacker, ways in attackers.items():
                    answers = [answer(way(queries[asking], released[firsts]), drawn[query]) for way in ways]
                    hits = 100 * max(answers, key=np.mean)
                    resampled = np.random.default_rng([seed, 1])
                    sd, low, high = bootstrap(hits, drawn[query][:, 0], resampled, samples=samples)
                    counts = [len(firsts), len(set(others)), questions, candidates]
                    rows.append([method, view, query, attacker, float(hits.mean()), sd, low, high, *counts])
    return pd.DataFrame(rows, columns=COLUMNS)


def _check(methods: Mapping[str, Faces], known: Mapping[str, Faces], *, candidates: int) -> None:
    """Raise CohortError where there are too few people to ask about, or to learn from."""
    for group in (methods, known):
        if len({(faces.people, faces.sessions) for faces in group.values()}) > 1:
            raise ValueError("every method has faces of the same scans in the same order")
    asked, seen = methods[ORIGINAL].people, known[ORIGINAL].people
    if len(set(asked)) < candidates:
        raise CohortError(
            f"deid.heads has {len(set(asked))} people, fewer than the {candidates} candidates of a "
            "question. Remedy: lower deid.attack.candidates"
        )
    if len(set(seen)) == len(seen):
        raise CohortError(
            "deid.public_heads has one scan a person, but attackers learn from several scans of the same "
            "person. Remedy: name a public cohort with a second session, or a simulated one"
        )


def _list_queries(original: Faces, *, candidates: int) -> dict[str, tuple[list[int], list[int]]]:
    """Return for each kind of query the rows of the scans that ask, and of those whose heads are shown.

    Scans of a person are in the order of the sessions, as the config has them.
    """
    scans: dict[str, list[int]] = {}
    for row, person in enumerate(original.people):
        scans.setdefault(person, []).append(row)
    firsts, again = [own[0] for own in scans.values()], [own for own in scans.values() if len(own) > 1]
    queries = {QUERIES[0]: (firsts, firsts)}
    if len(again) >= candidates:
        queries[QUERIES[1]] = ([own[1] for own in again], [own[0] for own in again])
    return queries


def _draw(people: int, questions: int, candidates: int, seed: int) -> NDArray[np.int_]:
    return draw_questions(people, questions, candidates, np.random.default_rng([seed, people]))


def _vectors(faces: Faces, view: str) -> NDArray[np.float64]:
    depths = as_photographs(faces.depths) if view == "photo" else faces.depths
    return depths.reshape(len(depths), -1).astype(np.float64)
