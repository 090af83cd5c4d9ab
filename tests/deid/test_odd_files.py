"""Files as hospitals have them: odd ones that are read, and broken ones that are refused with a remedy."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from deid.native import SIDE, oblique, oblique_affine, simulated, write
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from privessel.cohort.outcome import require_usable
from privessel.deid.head_cohort import scanner_affine
from privessel.deid.likeness import mark_shared_scans
from privessel.deid.native import read_brain, read_native
from privessel.deid.outcome import check, draw_source
from privessel.deid.preparation import prepare
from privessel.errors import CohortError
from privessel.study.head_scans import HeadScan

AFFINE = scanner_affine(SIDE)
PLAIN = {"bias_field": False, "denoising": 0}


@pytest.fixture
def folder(tmp_path):
    """A scan and its mask in RAS."""
    image, brain = simulated(0)
    write(tmp_path / "scan.nii.gz", image * 500, AFFINE)
    nib.Nifti1Image(brain.astype(np.uint8), AFFINE).to_filename(tmp_path / "brain.nii.gz")
    return tmp_path


def place(folder, scan="scan.nii.gz", brain="brain.nii.gz"):
    return HeadScan("x1", "1", str(folder / scan), str(folder / brain))


def look(folder, *, field_of_view=256.0, **files):
    """Check a scan and frame it; return it in its frame, and its digest."""
    outcome = check(place(folder, **files), most_voxel_mm=8.0)
    require_usable([outcome])
    given = {"side": 32, "field_of_view": field_of_view, "corrections": PLAIN}
    return prepare(place(folder, **files), digest=outcome["sha256"], **given), outcome["sha256"]


def refuse(match, folder, **files):
    outcome = check(place(folder, **files), most_voxel_mm=8.0)
    with pytest.raises(CohortError, match=match) as refused:
        require_usable([outcome])
    assert "person x1, session 1" in str(refused.value)
    assert "Remedy" in str(refused.value).split("Remedy: correct")[0]
    assert draw_source(place(folder, **files)).width > 100


def restore(folder, data, *, name="scan.nii.gz", affine=AFFINE):
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, code=1)
    image.to_filename(folder / name)


def test_four_dimensions_with_one_volume_are_one_volume(folder):
    plain, digest = look(folder)
    for name in ("scan.nii.gz", "brain.nii.gz"):
        image = nib.load(folder / name)
        kept = np.asanyarray(image.dataobj.get_unscaled())[..., None]
        slope, intercept = image.dataobj.slope, image.dataobj.inter
        image = nib.Nifti1Image(kept, image.affine, image.header)
        image.header.set_slope_inter(slope, intercept)
        image.to_filename(folder / name)
    assert nib.load(folder / "scan.nii.gz").shape == (SIDE, SIDE, SIDE, 1)
    again, other = look(folder)
    assert digest == other
    assert np.array_equal(plain.image, again.image)


def test_a_head_that_reaches_out_of_the_cube_is_warned_of(folder, caplog):
    look(folder)
    assert not caplog.text
    look(folder, field_of_view=190.0)
    assert "person x1, session 1: the head reaches out of the common cube" in caplog.text
    assert "front" in caplog.text


def test_a_scan_that_is_exchanged_after_its_check_is_refused(folder):
    _, digest = look(folder)
    write(folder / "scan.nii.gz", simulated(1)[0] * 500, AFFINE)
    with pytest.raises(
        CohortError, match=r"person x1, session 1: .*another scan than the one that was checked"
    ):
        prepare(place(folder), digest=digest, side=32, field_of_view=256.0, corrections=PLAIN)


def test_several_volumes_are_refused(folder):
    restore(folder, np.zeros((8, 8, 8, 2), np.int16))
    refuse("has 4 dimensions", folder)


def test_a_single_slice_is_refused(folder):
    restore(folder, np.zeros((8, 8, 1), np.int16))
    refuse("one slice is no volume", folder)


def test_colours_and_complex_numbers_are_refused(folder):
    restore(folder, np.zeros((8, 8, 8), [("R", "u1"), ("G", "u1"), ("B", "u1")]))
    refuse("holds colours", folder)
    restore(folder, np.zeros((8, 8, 8), np.complex64))
    refuse("holds complex numbers", folder)


def test_a_truncated_file_and_one_that_is_no_image_are_refused(folder):
    whole = (folder / "scan.nii.gz").read_bytes()
    (folder / "scan.nii.gz").write_bytes(whole[: len(whole) // 2])
    refuse("scan.nii.gz", folder)
    (folder / "scan.nii.gz").write_bytes(gzip.compress(gzip.decompress(whole)[:200000]))
    refuse("scan.nii.gz", folder)
    (folder / "scan.nii.gz").write_bytes(b"DICM" * 500)
    refuse("scan.nii.gz", folder)


def test_two_forms_that_contradict_each_other_on_left_and_right_are_refused(folder):
    image = nib.load(folder / "scan.nii.gz")
    image.set_qform(np.diag([-1, 1, 1, 1]) @ AFFINE, code=1)
    image.to_filename(folder / "scan.nii.gz")
    refuse("two orientations that contradict", folder)


def test_a_header_without_orientation_is_refused(folder):
    image = nib.load(folder / "scan.nii.gz")
    image.set_qform(AFFINE, code=0)
    image.set_sform(AFFINE, code=0)
    image.to_filename(folder / "scan.nii.gz")
    refuse("left and right cannot be told apart", folder)


def test_a_mask_whose_axes_have_another_order_is_the_same_mask(folder):
    plain, _ = look(folder)
    image = nib.load(folder / "brain.nii.gz")
    turned = image.as_reoriented(nib.orientations.axcodes2ornt("PIR"))
    turned.to_filename(folder / "turned.nii.gz")
    assert turned.affine[0, 0] == 0
    again, _ = look(folder, brain="turned.nii.gz")
    assert np.array_equal(plain.brain, again.brain)
    scan = read_native(folder / "scan.nii.gz")
    both = [read_brain(folder / name, scan) for name in ("brain.nii.gz", "turned.nii.gz")]
    assert np.array_equal(*both)


def test_a_mask_on_another_grid_and_one_that_is_none_are_refused(folder):
    _, brain = simulated(0)
    restore(folder, brain[:, :, 2:].astype(np.uint8), name="brain.nii.gz")
    refuse("has the shape", folder)
    moved = AFFINE.copy()
    moved[0, 3] += 8
    restore(folder, brain.astype(np.uint8), name="brain.nii.gz", affine=moved)
    refuse("voxels away from its scan", folder)
    restore(folder, (brain * np.linspace(0, 1, SIDE)).astype(np.float32), name="brain.nii.gz")
    refuse("where a mask holds 0 and one", folder)


@pytest.mark.parametrize("degrees", [15, 30, 40])
@pytest.mark.parametrize("axis", "xyz")
def test_a_scan_whose_grid_is_turned_far_is_framed_as_the_upright_one(folder, axis, degrees):
    plain, _ = look(folder)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    grid = np.diag([3.5, 3.5, 3.5, 1.0])
    shape = (96, 96, 96)
    grid[:3, 3] = -3.5 * 47.5
    affine = turn @ grid
    image, brain = simulated(0)
    mapping = np.linalg.inv(AFFINE) @ affine
    given = {"matrix": mapping[:3, :3], "offset": mapping[:3, 3], "output_shape": shape, "order": 1}
    write(folder / "turned.nii.gz", affine_transform(image, **given) * 500, affine)
    mask = affine_transform(brain.astype(np.float32), **given) > 0.5
    nib.Nifti1Image(mask.astype(np.uint8), affine).to_filename(folder / "mask.nii.gz")
    framed, _ = look(folder, scan="turned.nii.gz", brain="mask.nii.gz")
    both = plain.brain & framed.brain
    assert 2 * both.sum() / (plain.brain.sum() + framed.brain.sum()) > 0.9
    assert np.corrcoef(plain.image.ravel(), framed.image.ravel())[0, 1] > 0.9


def test_a_copy_of_another_type_and_order_of_axes_is_the_same_scan(folder):
    image = nib.load(folder / "scan.nii.gz")
    values = image.get_fdata(dtype=np.float32)
    copy = nib.Nifti1Image(values, AFFINE).as_reoriented(nib.orientations.axcodes2ornt("LIP"))
    copy.to_filename(folder / "copy.nii.gz")
    refuse_pair(folder, "all intensities are equal")


def test_a_copy_that_was_flipped_scaled_or_inverted_is_the_same_scan(folder):
    values = nib.load(folder / "scan.nii.gz").get_fdata()
    brain = nib.load(folder / "brain.nii.gz").get_fdata()
    write(folder / "copy.nii.gz", values[::-1], AFFINE)
    restore(folder, brain[::-1].astype(np.uint8), name="turned.nii.gz")
    refuse_pair(folder, "flipped axes", brain="turned.nii.gz")
    restore(folder, np.rint(0.37 * values + 20), name="copy.nii.gz")
    refuse_pair(folder, "scaling of the intensities")


def test_scans_of_two_people_and_of_two_visits_are_different_scans(folder):
    outcomes = {("x1", "1"): check(place(folder), most_voxel_mm=8.0)}
    for person, number, visit in (("x1", 0, 2), ("x2", 1, 1)):
        image, brain = simulated(number, visit=visit)
        write(folder / "other.nii.gz", image * 500, AFFINE)
        nib.Nifti1Image(brain.astype(np.uint8), AFFINE).to_filename(folder / "mask.nii.gz")
        other = check(place(folder, "other.nii.gz", "mask.nii.gz"), most_voxel_mm=8.0)
        outcomes[person, str(visit)] = other
    require_usable(mark_shared_scans(outcomes))


def refuse_pair(folder, match, brain="brain.nii.gz"):
    one = check(place(folder), most_voxel_mm=8.0)
    other = check(place(folder, "copy.nii.gz", brain), most_voxel_mm=8.0)
    require_usable([one, other])
    told = rf"person a \(session 1\) and person c \(session 2\) have the same scan: .*{match}.*Remedy"
    with pytest.raises(CohortError, match=told):
        require_usable(mark_shared_scans({("a", "1"): one, ("c", "2"): other}))


def test_an_anisotropic_oblique_scan_is_accepted(tmp_path):
    image, brain = oblique(0)
    affine, _ = oblique_affine()
    write(tmp_path / "scan.nii.gz", image * 500, affine)
    nib.Nifti1Image(brain.astype(np.uint8), affine).to_filename(tmp_path / "brain.nii.gz")
    look(tmp_path)
