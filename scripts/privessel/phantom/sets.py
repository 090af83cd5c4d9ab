"""Sets of parameters: fixed ones, and families from which a setting is drawn."""

from dataclasses import dataclass

import numpy as np

from privessel.phantom.acquisition import ACQUISITIONS, Acquisition
from privessel.phantom.anatomy import Anatomy
from privessel.phantom.families import FAMILIES
from privessel.phantom.parameters import random_knobs
from privessel.phantom.vessels import Vessels

# What a random stream of a patient is for; its seed is (seed, place in this list).
STREAMS = ("parameters", "head", "texture", "arteries", "veins", "flow", "coil", "noise")


@dataclass(frozen=True)
class Parameters:
    """A setting: everything that decides a phantom besides its seed and grid."""

    anatomy: Anatomy
    vessels: Vessels
    acquisition: Acquisition


FIXED: dict[str, Parameters] = {
    "a": Parameters(Anatomy(), Vessels(), ACQUISITIONS["A"]),
    "b": Parameters(Anatomy(), Vessels(), ACQUISITIONS["B"]),
    # A guess by somebody who never saw the cohort: thick smooth arteries that stay bright, and a clean scan.
    "one": Parameters(
        Anatomy(sulcus_width=0.6, ventricle_size=0.75, cistern_size=0.8),
        Vessels(
            calibre=1.2,
            leaf_radius=0.36,
            richness=1.6,
            curl_amplitude=0.3,
            wave_amplitude=0.8,
            cortical_veins=4,
        ),
        Acquisition(
            wm=0.30,
            gm=0.27,
            csf=0.10,
            blood=1.15,
            vein=0.34,
            sinus=0.36,
            saturated=0.42,
            inflow=1.0,
            psf=0.36,
            bias=0.25,
            sigma=0.028,
        ),
    ),
}
SETS = (*FIXED, *FAMILIES)
MANY_SCANNERS = tuple(name for name, family in FAMILIES.items() if family.dimming)


def draw_setting(family: str, *, seed: int) -> Parameters:
    """Return a random setting of a family of `families`: the same for the same seed, which may be public.

    It is the setting of the patient that `simulate` makes with this seed and family; other patients with the
    same setting are made by giving it to `simulate` with their own seeds. Raises ValueError for an unknown
    family.
    """
    if family not in FAMILIES:
        raise ValueError(
            f"family of phantoms {family!r} is not known. Remedy: choose one of {', '.join(FAMILIES)}"
        )
    rng, ranges = np.random.default_rng([seed, STREAMS.index("parameters")]), FAMILIES[family]
    return Parameters(
        random_knobs(Anatomy, rng, ranges={}), ranges.draw_vessels(rng), ranges.draw_acquisition(rng)
    )
