"""The one reader of an image file: told by content, one frame for a patient, lengths in mm, no text kept."""

import errno
import gzip
import io
import re
import struct
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from volumes import check_patient, save_nifti, tubes, write_patient

from privessel.cohort import nifti
from privessel.cohort.filetype import unpack_nifti
from privessel.cohort.geometry import spacing_of
from privessel.cohort.nifti import load_mask, read_stored, read_volume, restore
from privessel.cohort.scan import load_scan
from privessel.errors import CohortError

AFFINE = np.diag([0.5, 0.5, 0.7, 1.0])
# Places of header fields in a NIfTI-1 file (nifti1.h).
PIXDIM, UNITS, FORM_CODES, SROW = 76, 123, 252, 280


def poke(path, place, form, *values):
    """Overwrite bytes of a gzipped file, as a careless writer would."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(f"<{form}", raw, place, *values)
    path.write_bytes(gzip.compress(bytes(raw)))


def complaint(patient) -> str:
    with pytest.raises(CohortError) as caught:
        load_scan(patient, patch_size=32)
    for line in str(caught.value).splitlines():
        assert "patient 017 (cohort pegasus): " in line
        assert "Remedy: " in line
    return str(caught.value)


def save_both_forms(path, data, qform, sform, codes=(1, 1)):
    image = nib.Nifti1Image(data, sform)
    image.set_qform(qform, code=codes[0])
    image.set_sform(sform, code=codes[1])
    # set_qform writes the voxel size; the sform then has to agree with it.
    nib.save(image, path)


# What a file is


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.img", "x.dcm"])
def test_a_nifti_file_is_read_whatever_its_name_and_however_often_it_was_compressed(tmp_path, layers, name):
    image = tubes()[0]
    raw = nib.Nifti1Image(image, AFFINE).to_bytes()
    for _ in range(layers):
        raw = gzip.compress(raw)
    (tmp_path / name).write_bytes(raw)
    np.testing.assert_array_equal(read_volume(tmp_path / name).data, image)


def test_intake_and_predictions_work_with_a_wrong_extension_too(tmp_path):
    patient = write_patient(tmp_path)
    for path in patient.files:
        path.write_bytes(gzip.decompress(path.read_bytes()))
    assert check_patient(patient)["problems"] == []
    scan = load_scan(patient, patch_size=32)
    nib.save(restore(scan.vessels, patient.image), tmp_path / "prediction.nii.gz")
    np.testing.assert_array_equal(load_mask(tmp_path / "prediction.nii.gz"), scan.vessels)


def written_by_itk(ending):
    def make(folder):
        path = folder / f"other{ending}"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(tubes()[1].astype(np.uint8)), str(path))
        return path.read_bytes()

    return make


def dicom(folder):
    path = folder / "other.dcm"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(tubes()[1][:, :, 0].astype(np.uint8)), str(path))
    return path.read_bytes()


def pair(folder):
    nib.save(nib.Nifti1Pair(tubes()[0], AFFINE), folder / "other.hdr")
    return (folder / "other.hdr").read_bytes()


def analyze(folder):
    nib.save(nib.AnalyzeImage(tubes()[0], AFFINE), folder / "other.img")
    return (folder / "other.hdr").read_bytes()


def numpy_array(folder):
    buffer = io.BytesIO()
    np.save(buffer, tubes()[0])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (written_by_itk(".nrrd"), "is an NRRD file, not NIfTI"),
        (written_by_itk(".mha"), "is a MetaImage header"),
        (written_by_itk(".tif"), "is a TIFF picture"),
        (dicom, "is a DICOM file, not NIfTI. Remedy: convert the whole series to NIfTI with dcm2niix"),
        (pair, "is the header of a NIfTI pair"),
        (analyze, "is an Analyze 7.5 header"),
        (lambda _: nib.MGHImage(tubes()[0], AFFINE).to_bytes(), "is a FreeSurfer volume (MGH)"),
        (numpy_array, "is a NumPy array"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (lambda _: b"/annex/objects/MD5E-s1--0.nii.gz\n", "pointer of git-annex"),
        (lambda _: b"<!DOCTYPE html><html>Log in</html>", "is a web page"),
        (lambda _: b"participant_id\tsplit\n", "is text ('participant_id"),
        (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(400), "is a PNG picture"),
        (lambda _: b"PK\x03\x04" + bytes(400), "is a zip archive"),
        (lambda _: bytes(500), "empty, truncated or not NIfTI"),
        (lambda _: b"", "empty, truncated or not NIfTI"),
        (lambda _: gzip.compress(b"data")[:-6], "empty, truncated or not NIfTI (gzip: "),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_another_kind_of_file_is_named_by_its_content(tmp_path, make, expected, packed):
    patient = write_patient(tmp_path)
    content = make(tmp_path)
    patient.vessels.write_bytes(gzip.compress(content) if packed else content)
    message = complaint(patient)
    assert expected in message
    assert f"vessel mask {patient.vessels}" in message


def test_arbitrary_bytes_never_end_in_another_error():
    rng = np.random.default_rng(0)
    for _ in range(300):
        with pytest.raises(CohortError):
            unpack_nifti(rng.bytes(int(rng.integers(0, 600))))


def test_damaged_headers_never_end_in_another_error(tmp_path):
    patient = write_patient(tmp_path)
    plain = gzip.decompress(patient.image.read_bytes())
    rng = np.random.default_rng(1)
    for _ in range(150):
        raw = bytearray(plain)
        for place in rng.integers(0, 344, 6):
            raw[place] = rng.integers(0, 256)
        patient.image.write_bytes(bytes(raw))
        with suppress(CohortError):
            load_scan(patient, patch_size=32)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    patient = write_patient(tmp_path)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    message = complaint(patient)
    assert f"image {patient.image} cannot be read (Permission denied)" in message
    assert "truncated" not in message


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
def test_values_do_not_depend_on_the_data_type_or_the_byte_order(tmp_path, kind):
    image = np.round(tubes()[0] / 4)
    for order in "<>":
        stored = nib.Nifti1Image(image.astype(kind), AFFINE, nib.Nifti1Header(endianness=order))
        path = tmp_path / "x.nii.gz"
        nib.save(stored, path)
        np.testing.assert_array_equal(read_volume(path).data, image.astype(kind))
        assert restore(np.ones(image.shape, bool), path).header.get_zooms() == pytest.approx((0.5, 0.5, 0.7))


def test_complex_numbers_and_colours_are_named(tmp_path):
    patient = write_patient(tmp_path)
    save_nifti(patient.image, tubes()[0].astype(np.complex64), AFFINE)
    assert f"image {patient.image} holds complex numbers" in complaint(patient)
    colour = np.zeros((40, 44, 16), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, AFFINE), patient.image)
    assert "holds colours (R, G, B)" in complaint(patient)


def test_numbers_too_large_for_the_study_count_as_infinite(tmp_path):
    patient = write_patient(tmp_path)
    image = tubes()[0].astype(np.float64)
    image[1, 1, 1] = 1e39
    save_nifti(patient.image, image, AFFINE)
    assert "has 1 NaN or infinite voxels" in complaint(patient)


# Orientation


def test_a_file_without_orientation_beside_one_with_it_is_refused(tmp_path):
    """Both codes 0: readers assume axes, and the file may be mirrored against the others without a word."""
    centred = AFFINE.copy()
    centred[:3, 3] = -(np.array([40, 44, 16]) - 1) / 2 * np.diag(AFFINE)[:3]
    patient = write_patient(tmp_path, affine=centred)
    poke(patient.image, FORM_CODES, "2h", 0, 0)
    message = complaint(patient)
    assert f"image {patient.image} has no orientation (qform_code and sform_code are 0)" in message
    assert str(patient.vessels) in message


def test_files_that_all_lack_an_orientation_match_voxel_by_voxel_and_that_is_said(tmp_path):
    patient = write_patient(tmp_path)
    for path in patient.files:
        poke(path, FORM_CODES, "2h", 0, 0)
    scan = load_scan(patient, patch_size=32)
    (warning,) = scan.warnings
    assert "left and right are a guess" in warning
    assert (scan.image[scan.vessels].min()) > scan.image[scan.brain & ~scan.vessels].mean()
    assert check_patient(patient)["orientation"] == "unknown"


def turned(angle):
    """An affine turned about the body's axis."""
    cos, sin = np.cos(angle), np.sin(angle)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ AFFINE[:3, :3]
    return affine


@pytest.mark.parametrize("nudge", [0.0, 1e-7, -1e-7, 1e-5, -1e-5])
@pytest.mark.parametrize("degrees", [45, 135, 225])
def test_files_that_are_turned_together_by_45_degrees_share_their_axes(tmp_path, degrees, nudge):
    """Rounding puts each on another side of the tie; the image decides for its masks."""
    image, vessels, brain = tubes()
    angle = np.deg2rad(degrees)
    patient = write_patient(tmp_path, affine=turned(angle))
    save_nifti(patient.vessels, vessels, turned(angle + nudge))
    save_nifti(patient.brain, brain, turned(angle - nudge))
    scan = load_scan(patient, patch_size=32)
    np.testing.assert_array_equal(np.sort(scan.image[scan.vessels]), np.sort(image[vessels]))
    assert sorted(scan.image.shape) == sorted(image.shape)
    back = restore(scan.vessels, patient.image)
    np.testing.assert_array_equal(np.asarray(back.dataobj) > 0, vessels)
    nib.save(back, tmp_path / "prediction.nii.gz")
    np.testing.assert_array_equal(load_mask(tmp_path / "prediction.nii.gz"), scan.vessels)


def test_slices_that_lie_far_from_axial_are_warned_of(tmp_path):
    tilted = np.eye(4)
    tilted[:3, :3] = nib.eulerangles.euler2mat(x=np.deg2rad(40)) @ AFFINE[:3, :3]
    (warning,) = load_scan(write_patient(tmp_path, affine=tilted), patch_size=16).warnings
    assert "40 degrees from axial" in warning


def test_two_orientations_in_one_header_that_contradict_each_other_are_refused(tmp_path):
    patient = write_patient(tmp_path)
    flipped = np.diag([-0.5, 0.5, 0.7, 1])
    save_both_forms(patient.image, tubes()[0], flipped, AFFINE)
    message = complaint(patient)
    assert "LAS by qform (code 1), RAS by sform (code 1)" in message


def test_two_places_in_one_header_are_warned_of_with_their_distance(tmp_path):
    patient = write_patient(tmp_path)
    moved = AFFINE.copy()
    moved[0, 3] += 1.25
    save_both_forms(patient.image, tubes()[0], moved, AFFINE, codes=(1, 2))
    (warning,) = load_scan(patient, patch_size=32).warnings
    assert "patient 017" in warning
    assert str(patient.image) in warning
    assert "2.50 voxels; sform is used" in warning


# Units and voxel sizes


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1.0), ("meter", 1e-3), ("micron", 1e3), ("unknown", 1.0)]
)
def test_lengths_of_any_unit_become_mm(tmp_path, unit, factor):
    patient = write_patient(tmp_path)
    for path in patient.files:
        image = nib.Nifti1Image(np.asanyarray(nib.load(path).dataobj), np.diag([factor] * 3 + [1]) @ AFFINE)
        image.header.set_xyzt_units(unit)
        nib.save(image, path)
    scan = load_scan(patient, patch_size=32)
    assert scan.spacing == pytest.approx((0.5, 0.5, 0.7))
    report = check_patient(patient)
    assert report["problems"] == []
    assert report["unit"] == {"meter": "metre"}.get(unit, unit)
    back = restore(scan.vessels, patient.image)
    assert back.header.get_xyzt_units()[0] == unit
    assert back.affine == pytest.approx(nib.load(patient.image).affine)


def test_files_of_one_patient_may_have_different_units(tmp_path):
    patient = write_patient(tmp_path)
    image = nib.Nifti1Image(tubes()[0], np.diag([1e-3] * 3 + [1]) @ AFFINE)
    image.header.set_xyzt_units("meter")
    nib.save(image, patient.image)
    assert load_scan(patient, patch_size=32).spacing == pytest.approx((0.5, 0.5, 0.7))


def test_a_unit_that_nifti_does_not_have_is_warned_of(tmp_path):
    patient = write_patient(tmp_path)
    poke(patient.image, UNITS, "B", 5)
    (warning,) = load_scan(patient, patch_size=32).warnings
    assert "has the unit of length 5" in warning


@pytest.mark.parametrize("size", [0.0, -0.5, np.nan, np.inf])
@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (0, 0)])
def test_an_impossible_voxel_size_is_refused_whichever_form_counts(tmp_path, size, codes):
    patient = write_patient(tmp_path)
    poke(patient.image, PIXDIM + 4, "f", size)
    poke(patient.image, FORM_CODES, "2h", *codes)
    assert f"has the voxel size {size:g} x 0.5 x 0.7 in pixdim" in complaint(patient)


def test_a_voxel_size_that_contradicts_the_affine_is_refused_with_both(tmp_path):
    patient = write_patient(tmp_path)
    poke(patient.image, PIXDIM + 4, "3f", 1.0, 1.0, 1.0)
    message = complaint(patient)
    assert (
        f"image {patient.image} has the voxel size 1 x 1 x 1 in pixdim but 0.5 x 0.5 x 0.7 in sform"
        in message
    )


def test_a_voxel_size_rounded_to_three_digits_is_no_contradiction(tmp_path):
    third = np.diag([0.3329, 0.3329, 0.7, 1])
    patient = write_patient(tmp_path, affine=third)
    for path in patient.files:
        poke(path, PIXDIM + 4, "2f", 0.333, 0.333)
    assert load_scan(patient, patch_size=32).warnings == []


def test_masks_of_another_voxel_size_are_refused_with_both_sizes(tmp_path):
    patient = write_patient(tmp_path)
    save_nifti(patient.vessels, tubes()[1], np.diag([1, 1, 1.4, 1]))
    assert "(voxels of 1 x 1 x 1.4 mm and 0.5 x 0.5 x 0.7 mm)" in complaint(patient)


@pytest.mark.parametrize("qfac", [0.0, 2.0, 1.0])
def test_a_sign_of_the_third_axis_that_is_not_minus_one_means_one(tmp_path, qfac):
    patient = write_patient(tmp_path)
    for path in patient.files:
        save_both_forms(path, np.asanyarray(nib.load(path).dataobj), AFFINE, AFFINE, codes=(1, 0))
        poke(path, PIXDIM, "f", qfac)
    np.testing.assert_array_equal(load_scan(patient, patch_size=32).vessels, tubes()[1])


def test_a_single_slice_is_no_volume(tmp_path):
    patient = write_patient(tmp_path)
    save_nifti(patient.image, tubes()[0][:, :, :1], AFFINE)
    assert "has the shape (40, 44, 1): one slice is no volume" in complaint(patient)


# What is written


def test_only_one_module_opens_image_files_and_only_these_make_them():
    """The reader of releases works on bytes from an archive, whatever a stranger put there.

    Tools of others are given images in memory or in a folder that is removed (`deid.brain`, `deid.tools`).
    """
    library = Path(nifti.__file__).parents[1]
    using = {
        path.relative_to(library).as_posix()
        for path in library.rglob("*.py")
        if re.search(r"nib(abel)?\.(load|Nifti[12]Image)\b|ReadImage|WriteImage", path.read_text())
    }
    makers = {"deid/headers.py", "phantom/dataset.py", "release/readers.py", "deid/brain.py", "deid/tools.py"}
    assert using == {"cohort/nifti.py", *makers}
    opening = [
        name for name in using if re.search(r"nib(abel)?\.load\b|ReadImage", (library / name).read_text())
    ]
    assert not opening  # nibabel decodes what this module's reader has unpacked


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_no_text_of_a_header_goes_into_a_prediction(tmp_path, kind):
    """Converters leave names, ids and times there."""
    patient = write_patient(tmp_path)
    image = kind(tubes()[0], AFFINE)
    image.set_qform(AFFINE, code=1)
    image.header["descrip"] = image.header["aux_file"] = b"DOE^JANE"
    image.header["intent_name"] = b"DOE^JANE"
    if kind is nib.Nifti1Image:
        image.header["db_name"] = b"DOE^JANE"
        image.header["session_error"] = 19500
    for code in ("comment", "dicom", "afni"):
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, b"PatientName=DOE^JANE"))
    nib.save(image, patient.image)
    assert gzip.decompress(patient.image.read_bytes()).count(b"DOE^JANE") > 5
    scan = load_scan(patient, patch_size=32)
    nib.save(restore(scan.vessels, patient.image), tmp_path / "prediction.nii.gz")
    assert b"DOE" not in gzip.decompress((tmp_path / "prediction.nii.gz").read_bytes())
    saved = nib.load(tmp_path / "prediction.nii.gz")
    assert type(saved) is kind
    assert not saved.header.extensions
    original = nib.load(patient.image).header
    np.testing.assert_array_equal(saved.header["pixdim"][:4], original["pixdim"][:4])
    for field in ("qform_code", "sform_code", "quatern_b", "qoffset_x", "srow_x", "srow_z"):
        np.testing.assert_array_equal(saved.header[field], original[field])


def test_the_order_of_reading_a_stored_file_keeps_what_its_header_says(tmp_path):
    path = save_nifti(tmp_path / "x.nii.gz", tubes()[0][..., None], np.diag([-0.5, -0.5, 0.7, 1]))
    stored = read_stored(path)
    assert stored.data.shape == (40, 44, 16)
    assert spacing_of(stored.geometry.affine) == pytest.approx((0.5, 0.5, 0.7))
    assert stored.geometry.known


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_mask_is_brought_back_by_the_start_of_its_image_alone(tmp_path, layers, kind):
    noise = np.random.default_rng(5).integers(0, 255, (60, 70, 40), np.uint8)  # does not compress
    turned = np.array([[0, 0, 0.7, 0], [-0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0, 1]])
    raw = kind(noise, turned).to_bytes()
    for _ in range(layers):
        raw = gzip.compress(raw)
    whole, start = tmp_path / "whole.nii.gz", tmp_path / "start.nii.gz"
    whole.write_bytes(raw)
    start.write_bytes(raw[:65536])
    mask = read_volume(whole).data > 200
    np.testing.assert_array_equal(np.asarray(restore(mask, start).dataobj), noise > 200)
    start.write_bytes(raw[:30])
    with pytest.raises(CohortError, match=f"image {start} is .*empty, truncated or not NIfTI"):
        restore(mask, start)
