import gzip
import hashlib
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from nibabel import orientations
from volumes import save_nifti, tubes, write_patient

from privessel.cohort.description import describe
from privessel.cohort.nifti import load_mask, read_stored, restore
from privessel.cohort.scan import load_scan
from privessel.cohort.table import Patient
from privessel.errors import CohortError


def complaint(action, *arguments, **keywords) -> str:
    with pytest.raises(CohortError) as caught:
        action(*arguments, **keywords)
    return str(caught.value)


def described(patient) -> dict:
    scan = load_scan(patient, patch_size=32)
    return describe(patient, scan, read_stored(patient.image))


def rotated(angle: float, *, order=(0, 1, 2), flips=(1, 1, 1)) -> np.ndarray:
    """An oblique affine with spacing 0.5 x 0.5 x 0.7 mm, its axes permuted and flipped."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ np.array(
        [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = (turn @ np.diag([0.5, 0.5, 0.7]))[:, order] * flips
    affine[:3, 3] = [-11, 7, 3]
    return affine


def test_a_plain_scan_is_read_as_it_is_and_masked(tmp_path):
    patient = write_patient(tmp_path)
    image, vessels, brain = tubes()
    raw = image + 50
    save_nifti(patient.image, raw, np.diag([0.5, 0.5, 0.7, 1]))
    scan = load_scan(patient, patch_size=32)
    assert scan.image.dtype == np.float32
    np.testing.assert_array_equal(scan.image, np.where(brain, raw, 0))
    np.testing.assert_array_equal(scan.vessels, vessels)
    np.testing.assert_array_equal(scan.brain, brain)
    assert scan.spacing == pytest.approx((0.5, 0.5, 0.7))
    assert scan.warnings == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("angle", [0.0, 0.15])
def test_any_orientation_reaches_the_same_canonical_scan_and_goes_back(tmp_path, order, flips, angle):
    image, vessels, brain = tubes()
    affine = rotated(angle)
    # Store the canonical array with its axes permuted and flipped; the affine follows.
    stored = orientations.ornt_transform(
        orientations.axcodes2ornt("RAS"), np.column_stack([np.argsort(order), flips])
    )
    new_affine = affine @ orientations.inv_ornt_aff(stored, image.shape)
    paths = {}
    for role, data in (("image", image), ("vessels", vessels), ("brain", brain)):
        turned = orientations.apply_orientation(data, stored)
        paths[role] = save_nifti(tmp_path / f"{role}.nii.gz", turned, new_affine)
    patient = Patient("1", "c", "test", **paths)
    scan = load_scan(patient, patch_size=32)
    np.testing.assert_array_equal(scan.image, image)
    np.testing.assert_array_equal(scan.vessels, vessels)
    assert scan.spacing == pytest.approx((0.5, 0.5, 0.7), abs=1e-5)
    back = restore(scan.vessels, patient.vessels)
    np.testing.assert_array_equal(np.asarray(back.dataobj), np.asarray(nib.load(patient.vessels).dataobj))
    assert back.affine == pytest.approx(nib.load(patient.image).affine, abs=1e-6)


def test_a_restored_mask_keeps_the_reference_geometry_and_is_plain_bytes(tmp_path):
    patient = write_patient(
        tmp_path, affine=rotated(0.2, order=(1, 0, 2), flips=(-1, 1, 1)), shape=(44, 40, 16)
    )
    original = nib.load(patient.image)
    header = original.header.copy()
    header.set_qform(original.affine, code=1)
    header.set_sform(original.affine, code=2)
    header["descrip"] = b"TOF"
    header["cal_max"] = 900
    header.set_data_dtype(np.int16)
    stored = np.asarray(original.dataobj)[..., None].astype(np.int16)
    image = nib.Nifti1Image(stored, original.affine, header)
    image.header.set_slope_inter(2, 0)
    nib.save(image, patient.image)
    assert nib.load(patient.image).dataobj.slope == 2
    scan = load_scan(patient, patch_size=32)
    path = tmp_path / "prediction.nii.gz"
    nib.save(restore(scan.vessels, patient.image), path)
    saved = nib.load(path)
    assert saved.shape == original.shape
    assert saved.get_data_dtype() == np.uint8
    assert not saved.header["descrip"].tobytes().strip(b"\0")
    assert (int(saved.header["qform_code"]), int(saved.header["sform_code"])) == (1, 2)
    assert float(saved.header["cal_max"]) == 1
    np.testing.assert_array_equal(np.asarray(saved.dataobj), np.asarray(nib.load(patient.vessels).dataobj))
    with pytest.raises(ValueError, match="does not belong"):
        restore(scan.vessels[:-1], patient.image)


def test_a_saved_prediction_is_read_back_in_the_canonical_frame_also_when_empty(tmp_path):
    patient = write_patient(tmp_path, affine=rotated(0.1, flips=(-1, 1, -1)))
    scan = load_scan(patient, patch_size=32)
    path = tmp_path / "prediction.nii.gz"
    for mask in (scan.vessels, scan.vessels & False):
        nib.save(restore(mask, patient.image), path)
        np.testing.assert_array_equal(load_mask(path), mask)
    path.write_bytes(b"")
    assert str(path) in complaint(load_mask, path)


def test_the_check_report_names_what_was_read(tmp_path):
    patient = write_patient(tmp_path, affine=np.diag([-0.5, -0.5, 0.7, 1]))
    scan = load_scan(patient, patch_size=32)
    record = describe(patient, scan, read_stored(patient.image))
    _, vessels, brain = tubes()
    assert record["shape"] == [40, 44, 16]
    assert record["spacing_mm"] == pytest.approx([0.5, 0.5, 0.7])
    assert record["orientation"] == "LPS"
    assert record["vessel_fraction"] == pytest.approx(vessels.sum() / brain.sum())
    assert record["sha256"]["vessels"] == hashlib.sha256(patient.vessels.read_bytes()).hexdigest()
    assert set(record["sha256"]) == {"image", "vessels", "brain"}
    assert record["unit"] == "unknown"


def test_the_same_scan_has_the_same_digest_of_voxels_under_any_name_orientation_and_brain_mask(tmp_path):
    patient = write_patient(tmp_path / "one")
    turned = [nib.load(path).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]])) for path in patient.files]
    digests = {described(patient)["voxels"]}
    patient = write_patient(tmp_path / "two", name="other")
    for image, path in zip(turned, patient.files, strict=True):
        nib.save(image, path)
    digests.add(described(patient)["voxels"])
    whole = replace(patient, brain=None)
    digests.add(described(whole)["voxels"])
    assert len(digests) == 1
    changed = nib.load(patient.image)
    voxels = np.asanyarray(changed.dataobj).copy()
    voxels[3, 3, 3] += 1
    nib.save(nib.Nifti1Image(voxels, changed.affine), patient.image)
    assert described(patient)["voxels"] not in digests


def spoil_missing(patient, data, affine):
    patient.vessels.unlink()


def spoil_empty_file(patient, data, affine):
    patient.vessels.write_bytes(b"")


def spoil_truncated(patient, data, affine):
    patient.vessels.write_bytes(patient.vessels.read_bytes()[:-200])


def spoil_truncated_in_its_checksum(patient, data, affine):
    patient.vessels.write_bytes(patient.vessels.read_bytes()[:-4])


def spoil_truncated_inside(patient, data, affine):
    patient.vessels.write_bytes(gzip.compress(gzip.decompress(patient.vessels.read_bytes())[:-100]))


def spoil_header_only(patient, data, affine):
    patient.vessels.write_bytes(gzip.compress(gzip.decompress(patient.vessels.read_bytes())[:100]))


def spoil_text(patient, data, affine):
    patient.vessels.write_text("not an image" * 100)


def spoil_4d(patient, data, affine):
    save_nifti(patient.vessels, np.stack([data, data], axis=-1), affine)


def spoil_2d(patient, data, affine):
    save_nifti(patient.vessels, data[:, :, 0], affine)


def spoil_nan(patient, data, affine):
    soft = data.astype(np.float32)
    soft[1, 2, 3] = np.nan
    save_nifti(patient.vessels, soft, affine)


def spoil_shape(patient, data, affine):
    save_nifti(patient.vessels, data[:, :, 1:], affine)


def spoil_affine(patient, data, affine):
    moved = affine.copy()
    moved[0, 3] += 0.25
    save_nifti(patient.vessels, data, moved)


def spoil_255(patient, data, affine):
    save_nifti(patient.vessels, (data * 255).astype(np.uint8), affine)


def spoil_two_labels(patient, data, affine):
    save_nifti(
        patient.vessels,
        data.astype(np.uint8) * (1 + (np.indices(data.shape)[0] > 20)).astype(np.uint8),
        affine,
    )


def spoil_soft(patient, data, affine):
    save_nifti(patient.vessels, data.astype(np.float32) * 0.5, affine)


def spoil_negative(patient, data, affine):
    save_nifti(patient.vessels, -data.astype(np.int16), affine)


def spoil_empty_mask(patient, data, affine):
    save_nifti(patient.vessels, data & False, affine)


def spoil_affine_singular(patient, data, affine):
    image = nib.Nifti1Image(data.astype(np.uint8), affine)
    image.header["sform_code"], image.header["srow_x"] = 2, 0
    image.header["qform_code"] = 0
    raw = image.header.binaryblock + b"\0" * 4 + np.asarray(image.dataobj).tobytes(order="F")
    patient.vessels.write_bytes(gzip.compress(raw))


def spoil_colour(patient, data, affine):
    colour = np.zeros(data.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, affine), patient.vessels)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (spoil_missing, "does not exist"),
        (spoil_empty_file, "empty, truncated or not NIfTI"),
        (spoil_truncated, "empty, truncated or not NIfTI"),
        (spoil_truncated_in_its_checksum, "empty, truncated or not NIfTI"),
        (spoil_truncated_inside, "empty, truncated or not NIfTI"),
        (spoil_header_only, "empty, truncated or not NIfTI"),
        (spoil_text, "is text ('not an image"),
        (spoil_4d, "has 4 dimensions (40, 44, 16, 2); expected 3. Remedy: export one volume alone"),
        (spoil_2d, "has 2 dimensions"),
        (spoil_nan, "nan"),
        (spoil_shape, "has shape (40, 44, 15)"),
        (spoil_affine, "a corner lies 0.50 voxels away"),
        (spoil_255, "has values {0, 255}; expected {0, 1}. Remedy: divide the mask by 255"),
        (spoil_two_labels, "has values {0, 1, 2}; expected {0, 1}"),
        (spoil_soft, "has values {0, 0.5}; expected {0, 1}. Remedy: threshold the mask"),
        (spoil_negative, "has values {-1, 0}"),
        (spoil_empty_mask, "is empty. Remedy"),
        (spoil_affine_singular, "cannot be inverted"),
        (spoil_colour, "one grey value"),
    ],
)
@pytest.mark.parametrize("role", ["vessels", "brain"])
def test_a_bad_mask_is_refused_naming_patient_file_and_remedy(tmp_path, spoil, expected, role):
    patient = write_patient(tmp_path)
    affine = np.diag([0.5, 0.5, 0.7, 1])
    _, vessels, brain = tubes()
    # The spoilers know one path: hand them the mask to spoil as 'vessels'.
    target = replace(patient, vessels=patient.vessels if role == "vessels" else patient.brain)
    spoil(target, vessels if role == "vessels" else brain, affine)
    message = complaint(load_scan, patient, patch_size=32)
    assert "patient 017 (cohort pegasus): " in message
    assert f"{'vessel' if role == 'vessels' else 'brain'} mask {target.vessels}" in message
    assert expected in message
    assert "Remedy: " in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_with_nan_or_infinity_is_refused(tmp_path, value):
    patient = write_patient(tmp_path)
    image = tubes()[0]
    image[0, 0, :2] = value
    save_nifti(patient.image, image, np.diag([0.5, 0.5, 0.7, 1]))
    message = complaint(load_scan, patient, patch_size=32)
    assert f"image {patient.image} has 2 NaN or infinite voxels" in message


def test_an_image_of_zeros_is_refused(tmp_path):
    patient = write_patient(tmp_path)
    save_nifti(patient.image, tubes()[0] * 0, np.diag([0.5, 0.5, 0.7, 1]))
    assert "zero everywhere" in complaint(load_scan, patient, patch_size=32)


def test_a_volume_smaller_than_a_patch_in_plane_is_refused_but_few_slices_are_not(tmp_path):
    patient = write_patient(tmp_path)
    load_scan(patient, patch_size=40)
    message = complaint(load_scan, patient, patch_size=41)
    assert "40 x 44 voxels" in message
    assert "patch of 41 x 41" in message


def test_all_faulty_files_of_a_patient_are_listed_at_once(tmp_path):
    patient = write_patient(tmp_path)
    patient.image.write_bytes(b"")
    patient.brain.unlink()
    spoil_255(patient, tubes()[1], np.eye(4))
    message = complaint(load_scan, patient, patch_size=32)
    assert message.count("patient 017 (cohort pegasus): ") == 3
    for path in (patient.image, patient.vessels, patient.brain):
        assert str(path) in message


def test_a_trailing_axis_of_one_a_second_version_and_plain_nii_are_read(tmp_path):
    patient = write_patient(tmp_path)
    image, vessels, _ = tubes()
    affine = np.diag([0.5, 0.5, 0.7, 1])
    save_nifti(patient.image, image[..., None, None], affine)
    nib.save(nib.Nifti2Image(vessels.astype(np.uint8), affine), tmp_path / "label.nii")
    scan = load_scan(replace(patient, vessels=tmp_path / "label.nii"), patch_size=32)
    np.testing.assert_array_equal(scan.image, image)
    np.testing.assert_array_equal(scan.vessels, vessels)


def test_a_mask_stored_with_a_scale_factor_and_a_rounded_affine_is_read(tmp_path):
    patient = write_patient(tmp_path)
    _, vessels, _ = tubes()
    affine = np.diag([0.5, 0.5, 0.7, 1])
    affine[0, 3] += 1e-4
    scaled = nib.Nifti1Image(vessels.astype(np.float64), affine)
    scaled.set_data_dtype(np.uint8)
    nib.save(scaled, patient.vessels)
    assert nib.load(patient.vessels).dataobj.slope != 1
    np.testing.assert_array_equal(load_scan(patient, patch_size=32).vessels, vessels)


def test_an_image_with_a_scale_factor_is_read_in_its_units(tmp_path):
    patient = write_patient(tmp_path)
    image, _, brain = tubes()
    scaled = nib.Nifti1Image(np.round(image / 2).astype(np.int16), np.diag([0.5, 0.5, 0.7, 1]))
    scaled.header.set_slope_inter(2, 0)
    nib.save(scaled, patient.image)
    np.testing.assert_allclose(load_scan(patient, patch_size=32).image, image, atol=1.01)


def test_vessels_outside_the_brain_give_a_warning_with_their_share(tmp_path):
    patient = write_patient(tmp_path)
    _, vessels, brain = tubes()
    x = np.flatnonzero(vessels.any(axis=(1, 2)))[0]
    brain[: x + 3] = False
    save_nifti(patient.brain, brain, np.diag([0.5, 0.5, 0.7, 1]))
    scan = load_scan(patient, patch_size=32)
    share = (vessels & ~brain).sum() / vessels.sum()
    assert 0 < share < 0.5
    (warning,) = scan.warnings
    assert f"{share:.2%}" in warning
    assert "patient 017" in warning
    np.testing.assert_array_equal(scan.vessels, vessels)


def test_masks_that_do_not_meet_are_refused(tmp_path):
    patient = write_patient(tmp_path)
    _, vessels, brain = tubes()
    save_nifti(patient.brain, brain & ~vessels, np.diag([0.5, 0.5, 0.7, 1]))
    assert "no voxel inside brain mask" in complaint(load_scan, patient, patch_size=32)


def test_without_a_mask_file_the_brain_is_where_the_image_is_not_zero(tmp_path):
    patient = replace(write_patient(tmp_path), brain=None)
    image, _, brain = tubes()
    scan = load_scan(patient, patch_size=32)
    np.testing.assert_array_equal(scan.brain, brain)
    assert scan.warnings == []
    assert "brain" not in describe(patient, scan, read_stored(patient.image))["sha256"]
    save_nifti(patient.image, image + 1, np.diag([0.5, 0.5, 0.7, 1]))
    (warning,) = load_scan(patient, patch_size=32).warnings
    assert "100%" in warning
    assert "brain mask" in warning
