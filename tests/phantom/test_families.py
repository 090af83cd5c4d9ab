import hashlib
import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from scipy import ndimage

from privessel.phantom import FAMILIES, SETS, draw_setting, simulate, write_patient
from privessel.phantom.acquisition import Acquisition, slab_inflow
from privessel.phantom.anatomy import Anatomy
from privessel.phantom.families import DIMMED
from privessel.phantom.frame import fit_frame
from privessel.phantom.sets import MANY_SCANNERS
from privessel.phantom.vessels import Vessels

TINY = {"shape": (48, 56, 20), "spacing": (0.5, 0.5, 0.7)}
SMALL = {"shape": (160, 192, 48), "spacing": (0.5, 0.5, 0.7)}
# SHA-256 of image, vessels and brain of seed 3 on the grid TINY, from before there were families.
FIRST_BYTES = {
    "a": "82db235f776a835fb86636793d1bd73b2f571f78f157f91f863e5484c6363619",
    "b": "47cae9d7ce13f18ac10ce1cc95022c155fc520fa70c9788a315b11bab9bc15f8",
    "one": "b9d90fb0cf06d0a417ebb063029c342447983988fa1dfb91c10673114362b181",
    "random": "371a7300e19f08dd5f417e32b4a6650a14906abfaed240db27669492a863b4ea",
}


def knobs(setting):
    """All numbers of a setting by (part, name)."""
    return {(part, name): value for part, of in asdict(setting).items() for name, value in of.items()}


def limits(family):
    """The lowest and highest value of every knob in a family, by (part, name)."""
    ranges = FAMILIES[family]
    found = {}
    for part, kind, own in (
        ("anatomy", Anatomy, {}),
        ("vessels", Vessels, ranges.vessels),
        ("acquisition", Acquisition, ranges.acquisition),
    ):
        for field in fields(kind):
            one = own.get(field.name)
            low, high = (one.low, one.high) if one else (field.metadata["low"], field.metadata["high"])
            if part == "acquisition" and ranges.dimming and field.name in DIMMED:
                low, high = low * ranges.dimming.low, high * ranges.dimming.high
            found[part, field.name] = (low, high)
    return found


@pytest.mark.parametrize("parameters", FIRST_BYTES)
def test_phantoms_from_before_there_were_families_keep_their_bytes(parameters):
    phantom = simulate(seed=3, parameters=parameters, **TINY)
    together = b"".join(part.tobytes() for part in (phantom.image, phantom.vessels, phantom.brain))
    assert hashlib.sha256(together).hexdigest() == FIRST_BYTES[parameters]


def test_only_the_families_have_other_settings_for_every_patient():
    tiny = {"shape": (16, 16, 8), "spacing": (3.0, 3.0, 4.0)}
    drawn = {name: [simulate(seed=i, parameters=name, **tiny).parameters for i in (1, 2)] for name in SETS}
    for name, (first, second) in drawn.items():
        assert (first != second) == (name in FAMILIES)
    assert len({first for first, _ in drawn.values()}) == len(SETS)


@pytest.mark.parametrize("family", FAMILIES)
def test_drawn_settings_stay_in_the_ranges_of_their_family_and_reach_into_its_corners(family):
    settings = [knobs(draw_setting(family, seed=seed)) for seed in range(300)]
    for name, (low, high) in limits(family).items():
        values = np.array([setting[name] for setting in settings])
        assert low <= values.min() <= values.max() <= high
        span = 0.9 if name[1] not in DIMMED or family == "random" else 0.5
        assert np.ptp(values) >= span * (high - low)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_range_of_a_family_names_a_knob_and_says_where_it_comes_from(family):
    ranges = FAMILIES[family]
    for kind, own in ((Vessels, ranges.vessels), (Acquisition, ranges.acquisition)):
        assert own.keys() <= {field.name for field in fields(kind)}
        for one in own.values():
            assert one.low <= one.high
            assert len(one.source) > 5
    assert set(DIMMED) <= {field.name for field in fields(Acquisition)}


def test_the_wide_family_holds_what_the_first_one_cannot():
    first, wide = (
        [draw_setting(family, seed=seed).acquisition for seed in range(200)] for family in ("random", "wide")
    )
    contrast = [[a.blood / a.wm for a in drawn] for drawn in (first, wide)]
    assert max(contrast[0]) < 4
    assert np.mean(np.array(contrast[1]) > 5) > 0.1
    assert max(contrast[1]) < 9
    assert max(a.noise_correlation for a in first) < 0.16
    assert max(a.noise_correlation for a in wide) > 0.5
    assert {a.slab_loss for a in first} == {0.0}
    assert min(a.bias_radial for a in wide) < 0


def test_one_factor_dims_tissue_and_noise_so_that_noise_over_brain_stays():
    ratios = [
        [a.sigma / a.wm for a in (draw_setting(family, seed=s).acquisition for s in range(200))]
        for family in ("random", "wide")
    ]
    assert np.median(ratios[1]) == pytest.approx(np.median(ratios[0]), rel=0.15)


def test_a_seed_gives_one_setting_and_patients_of_one_setting_differ():
    setting = draw_setting("wide", seed=5)
    assert setting == draw_setting("wide", seed=5) != draw_setting("wide", seed=6)
    one, other = (simulate(seed=seed, parameters=setting, **TINY) for seed in (1, 2))
    assert one.parameters == other.parameters == setting
    assert (one.brain != other.brain).any()
    assert not np.array_equal(one.image, other.image)


def test_a_family_named_in_the_config_gives_each_patient_the_setting_of_its_seed():
    named = simulate(seed=5, parameters="wide", **TINY)
    given = simulate(seed=5, parameters=draw_setting("wide", seed=5), **TINY)
    assert np.array_equal(named.image, given.image)
    assert named.parameters == given.parameters


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_phantom_is_whole_and_its_arteries_stand_out(seed):
    phantom = simulate(seed=seed, parameters="wide", **SMALL)
    assert phantom.spacing == SMALL["spacing"]
    assert phantom.image.shape == phantom.vessels.shape == phantom.brain.shape == SMALL["shape"]
    assert np.allclose(np.diag(phantom.affine)[:3], SMALL["spacing"])
    assert not (phantom.vessels & ~phantom.brain).any()
    assert 0.003 < phantom.vessels.sum() / phantom.brain.sum() < 0.02
    assert 0.2 < phantom.brain.mean() < 0.5
    assert phantom.image.max() < 4095
    deep = ndimage.binary_erosion(phantom.brain, iterations=5) & ~phantom.vessels
    assert np.median(phantom.image[deep]) > 10  # grey levels, enough for the noise to show
    large = np.quantile(phantom.image[phantom.vessels], 0.98) / np.median(phantom.image[deep])
    assert 2 < large < 10


@pytest.mark.parametrize("spacing", [(0.3, 0.3, 0.5), (0.8, 0.8, 1.0)])
def test_a_wide_phantom_takes_the_spacing_that_is_asked_for(spacing):
    shape = tuple(round(size / step) for size, step in zip((78, 96, 30), spacing, strict=True))
    phantom = simulate(seed=1, parameters="wide", shape=shape, spacing=spacing)
    assert phantom.spacing == spacing
    assert phantom.vessels.any()
    assert phantom.brain.any()


def test_blood_is_darker_where_it_leaves_a_slab_and_fresh_in_the_next():
    frame = fit_frame(shape=(312, 384, 127), spacing=(0.5, 0.5, 0.7))
    acquisition = replace(Acquisition(), slabs=3, slab_loss=0.3)
    bottom = frame.origin[2] - frame.step[2] / 2
    slab = frame.shape[2] * frame.step[2] / 3
    height = bottom + slab * np.array([0.01, 0.5, 0.99, 1.01, 1.99, 2.01])
    gain = slab_inflow(np.stack([0 * height, 0 * height, height], -1), frame, acquisition)
    assert gain == pytest.approx([1.147, 1.0, 0.853, 1.147, 0.853, 1.147])
    assert (slab_inflow(np.zeros((2, 3)), frame, replace(acquisition, slab_loss=0.0)) == 1).all()


def test_an_unknown_family_is_refused_with_the_names_that_there_are():
    with pytest.raises(ValueError, match="random, wide"):
        draw_setting("one", seed=1)


def test_the_sidecar_of_a_drawn_setting_has_every_parameter(tmp_path):
    setting = draw_setting("wide", seed=5)
    write_patient(tmp_path, "w001", simulate(seed=1, parameters=setting, **TINY), seed=1)
    sidecar = json.loads((tmp_path / "sub-w001/anat/sub-w001_acq-TOF_angio.json").read_text())
    assert sidecar["PhantomParameters"] == asdict(setting)


def test_the_sidecar_of_a_family_of_many_scanners_names_no_field_strength(tmp_path):
    phantom = simulate(seed=1, parameters=draw_setting("wide", seed=5), **TINY)
    said = {}
    for patient, family in (("w001", "wide"), ("r001", "random")):
        write_patient(tmp_path, patient, phantom, seed=1, one_sequence=family not in MANY_SCANNERS)
        path = tmp_path / f"sub-{patient}/anat/sub-{patient}_acq-TOF_angio.json"
        said[family] = json.loads(path.read_text())
    sequence = {"MagneticFieldStrength", "RepetitionTime", "EchoTime", "FlipAngle"}
    assert said["random"].keys() - said["wide"].keys() == sequence
