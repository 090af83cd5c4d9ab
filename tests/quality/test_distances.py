import tracemalloc

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import squareform
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity

from privessel.quality import distances as quality
from privessel.quality.distances import (
    frechet_distance,
    grey_value_distances,
    pairwise_ssim,
    similarity_of_pairs,
)

WINDOWS = {
    "uniform": {},
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
}


def features(seed, count, dimension):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, dimension)) + rng.normal(
        size=dimension
    )


def whitened(seed, count, dimension):
    """Features whose sample mean is exactly 0 and whose sample covariance is exactly 1."""
    draw = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.linalg.qr(draw - draw.mean(axis=0))[0] * np.sqrt(count - 1)


def by_matrix_square_root(one, other):
    """The definition, as pytorch-fid writes it."""
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = sqrtm(covariances[0] @ covariances[1])
    apart = one.mean(axis=0) - other.mean(axis=0)
    return apart @ apart + np.trace(covariances[0] + covariances[1] - 2 * root).real


def patches(seed, count, side=32):
    """Smooth grey images in 0..255, as many as asked, no two alike."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random((count, side, side)), (0, 1.5, 1.5))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def ssim_loop(images, data_range, window):
    images = images.astype(np.float64)
    pairs = [(i, j) for i in range(len(images)) for j in range(i + 1, len(images))]
    return [
        structural_similarity(images[i], images[j], data_range=data_range, **WINDOWS[window])
        for i, j in pairs
    ]


@pytest.mark.parametrize("count", [5, 40, 300])
def test_frechet_distance_of_a_shifted_set_is_the_squared_shift(count):
    one, shift = features(0, count, 12), np.arange(12) / 4
    assert frechet_distance(one, one + shift) == pytest.approx((shift**2).sum(), rel=1e-9)


def test_frechet_distance_of_one_dimensional_gaussians_is_that_of_their_means_and_deviations():
    rng = np.random.default_rng(1)
    one, other = rng.normal(3, 2, (500, 1)), rng.normal(-1, 5, (400, 1))
    expected = (one.mean() - other.mean()) ** 2 + (one.std(ddof=1) - other.std(ddof=1)) ** 2
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_of_covariances_that_commute_is_that_of_their_deviations():
    spreads, others = np.array([3, 1, 1e-3, 0, 7.0]), np.array([1, 1e-9, 2, 4, 0])
    found = frechet_distance(whitened(2, 60, 5) * spreads, whitened(3, 90, 5) * others + 0.5)
    assert found == pytest.approx(5 * 0.25 + ((spreads - others) ** 2).sum(), rel=1e-12)


def test_frechet_distance_in_two_dimensions_equals_the_closed_form_of_the_square_root():
    one, other = features(4, 50, 2), features(5, 70, 2)
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    product = covariances[0] @ covariances[1]
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    apart = one.mean(axis=0) - other.mean(axis=0)
    expected = apart @ apart + np.trace(covariances[0] + covariances[1]) - 2 * root
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("counts", [(30, 30), (60, 400), (1000, 25)])
def test_frechet_distance_equals_the_matrix_square_root(counts):
    one, other = features(6, counts[0], 20), features(7, counts[1], 20)
    found = frechet_distance(one, other)
    assert found == pytest.approx(by_matrix_square_root(one, other), rel=1e-8)
    assert frechet_distance(other, one) == pytest.approx(found, rel=1e-12)


def test_frechet_distance_of_fewer_images_than_dimensions_equals_the_eigenvalues_of_the_product():
    one, other = features(8, 12, 40), features(9, 18, 40)
    product = np.cov(one, rowvar=False) @ np.cov(other, rowvar=False)
    # The 29 directions beyond the rank of 11 are rounding, which a square root magnifies to 1e-7 each.
    root = np.sqrt(np.sort(np.linalg.eigvals(product).real)[-11:]).sum()
    apart = one.mean(axis=0) - other.mean(axis=0)
    expected = apart @ apart + one.var(axis=0, ddof=1).sum() + other.var(axis=0, ddof=1).sum() - 2 * root
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [10, 200])
def test_frechet_distance_of_a_set_to_itself_in_any_order_is_zero_and_never_below(count):
    one = features(10, count, 30)
    found = frechet_distance(one, np.random.default_rng(0).permutation(one))
    assert 0 <= found < 1e-11 * one.var(axis=0).sum()


@pytest.mark.parametrize("count", [2, 100])
def test_frechet_distance_of_a_collapsed_generator_is_its_offset_and_the_spread_of_the_real_images(count):
    real = features(11, 150, 30)
    collapsed = np.repeat(features(12, 1, 30) + 0.1, count, axis=0)
    apart = real.mean(axis=0) - collapsed[0]
    expected = apart @ apart + real.var(axis=0, ddof=1).sum()
    assert frechet_distance(real, collapsed) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(collapsed, collapsed) == pytest.approx(0, abs=1e-20)


def test_a_generator_of_noise_is_farther_from_the_real_images_than_their_other_half():
    real = features(13, 400, 16)
    noise = np.random.default_rng(14).normal(size=(200, 16))
    halves = real[:200], real[200:]
    assert frechet_distance(halves[0], noise) > 10 * frechet_distance(*halves)


def test_frechet_distance_does_not_depend_on_the_axes_of_the_features():
    one, other = features(15, 90, 8), features(16, 80, 8)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    assert frechet_distance(one @ turn, other @ turn) == pytest.approx(
        frechet_distance(one, other), rel=1e-10
    )


def test_frechet_distance_takes_single_precision_features_and_computes_in_double():
    one, other = (features(seed, 300, 10).astype(np.float32) + np.float32(1e3) for seed in (17, 18))
    expected = by_matrix_square_root(one.astype(np.float64), other.astype(np.float64))
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_many_images_takes_little_memory_beside_the_features():
    one, other = features(19, 40_000, 16), features(20, 40_000, 16)
    tracemalloc.start()
    frechet_distance(one, other)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < one.nbytes / 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_frechet_distance_refuses_a_feature_that_is_not_finite(bad):
    one, other = features(21, 9, 4), features(22, 9, 4)
    other[3, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(one, other)


@pytest.mark.parametrize("shape", [(1, 4), (0, 4), (9,), (9, 2, 2)])
def test_frechet_distance_refuses_a_set_without_covariance(shape):
    with pytest.raises(ValueError, match="covariance"):
        frechet_distance(features(23, 9, 4), np.zeros(shape))


def test_frechet_distance_refuses_features_of_different_extractors():
    with pytest.raises(ValueError, match="4 and of 5 dimensions"):
        frechet_distance(features(24, 9, 4), features(25, 9, 5))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("side", [11, 32, 96])
def test_ssim_of_every_pair_equals_scikit_image(side, window):
    images = patches(30, 7, side)
    found = pairwise_ssim(images, data_range=255, window=window)
    assert found.shape == (21,)
    np.testing.assert_allclose(found, ssim_loop(images, 255, window), atol=1e-6)


@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_equals_scikit_image_on_images_that_lose_digits(window):
    rng = np.random.default_rng(31)
    images = np.stack(
        [
            rng.choice([0, 255], (24, 24)),
            np.where(np.arange(24) % 2, np.full((24, 24), 255), 0),
            250 + rng.random((24, 24)) / 100,
            250 + rng.random((24, 24)) / 100,
            np.full((24, 24), 255),
            np.zeros((24, 24)),
            np.repeat([0, 255], 12)[:, None].repeat(24, axis=1),
            np.repeat([0, 255], [20, 4])[:, None].repeat(24, axis=1) + rng.random((24, 24)) / 10,
            rng.normal(-300, 400, (24, 24)),
        ]
    )
    np.testing.assert_allclose(
        pairwise_ssim(images, data_range=255, window=window), ssim_loop(images, 255, window), atol=1e-6
    )


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "signed"])
def test_ssim_depends_on_grey_values_and_range_not_on_their_type(kind, window):
    images = patches(32, 5)
    expected = ssim_loop(images, 255, window)
    scaled, data_range = {
        "uint8": (images, 255),
        "uint16": (images.astype(np.uint16) * 200, 51_000),
        "float32": (images.astype(np.float32) / 255, 1),
        "signed": (images.astype(np.float64) * 3, 765),
    }[kind]
    np.testing.assert_allclose(
        pairwise_ssim(scaled, data_range=data_range, window=window), expected, atol=1e-6
    )


@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_of_a_collapsed_generator_is_1_without_spread(window):
    images = np.repeat(patches(33, 1), 6, axis=0)
    np.testing.assert_allclose(pairwise_ssim(images, data_range=255, window=window), 1, atol=1e-6)
    mean, deviation = similarity_of_pairs(images, data_range=255, window=window)
    assert mean == pytest.approx(1, abs=1e-6)
    assert deviation < 1e-6


def test_ssim_of_black_images_is_1():
    assert similarity_of_pairs(np.zeros((4, 20, 20), np.uint8), data_range=255) == pytest.approx(
        (1, 0), abs=1e-6
    )


def test_ssim_of_images_of_pure_noise_is_near_0():
    noise = np.random.default_rng(34).integers(0, 256, (12, 48, 48), dtype=np.uint8)
    mean, deviation = similarity_of_pairs(noise, data_range=255)
    assert abs(mean) < 0.05
    assert deviation < 0.05


def test_mean_and_deviation_of_ssim_are_over_all_pairs():
    images = patches(35, 9)
    images[4] = images[7]
    values = ssim_loop(images, 255, "uniform")
    mean, deviation = similarity_of_pairs(images, data_range=255)
    assert mean == pytest.approx(np.mean(values), abs=1e-6)
    assert deviation == pytest.approx(np.std(values), abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 16, 17, 18, 34])
def test_ssim_does_not_depend_on_how_pairs_fall_into_blocks(count, monkeypatch):
    images = patches(36, count, 16)
    found = pairwise_ssim(images, data_range=255)
    assert found.shape == (count * (count - 1) // 2,)
    monkeypatch.setattr(quality, "PAIRS", 5)
    np.testing.assert_allclose(pairwise_ssim(images, data_range=255), found, atol=1e-6)


def test_ssim_of_a_pair_does_not_depend_on_the_order_of_the_images():
    images, order = patches(37, 8), np.random.default_rng(0).permutation(8)
    found = squareform(pairwise_ssim(images, data_range=255))
    shuffled = squareform(pairwise_ssim(images[order], data_range=255))
    np.testing.assert_allclose(shuffled, found[np.ix_(order, order)], atol=1e-6)


def test_ssim_twice_is_the_same_to_the_last_bit_and_leaves_the_images_alone():
    images = patches(38, 20)
    before = images.copy()
    first, again = (pairwise_ssim(images, data_range=255, window="gaussian") for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("images", "data_range", "window", "message"),
    [
        (np.zeros((1, 20, 20)), 1, "uniform", "n of 2 or more"),
        (np.zeros((20, 20)), 1, "uniform", "pairs need"),
        (np.zeros((3, 20, 21)), 1, "uniform", "pairs need"),
        (np.zeros((3, 6, 6)), 1, "uniform", "window of 7"),
        (np.zeros((3, 10, 10)), 1, "gaussian", "window of 11"),
        (np.full((3, 20, 20), np.nan), 1, "uniform", "not finite"),
        (np.zeros((3, 20, 20)), 0, "uniform", "data_range"),
        (np.zeros((3, 20, 20)), np.nan, "uniform", "data_range"),
        (np.zeros((3, 20, 20)), 1, "hann", "neither"),
    ],
)
def test_ssim_refuses_what_it_cannot_compare(images, data_range, window, message):
    with pytest.raises(ValueError, match=message):
        pairwise_ssim(images, data_range=data_range, window=window)


@pytest.mark.parametrize("kind", ["uint8", "float32", "unit"])
def test_grey_value_distances_equal_scipy(kind):
    images = {
        "uint8": patches(40, 6),
        "float32": np.random.default_rng(41).normal(size=(6, 12, 12)).astype(np.float32),
        "unit": np.random.default_rng(42).random((6, 20, 20)) ** 3,
    }[kind]
    found = grey_value_distances(images)
    assert found.dtype == np.float64
    flat = images.reshape(6, -1).astype(np.float64)
    expected = [[wasserstein_distance(a, b) for b in flat] for a in flat]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_grey_value_distances_are_symmetric_with_zero_diagonal_and_keep_the_triangle_inequality():
    found = grey_value_distances(patches(43, 15))
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 0)
    assert (found[:, None] <= found[:, :, None] + found[None] + 1e-9).all()


def test_grey_value_distance_of_a_brighter_image_is_the_added_brightness():
    image = patches(44, 1)[0].astype(np.float64)
    found = grey_value_distances(np.stack([image, image + 7, image - 2.5]))
    np.testing.assert_allclose(found, [[0, 7, 2.5], [7, 0, 9.5], [2.5, 9.5, 0]], rtol=1e-12)


def test_grey_value_distance_of_an_image_and_its_shuffled_pixels_is_zero():
    image = patches(45, 1)[0]
    shuffled = np.random.default_rng(0).permutation(image.ravel()).reshape(image.shape)
    assert grey_value_distances(np.stack([image, shuffled]))[0, 1] == 0


def test_grey_value_distances_of_dark_and_bright_unsigned_images_do_not_wrap_around():
    images = np.stack([np.zeros((9, 9), np.uint8), np.full((9, 9), 255, np.uint8)])
    np.testing.assert_array_equal(grey_value_distances(images), [[0, 255], [255, 0]])


def test_grey_value_distances_of_a_collapsed_generator_are_zero_and_those_of_one_image_a_single_zero():
    np.testing.assert_array_equal(
        grey_value_distances(np.repeat(patches(46, 1), 5, axis=0)), np.zeros((5, 5))
    )
    np.testing.assert_array_equal(grey_value_distances(patches(47, 1)), [[0]])


@pytest.mark.parametrize("images", [np.zeros((0, 9, 9)), np.zeros((3, 0, 9)), np.zeros(9)])
def test_grey_value_distances_refuse_images_without_pixels(images):
    with pytest.raises(ValueError, match="at least one"):
        grey_value_distances(images)


def test_grey_value_distances_refuse_a_grey_value_that_is_not_finite():
    images = patches(48, 3).astype(np.float64)
    images[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        grey_value_distances(images)
