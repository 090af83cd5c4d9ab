"""The best that any private mechanism reaches against guesses: a linear programme over all mechanisms."""

import itertools
import math

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import lil_matrix


def best_chance(canaries, guesses, right, promises):
    """Return the largest chance of `right` right guesses over all mechanisms that keep all `promises`.

    A linear programme over the chances of every answer (out, in or abstained, `guesses` times not) to every
    coins; a neighbour's coins differ in one. For each promise (eps, delta) and each pair of neighbours the
    excesses over exp(eps) times the neighbour's chances sum to at most delta.
    """
    coins = list(itertools.product((0, 1), repeat=canaries))
    answers = [
        each
        for each in itertools.product((0, 1, None), repeat=canaries)
        if each.count(None) == canaries - guesses
    ]
    pairs = [
        (i, j)
        for i, j in itertools.permutations(range(len(coins)), 2)
        if sum(a != b for a, b in zip(coins[i], coins[j], strict=True)) == 1
    ]
    held = list(itertools.product(promises, pairs))
    n, m = len(coins), len(answers)
    gain = np.zeros((n + len(held), m))
    for i, j in itertools.product(range(n), range(m)):
        gain[i, j] = -(sum(a == b for a, b in zip(coins[i], answers[j], strict=True)) >= right) / n
    rows, limits = lil_matrix((len(held) * (m + 1), gain.size)), np.zeros(len(held) * (m + 1))
    for k, ((eps, delta), (i, other)) in enumerate(held):
        for j in range(m):
            rows[k * m + j, [i * m + j, other * m + j, (n + k) * m + j]] = [1, -math.exp(eps), -1]
        rows[len(held) * m + k, (n + k) * m : (n + k + 1) * m] = 1
        limits[len(held) * m + k] = delta
    whole = lil_matrix((n, gain.size))
    for i in range(n):
        whole[i, i * m : (i + 1) * m] = 1
    solved = linprog(gain.ravel(), rows.tocsr(), limits, whole.tocsr(), np.ones(n))
    assert solved.success
    return -solved.fun
