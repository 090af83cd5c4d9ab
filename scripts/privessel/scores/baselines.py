"""What a user would try before any network: a global threshold and a vesselness filter, both tuned."""

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from privessel.cohort.itk import one_thread, to_array, to_image
from privessel.cohort.scan import Scan

# Candidate cut-offs leave between half and a ten-thousandth of a scan's brain above them.
_LARGEST_SHARE, _SMALLEST_SHARE = 0.5, 1e-4
# Frangi et al. 1998: alpha and beta 0.5.
_ALPHA = _BETA = 0.5
# Curvature, in brain medians, above which a structure is no noise. Validation DSC of the demo's phantoms:
# 0.725, 0.769, 0.773, 0.774 with 0.05, 0.2, 0.5, 1 (benchmarks/baselines.py --gammas).
_GAMMA = 1.0
# Scores of the brain's voxels by key, their labels, and the vessel voxels of the whole scan.
_Scored = tuple[dict[tuple[float, ...], NDArray[np.float32]], NDArray[np.bool_], int]


def choose_threshold(scans: Iterable[Scan], *, candidates: int) -> dict:
    """Choose the global threshold with the best mean DSC over `scans`, each of which is read once.

    The threshold is a ratio to the median intensity of the scan's brain: MR intensities have no unit, so a
    threshold in those of one scanner would fail on another for its gain alone, which the patch scaling of the
    networks removes as well. Candidates are `candidates` quantiles of each scan's brain. Returns `method`,
    `ratio` and the mean `dsc`, ready for JSON.
    """
    scored = _collect(scans, lambda scan: {(): relative_intensity(scan)})
    ratio, dsc = _best_cut(scored, (), candidates)
    return {"method": "threshold", "ratio": ratio, "dsc": dsc}


def choose_frangi(scans: Iterable[Scan], *, sigma_sets: Sequence[Sequence[float]], candidates: int) -> dict:
    """Choose the scales (mm) and the cut-off of the vesselness filter with the best mean DSC over `scans`.

    Each scan is read once, and a scale in several sets is computed once. Candidates for the cut-off are
    `candidates` quantiles of each scan's vesselness. Returns `method`, `sigmas_mm`, `cutoff` and mean `dsc`.
    """
    sets = [tuple(sigmas) for sigmas in sigma_sets]
    scored = _collect(scans, lambda scan: _vesselness_of_sets(scan, sets))
    best = {sigmas: _best_cut(scored, sigmas, candidates) for sigmas in sets}
    sigmas = max(sets, key=lambda sigmas: best[sigmas][1])
    cutoff, dsc = best[sigmas]
    return {"method": "frangi", "sigmas_mm": list(sigmas), "cutoff": cutoff, "dsc": dsc}


def apply(parameters: dict, scan: Scan) -> NDArray[np.bool_]:
    """Segment a scan by the parameters from `choose_threshold` or `choose_frangi`; a mask (x, y, z)."""
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
    """Return the brain's intensities (n,) over their median. Raises ValueError where that is not above 0."""
    inside = scan.image[scan.brain]
    median = np.median(inside)
    if median <= 0:
        raise ValueError(f"the median intensity of the brain is {median}: at least half of it is empty")
    return inside / median


def vesselness(scan: Scan, *, sigmas_mm: Sequence[float]) -> NDArray[np.float32]:
    """Return the vesselness of the brain's voxels (n,) for bright tubes, the largest over `sigmas_mm`.

    For each scale: Gaussian smoothing in mm, then SimpleITK's objectness measure for tubes (Antiga 2007,
    which generalises Frangi et al. 1998) on the image relative to its brain's median and times sigma squared,
    so that scales compare. The measure is the strength of the largest curvature times Frangi's factors for
    not being a plate (alpha), a blob (beta) or noise (gamma). Outside the brain the image is filled with the
    brain's median, or the filter would answer to the edge of the brain mask.
    """
    box = ndimage.find_objects(scan.brain.astype(np.uint8))[0]
    brain = scan.brain[box]
    # Less the median, so that the fill is 0 and rounding is not taken for structure.
    filled = np.zeros(brain.shape, dtype=np.float32)
    filled[brain] = relative_intensity(scan) - 1
    image = to_image(filled, scan.spacing)
    best = np.zeros(int(brain.sum()), dtype=np.float32)
    with one_thread():
        for sigma in sigmas_mm:
            smooth = SimpleITK.SmoothingRecursiveGaussian(image, [float(sigma)] * 3)
            tubes = SimpleITK.ObjectnessMeasure(
                smooth * sigma**2,
                alpha=_ALPHA,
                beta=_BETA,
                gamma=_GAMMA,
                scaleObjectnessMeasure=True,
                objectDimension=1,
                brightObject=True,
            )
            np.maximum(best, to_array(tubes)[brain], out=best)
    return best


def _vesselness_of_sets(
    scan: Scan, sets: Sequence[tuple[float, ...]]
) -> dict[tuple[float, ...], NDArray[np.float32]]:
    """Return the vesselness of each set of scales, every scale computed once."""
    single = {
        sigma: vesselness(scan, sigmas_mm=[sigma]) for sigma in set(itertools.chain.from_iterable(sets))
    }
    return {sigmas: np.max([single[sigma] for sigma in sigmas], axis=0) for sigmas in sets}


def _collect(
    scans: Iterable[Scan], score: Callable[[Scan], dict[tuple[float, ...], NDArray[np.float32]]]
) -> list[_Scored]:
    """Return scores and labels of every scan's brain voxels and its number of vessel voxels; keep no scan."""
    scored = [(score(scan), scan.vessels[scan.brain], int(scan.vessels.sum())) for scan in scans]
    if not scored:
        raise ValueError("a baseline is chosen on validation patients, and there are none")
    return scored


def _best_cut(scored: list[_Scored], key: tuple[float, ...], candidates: int) -> tuple[float, float]:
    """Return the cut on the scores `key` with the best mean DSC over the scans, and that DSC."""
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
    """Return for each cut the number of voxels with a score above it; `above`: cuts below each score."""
    return np.bincount(above, minlength=cuts + 1)[::-1].cumsum()[::-1][1:]
