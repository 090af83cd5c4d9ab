"""Distances of generated images to real ones and to each other: Frechet, SSIM and Wasserstein."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

Window = Literal["uniform", "gaussian"]

UNIFORM_WIDTH = 7  # pixels; scikit-image's default
GAUSSIAN_SIGMA, GAUSSIAN_RADIUS = 1.5, 5  # pixels, Wang et al. 2004; radius = int(3.5 sigma + 0.5)
K1, K2 = 0.01, 0.03  # Wang et al. 2004
PAIRS = 16  # of 96 x 96 pixels at a time: their maps fit into a core's second-level cache
STRIP = 30  # rows of the band matrix at a time
ROWS = 4  # of features factorised at a time, in multiples of their dimension


def frechet_distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the squared Frechet distance of the Gaussians fitted to two sets of features (n, d) and (m, d).

    |mu1 - mu2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2), with covariances over n - 1 and m - 1 (Heusel et al.
    2017, equation 6); with the features of Inception's third pool it is the FID. Units are the square of the
    features'. Real and never negative, also for n < d and for a set whose rows are all the same. It falls
    with n, so that only sets of equal size can be compared.

    Raises ValueError for fewer than 2 rows, unequal dimensions, or a feature that is not finite.
    """
    (mean, factor), (mean_other, factor_other) = (_gaussian(features) for features in (one, other))
    if mean.size != mean_other.size:
        raise ValueError(f"features of {mean.size} and of {mean_other.size} dimensions cannot be compared")
    # With S1 = A^T A and S2 = B^T B, the eigenvalues of S1 S2 are the squared singular values of A B^T.
    overlap = np.linalg.svd(factor @ factor_other.T, compute_uv=False).sum()
    spread = (factor**2).sum() + (factor_other**2).sum()
    distance = ((mean - mean_other) ** 2).sum() + spread - 2 * overlap
    return max(float(distance), 0.0)  # equal sets come out as rounding of either sign


def pairwise_ssim(
    images: NDArray[np.generic], *, data_range: float, window: Window = "uniform"
) -> NDArray[np.float64]:
    """Return the structural similarity of all n (n - 1) / 2 pairs of images (n, s, s), in the order of pdist.

    Mean over the windows that lie inside the image, as scikit-image's `structural_similarity` with the same
    `data_range` (in grey values, one for all images):

    - `uniform`: 7 x 7 pixels, sample covariance (its defaults);
    - `gaussian`: sigma 1.5, 11 x 11 pixels, population covariance (Wang et al. 2004).

    Equal to scikit-image in double precision within 1e-6. Takes 28 s^2 bytes an image.

    Raises ValueError for fewer than 2 images, images smaller than the window or not square, a grey value
    that is not finite, or a `data_range` that is not positive.
    """
    _check_images(images, data_range=data_range)
    count, side = images.shape[:2]
    band, covariance = _window(window, side)
    inner = len(band)
    width = side - inner + 1
    c1, c2 = K1**2 / 2, K2**2 / 2 / covariance

    # Axes (row, image, column): then both passes of the window over a block are plain matrix products.
    grey, mean = (torch.empty(edge, count, edge, dtype=torch.float64) for edge in (side, inner))
    mean_single, brightness, contrast = (torch.empty(inner, count, inner) for _ in range(3))
    for i in range(count):
        image = torch.from_numpy(images[i].astype(np.float64)) / data_range
        grey[:, i] = image
        mean[:, i] = mean_single[:, i] = local = band @ image @ band.T
        brightness[:, i] = (local**2 + c1) / 2
        contrast[:, i] = (band @ (image * image) @ band.T - local**2 + c2) / 2

    values = torch.empty(count * (count - 1) // 2, dtype=torch.float64)
    filled = 0
    for i in range(count - 1):
        for start in range(i + 1, count, PAIRS):
            one, others = slice(i, i + 1), slice(start, min(start + PAIRS, count))
            local = _filtered(grey[:, one] * grey[:, others], band, width)
            # Where bright images are flat, the covariance is a small difference of two large numbers; in
            # single precision SSIM would be wrong by 5e-5. The ratio that follows needs no more than single.
            score = local.addcmul_(mean[:, one], mean[:, others], value=-1).float().add_(c2)
            score.mul_((mean_single[:, one] * mean_single[:, others]).add_(c1))
            score.div_(
                (brightness[:, one] + brightness[:, others]).mul_(contrast[:, one] + contrast[:, others])
            )
            block = others.stop - start
            values[filled : filled + block] = score.sum(dim=2).sum(dim=0, dtype=torch.float64)
            filled += block
    return values.numpy() / inner**2


def similarity_of_pairs(
    images: NDArray[np.generic], *, data_range: float, window: Window = "uniform"
) -> tuple[float, float]:
    """Return mean and standard deviation of SSIM over all pairs of images (n, s, s); see `pairwise_ssim`.

    A mean near 1 says that the images are all alike. The deviation is that of a population, because these are
    all pairs. It gives no standard error, because pairs that share an image depend on each other.
    """
    values = pairwise_ssim(images, data_range=data_range, window=window)
    return float(values.mean()), float(values.std())


def grey_value_distances(images: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the matrix (n, n) of 1-D Wasserstein distances between the grey values of images (n, ...).

    In grey values. The distance ignores position: it is 0 between an image and any shuffle of its pixels.
    Symmetric with zero diagonal, as t-SNE's `metric="precomputed"` needs it. Takes 8 bytes a pixel of all
    images and 12 n^2 bytes.

    Raises ValueError for no image or no pixel, or a grey value that is not finite.
    """
    if images.ndim < 2 or images.size == 0:
        raise ValueError(f"images of shape {images.shape}: give at least one image of at least one pixel")
    if not np.isfinite(images).all():
        raise ValueError("a grey value is not finite")
    # All images have equally many pixels, so the optimal plan pairs the k-th darkest with the k-th darkest.
    pixels = np.sort(images.reshape(len(images), -1), axis=1).astype(np.float64, copy=False)
    distances = pdist(pixels, "cityblock")
    distances /= pixels.shape[1]
    return squareform(distances)


def _gaussian(features: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (d,) of features (n, d) and a factor F (up to d rows, d) of their covariance F^T F."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features of shape {features.shape}: a covariance needs (n, d) with n of 2 or more")
    if not np.isfinite(features).all():
        raise ValueError("a feature is not finite")
    count, dimension = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    if count <= dimension:
        factor = features - mean
    else:
        # An orthogonal transform reduces many rows to a triangle R with R^T R = (n - 1) S, block by block, so
        # that a few d x d numbers are in memory. Eigenvalues of S would do as well, but S has the square of
        # the features' condition number: a direction without any spread, as a collapsed generator has them,
        # would get 1e-8 of the largest spread instead of 1e-16.
        factor = np.empty((0, dimension))
        for start in range(0, count, ROWS * dimension):
            block = features[start : start + ROWS * dimension] - mean
            factor = np.linalg.qr(np.concatenate([factor, block]), mode="r")
    return mean, factor / np.sqrt(count - 1)


def _filtered(block: torch.Tensor, band: torch.Tensor, width: int) -> torch.Tensor:
    """Return the windows' means (r, n, r) of a block (s, n, s), by a band matrix (r, s) of `width`."""
    inner, count, side = len(band), block.shape[1], block.shape[0]
    flat = block.view(side, count * side)
    down = flat.new_empty(inner, count * side)
    # A strip of the band's rows is zero outside a few columns: working in strips skips most of the zeros.
    strips = [slice(start, min(start + STRIP, inner)) for start in range(0, inner, STRIP)]
    for out in strips:
        near = slice(out.start, out.stop + width - 1)
        torch.mm(band[out, near], flat[near], out=down[out])
    down = down.view(inner * count, side)
    across = flat.new_empty(inner * count, inner)
    for out in strips:
        near = slice(out.start, out.stop + width - 1)
        torch.mm(down[:, near], band[out, near].T, out=across[:, out])
    return across.view(inner, count, inner)


def _check_images(images: NDArray[np.generic], *, data_range: float) -> None:
    """Raise ValueError for images of which no pair can be compared."""
    if images.ndim != 3 or len(images) < 2 or images.shape[1] != images.shape[2]:
        raise ValueError(f"images of shape {images.shape}: pairs need (n, s, s) with n of 2 or more")
    if not np.isfinite(images).all():
        raise ValueError("a grey value is not finite")
    if not 0 < data_range < np.inf:
        raise ValueError(f"data_range {data_range} is not a positive span of grey values")


def _window(window: Window, side: int) -> tuple[torch.Tensor, float]:
    """Return a window as band matrix (side - width + 1, side), and the factor of its covariance.

    Each row is a window inside the image; scikit-image also leaves out those that cross its border.
    """
    if window == "uniform":
        weights = torch.full((UNIFORM_WIDTH,), 1 / UNIFORM_WIDTH, dtype=torch.float64)
        covariance = UNIFORM_WIDTH**2 / (UNIFORM_WIDTH**2 - 1)
    elif window == "gaussian":
        offsets = torch.arange(-GAUSSIAN_RADIUS, GAUSSIAN_RADIUS + 1, dtype=torch.float64)
        weights = torch.softmax(-(offsets**2) / (2 * GAUSSIAN_SIGMA**2), dim=0)
        covariance = 1.0
    else:
        raise ValueError(f"window {window!r} is neither 'uniform' nor 'gaussian'")
    width = len(weights)
    if side < width:
        raise ValueError(f"images of {side} pixels are smaller than the window of {width}")
    band = torch.zeros(side - width + 1, side, dtype=torch.float64)
    for row in range(len(band)):
        band[row, row : row + width] = weights
    return band, covariance
