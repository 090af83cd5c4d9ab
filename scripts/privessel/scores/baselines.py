"""What a user would try before any network, tuned on validation: a global threshold and a Frangi filter."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from privessel.cohort.scan import Scan

# Candidate cut-offs leave between half and a ten-thousandth of a scan's brain above them.
_LARGEST_SHARE, _SMALLEST_SHARE = 0.5, 1e-4
# Frangi et al. 1998: alpha and beta 0.5.
_ALPHA = _BETA = 0.5
# Eigenvalues are taken piece by piece: nine numbers a voxel would fill the memory at full size.
_PIECE = 500_000
# Scores of the brain's voxels by key, their labels, and the vessel voxels of the whole scan.
_Scored = tuple[dict[tuple[float, ...], NDArray[np.float32]], NDArray[np.bool_], int]


def choose_threshold(scans: Iterable[Scan], *, candidates: int) -> dict:
    """Choose the global threshold with the best mean DSC over `scans`, each of which is seen once.

    It is relative to the scan's own median brain intensity: MR intensities have no unit, and a threshold in
    those of the first scanner would fail on a second for its gain alone, which the networks' patch scaling
    removes as well. Candidates are `candidates` quantiles of each scan's brain. Gives `method`, `ratio` and
    the mean `dsc`, ready for JSON.
    """
    scored = _collect(scans, lambda scan: {(): relative_intensity(scan)})
    ratio, dsc = _best_cut(scored, (), candidates)
    return {"method": "threshold", "ratio": ratio, "dsc": dsc}


def choose_frangi(scans: Iterable[Scan], *, sigma_sets: Sequence[Sequence[float]], candidates: int) -> dict:
    """Choose the scales (mm) and the cut-off of the Frangi filter with the best mean DSC over `scans`.

    Each scan is seen once, and a scale in several sets is computed once. Candidates for the cut-off are
    `candidates` quantiles of each scan's vesselness. Gives `method`, `sigmas_mm`, `cutoff` and mean `dsc`.
    """
    sets = [tuple(sigmas) for sigmas in sigma_sets]
    scored = _collect(scans, lambda scan: _vesselness_of_sets(scan, sets))
    best = {sigmas: _best_cut(scored, sigmas, candidates) for sigmas in sets}
    sigmas = max(sets, key=lambda sigmas: best[sigmas][1])
    cutoff, dsc = best[sigmas]
    return {"method": "frangi", "sigmas_mm": list(sigmas), "cutoff": cutoff, "dsc": dsc}


def apply(parameters: dict, scan: Scan) -> NDArray[np.bool_]:
    """Segment a scan (x, y, z) by the `parameters` that `choose_threshold` or `choose_frangi` gave."""
    if parameters["method"] == "threshold":
        chosen = relative_intensity(scan) > parameters["ratio"]
    elif parameters["method"] == "frangi":
        chosen = vesselness(scan, sigmas_mm=parameters["sigmas_mm"]) > parameters["cutoff"]
    else:
        raise ValueError(f"unknown baseline '{parameters['method']}'; expected 'threshold' or 'frangi'")
    mask = np.zeros(scan.brain.shape, dtype=bool)
    mask[scan.brain] = chosen
    return mask


def relative_intensity(scan: Scan) -> NDArray[np.float32]:
    """Give the brain's intensities (n,) divided by their median. Raises ValueError if that is not above 0."""
    inside = scan.image[scan.brain]
    median = np.median(inside)
    if median <= 0:
        raise ValueError(f"the median intensity of the brain is {median}: at least half of it is empty")
    return inside / median


def vesselness(scan: Scan, *, sigmas_mm: Sequence[float]) -> NDArray[np.float32]:
    """Give the Frangi vesselness of the brain's voxels (n,) for bright tubes, the maximum over `sigmas_mm`.

    The measure of Frangi et al. 1998 (equations 11 to 13), as in `skimage.filters.frangi` with three
    differences: derivatives are per mm, so that tubes of all directions count alike on anisotropic voxels; it
    is evaluated in the brain only; and c is half of the largest Hessian norm of each scale, not of the first.
    Outside the brain the image is filled with the brain's median, or the filter would answer to the edge.
    """
    box = ndimage.find_objects(scan.brain.astype(np.uint8))[0]
    brain = scan.brain[box]
    # Less the median, so that the fill is 0 and rounding does not pass for structure.
    filled = np.where(brain, scan.image[box] - np.median(scan.image[scan.brain]), 0).astype(np.float32)
    best = np.zeros(int(brain.sum()), dtype=np.float32)
    for sigma in sigmas_mm:
        hessian = np.stack(list(_hessian(filled, brain, sigma=sigma, spacing=scan.spacing)), axis=1)
        np.maximum(best, _tubeness(hessian), out=best)
    return best


def _vesselness_of_sets(
    scan: Scan, sets: Sequence[tuple[float, ...]]
) -> dict[tuple[float, ...], NDArray[np.float32]]:
    """Give the vesselness of each set of scales, every scale computed once."""
    single = {
        sigma: vesselness(scan, sigmas_mm=[sigma]) for sigma in set(itertools.chain.from_iterable(sets))
    }
    return {sigmas: np.max([single[sigma] for sigma in sigmas], axis=0) for sigmas in sets}


def _hessian(
    image: NDArray[np.float32], brain: NDArray[np.bool_], *, sigma: float, spacing: tuple[float, float, float]
) -> Iterator[NDArray[np.float32]]:
    """Yield the second derivatives per mm^2, xx, xy, xz, yy, yz, zz, in the brain's voxels (n,)."""

    def derive(values: NDArray[np.float32], axis: int, order: int) -> NDArray[np.float32]:
        width = sigma / spacing[axis]
        derived = ndimage.gaussian_filter1d(values, width, axis=axis, order=order, mode="nearest")
        return derived / np.float32(spacing[axis] ** order)

    along_x = {order: derive(image, 0, order) for order in (0, 1, 2)}
    for x, y, z in ((2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 2, 0), (0, 1, 1), (0, 0, 2)):
        yield derive(derive(along_x[x], 1, y), 2, z)[brain]


def _tubeness(hessian: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give Frangi's measure (n,) from Hessians (n, 6) of one scale; 0 where no bright tube is possible."""
    norm = np.sqrt((hessian**2) @ np.array([1, 2, 2, 1, 2, 1], dtype=np.float32))
    c = norm.max() / 2 or 1.0
    tube = np.zeros(len(hessian), dtype=np.float32)
    # Two dominant negative eigenvalues make the trace negative: the others need no eigenvalues.
    possible = np.flatnonzero(hessian[:, 0] + hessian[:, 3] + hessian[:, 5] < 0)
    for start in range(0, len(possible), _PIECE):
        piece = possible[start : start + _PIECE]
        matrices = hessian[piece][:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
        values = np.linalg.eigvalsh(matrices)
        values = np.take_along_axis(values, np.abs(values).argsort(axis=1), axis=1)
        first, second, third = values.T
        bright = (second < 0) & (third < 0)
        second, third = np.where(bright, second, -1), np.where(bright, third, -1)
        plate = 1 - np.exp(-((second / third) ** 2) / (2 * _ALPHA**2))
        blob = np.exp(-((first / second) * (first / third)) / (2 * _BETA**2))
        structure = 1 - np.exp(-(norm[piece] ** 2) / (2 * c**2))
        tube[piece] = np.where(bright, plate * blob * structure, 0)
    return tube


def _collect(
    scans: Iterable[Scan], score: Callable[[Scan], dict[tuple[float, ...], NDArray[np.float32]]]
) -> list[_Scored]:
    """Score every scan's brain voxels, with their labels and the scan's vessel voxels; keep no scan."""
    scored = [(score(scan), scan.vessels[scan.brain], int(scan.vessels.sum())) for scan in scans]
    if not scored:
        raise ValueError("a baseline is chosen on validation patients, and there are none")
    return scored


def _best_cut(scored: list[_Scored], key: tuple[float, ...], candidates: int) -> tuple[float, float]:
    """Give the cut on the scores `key` with the best mean DSC over the scans, and that DSC."""
    levels = 1 - np.geomspace(_LARGEST_SHARE, _SMALLEST_SHARE, candidates)
    # As float32 a cut compares with scores exactly as it will in `apply`.
    quantiles = [np.quantile(values[key], levels).astype(np.float32) for values, _, _ in scored]
    cuts = np.unique(np.concatenate(quantiles))
    total = np.zeros(cuts.size)
    for values, label, truth in scored:
        above = np.searchsorted(cuts, values[key], side="left")  # the number of cuts below each score
        chosen = _voxels_by_cut(above, cuts.size)
        total += 2 * _voxels_by_cut(above[label], cuts.size) / (chosen + truth)
    best = int(total.argmax())
    return float(cuts[best]), float(total[best] / len(scored))


def _voxels_by_cut(above: NDArray[np.integer], cuts: int) -> NDArray[np.integer]:
    """Give for each cut the number of voxels with a score above it; `above`: the cuts each voxel passes."""
    return np.bincount(above, minlength=cuts + 1)[::-1].cumsum()[::-1][1:]
