import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from privessel.figures.embedding import fig9_data
from privessel.quality.embedding import choose_sets, embed
from privessel.scores.tally import IDENTITY


def patches(seed, count, *, side=12):
    rng = np.random.default_rng(seed)
    grey = gaussian_filter(rng.random((count, side, side)), (0, 1, 1))
    return ((grey - grey.min()) / np.ptp(grey) * 255).astype(np.uint8)


def dark_and_bright(count):
    """Two clusters of images: grey values around 60, and around 190."""
    return np.concatenate([patches(0, count) // 3 + 20, patches(1, count) // 3 + 150])


def test_images_of_unlike_brightness_fall_into_clusters_of_their_own():
    position = embed(dark_and_bright(30), perplexity=10, seed=1)
    assert position.shape == (60, 2)
    apart = cdist(position, position)
    own = np.repeat([0, 1], 30)
    same = own[:, None] == own
    assert apart[same].max() < apart[~same].min()


def test_the_metric_is_the_wasserstein_distance_of_grey_values_squared_once():
    """Of grey values (v, v, ...) the distance is |v - w|: that of t-SNE on the numbers themselves."""
    levels = np.random.default_rng(2).choice(256, 40, replace=False).astype(np.uint8)
    images = np.broadcast_to(levels[:, None, None], (40, 6, 6)).copy()
    found = embed(images, perplexity=8, seed=3)
    with threadpool_limits(limits=1):
        of_numbers = TSNE(init="random", perplexity=8, random_state=3).fit_transform(levels[:, None] / 1.0)
    np.testing.assert_allclose(found, of_numbers, atol=1e-3 * np.abs(of_numbers).max())


def test_where_a_grey_value_lies_makes_no_difference():
    images = dark_and_bright(15)
    shuffled = np.random.default_rng(0).permuted(images.reshape(30, -1), axis=1).reshape(images.shape)
    np.testing.assert_array_equal(embed(images, perplexity=5, seed=0), embed(shuffled, perplexity=5, seed=0))


def test_positions_are_the_same_again_for_the_same_seed_however_large():
    images = dark_and_bright(20)
    first, again, other = (embed(images, perplexity=6, seed=seed) for seed in (2**62 + 1, 2**62 + 1, 7))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_collapsed_generator_is_a_tight_cluster_of_finite_positions():
    images = np.concatenate([patches(4, 40), np.repeat(patches(5, 1) // 2, 40, axis=0)])
    position = embed(images, perplexity=10, seed=0)
    assert np.isfinite(position).all()
    spread = position.std(axis=0).max()
    assert np.linalg.norm(position[40:] - position[40:].mean(axis=0), axis=1).max() < 1.5 * spread


def test_nothing_but_identical_images_still_gives_finite_positions():
    assert np.isfinite(embed(np.repeat(patches(6, 1), 20, axis=0), perplexity=5, seed=0)).all()


@pytest.mark.parametrize("count", [1, 5, 10])
def test_fewer_images_than_neighbours_are_refused_with_the_keys_to_change(count):
    with pytest.raises(
        ValueError, match=r"perplexity 10.*Remedy: lower quality.perplexity, or raise quality"
    ):
        embed(patches(7, count), perplexity=10, seed=0)
    assert embed(patches(7, 11), perplexity=10, seed=0).shape == (11, 2)


def scores(*rows):
    """A table of scores of sources (source, kind, level, run, eps, validation DSC)."""
    names = ["source", "kind", "level", "run", "eps", "validation_dsc"]
    table = pd.DataFrame(rows, columns=names).assign(eps_published=lambda frame: frame["eps"] * 0.9)
    table = table.reindex(columns=IDENTITY).assign(
        cohort="phantom-a",
        patient="a001",
        dsc=0.5,
        bahd_voxel=1.0,
        cldice=0.5,
        component_error=2,
        empty=0,
        unit=[row[1] == "private" and "patch" or np.nan for row in rows],
    )
    # As pd.read_csv gives them.
    return table.assign(level=[np.inf if level == "inf" else level or np.nan for level in table["level"]])


REAL = ("real", "real", "", np.nan, np.nan, 0.8)
INF = ("wgan/inf/run-1/epoch-50", "inf", "inf", 1, np.inf, 0.7)
EARLY = ("wgan/inf/run-1/epoch-10", "inf", "inf", 1, np.inf, 0.6)
WEAK = ("wgan/noise-1/run-1/epoch-50", "private", "noise-1", 1, 2.0, 0.3)
BEST = ("wgan/noise-0.65/run-2/epoch-50", "private", "noise-0.65", 2, 7.0, 0.5)
OTHER = ("wgan/noise-0.65/run-1/epoch-50", "private", "noise-0.65", 1, 7.0, 0.4)
PHANTOM = ("phantom-one", "phantom", "", np.nan, np.nan, 0.65)
BASELINE = ("frangi", "baseline", "", np.nan, np.nan, 0.9)
COMPARED = ("dcgan/inf/run-1/epoch-50", "compared", "inf", 1, np.inf, 0.95)
CONTROL = ("wgan/inf/run-1/epoch-50-shuffled", "control", "inf", 1, np.inf, 0.99)


def test_the_embedding_shows_real_patches_the_best_runs_by_validation_and_the_phantoms():
    shown = choose_sets(scores(REAL, PHANTOM, EARLY, INF, WEAK, OTHER, BEST, COMPARED, CONTROL, BASELINE))
    assert shown["set"].tolist() == ["real", "inf", "private", "phantom-one"]
    assert shown["source"].tolist() == ["real", INF[0], BEST[0], "phantom-one"]
    assert shown["level"].tolist() == ["real", "inf", "noise-0.65", ""]
    np.testing.assert_array_equal(shown["eps"], [np.nan, np.inf, 7.0, np.nan])
    np.testing.assert_allclose(shown["eps_published"].astype(float), [np.nan, np.inf, 6.3, np.nan])
    drawn = fig9_data(
        shown, [np.zeros((2, 4, 4), np.uint8)] * 4, np.zeros((8, 2))
    )  # all that the figure asks
    assert drawn["unit"].tolist() == ["", "", "patch", ""]
    assert drawn["set"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_study_without_a_private_level_or_without_one_without_privacy_shows_what_it_has():
    shown = choose_sets(scores(REAL, INF))
    assert shown["set"].tolist() == shown["level"].tolist() == ["real", "inf"]
    assert choose_sets(scores(REAL, WEAK))["set"].tolist() == ["real", "private"]


def test_runs_without_a_validation_score_are_shown_for_want_of_others():
    nameless = (*INF[:-1], np.nan)
    assert choose_sets(scores(REAL, nameless))["source"].tolist() == ["real", INF[0]]
    assert choose_sets(scores(REAL, nameless, EARLY))["source"].tolist() == ["real", EARLY[0]]
