import gzip
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import fields, replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.integrate import quad
from scipy.special import i0e

from privessel.errors import CohortError
from privessel.phantom import SETS, simulate, write_patient, write_table
from privessel.phantom.acquisition import (
    ACQUISITIONS,
    Acquisition,
    add_noise,
    digitise,
    mark_vessels,
    slab_profile,
)
from privessel.phantom.anatomy import Anatomy, depth_below_surface, radius_ratio, random_head
from privessel.phantom.branches import colonise, murray_radii
from privessel.phantom.centrelines import random_arteries
from privessel.phantom.fields import interpolate, random_lattice
from privessel.phantom.frame import fit_frame
from privessel.phantom.parameters import random_knobs
from privessel.phantom.raster import Tubes, disc_profile, rasterise_tubes
from privessel.phantom.vessels import Vessels, random_trunks, random_variants

TINY = {"shape": (80, 96, 24), "spacing": (0.5, 0.5, 0.7)}
SMALL = {"shape": (160, 192, 48), "spacing": (0.5, 0.5, 0.7)}
PAPER = {"shape": (312, 384, 127), "spacing": (0.5, 0.5, 0.7)}


@pytest.fixture(scope="module")
def patients():
    """The patient of one seed in every set of parameters."""
    return {parameters: simulate(seed=3, parameters=parameters, **TINY) for parameters in SETS}


@pytest.fixture(scope="module")
def tiny(patients):
    return patients["a"]


@pytest.fixture(scope="module")
def small():
    return simulate(seed=3, parameters="a", **SMALL)


# --- whole patients


@pytest.mark.parametrize("parameters", SETS)
def test_a_patient_of_any_set_is_whole(patients, parameters):
    phantom = patients[parameters]
    assert phantom.image.dtype == np.uint16
    assert phantom.vessels.dtype == phantom.brain.dtype == bool
    assert phantom.image.shape == phantom.vessels.shape == phantom.brain.shape == TINY["shape"]
    assert phantom.vessels.any()
    assert not (phantom.vessels & ~phantom.brain).any()
    assert phantom.image.max() < 4096


def test_the_same_seed_gives_the_same_patient_with_parameters_that_are_random_too(patients):
    again = simulate(seed=3, parameters="random", **TINY)
    for name in ("image", "vessels", "brain"):
        assert np.array_equal(getattr(patients["random"], name), getattr(again, name))


def test_the_number_of_threads_changes_nothing(tiny):
    code = (
        "import hashlib; from privessel.phantom import simulate;"
        f"p = simulate(seed=3, parameters='a', shape={TINY['shape']}, spacing={TINY['spacing']});"
        "print(hashlib.sha256(p.image.tobytes() + p.vessels.tobytes() + p.brain.tobytes()).hexdigest())"
    )
    here = hashlib.sha256(tiny.image.tobytes() + tiny.vessels.tobytes() + tiny.brain.tobytes()).hexdigest()
    other = "1" if os.environ.get("OMP_NUM_THREADS") != "1" else "3"
    environment = {**os.environ, "OMP_NUM_THREADS": other, "OPENBLAS_NUM_THREADS": other}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == here


def test_another_seed_is_another_head_and_other_arteries(tiny):
    other = simulate(seed=4, parameters="a", **TINY)
    assert (other.brain != tiny.brain).mean() > 0.005
    overlap = 2 * (other.vessels & tiny.vessels).sum() / (other.vessels.sum() + tiny.vessels.sum())
    assert overlap < 0.8


def test_set_b_is_the_same_patient_in_another_scanner(tiny, patients):
    other = patients["b"]
    assert np.array_equal(other.brain, tiny.brain)
    air = np.s_[:4, :4]  # corners of the field of view
    assert np.mean(other.image[air]) > 1.05 * np.mean(tiny.image[air])  # noisier
    deep = ndimage.binary_erosion(tiny.brain, iterations=6) & ~tiny.vessels
    ratio = np.median(other.image[deep]) / np.median(tiny.image[deep])
    assert 1.0 < ratio < 1.4 * ACQUISITIONS["B"].wm / ACQUISITIONS["A"].wm  # brighter brain
    contrast = [np.mean(p.image[other.vessels]) / np.median(p.image[deep]) for p in (tiny, other)]
    assert contrast[1] < contrast[0]  # arteries stand out less


@pytest.mark.parametrize("kind", [Anatomy, Vessels, Acquisition])
def test_every_knob_states_unit_source_and_a_range_that_holds_its_value(kind):
    low, high = (random_knobs(kind, _Fixed(share), ranges={}) for share in (0.0, 1.0))
    for field in fields(kind):
        assert field.metadata["unit"]
        assert len(field.metadata["source"]) > 10
        values = [getattr(instance, field.name) for instance in (low, kind(), high)]
        assert values == sorted(values)
        assert values[0] < values[2]
    scanners = ACQUISITIONS.values() if kind is Acquisition else []
    for scanner in scanners:
        for field in fields(kind):
            assert field.metadata["low"] <= getattr(scanner, field.name) <= field.metadata["high"]


class _Fixed:
    """Stands for a generator whose uniform numbers lie at a fixed share of their range."""

    def __init__(self, share):
        self.share = share

    def uniform(self, low, high):
        return low + self.share * (high - low)


def test_arteries_fill_a_plausible_share_of_the_brain(small):
    assert 0.004 < small.vessels.sum() / small.brain.sum() < 0.02
    assert 0.2 < small.brain.mean() < 0.5


@pytest.mark.slow
def test_arteries_fill_a_plausible_share_of_the_brain_in_the_paper_s_matrix():
    phantom = simulate(seed=3, parameters="a", **PAPER)
    assert 0.003 < phantom.vessels.sum() / phantom.brain.sum() < 0.01
    assert 0.2 < phantom.brain.mean() < 0.5


def test_most_marked_voxels_hang_together_and_none_is_a_lone_speck(small):
    pieces, _ = ndimage.label(small.vessels, np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(pieces.ravel())[1:])[::-1]
    assert sizes[:5].sum() > 0.85 * sizes.sum()
    assert sizes[-1] >= small.parameters.acquisition.marked_size


def test_marked_voxels_are_brighter_than_the_brain_but_no_threshold_finds_them_all(small):
    vessel, other = small.image[small.vessels], small.image[small.brain & ~small.vessels]
    assert np.median(vessel) > 1.2 * np.median(other)
    cuts = np.arange(small.image.max())
    true = np.array([(vessel >= cut).sum() for cut in cuts])
    false = np.array([(other >= cut).sum() for cut in cuts])
    dice = 2 * true / (true + false + vessel.size)
    assert 0.2 < dice.max() < 0.8


def test_a_small_field_of_view_holds_a_shrunken_head_with_its_midline_in_the_middle():
    frame, shrunk = fit_frame(**PAPER), fit_frame(**SMALL)
    assert frame.scale == pytest.approx(1.0)
    assert shrunk.scale == pytest.approx(0.5)
    for head in (frame, shrunk):
        centre = (np.asarray(head.shape) - 1) / 2
        assert np.allclose((head.affine @ [*centre, 1])[:2], 0, atol=1e-9)


@pytest.mark.parametrize(
    "wrong", [{"shape": (80, 96)}, {"shape": (80, 96, 2)}, {"spacing": (0.5, 0, 0.7)}, {"parameters": "c"}]
)
def test_an_unknown_set_or_an_impossible_grid_is_refused(wrong):
    with pytest.raises(ValueError, match="phantom"):
        simulate(**{"seed": 1, "parameters": "a", **TINY, **wrong})


# --- arteries


def test_cubed_radii_add_up_at_every_generated_branching():
    rng = np.random.default_rng(0)
    targets = rng.uniform(-20, 20, (300, 3))
    nodes, parent = colonise(np.zeros((1, 3)), targets, step=1.5, kill=2.5, wander=0.2, rng=rng)
    thinnest = rng.uniform(0.2, 0.3, len(nodes))
    radius = murray_radii(parent, thinnest)
    children = [np.flatnonzero(parent == i) for i in range(len(nodes))]
    assert sum(len(of_node) > 1 for of_node in children) > 50
    for i, of_node in enumerate(children):
        expected = (radius[of_node] ** 3).sum() if len(of_node) else thinnest[i] ** 3
        assert radius[i] ** 3 == pytest.approx(expected)


def test_growth_reaches_its_targets_in_steps_of_one_length():
    rng = np.random.default_rng(1)
    targets = rng.uniform(-15, 15, (150, 3))
    nodes, parent = colonise(np.zeros((1, 3)), targets, step=1.5, kill=2.5, wander=0.1, rng=rng)
    gaps = np.linalg.norm(nodes[:, None] - targets, axis=-1).min(0)
    assert np.mean(gaps <= 2.5) > 0.95
    grown = parent >= 0
    assert np.allclose(np.linalg.norm(nodes[grown] - nodes[parent[grown]], axis=1), 1.5)
    assert (parent[grown] < np.flatnonzero(grown)).all()


def test_the_circle_of_willis_is_joined_and_blood_only_moves_on():
    trunks = random_trunks(replace(Vessels(), absent_pcom=0.0), np.random.default_rng(2))
    for child, parent in (
        ("m1", "ica"),
        ("a1", "ica"),
        ("a2", "a1"),
        ("m2_superior", "m1"),
        ("m2_inferior", "m1"),
    ):
        for side in (1, -1):
            one, other = trunks[child, side], trunks[parent, side]
            assert np.allclose(one.position[0], other.position[-1])
            assert one.time[0] == other.time[-1]
            assert (one.position[-1, 0] * side) > 0
    for trunk in trunks.values():
        assert (np.diff(trunk.time) > 0).all()
        assert 0.2 < trunk.radius.min() <= trunk.radius.max() < 3.5


def test_variants_come_as_often_as_their_probabilities_say():
    vessels, rng = Vessels(), np.random.default_rng(3)
    n = 2000
    sides = [random_variants(vessels, rng) for _ in range(n)]
    counts = {
        "fetal_pcom": sum(v["pcom"] == vessels.fetal_calibre for v in sides),
        "hypoplastic_a1": sum(v["a1"] < 1 for v in sides),
    }
    for name, count in counts.items():
        assert stats.binomtest(count, n, getattr(vessels, name)).pvalue > 1e-3
    assert all(v["p1"] == vessels.hypoplasia for v in sides if v["pcom"] == vessels.fetal_calibre)
    assert sum(v["pcom"] == 0 for v in sides) > 0.1 * n


def test_arteries_stay_near_the_brain_and_arrive_later_the_farther_they_are():
    frame, rng = fit_frame(**PAPER), np.random.default_rng(4)
    head = random_head(Anatomy(), rng)
    lines = random_arteries(Vessels(), head, frame, rng)
    above = lines.position[:, 2] > 5
    assert np.mean(radius_ratio(head, *lines.position[above].T) < 1.03) > 0.99
    assert np.allclose(np.linalg.norm(lines.tangent, axis=1), 1)
    assert stats.spearmanr(lines.radius, lines.time).statistic < -0.4


# --- partial volume


@pytest.mark.parametrize("radius", [0.2, 0.5, 1.3])
@pytest.mark.parametrize("distance", [0.0, 0.4, 1.5])
def test_occupancy_is_the_disc_convolved_with_the_point_spread(radius, distance):
    psf = 0.3

    # Rice density of the distance of a Gaussian point from the disc's centre, integrated over the disc
    def density(s):
        return s / psf**2 * np.exp(-((s - distance) ** 2) / (2 * psf**2)) * i0e(s * distance / psf**2)

    expected, _ = quad(density, 0, radius)
    profile = disc_profile(psf=psf, largest=3.0)
    assert profile.at(np.array([radius]), np.array([distance]))[0] == pytest.approx(expected, abs=0.004)


def test_a_slanted_tube_keeps_its_blood_volume_whatever_the_voxels():
    radius, along = 0.6, np.array([0.6, 0.5, 0.62])
    along /= np.linalg.norm(along)
    s = np.arange(-12, 12, 0.4)
    for spacing in ((0.5, 0.5, 0.7), (0.3, 0.4, 0.5)):
        shape = tuple(int(30 / v) for v in spacing)
        occupancy, signal = rasterise_tubes(
            Tubes(
                position=s[:, None] * along,
                radius=np.full(len(s), radius),
                brightness=np.full(len(s), 0.7),
                tangent=np.tile(along, (len(s), 1)),
                pitch=np.full(len(s), 0.4),
            ),
            shape=shape,
            spacing=spacing,
            origin=-np.asarray(shape) * spacing / 2,
            psf=0.26,
        )
        volume = occupancy.sum() * np.prod(spacing)
        assert volume == pytest.approx(np.pi * radius**2 * 24, rel=0.05)
        assert np.allclose(signal, 0.7 * occupancy, atol=1e-6)


def test_tubes_outside_the_grid_leave_it_empty():
    far = np.array([[50.0, 0, 0], [50.4, 0, 0]])
    occupancy, signal = rasterise_tubes(
        Tubes(far, np.ones(2), np.ones(2), np.tile([1.0, 0, 0], (2, 1)), np.full(2, 0.4)),
        shape=(10, 10, 10),
        spacing=(1, 1, 1),
        origin=np.zeros(3),
        psf=0.3,
    )
    assert not occupancy.any()
    assert not signal.any()


# --- head


def test_depth_is_zero_on_the_vault_and_grows_inwards():
    head = random_head(replace(Anatomy(), taper=0.0, size_sd=0.0), np.random.default_rng(0))
    top = head.centre + [0, 0, head.axes[2]]
    depth, vault = depth_below_surface(head, *np.array([top, top - [0, 0, 10], top + [0, 0, 5]]).T)
    assert depth[0] == pytest.approx(0, abs=1e-4)
    assert depth[1] > 5
    assert depth[2] < -2
    assert np.array_equal(depth, vault)  # far from the skull base


def test_a_field_takes_its_lattice_values_on_the_nodes():
    frame = fit_frame(shape=(32, 40, 20), spacing=(0.5, 0.5, 0.7))
    source = random_lattice(np.random.default_rng(0), frame, 9.0)
    values = interpolate(source, frame).slab(slice(0, 32))
    voxels = np.argwhere(np.ones(frame.shape, bool))
    expected = source.at(frame.origin + voxels * frame.step, order=1).reshape(frame.shape)
    assert np.allclose(values, expected, atol=1e-5)


# --- scanner


@pytest.mark.parametrize("correlation", [0.0, 0.1])
def test_noise_in_air_is_rayleigh_and_in_tissue_almost_normal(correlation):
    sigma = 0.05
    rng = np.random.default_rng(0)
    air = add_noise(np.zeros((60, 60, 60), np.float32), sigma=sigma, correlation=correlation, rng=rng)
    assert air.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)
    assert (air.astype(float) ** 2).mean() == pytest.approx(2 * sigma**2, rel=0.01)
    assert stats.kstest(air[::7, ::7, ::7].ravel(), stats.rayleigh(scale=sigma).cdf).pvalue > 1e-3
    tissue = add_noise(np.full((60, 60, 60), 0.4, np.float32), sigma=sigma, correlation=correlation, rng=rng)
    assert tissue.std() == pytest.approx(stats.rice(0.4 / sigma, scale=sigma).std(), rel=0.01)
    assert tissue.mean() == pytest.approx(stats.rice(0.4 / sigma, scale=sigma).mean(), rel=0.001)


def test_neighbouring_noise_is_correlated_as_asked_in_plane_only():
    image = np.full((80, 80, 40), 10.0, np.float32)
    noise = add_noise(image, sigma=0.1, correlation=0.1, rng=np.random.default_rng(0)) - 10
    wanted = 2 * 0.1 / (1 + 2 * 0.1**2)
    measured = [
        np.corrcoef(noise.take(range(39), a).ravel(), noise.take(range(1, 40), a).ravel())[0, 1]
        for a in range(3)
    ]
    assert measured == pytest.approx([wanted, wanted, 0], abs=0.01)


def test_slab_seams_dip_inside_the_volume_only():
    profile = slab_profile(fit_frame(**PAPER), replace(Acquisition(), seam=0.2, slabs=3))
    assert profile[0] == profile[-1] == 1
    assert profile.min() == pytest.approx(0.8, abs=0.02)
    _, dips = ndimage.label(profile < 0.95)
    assert dips == 2


@pytest.mark.parametrize("size", [2.5, 3, 4])  # the marked pieces have 4 voxels, the short one 2
def test_a_reader_marks_what_is_full_bright_and_large_enough(size):
    acquisition = replace(
        Acquisition(), wm=0.4, sigma=0.05, marked_share=0.4, marked_contrast=2.0, marked_size=size
    )
    occupancy, signal = np.zeros((2, 9, 9, 9), np.float32)
    brain = np.ones((9, 9, 9), bool)
    for y, share, blood in ((0, 1.0, 1.0), (2, 0.3, 1.0), (4, 1.0, 0.45), (6, 0.5, 0.7)):
        occupancy[1:6, y, 0], signal[1:6, y, 0] = share, share * blood
    occupancy[1:3, 8, 0] = signal[1:3, 8, 0] = 1.0
    brain[5] = False
    marked = mark_vessels(occupancy, signal, brain, acquisition)
    expected = np.zeros_like(marked)
    expected[1:5, [0, 6], 0] = True  # not the thin, the dark, the short one, nor outside the brain
    assert np.array_equal(marked, expected)


def test_grey_levels_are_clipped_to_twelve_bits():
    assert digitise(np.array([-1.0, 0.5, 1e6], np.float32), gain=200).tolist() == [0, 100, 4095]


# --- files


def test_written_patients_are_bids_with_the_right_place_and_size(tmp_path, tiny):
    write_patient(tmp_path, "a001", tiny, seed=3)
    base = "sub-a001/anat/sub-a001_acq-TOF"
    image = nib.load(tmp_path / f"{base}_angio.nii.gz")
    assert np.array_equal(np.asanyarray(image.dataobj), tiny.image)
    assert image.get_data_dtype() == np.uint16
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    assert image.header.get_zooms() == pytest.approx(TINY["spacing"])
    assert image.header.get_xyzt_units()[0] == "mm"
    assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-5)
    for name, mask in (("vessels", tiny.vessels), ("brain", tiny.brain)):
        file = nib.load(tmp_path / f"derivatives/{name}/{base}_desc-{name}_mask.nii.gz")
        assert file.get_data_dtype() == np.uint8
        assert np.array_equal(np.asanyarray(file.dataobj), mask)
        assert np.array_equal(file.affine, image.affine)
    sidecar = json.loads((tmp_path / f"{base}_angio.json").read_text())
    assert sidecar["Simulated"] is True
    assert sidecar["PhantomSeed"] == 3
    assert sidecar["PhantomParameters"]["acquisition"]["sigma"] == tiny.parameters.acquisition.sigma


def test_equal_patients_are_equal_files_without_time_or_name(tmp_path, tiny):
    for folder in ("one", "two"):
        write_patient(tmp_path / folder, "a001", tiny, seed=3)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*") if p.is_file())
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    packed = (tmp_path / "one" / "sub-a001/anat/sub-a001_acq-TOF_angio.nii.gz").read_bytes()
    assert packed[3] == 0  # gzip flags: no file name
    assert packed[4:8] == b"\0\0\0\0"  # no time
    assert len(gzip.decompress(packed)) == 352 + 2 * tiny.image.size


def test_the_table_lists_patients_with_splits_beside_the_descriptions(tmp_path):
    write_table(tmp_path, {"a001": "train", "a002": "test"}, name="phantom-a")
    table = (tmp_path / "participants.tsv").read_text()
    assert table == "participant_id\tsplit\nsub-a001\ttrain\nsub-a002\ttest\n"
    raw = json.loads((tmp_path / "dataset_description.json").read_text())
    assert raw["DatasetType"] == "raw"
    assert "phantom-a" in raw["Name"]
    for mask in ("vessels", "brain"):
        derived = json.loads((tmp_path / "derivatives" / mask / "dataset_description.json").read_text())
        assert derived["DatasetType"] == "derivative"
        assert derived["GeneratedBy"][0]["Name"] == "privessel"
        assert (tmp_path / "derivatives" / mask / f"acq-TOF_desc-{mask}_mask.json").is_file()
        assert "simulated" in (tmp_path / "derivatives" / mask / "README").read_text()
    assert "phantom-a" in (tmp_path / "README").read_text()
    columns = json.loads((tmp_path / "participants.json").read_text())
    assert columns["split"]["Levels"].keys() == {"train", "validation", "test"}


def test_ids_that_are_no_bids_label_are_refused(tmp_path, tiny):
    with pytest.raises(CohortError, match=r"\.\./x"):
        write_patient(tmp_path, "../x", tiny, seed=3)
    with pytest.raises(CohortError, match="a_1"):
        write_table(tmp_path, {"a_1": "train"}, name="x")
    assert not list(tmp_path.iterdir())
