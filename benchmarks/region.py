"""Draw what a patch, a region and a patient are, from a simulated patient of the demo, and print their eps.

    python benchmarks/region.py docs/patch-region-patient.png

A minute on one core: the eps of a whole patient is the slow part.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from privessel.cohort.patches import cut  # noqa: E402
from privessel.cohort.regions import largest_overlap  # noqa: E402
from privessel.cohort.sampling import sample_centres  # noqa: E402
from privessel.figures.style import PALETTE, place_axes, save, show, styled, upright  # noqa: E402
from privessel.phantom import simulate  # noqa: E402
from privessel.privacy.accounting import Charge  # noqa: E402
from privessel.privacy.promises import Sizes, readable, state_promises  # noqa: E402
from privessel.seeds import derive  # noqa: E402

DEMO = ROOT / "profiles" / "demo" / "study.yaml"
PATIENT = "a001"
RUN = Charge(0.65, 512 / 40_000, 900)  # the demo's private level
DELTA, PATIENT_DELTA = 2.4e-6, 1e-5


def sample_demo_patient() -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return image and vessels (x, y, z), the centres of the demo's patches (n, 3), and their side."""
    demo = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    shape = demo["cohorts"]["phantom-a"]["phantom"]["shape"]
    cohort = ("phantom-a", PATIENT)
    phantom = simulate(
        seed=derive(2022, "phantom", *cohort), shape=tuple(shape), spacing=(0.5, 0.5, 0.7), parameters="a"
    )
    rng = np.random.default_rng(derive(2022, "patches", *cohort))
    count, size = demo["patches"]["per_patient"], demo["patches"]["size"]
    centres = sample_centres(phantom.vessels, phantom.brain, n=count, rng=rng)
    return phantom.image, phantom.vessels, centres, size


def find_place(vessels: np.ndarray, centres: np.ndarray, size: int) -> np.ndarray:
    """Return the vessel voxel (x, y, z) that lies in the most patches."""
    cover = np.zeros(vessels.shape, int)
    for x, y, z in centres - [size // 2, size // 2, 0]:
        cover[max(0, x) : x + size, max(0, y) : y + size, z] += 1
    return np.array(np.unravel_index(np.argmax(np.where(vessels, cover, 0)), vessels.shape))


@styled
def draw(image: np.ndarray, vessels: np.ndarray, centres: np.ndarray, size: int) -> tuple[Figure, int]:
    """Return the picture of a patch, a region and a patient in one slice, and the patches of the region."""
    place = find_place(vessels, centres, size)
    inside = (np.abs(centres[:, :2] - place[:2]) <= size // 2).all(axis=1) & (centres[:, 2] == place[2])
    window = place[:2] - (centres[:, :2] - size // 2)
    inside &= ((window >= 0) & (window < size)).all(axis=1)
    here = centres[centres[:, 2] == place[2]]
    names = (
        ("one patch", centres[inside][:1], "purple"),
        (f"one region: the {inside.sum()} patches that show the place +", centres[inside], "orange"),
        (f"one patient: all {len(centres):,} patches ({len(here)} in this slice)", here, "sky"),
    )
    plane = image[:, :, place[2]].astype(float)
    shown = upright((255 * np.clip(plane / np.quantile(plane, 0.998), 0, 1)).astype(np.uint8))
    rows, columns = shown.shape
    width, left = 2.35, 0.05
    height = width * rows / columns
    figure = Figure(figsize=(3 * (width + 0.08) + 0.02, height + 0.32))
    for k, (name, frames, colour) in enumerate(names):
        axes = place_axes(figure, left=left + k * (width + 0.08), top=0.27, width=width, height=height)
        show(axes, shown)
        axes.set_title(name, fontsize=7)
        for x, y, _ in frames:
            _frame(axes, (x, y), size, shape=plane.shape, colour=PALETTE[colour])
        axes.plot(*_on_screen(place[:2] + 0.5, plane.shape), "+", color="white", ms=6, mew=1.0)
    return figure, int(inside.sum())


def _frame(axes: Axes, centre: tuple[int, int], size: int, *, shape: tuple[int, ...], colour: str) -> None:
    corner = np.array(centre) - size // 2 + size  # the corner that is lowest on a screen turned by `upright`
    look = {"fill": False, "edgecolor": colour, "linewidth": 0.8}
    axes.add_patch(Rectangle(_on_screen(corner, shape), size, size, **look))


def _on_screen(voxel: np.ndarray, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return where the corner of a voxel lies on a picture that `upright` has turned."""
    return shape[0] - voxel[0] - 0.5, shape[1] - voxel[1] - 0.5


def main() -> None:
    """Draw the picture into the file that is named, and print what its three parts are promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, help="the PNG to write")
    image, vessels, centres, size = sample_demo_patient()
    figure, region = draw(image, vessels, centres, size)
    save(figure, parser.parse_args().picture)
    assert region == largest_overlap(centres, cut(vessels, centres, size))
    sizes = Sizes(patients=10, patches_per_patient=len(centres), region_patches=region)
    promised = state_promises([RUN], unit="patch", sizes=sizes, delta=DELTA, patient_delta=PATIENT_DELTA)
    for name, promise in promised.items():
        print(f"{name:<8} eps {readable(promise['epsilon']):>10} at delta {promise['delta']:g}")


if __name__ == "__main__":
    main()
