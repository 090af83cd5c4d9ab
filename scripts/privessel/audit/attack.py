"""What attackers make of a run of the audit: guesses about its canaries, and about its patients' patches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privessel.audit.canaries import Labelled
from privessel.audit.membership import (
    Attack,
    as_points,
    critic_scores,
    density_scores,
    evaluate,
    nearest_distances,
    nearest_scores,
    roc,
)
from privessel.audit.plan import audit
from privessel.audit.run import GRADIENT, AuditRun
from privessel.cohort.patches import load, rescale
from privessel.errors import DamagedError
from privessel.files import checkpoint
from privessel.files.reading import REMEDY, reading
from privessel.gan.nets import Critic, GanShape, normalise_spectra
from privessel.gan.step import Pairs
from privessel.privacy.site import Site

# Dense near 0, where an attack that is sure of a few patches shows.
FALSE_RATES = np.unique(np.concatenate([np.linspace(0, 1, 101), np.logspace(-3, -1, 21)]))


@dataclass(frozen=True)
class Drawn:
    """Labelled patches: images (n, s, s) float32 in [-1, 1], labels (n, s, s) bool, whose each is (n,)."""

    images: NDArray[np.float32]
    labels: NDArray[np.bool_]
    patients: NDArray[np.int64]

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """The patches as points (n, 2 s s)."""
        return as_points(self.images, self.labels)

    def take(self, which: NDArray[np.integer]) -> "Drawn":
        """Return some of the patches, in the order of `which`."""
        return Drawn(self.images[which], self.labels[which], self.patients[which])


@dataclass(frozen=True)
class Released:
    """What an attacker has of a run: its last critic, the scores watched in training (m,), and its pairs."""

    critic: Critic
    watched: NDArray[np.float64]
    pairs: Drawn
    background: float  # of the label channel that the critic was trained with

    def judged(self, patches: Drawn) -> NDArray[np.float32]:
        """Return the critic's scores (n,) of patches."""
        own = {"patients": patches.patients, "device": "cpu", "background": self.background}
        return critic_scores(self.critic, Pairs(patches.images, patches.labels, **own))


def load_critic(path: Path) -> tuple[Critic, NDArray[np.float64]]:
    """Return the critic and the watched scores that an audit's run left; DamagedError where it did not."""
    saved = checkpoint.load(path)
    if not {"shape", "weights", "watched"} <= saved.keys():
        raise DamagedError(
            f"{path} is no critic of an audit: it holds {', '.join(map(str, saved))}. {REMEDY}"
        )
    with reading(path):
        critic = Critic(GanShape(**saved["shape"]))
        if any("parametrizations" in name for name in saved["weights"]):
            normalise_spectra(critic)
        critic.load_state_dict(saved["weights"])
    return critic.eval(), saved["watched"].numpy()


def drawn(images: NDArray[np.uint8], labels: NDArray[np.bool_]) -> Drawn:
    """Return synthetic pairs as drawn patches, nobody's."""
    return Drawn(rescale(images, -1, 1), labels, np.zeros(len(images), np.int64))


def draw_patches(paths: Sequence[Path], *, each: int, seed: int) -> Drawn:
    """Draw `each` patches of every patient, without replacement; patients count from 0 as `paths` do."""
    rng, parts = np.random.default_rng(seed), []
    for path in paths:  # one patient's patches in memory at a time
        patches = load([path], scale=(-1, 1))
        which = np.sort(rng.choice(len(patches.image), each, replace=False))
        parts.append((patches.image[which], patches.label[which]))
    images, labels = (np.concatenate(side) for side in zip(*parts, strict=True))
    return Drawn(images, labels, np.repeat(np.arange(len(paths)), each))


def describe_run(record: Mapping) -> dict[str, object]:
    """Return what the tables say of a run: its names, and the eps that it claims for all its steps."""
    spent = [epoch["epsilon"] for epoch in record["epochs"].values()]
    named = {key: record[key] for key in ("arch", "level", "run")}
    return named | {"eps": math.inf if None in spent else max(spent)}


def attack_canaries(
    record: Mapping, released: Released, *, reference: Labelled, site: Site | None
) -> pd.DataFrame:
    """Return what the canaries of a run show, a row a score of its plan (`audit.Finding`).

    `record` is the run's privacy.json, whose plan decides, whatever the config says by now; canaries are made
    of the public patches of `reference`; `site` tossed the coins of a private run on patients.
    """
    run, about = AuditRun.recorded(record, reference=reference), describe_run(record)
    private = record["noise_multiplier"] is not None
    plan = run.plan(private=private, delta=record["audit"]["delta"])
    canaries = Drawn(*run.canary_patches, np.arange(run.canaries))
    scores = {
        GRADIENT: released.watched,
        "critic": released.judged(canaries),
        "nearest": nearest_scores(canaries.points, released.pairs.points),
    }
    identity = record["ledger"]["identity"] if "ledger" in record else None
    findings = audit(
        plan,
        {name: scores[name] for name in plan.scores},
        stream=run.coins(private=private, site=site, identity=identity),
        claimed_epsilon=about["eps"],
    )
    return pd.DataFrame([{**about, "canaries": plan.canaries} | asdict(found) for found in findings])


def attack_members(
    members: Drawn,
    others: Drawn,
    reference: Drawn,
    released: Released,
    *,
    about: Mapping[str, object],
    neighbours: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how three attacks tell patches of training patients from those of others, and their ROC curves.

    critic: LOGAN; nearest: GAN-Leaks; density: as DOMIAS, with `reference` patients who are neither. A row an
    attack, unit and way of resampling (`membership.Attack`); a row an attack and false positive rate.
    """
    points = np.concatenate([members.points, others.points])
    scores = {
        "critic": np.concatenate([released.judged(members), released.judged(others)]),
        "nearest": nearest_scores(points, released.pairs.points),
        "density": density_scores(points, released.pairs.points, reference.points, neighbours=neighbours),
    }
    member = np.arange(len(points)) < len(members.images)
    whose = np.concatenate([members.patients, others.patients + members.patients.max() + 1])
    rows, curves = [], []
    for name, values in scores.items():
        found = evaluate(values, member=member, patients=whose, rng=np.random.default_rng(seed))
        rows += [{**about, "attack": name} | asdict(one) for one in found]
        curve = roc(values, member=member, patients=whose, rates=FALSE_RATES, rng=np.random.default_rng(seed))
        named = dict(zip(("true_rate", "low", "high"), curve, strict=True))
        curves.append(pd.DataFrame({**about, "attack": name, "false_rate": FALSE_RATES, **named}))
    columns = [*about, "attack", *(field.name for field in fields(Attack))]
    return pd.DataFrame(rows, columns=columns), pd.concat(curves, ignore_index=True)


def find_neighbours(pairs: Drawn, members: Drawn, others: Drawn, *, shown: int) -> dict[str, NDArray]:
    """Return the `shown` pairs that lie nearest to a member, each with its nearest member and other patch.

    Images as uint8, labels as bool, (k, s, s) each, and Euclidean distances (k,) over images in [-1, 1] and
    labels -1 or 1, as `figures.neighbours` draws them.
    """
    order = np.argsort(nearest_distances(pairs.points, members.points), kind="stable")
    closest = pairs.take(order[:shown])
    points = closest.points.astype(np.float64)
    found = _pictures("synthetic", closest)
    for name, patches in (("train", members), ("held", others)):
        squares = np.stack([np.square(patches.points - point).sum(axis=1) for point in points])
        found |= _pictures(name, patches.take(squares.argmin(axis=1)))
        found[f"distance_{name}"] = np.sqrt(squares.min(axis=1))
    return found


def _pictures(name: str, patches: Drawn) -> dict[str, NDArray]:
    images = np.rint(rescale(patches.images, 0, 255)).astype(np.uint8)
    return {f"{name}_image": images, f"{name}_label": patches.labels}
