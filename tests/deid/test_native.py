import gzip
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from deid.native import oblique, oblique_affine, write

from privessel.deid import verify
from privessel.deid.compose import changed_region, compose
from privessel.deid.frame import find_place, frame, from_cube, to_cube
from privessel.deid.gamma import transform
from privessel.deid.headers import build_image
from privessel.deid.native import read_brain, read_native
from privessel.deid.render import measure_depth
from privessel.deid.sidecar import NUMBERS, TERMS, scrub_sidecar
from privessel.deid.verify import find_problems, write_defacing_mask, write_verified
from privessel.errors import CohortError

S, FOV = 48, 256.0


def framed_of(scan, brain):
    place = find_place(np.where(brain, scan.values, 0), brain, scan.affine, side=S, field_of_view=FOV)
    return frame(scan.values, brain, scan.affine, place)


class Case:
    """One person's scan on the oblique grid, another's head to put around the brain, and the average face."""

    def __init__(self, folder):
        affine, _ = oblique_affine()
        self.affine, self.folder = affine, folder
        image, brain = oblique(0)
        self.path = write(folder / "scan.nii.gz", image * 300, affine)
        mask = write(folder / "brain.nii.gz", brain.astype(np.uint8), affine, slope=None, dtype=np.uint8)
        self.scan = read_native(self.path)
        self.brain = read_brain(mask, self.scan)
        self.framed = framed_of(self.scan, self.brain)
        other = read_native(write(folder / "other.nii.gz", oblique(1)[0] * 300, affine))
        self.other = framed_of(other, oblique(1)[1])
        gamma = transform(
            self.other.image, self.framed.brain, np.random.default_rng(1), rotations=4, planes=60
        )
        self.hull = gamma.hull
        faces = [self.framed, self.other, framed_of(read_native(self.path), self.brain)]
        self.average = np.mean([measure_depth(one.image) for one in faces], 0)
        self.average = self.average + np.random.default_rng(2).normal(0, 1, self.average.shape)

    def output(self):
        return compose(self.scan, self.brain, self.other.image, self.hull, self.framed.place)

    def check(self, path=None, **changed):
        given = {"place": self.framed.place, "hull": self.hull, "average": self.average} | changed
        return find_problems(path or self.out, self.scan, self.brain, **given)

    @property
    def out(self):
        return self.folder / "out.nii.gz"

    def write(self, output=None):
        write_verified(
            self.out,
            self.output() if output is None else output,
            self.scan,
            self.brain,
            place=self.framed.place,
            hull=self.hull,
            average=self.average,
            who="patient x1",
        )


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("case"))


def test_stored_integers_are_read_unscaled_with_slope_and_intercept(case):
    assert case.scan.stored.dtype == np.int16
    assert (case.scan.slope, case.scan.intercept) == (0.5, -20.0)
    np.testing.assert_allclose(case.scan.values, nib.load(case.path).get_fdata(), atol=1e-9)
    np.testing.assert_array_equal(case.scan.as_stored(case.scan.values), case.scan.stored)
    assert case.scan.as_stored(np.array([1e9]))[0] == np.iinfo(np.int16).max


def test_brain_voxels_are_equal_bit_for_bit_after_reading_back(case):
    case.write()
    again = read_native(case.out)
    np.testing.assert_array_equal(again.stored[case.brain], case.scan.stored[case.brain])
    assert again.stored.dtype == np.int16
    assert (again.slope, again.intercept) == (0.5, -20.0)
    np.testing.assert_allclose(again.affine, case.scan.affine, atol=1e-5)
    assert not np.array_equal(again.stored, case.scan.stored)


def test_nothing_of_the_header_but_the_grid_leaves(case):
    case.write()
    raw = nib.load(case.out)
    assert b"Jane" not in raw.header.binaryblock
    assert bytes(raw.header["descrip"]).strip(b"\0") == b""


@pytest.mark.parametrize(("code", "field"), [("qform_code", "quatern_b"), ("sform_code", "srow_x")])
def test_fields_of_a_form_that_is_not_used_stay_behind(code, field):
    """Four or more bytes each, which no reader looks at."""
    source = nib.Nifti1Header()
    source.set_data_shape((3, 4, 5))
    source.set_qform(np.eye(4), code=1)
    source.set_sform(np.eye(4), code=1)
    source[field] = np.frombuffer(b"JaneDoe 19480229"[: source[field].nbytes], np.float32).reshape(
        source[field].shape
    )
    source[code] = 0
    written = build_image(np.zeros((3, 4, 5), np.int16), source, slope=1.0, intercept=0.0)
    raw = written.to_bytes()
    assert b"Jane" not in raw
    np.testing.assert_array_equal(nib.Nifti1Image.from_bytes(raw).affine, np.eye(4))


def test_a_face_outside_of_the_hull_is_air(case):
    output = case.output()
    inside = from_cube(case.hull.astype(float), case.framed.place, case.affine, output.shape) >= 0.5
    outside = ~inside & ~case.brain
    assert set(np.unique(output[outside])) == {case.scan.as_stored(np.zeros(1))[0]}


def test_another_face_around_the_same_brain_gives_the_same_file_bit_for_bit(case, tmp_path):
    """All the way from the native scan: frame, masked brain, composition."""
    swapped = np.where(case.brain, case.scan.values, oblique(2)[0] * 300)
    twin = read_native(write(tmp_path / "twin.nii.gz", swapped, case.affine))
    np.testing.assert_array_equal(twin.stored[case.brain], case.scan.stored[case.brain])
    framed = framed_of(twin, case.brain)
    np.testing.assert_array_equal(framed.place.affine, case.framed.place.affine)
    assert framed.place.scale == case.framed.place.scale
    np.testing.assert_array_equal(framed.brain, case.framed.brain)
    np.testing.assert_array_equal(framed.image[framed.brain], case.framed.image[framed.brain])
    assert not np.array_equal(framed.image, case.framed.image)
    output = compose(twin, case.brain, case.other.image, case.hull, framed.place)
    np.testing.assert_array_equal(output, case.output())


def test_a_volume_comes_back_from_the_cube_where_it_was(case):
    place = case.framed.place
    back = from_cube(to_cube(case.scan.values, case.affine, place), place, case.affine, case.brain.shape)
    inside = case.brain
    assert np.corrcoef(back[inside], case.scan.values[inside])[0, 1] > 0.8


def test_the_brain_lies_in_the_cube_as_the_average_brain_does(case):
    centre = np.argwhere(case.framed.brain).mean(0)
    np.testing.assert_allclose(centre, np.argwhere(case.other.brain).mean(0), atol=1.0)
    assert case.framed.brain.sum() * case.framed.place.voxel**3 == pytest.approx(
        case.brain.sum() * 3 * 4.2 * 5, rel=0.05
    )
    assert np.quantile(case.framed.image[case.framed.brain], 0.95) == pytest.approx(0.85, abs=0.05)


# --- Fail closed: each check is broken once ---


def test_a_changed_brain_voxel_stops_the_file(case):
    case.out.unlink(missing_ok=True)
    output = case.output()
    place = tuple(np.argwhere(case.brain)[0])
    output[place] += 1
    with pytest.raises(CohortError, match=r"patient x1.*brain is not the source's.*not written.*Remedy"):
        case.write(output)
    assert not list(case.folder.glob("*out*"))


def test_a_copied_face_stops_the_file(case):
    case.out.unlink(missing_ok=True)
    with pytest.raises(CohortError, match="of the head beside the brain is as in the source"):
        case.write(case.scan.stored.copy())
    assert not list(case.folder.glob("*out*"))


@pytest.mark.parametrize("levels", [100, 60])
def test_a_scan_of_few_grey_levels_passes_and_a_tenth_of_its_face_does_not(tmp_path, levels):
    """Two heads of few grey levels have some values in common wherever one looks."""
    image, brain = oblique(0)
    affine = oblique_affine()[0]
    path = write(tmp_path / "8bit.nii.gz", image * levels, affine, slope=1.0, intercept=0.0, dtype=np.uint8)
    scan = read_native(path)
    place = framed_of(scan, brain).place
    values = np.clip(oblique(1)[0] * levels, 0, 255)
    output = np.where(brain, scan.stored, values).astype(np.uint8)
    told = verify.equal_share(replace(scan, stored=output), scan, brain, place)
    assert told[0] > verify.MOST_EQUAL
    assert told[0] < verify.MOST_EQUAL + verify.CHANCES * told[1]
    rows = np.flatnonzero((scan.stored > 20).any((1, 2)))
    face = np.arange(scan.stored.shape[0]) >= np.quantile(rows, 0.9)  # the front: the first axis goes there
    output[face] = scan.stored[face]
    told = verify.equal_share(replace(scan, stored=output), scan, brain, place)
    assert told[0] > verify.MOST_EQUAL + verify.CHANCES * told[1]


def test_the_same_face_with_other_grey_values_stops_the_file(case):
    same = compose(
        case.scan, case.brain, case.framed.image * 0.97, np.ones((S,) * 3, bool), case.framed.place
    )
    with pytest.raises(CohortError, match="its face is like the source's"):
        case.write(same)


def test_a_header_with_more_than_its_grid_is_found(case, tmp_path):
    case.write()
    image = nib.load(case.out)
    raw = nib.Nifti1Image(np.asanyarray(image.dataobj.get_unscaled()), None, image.header)
    raw.header.set_slope_inter(0.5, -20.0)
    raw.header["descrip"] = b"Jane"
    raw.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane"))
    path = tmp_path / "told.nii.gz"
    raw.to_filename(path)
    problems = " ".join(case.check(path))
    assert "descrip, extensions" in problems


def test_a_name_in_the_gzip_header_is_found(case, tmp_path):
    case.write()
    path = tmp_path / "jane_doe.nii.gz"
    with gzip.open(path, "wb") as packed:
        packed.write(gzip.decompress(case.out.read_bytes()))
    assert "its gzip header has a name" in " ".join(case.check(path))


def test_another_grid_type_or_scale_is_found(case, tmp_path):
    output = case.output()
    shifted = case.affine.copy()
    shifted[0, 3] += 1
    moved = write(tmp_path / "moved.nii.gz", output * 0.5 - 20, shifted)
    assert "another grid" in " ".join(case.check(moved))
    scaled = write(tmp_path / "scaled.nii.gz", output * 0.5 - 20, case.affine, slope=1.0)
    assert "another scale" in " ".join(case.check(scaled))


def test_a_voxel_outside_of_the_hull_stops_the_file(case):
    case.out.unlink(missing_ok=True)
    output = case.output()
    inside = from_cube(case.hull.astype(float), case.framed.place, case.affine, output.shape) >= 0.5
    output[tuple(np.argwhere(~inside & ~case.brain)[0])] += 1
    with pytest.raises(CohortError, match="1 voxels outside of the shielded hull are not air"):
        case.write(output)
    assert not list(case.folder.glob("*out*"))


def test_a_head_that_was_composed_in_another_hull_is_found(case):
    case.write()
    small = case.hull & (np.arange(S) > S / 2)
    assert "outside of the shielded hull" in " ".join(case.check(hull=small))


@pytest.mark.parametrize("kept", [10, 0.5, -1])
def test_a_file_that_was_cut_short_is_found(case, tmp_path, kept):
    case.write()
    whole, path = case.out.read_bytes(), tmp_path / "cut.nii.gz"
    path.write_bytes(whole[: int(kept * len(whole)) if kept == 0.5 else kept])
    assert "it cannot be read back" in " ".join(case.check(path))


def test_a_scan_of_the_other_byte_order_passes(case, tmp_path):
    """Files of old scanners are stored so; what leaves is in the machine's own order."""
    header = nib.Nifti1Header(endianness=">")
    image = nib.Nifti1Image(case.scan.stored.astype(">i2"), None, header)
    image.set_qform(case.affine, code=1)
    image.set_sform(case.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(0.5, -20.0)
    path = tmp_path / "swapped.nii.gz"
    image.to_filename(path)
    swapped = read_native(path)
    assert swapped.header.endianness == ">"
    np.testing.assert_array_equal(swapped.stored, case.scan.stored)
    case.scan, kept = swapped, case.scan
    try:
        case.write()
    finally:
        case.scan = kept
    np.testing.assert_array_equal(read_native(case.out).stored[case.brain], kept.stored[case.brain])


def test_a_check_that_raises_leaves_no_file_either(case, monkeypatch):
    case.out.unlink(missing_ok=True)
    monkeypatch.setattr(verify, "read_native", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        case.write()
    assert not list(case.folder.glob("*out*"))


def test_the_defacing_mask_is_one_where_voxels_were_replaced(case):
    path = case.folder / "defacemask.nii.gz"
    write_defacing_mask(path, changed_region(case.brain), case.scan)
    np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj) == 1, ~case.brain)


def test_a_sidecar_keeps_what_many_scans_share_and_nothing_else():
    sidecar = {
        "EchoTime": 0.003,
        "PatientName": "Jane",
        "AcquisitionTime": "12:00",
        "SeriesInstanceUID": "1.2.3",
        "RepetitionTime": {"PatientID": "4711"},
    }
    assert scrub_sidecar(sidecar) == {"EchoTime": 0.003}
    assert "DeviceSerialNumber" not in {*NUMBERS, *TERMS}
    assert "Jane" not in json.dumps(scrub_sidecar(sidecar))


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("ScanningSequence", "GR_IR", "GR_IR"),
        ("ScanningSequence", "GR; Jane Doe", None),
        ("ScanningSequence", "_".join(["SE", "IR"] * 50), None),  # as long a text as one likes, in two words
        ("PhaseEncodingDirection", "j-", "j-"),
        ("Modality", "MRN 4711", None),
        ("EchoTime", 4711, None),  # a number of a person's in the place of a time
        ("EchoTime", 0.00298471123, 0.002985),
        ("FlipAngle", True, None),
        ("FlipAngle", float("nan"), None),
        ("RepetitionTime", "2.3", None),
    ],
)
def test_a_sidecars_numbers_are_within_range_and_rounded_and_its_texts_are_terms(name, value, kept):
    assert scrub_sidecar({name: value}) == ({} if kept is None else {name: kept})


# --- Masks that do not belong ---


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("shape", "has the shape"),
        ("place", "voxels away from its scan"),
        ("values", "where a mask holds 0 and one other"),
    ],
)
def test_a_mask_that_does_not_belong_to_its_scan_is_refused(case, tmp_path, change, said):
    mask, affine = case.brain.astype(np.uint8), case.affine.copy()
    if change == "shape":
        mask = mask[:-1]
    elif change == "place":
        affine[0, 3] += 20
    else:
        mask[0, 0, 0] = 7
    path = write(tmp_path / "mask.nii.gz", mask, affine, slope=None, dtype=np.uint8)
    with pytest.raises(CohortError, match=said):
        read_brain(path, case.scan)
