"""Attacks on a run of the audit: which canaries, and which patients' patches, was it trained on?"""

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
from privessel.gan.pairs import Pairs
from privessel.privacy.site import Site

# Dense near 0, where an attack shows that recognises only a few patches but is sure of them.
FALSE_RATES = np.unique(np.concatenate([np.linspace(0, 1, 101), np.logspace(-3, -1, 21)]))


@dataclass(frozen=True)
class LabelledPatches:
    """n patches: images (n, s, s) in [-1, 1], labels (n, s, s), and the patient of each, from 0, (n,)."""

    images: NDArray[np.float32]
    labels: NDArray[np.bool_]
    patients: NDArray[np.int64]

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """The patches as points (n, 2 s s)."""
        return as_points(self.images, self.labels)

    def take(self, which: NDArray[np.integer]) -> "LabelledPatches":
        """Return some of the patches, in the order of `which`."""
        return LabelledPatches(self.images[which], self.labels[which], self.patients[which])


@dataclass(frozen=True)
class Released:
    """What an attacker knows of a run: its last critic, the scores (m,) watched in training, its pairs."""

    critic: Critic
    watched: NDArray[np.float64]
    pairs: LabelledPatches
    background: float  # value of the label channel outside vessels in the critic's training

    def critic_scores(self, patches: LabelledPatches) -> NDArray[np.float32]:
        """Return the critic's scores (n,) of patches."""
        pairs = Pairs(
            patches.images, patches.labels,
            patients=patches.patients, device="cpu", background=self.background,
        )  # fmt: skip
        return critic_scores(self.critic, pairs)


def load_critic(path: Path) -> tuple[Critic, NDArray[np.float64]]:
    """Return the critic and the watched scores of a run of the audit; DamagedError where the file is none."""
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


def synthetic_patches(images: NDArray[np.uint8], labels: NDArray[np.bool_]) -> LabelledPatches:
    """Return synthetic pairs as patches; they are no patient's, so all of them count as of patient 0."""
    return LabelledPatches(rescale(images, -1, 1), labels, np.zeros(len(images), np.int64))


def draw_patches(paths: Sequence[Path], *, each: int, seed: int) -> LabelledPatches:
    """Choose `each` patches of every patient at random, without replacement; `paths` has a file a patient."""
    rng, parts = np.random.default_rng(seed), []
    for path in paths:  # one patient's patches in memory at a time
        patches = load([path], scale=(-1, 1))
        which = np.sort(rng.choice(len(patches.image), each, replace=False))
        parts.append((patches.image[which], patches.label[which]))
    images, labels = (np.concatenate(side) for side in zip(*parts, strict=True))
    return LabelledPatches(images, labels, np.repeat(np.arange(len(paths)), each))


def describe_run(record: Mapping) -> dict[str, object]:
    """Return the columns that name a run in the tables, and the eps that it claims for all its steps."""
    spent = [epoch["epsilon"] for epoch in record["epochs"].values()]
    name = {key: record[key] for key in ("arch", "level", "run")}
    return name | {"eps": math.inf if None in spent else max(spent)}


def attack_canaries(
    record: Mapping, released: Released, *, reference: Labelled, site: Site | None
) -> pd.DataFrame:
    """Return what the canaries of a run show: one row, a `plan.Finding`, for each score of its plan.

    `record` is the run's privacy.json. The plan in it is used, whatever the config says by now. The canaries
    are made of the public patches `reference`. For a private run on patients, `site` is the site whose secret
    tossed the coins.
    """
    run, about = AuditRun.from_record(record, reference=reference), describe_run(record)
    private = record["noise_multiplier"] is not None
    plan = run.plan(private=private, delta=record["audit"]["delta"])
    canaries = LabelledPatches(*run.canary_patches, np.arange(run.canaries))
    scores = {
        GRADIENT: released.watched,
        "critic": released.critic_scores(canaries),
        "nearest": nearest_scores(canaries.points, released.pairs.points),
    }
    # Runs of older versions have no `coins`: they tossed them by the identity that their ledger names.
    identity = record["audit"].get("coins") or record.get("ledger", {}).get("identity")
    findings = audit(
        plan,
        {name: scores[name] for name in plan.scores},
        stream=run.coins(private=private, site=site, identity=identity),
        claimed_epsilon=about["eps"],
    )
    return pd.DataFrame([{**about, "canaries": plan.canaries} | asdict(found) for found in findings])


def attack_members(
    members: LabelledPatches,
    others: LabelledPatches,
    reference: LabelledPatches,
    released: Released,
    *,
    about: Mapping[str, object],
    neighbours: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how well three attacks tell training patients' patches from other patients', and ROC curves.

    The attacks are critic (LOGAN), nearest (GAN-Leaks) and density (as in DOMIAS, where `reference` is of
    patients who are neither members nor others). The first table has one row for each attack, unit and way of
    resampling (`membership.Attack`), the second one for each attack and false positive rate.
    """
    points = np.concatenate([members.points, others.points])
    scores = {
        "critic": np.concatenate([released.critic_scores(members), released.critic_scores(others)]),
        "nearest": nearest_scores(points, released.pairs.points),
        "density": density_scores(points, released.pairs.points, reference.points, neighbours=neighbours),
    }
    member = np.arange(len(points)) < len(members.images)
    whose = np.concatenate([members.patients, others.patients + members.patients.max() + 1])
    rows, curves = [], []
    for name, values in scores.items():
        results = evaluate(values, member=member, patients=whose, rng=np.random.default_rng(seed))
        rows += [{**about, "attack": name} | asdict(result) for result in results]
        curve = roc(values, member=member, patients=whose, rates=FALSE_RATES, rng=np.random.default_rng(seed))
        rates = dict(zip(("true_rate", "low", "high"), curve, strict=True))
        curves.append(pd.DataFrame({**about, "attack": name, "false_rate": FALSE_RATES, **rates}))
    columns = [*about, "attack", *(field.name for field in fields(Attack))]
    return pd.DataFrame(rows, columns=columns), pd.concat(curves, ignore_index=True)


def find_neighbours(
    pairs: LabelledPatches, members: LabelledPatches, others: LabelledPatches, *, shown: int
) -> dict[str, NDArray]:
    """Return the `shown` pairs closest to a member, each with its closest member and closest other patch.

    Images uint8 and labels bool, (k, s, s) each, with Euclidean distances (k,) between patches whose images
    are in [-1, 1] and whose labels are -1 or 1, under the names that `figures.neighbours` expects.
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


def _pictures(name: str, patches: LabelledPatches) -> dict[str, NDArray]:
    images = np.rint(rescale(patches.images, 0, 255)).astype(np.uint8)
    return {f"{name}_image": images, f"{name}_label": patches.labels}
