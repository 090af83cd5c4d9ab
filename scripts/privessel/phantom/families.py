"""Families: the ranges that settings of random phantoms are drawn from.

`random` is the family that this package began with; its ranges stand beside the knobs. Its author had two
scanners of 3 T in mind, and large arteries end at about 3.8 times the brightness of brain. `wide` also covers
scanners of 1.5 T and 7 T and other sequences. Each range says where it comes from: a publication, a
measurement, a formula, or an estimate.

The formula: tissue that has seen many pulses has the share (1 - E1) / (1 - E1 cos a) of the signal of fresh
blood, with E1 = exp(-TR / T1) and flip angle a, times its water relative to blood's (taken as 0.80 in white
and 0.94 in grey matter). T1 of white and grey matter is 0.65 and 1.20 s at 1.5 T, 0.84 and 1.61 s at 3 T,
1.13 and 1.94 s at 7 T (Wright 2008, Magn Reson Mater Phy 21:121, doi:10.1007/s10334-008-0104-8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from privessel.phantom.acquisition import Acquisition
from privessel.phantom.parameters import Range, random_knobs
from privessel.phantom.vessels import Vessels

# Everything but arterial blood, and the noise. One factor dims them all, so that arteries stand out more.
DIMMED = ("wm", "gm", "csf", "fat", "skull", "muscle", "marrow", "plexus", "air", "vein", "sinus", "sigma")


@dataclass(frozen=True)
class Family:
    """Ranges that replace those of the knobs, by name, and the range of the factor on all of DIMMED."""

    vessels: Mapping[str, Range] = field(default_factory=dict)
    acquisition: Mapping[str, Range] = field(default_factory=dict)
    dimming: Range | None = None

    def draw_vessels(self, rng: np.random.Generator) -> Vessels:
        """Return the vessels of one random population."""
        return random_knobs(Vessels, rng, ranges=self.vessels)

    def draw_acquisition(self, rng: np.random.Generator) -> Acquisition:
        """Return one random scanner."""
        drawn = random_knobs(Acquisition, rng, ranges=self.acquisition)
        if self.dimming is None:
            return drawn
        factor = float(rng.uniform(self.dimming.low, self.dimming.high))
        return replace(drawn, **{name: factor * getattr(drawn, name) for name in DIMMED})


_RANDOM = Family(
    acquisition={"slab_loss": Range(0.0, 0.0, "a later knob: images of this family stay as they always were")}
)

_WIDE = Family(
    dimming=Range(
        0.42,
        0.9,
        "measured: large arteries of a real crop are 5 to 8 times as bright as brain. The formula gives "
        "white matter 0.33 to 1.0 times the 0.36 of this package's scanner for TR 18-25 ms, 18-25 deg and "
        "1.5 to 7 T, before pulses for magnetisation transfer darken it further",
    ),
    vessels={
        "leaf_radius": Range(
            0.18,
            0.40,
            "7 T shows arteries one voxel of 0.14 mm wide (Bollmann 2022, eLife 11:e71186); the upper end, "
            "for large voxels, is an estimate",
        ),
        "speed": Range(180.0, 480.0, "estimate: low cardiac output to young patients"),
        "vein_calibre": Range(0.6, 1.5, "estimate: sinuses differ much between sides and patients"),
        "cortical_veins": Range(2.0, 18.0, "estimate: how many show depends on the saturation band"),
    },
    acquisition={
        "fat": Range(
            0.20,
            1.10,
            "from opposed to in phase with water; they differ by 223 Hz at 1.5 T, so they are in phase at TE "
            "4.5 ms, at 3 T at 2.2 ms; transfer pulses darken it (Schmitter 2012, Magn Reson Med 68:188)",
        ),
        "vein": Range(
            0.26,
            0.80,
            "limits on heating typically forbid the saturation band that darkens veins at 7 T (Schmitter "
            "2012); how bright they are without it is an estimate",
        ),
        "sinus": Range(0.28, 0.90, "as veins"),
        "saturated": Range(
            0.14, 0.45, "the formula for T1 of 1.4 to 2.1 s, TR 18-25 ms, 15-25 deg: 0.08 to 0.35, plus ramp"
        ),
        "inflow": Range(
            0.30,
            1.20,
            "TR / -ln(E1 cos a): 0.16 s (25 deg) to 0.54 s (15 deg), longer with ramp and pulsation",
        ),
        "inflow_sd": Range(0.03, 0.20, "estimate: patients of all ages in one cohort"),
        "ramp": Range(0.0, 0.40, "none to a steep ramp (TONE; Atkinson 1994)"),
        "dephasing": Range(0.02, 0.22, "estimate: longer echo times lose more in irregular flow"),
        "slabs": Range(1.6, 6.4, "estimate: 2 to 6 slabs in 89 mm (MOTSA; Blatter 1991)"),
        "slab_loss": Range(
            0.0,
            0.40,
            "enhancement is lost while blood crosses a slab, which makes Venetian blinds (Flow-related "
            "artifacts in MR imaging and MR angiography, Neurographics 2012, 2(4)); how much is an estimate",
        ),
        "seam": Range(0.0, 0.30, "estimate: overlapping slabs to slabs without overlap"),
        "psf": Range(0.16, 0.42, "half of acquired voxels of 0.3 mm (7 T) to 0.85 mm (1.5 T, interpolated)"),
        "bias": Range(
            0.15,
            0.80,
            "the transmit field varies by 4 % (SD) at 3 T (MacLennan, ISMRM 2021:0501) and severely at 7 T "
            "(Truong 2006, Magn Reson Imaging 24:103); with the coils, from corrected by the scanner to raw: "
            "estimate",
        ),
        "bias_radial": Range(-0.35, 0.75, "estimate: negative where the transmit field brightens the centre"),
        "bias_pitch": Range(35.0, 90.0, "estimate: small elements of many to large ones of few"),
        "sigma": Range(
            0.020,
            0.065,
            "before dimming: contrast to noise 4.5 at 7 T where 3 T has 2.7 (Eur Radiol Exp 2024, "
            "doi:10.1186/s41747-024-00463-z), and less at 1.5 T",
        ),
        "noise_correlation": Range(
            0.0,
            0.6,
            "used in this package's own measurements of wider phantoms. Zero filling, smoothing and parallel "
            "imaging, in which neighbouring lines are strongly correlated (Aja-Fernandez, Statistical noise "
            "analysis in SENSE parallel MRI)",
        ),
        "gain": Range(250.0, 800.0, "estimate: so that a dimmed brain still has some 20 to 200 grey levels"),
    },
)

FAMILIES: dict[str, Family] = {"random": _RANDOM, "wide": _WIDE}
