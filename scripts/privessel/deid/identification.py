"""The identification study: every attacker asks every method's heads, in every view, of each query."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from privessel.deid.attack import Heads, answer, bootstrap, compare, draw_questions
from privessel.deid.faces import ATTACKERS, ORIGINAL, QUERIES, VIEWS, Faces, as_photographs
from privessel.errors import CohortError

COLUMNS = ["method", "view", "query", "attacker", "rate", "sd", "low", "high", "people", "known", "questions"]


def ask(
    methods: Mapping[str, Faces],
    known: Mapping[str, Faces],
    *,
    questions: int,
    candidates: int,
    samples: int,
    seed: int,
) -> pd.DataFrame:
    """Return identification rates in percent, a row for each method, view, query and attacker (COLUMNS).

    methods: the faces of the people asked about, by method, `original` among them. known: those of other
    people, whom attackers have seen, by the same methods. Candidates are each person's first session; the
    query is the same scan, or the second session of those who have one. questions, candidates: how many, and
    of how many each. samples: of the bootstrap over people. Raises CohortError where there are too few
    people.
    """
    _check(methods[ORIGINAL], known[ORIGINAL], candidates=candidates)
    rows = []
    for view in VIEWS:
        for query, asked, released in _pairs(methods[ORIGINAL]):
            people = len(asked.people)
            random = np.random.default_rng([seed, people])
            drawn = draw_questions(people, questions, candidates, random)
            queries = _vectors(asked, view)
            for method, faces in methods.items():
                others = Heads(
                    _vectors(known[ORIGINAL], view), _vectors(known[method], view), known[method].people
                )
                shown = _vectors(_only(faces, released), view)
                for attacker in ATTACKERS:
                    ways = [answer(one, drawn) for one in compare(attacker, others, queries, shown)]
                    hits = max(ways, key=np.mean)
                    sd, low, high = bootstrap(
                        100 * hits, drawn[:, 0], np.random.default_rng([seed, 1]), samples=samples
                    )
                    rate = 100 * float(hits.mean())
                    counts = [people, len(set(others.people)), questions]
                    rows.append([method, view, query, attacker, rate, sd, low, high, *counts])
    return pd.DataFrame(rows, columns=COLUMNS)


def _check(asked: Faces, known: Faces, *, candidates: int) -> None:
    """Raise CohortError where there are too few people to ask about, or to learn from."""
    if len(set(asked.people)) < candidates:
        raise CohortError(
            f"deid.heads has {len(set(asked.people))} people, fewer than the {candidates} candidates of a "
            "question. Remedy: lower deid.attack.candidates"
        )
    if len(set(known.people)) == len(known.people):
        raise CohortError(
            "deid.public_heads has one scan a person, but attackers learn from several scans of the same "
            "person. Remedy: name a public cohort with a second session, or a simulated one"
        )


def _pairs(original: Faces) -> Iterator[tuple[str, Faces, Faces]]:
    """Yield each kind of query: the unaltered scans that ask, and those whose released heads are shown."""
    sessions = sorted(set(original.sessions))
    first = original.of(sessions[0])
    yield QUERIES[0], first, first
    if len(sessions) > 1:
        second = original.of(sessions[1])
        both = [person for person in second.people if person in first.people]
        yield QUERIES[1], _choose(second, both), _choose(first, both)


def _choose(faces: Faces, people: list[str]) -> Faces:
    places = [faces.people.index(person) for person in people]
    return Faces(faces.depths[places], tuple(people), tuple(faces.sessions[place] for place in places))


def _only(faces: Faces, like: Faces) -> Faces:
    """Return a method's faces of the same scans as `like`, in the same order."""
    return _choose(faces.of(like.sessions[0]), list(like.people))


def _vectors(faces: Faces, view: str) -> np.ndarray:
    depths = as_photographs(faces.depths) if view == "photo" else faces.depths
    return depths.reshape(len(depths), -1).astype(np.float64)
