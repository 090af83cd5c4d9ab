"""How well and how fast vesselness filters segment: this checkout's, scikit-image's, and other checkouts'.

    python benchmarks/baselines.py data/demo
    python benchmarks/baselines.py data/demo --checkouts ../before --sigmas "[[0.4], [0.4, 0.8]]"

The folder is that of a study's simulated cohorts (after `make demo`: data/demo). For every filter the scales
and the cut-off are chosen on the validation patients of `--train`, as the workflow's rule `baseline` does;
the chosen ones then segment the test patients of `--train` and `--test`. The table has the mean DSC of each,
and the CPU seconds of choosing and segmenting, all threads together. scikit-image's `frangi` has no voxel
size, so it gets the scan resampled to cubes of its smallest edge. `--gammas` tries other noise factors.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from scipy.ndimage import find_objects, zoom
from skimage.filters import frangi

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.cohort.scan import Scan, load_scan
from privessel.cohort.table import read_participants
from privessel.scores import baselines

ANGIO = "sub-{patient}/anat/sub-{patient}_acq-TOF"
LAYOUT = {
    "participants": "participants.tsv",
    "image": f"{ANGIO}_angio.nii.gz",
    "vessels": f"derivatives/vessels/{ANGIO}_desc-vessels_mask.nii.gz",
    "brain": f"derivatives/brain/{ANGIO}_desc-brain_mask.nii.gz",
}
CANDIDATES = 200


def load_cohort(folder: Path, split: str) -> list[Scan]:
    """Return the scans of one split of a cohort."""
    patients = read_participants(cohort=folder.name, root=folder, **LAYOUT)
    return [load_scan(patient, patch_size=1) for patient in patients if patient.split == split]


def load_checkout(checkout: Path) -> ModuleType:
    """Return the module of baselines of another checkout, also of one whose modules lie flat."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "privessel"]:
        del sys.modules[name]
    sys.path.insert(0, str(checkout / "scripts"))
    try:
        return importlib.import_module("privessel.scores.baselines")
    except ModuleNotFoundError:
        return importlib.import_module("privessel.baselines")
    finally:
        sys.path.pop(0)


def vesselness_of_scikit_image(scan: Scan, *, sigmas_mm: Sequence[float]) -> np.ndarray:
    """Return Frangi's vesselness of the brain's voxels (n,), filtered on cubic voxels and brought back."""
    box = find_objects(scan.brain.astype(np.uint8))[0]
    brain = scan.brain[box]
    filled = np.where(brain, scan.image[box] - np.median(scan.image[scan.brain]), 0).astype(np.float32)
    edge = min(scan.spacing)
    cubes = zoom(filled, [side / edge for side in scan.spacing], order=1, grid_mode=True, mode="nearest")
    # Scale by scale, because several at once share the noise factor of the first.
    scales = [frangi(cubes, sigmas=[s / edge], black_ridges=False, mode="nearest") for s in sigmas_mm]
    answer = np.max(scales, axis=0)
    back = [n / m for n, m in zip(filled.shape, answer.shape, strict=True)]
    return zoom(answer, back, order=1, grid_mode=True, mode="nearest")[brain].astype(np.float32)


def dice(mask: np.ndarray, scan: Scan) -> float:
    """Return the DSC of a mask."""
    return float(2 * (mask & scan.vessels).sum() / (mask.sum() + scan.vessels.sum()))


def measure(module: ModuleType, cohorts: dict[str, list[Scan]], sigma_sets: list[list[float]]) -> str:
    """Choose on the first of `cohorts`, segment the others, and return cells of the table."""
    start = time.process_time()
    chosen = module.choose_frangi(cohorts["validation"], sigma_sets=sigma_sets, candidates=CANDIDATES)
    middle = time.process_time()
    cells = [f"{chosen['dsc']:.3f}"]
    for scans in list(cohorts.values())[1:]:
        scores = [dice(module.apply(chosen, scan), scan) for scan in scans]
        cells.append(f"{np.mean(scores):.3f} +- {np.std(scores, ddof=1) if len(scores) > 1 else 0:.3f}")
    spent = f"{middle - start:.0f} / {time.process_time() - middle:.0f}"
    return " | ".join([*cells, ", ".join(map(str, chosen["sigmas_mm"])), spent])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the cohorts' folders")
    parser.add_argument("--train", default="phantom-a")
    parser.add_argument("--test", nargs="+", default=["phantom-b"])
    parser.add_argument("--sigmas", type=json.loads, default=[[0.4], [0.4, 0.8]], help="sets of scales in mm")
    parser.add_argument(
        "--checkouts", type=Path, nargs="*", default=[], help="whose filters are measured too"
    )
    parser.add_argument("--gammas", type=float, nargs="*", default=[], help="noise factors of this checkout")
    asked = parser.parse_args()

    cohorts = {"validation": load_cohort(asked.data / asked.train, "validation")}
    cohorts |= {
        f"test {name}": load_cohort(asked.data / name, "test")
        for name in dict.fromkeys([asked.train, *asked.test])
    }
    patients = ", ".join(f"{name} {len(scans)}" for name, scans in cohorts.items())
    print(f"patients: {patients}; sets of scales in mm: {asked.sigmas}\n")
    titles = [f"DSC {name}" for name in cohorts]
    print(f"| filter | {' | '.join(titles)} | scales | CPU s, choosing / testing |")
    print("|---" * (len(titles) + 3) + "|", flush=True)

    usual = baselines.vesselness, baselines._GAMMA
    print(f"| this checkout | {measure(baselines, cohorts, asked.sigmas)} |", flush=True)
    for gamma in asked.gammas:
        baselines._GAMMA = gamma
        print(f"| this checkout, gamma {gamma:g} | {measure(baselines, cohorts, asked.sigmas)} |", flush=True)
    baselines.vesselness, baselines._GAMMA = vesselness_of_scikit_image, usual[1]
    print(f"| scikit-image | {measure(baselines, cohorts, asked.sigmas)} |", flush=True)
    baselines.vesselness = usual[0]
    for checkout in asked.checkouts:
        cells = measure(load_checkout(checkout), cohorts, asked.sigmas)
        print(f"| {checkout.name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
