"""The measures of `metrics.py` in the usual ways: one pair after the other, or by their definition."""

import warnings

import numpy as np
from scipy.linalg import sqrtm
from scipy.ndimage import binary_erosion, distance_transform_edt, find_objects
from scipy.spatial import KDTree
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity
from skimage.segmentation import find_boundaries

WINDOWS = {
    "uniform": {},
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
}
Pairs = list[tuple[int, int]]


def ssim_loop(images: np.ndarray, pairs: Pairs, window: str) -> np.ndarray:
    """Return SSIM pair by pair."""
    options = {"data_range": 255, **WINDOWS[window]}
    return np.array([structural_similarity(images[i], images[j], **options) for i, j in pairs])


def wasserstein_loop(images: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return the Wasserstein distance of grey values pair by pair."""
    flat = images.reshape(len(images), -1)
    return np.array([wasserstein_distance(flat[i], flat[j]) for i, j in pairs])


def by_matrix_square_root(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Frechet distance as pytorch-fid writes it, without its stop at imaginary components."""
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    apart = one.mean(axis=0) - other.mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a covariance of fewer images than dimensions is singular
        root = np.trace(sqrtm(covariances[0] @ covariances[1])).real
    return float(apart @ apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root)


def joint_box(truth: np.ndarray, prediction: np.ndarray) -> tuple[slice, ...]:
    """Return the slices that just hold both masks."""
    return find_objects((truth | prediction).astype(np.uint8))[0]


def bahd_by_trees(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return bAHD in voxels by its definition: from every voxel of each mask to the nearest of the other."""
    box = joint_box(truth, prediction)
    points = [np.argwhere(mask[box]) for mask in (truth, prediction)]
    missed = KDTree(points[1]).query(points[0])[0]
    spurious = KDTree(points[0]).query(points[1])[0]
    return (missed.sum() + spurious.sum()) / len(points[0]) / 2


def bahd_by_transforms(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return bAHD in voxels by the distance of every voxel of a box to each mask."""
    box = joint_box(truth, prediction)
    truth, prediction = truth[box], prediction[box]
    total = (
        distance_transform_edt(~prediction)[truth].sum() + distance_transform_edt(~truth)[prediction].sum()
    )
    return total / truth.sum() / 2


def surface_by_scipy(mask: np.ndarray) -> np.ndarray:
    """Return the voxels of a mask that its erosion takes away."""
    return mask & ~binary_erosion(mask)


def surface_by_scikit_image(mask: np.ndarray) -> np.ndarray:
    """Return the inner boundary of a mask; a margin makes the array's edge count as outside."""
    return find_boundaries(np.pad(mask, 1), connectivity=1, mode="inner")[1:-1, 1:-1, 1:-1]
