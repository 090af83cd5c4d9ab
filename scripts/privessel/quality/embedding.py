"""t-SNE of images by their grey values, and which sets of a study it shows."""

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from privessel.files.tables import as_text
from privessel.quality.distances import grey_value_distances
from privessel.scores.choice import choose_best_private, choose_levels
from privessel.study.names import PHANTOM, PLAIN_GAN, REAL, VOTE

_SHOWN = ["set", "source", "level", "eps", "eps_published", "unit"]

log = logging.getLogger(__name__)


def embed(images: NDArray[np.uint8], *, perplexity: float, seed: int) -> NDArray[np.float32]:
    """Return positions (n, 2) of images (n, s, s) by t-SNE with the Wasserstein metric.

    The metric is `grey_value_distances`: it compares how often each grey value occurs, not where. Positions
    have no unit, and neither axes nor distances between clusters have a meaning. Images with equal grey
    values fall close to each other, not onto one point. The same images and seed give the same positions.

    Takes 20 n^2 bytes and 9 bytes a pixel of all images. Raises ValueError when there are not more images
    than `perplexity`, which counts a point's neighbours, and as `grey_value_distances` does.

    Source: Kossen et al. 2022, figures 9 and S1 (perplexity 30, Wasserstein metric).
    """
    if len(images) <= perplexity:
        raise ValueError(
            f"t-SNE of {len(images)} images with perplexity {perplexity}, the neighbours of each. "
            "Remedy: lower quality.perplexity, or raise quality.tsne_images."
        )
    # The distances are not squared here: scikit-learn squares precomputed ones itself.
    distances = grey_value_distances(images)
    tsne = TSNE(metric="precomputed", init="random", perplexity=perplexity, random_state=seed % 2**32)
    log.info("t-SNE of %d images", len(images))
    # On several threads forces are summed in another order in every run, which changes the positions.
    with threadpool_limits(limits=1):
        positions = tsne.fit_transform(distances)
    log.info("t-SNE done: Kullback-Leibler divergence %.3f", tsne.kl_divergence_)
    return positions


def choose_sets(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the sets of images that figure 9 shows, one row each: set, source, level, eps,
    eps_published, unit.

    scores: the long table. Sets: `real`, the runs `inf` and `private` with the best validation DSC of their
    kind, where the study has them, the vote of lowest eps, and the public phantoms by their own names. eps is
    inf without privacy, that of a patient for a vote, NaN for sets that have none.
    """
    levels = choose_levels(scores)
    best = (
        levels[levels["kind"] == PLAIN_GAN]
        .sort_values("validation_dsc", ascending=False, kind="stable")
        .head(1)
    )
    votes = levels[levels["kind"] == VOTE].tail(1)
    kinds = as_text(scores["kind"])
    phantoms = scores[kinds == PHANTOM].drop_duplicates("source")
    parts = [
        pd.DataFrame([{"set": REAL, "source": REAL, "level": REAL}]),
        best.assign(set="inf"),
        choose_best_private(scores).assign(set="private"),
        votes.assign(set="vote", eps=votes["eps_patient"]),
        phantoms.assign(set=phantoms["source"], level=""),
    ]
    shown = pd.concat([part.reindex(columns=_SHOWN).astype(object) for part in parts], ignore_index=True)
    return shown.astype({"eps": float, "eps_published": float})
