"""Who is it? An unaltered head against several de-identified ones, among them the same person's.

The paper asked this of paid workers. Here three attackers answer, who see depths (`faces.py`): `l1` takes the
nearest depths; `fisherface` compares codes that PCA and LDA have learned from other people's unaltered heads
(Belhumeur et al. 1997); `adaptive` has also seen what the method makes of other people, and takes the better
of two ways: one PCA and LDA of both kinds of heads together, or a ridge regression from a de-identified head
to the code of the unaltered one. Which is better is seen on the very questions that are reported, which can
only make the attacker stronger than one who had to choose beforehand.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

_MOST_PCA, _MOST_LDA, _SHRINKAGE = 100, 30, 0.1
_RIDGES = 1e-2  # of the mean variance of depths' main components
_TIE = 1e-9

Embedding = Callable[[NDArray], NDArray]
Similarity = Callable[[NDArray, NDArray], NDArray]


@dataclass(frozen=True)
class Heads:
    """The same scans before and after a method: vectors (scans, n) each, and whose they are."""

    original: NDArray
    released: NDArray
    people: tuple[str, ...]


def draw_questions(people: int, n: int, candidates: int, random: np.random.Generator) -> NDArray[np.int_]:
    """Return `n` questions (n, candidates): the person asked about first, then others; persons in turn.

    Raises ValueError where there are fewer people than candidates.
    """
    if people < candidates:
        raise ValueError(f"{people} people are fewer than {candidates} candidates")
    questions = []
    for number in range(n):
        person = number % people
        others = random.choice(np.delete(np.arange(people), person), candidates - 1, replace=False)
        questions.append([person, *others])
    return np.array(questions)


def answer(similarity: NDArray, questions: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return for each question the chance that the most similar candidate is the person asked about.

    similarity: (queries, candidates), row i and column i of one person. Where several are equally similar,
    one of them is guessed.
    """
    scores = similarity[questions[:, :1], questions]
    best = scores >= scores.max(1, keepdims=True) - _TIE
    return best[:, 0] / best.sum(1)


def learn_ways(others: Heads, learned: Embedding) -> dict[str, list[Similarity]]:
    """Return by attacker the ways he has to compare heads, learned from people who are not asked about.

    learned: `fit_embedding` of their unaltered heads, which no method changes. A way takes unaltered vectors
    (queries, n) and de-identified ones (candidates, n), and returns similarities (queries, candidates).
    """
    joint = fit_embedding(np.concatenate([others.original, others.released]), others.people * 2)
    regress = fit_ridge(others.released, learned(others.original))
    return {
        "l1": [_nearness],
        "fisherface": [lambda queries, candidates: learned(queries) @ learned(candidates).T],
        "adaptive": [
            lambda queries, candidates: joint(queries) @ joint(candidates).T,
            lambda queries, candidates: learned(queries) @ regress(candidates).T,
        ],
    }


def _nearness(queries: NDArray, candidates: NDArray) -> NDArray:
    return -np.stack([np.abs(candidates - query).mean(1) for query in queries])


def fit_embedding(vectors: NDArray, people: tuple[str, ...]) -> Embedding:
    """Learn codes of unit length by PCA and LDA from vectors (scans, n) and whose they are."""
    components = PCA(min(_MOST_PCA, len(vectors) - 1, vectors.shape[1]), svd_solver="full").fit(vectors)
    lda = LinearDiscriminantAnalysis(
        solver="eigen", shrinkage=_SHRINKAGE, n_components=min(_MOST_LDA, len(set(people)) - 1)
    ).fit(components.transform(vectors), people)
    return lambda given: _unit(lda.transform(components.transform(given)))


def fit_ridge(vectors: NDArray, codes: NDArray) -> Embedding:
    """Learn to predict codes (scans, m) from vectors (scans, n) by ridge regression; of unit length."""
    mean, target = vectors.mean(0), codes.mean(0)
    kernel = (vectors - mean) @ (vectors - mean).T
    weights = np.linalg.solve(
        kernel + (_RIDGES * np.trace(kernel) / len(kernel) + 1e-9) * np.eye(len(kernel)), codes - target
    )
    return lambda given: _unit((given - mean) @ (vectors - mean).T @ weights + target)


def bootstrap(
    hits: NDArray, persons: NDArray, random: np.random.Generator, *, samples: int
) -> tuple[float, float, float]:
    """Return SD and 95 % interval of the mean of `hits` over resampled people, whom the questions are about.

    Questions about one person are not independent, so people are drawn and not questions.
    """
    rates = np.array([hits[persons == person].mean() for person in np.unique(persons)])
    drawn = rates[random.integers(len(rates), size=(samples, len(rates)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(drawn.std()), float(low), float(high)


def _unit(codes: NDArray) -> NDArray:
    return codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)
