import nibabel as nib
import numpy as np
import pytest
from deid.native import SIDE, fine, write
from scipy.ndimage import binary_dilation

from privessel.cohort.geometry import read_geometry
from privessel.cohort.nifti import read_volume
from privessel.deid.head_cohort import scanner_affine
from privessel.deid.intake import check_head, check_sources_outside, find_head
from privessel.deid.native import read_native
from privessel.deid.removal import keep_brain, remove_face, shear
from privessel.errors import CohortError

AFFINE = scanner_affine(SIDE)


def geometry(affine, known):
    header = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), affine).header
    if not known:
        header["sform_code"] = header["qform_code"] = 0
    else:
        header.set_sform(affine, code=1)
    return read_geometry(header, (4, 4, 4))


def check(values, brain, *, affine=AFFINE, known=True, most=4.0):
    return check_head(values, brain, geometry(affine, known), where="patient x1: scan", most_voxel_mm=most)


@pytest.fixture
def head():
    values, brain = fine(0)
    return np.rint(values), brain.copy()


def refuse(match, values, brain, **given):
    with pytest.raises(CohortError, match=match) as refused:
        check(values, brain, **given)
    assert "patient x1: scan" in str(refused.value)
    assert "Remedy" in str(refused.value)


@pytest.mark.parametrize("number", range(6))
def test_a_whole_head_is_accepted_without_a_warning(number):
    values, brain = fine(number)
    report = check(np.rint(values), brain)
    assert report.warnings == ()
    assert 2.5 < report.head_litres < 8


def test_two_volumes_in_one_file_are_refused(tmp_path):
    path = tmp_path / "scan.nii.gz"
    nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.int16), AFFINE).to_filename(path)
    with pytest.raises(CohortError, match="has 4 dimensions"):
        read_native(path)


def test_values_that_are_no_image_are_refused(head):
    values, brain = head
    for value in (np.nan, 1e300):  # the frame has float32
        broken = values.astype(np.float64)
        broken[0, 0, 0] = value
        refuse("1 NaN or infinite voxels", broken, brain)
    refuse("zero everywhere", np.zeros_like(values), brain)
    refuse("1 grey levels", np.ones_like(values), brain)
    refuse("2 grey levels", (values > 100) * 1.0, brain)


def test_coarse_and_thick_voxels_are_refused(head):
    refuse("up to 4 mm wide, more than 3", *head, most=3.0)
    refuse("4 times longer", *head, affine=AFFINE @ np.diag([0.5, 0.5, 2, 1]), most=8.0)


def test_a_header_without_orientation_is_refused(head):
    refuse("neither qform nor sform", *head, known=False)


def test_forms_that_disagree_are_refused(tmp_path):
    values, brain = fine(0)
    path = write(tmp_path / "scan.nii.gz", values, AFFINE)
    image = nib.load(path)
    moved = AFFINE.copy()
    moved[0, 3] += 30
    image.set_qform(moved, code=1)
    image.to_filename(path)
    with pytest.raises(CohortError, match=r"elsewhere by its qform.*voxels\. Remedy"):
        check_head(
            read_volume(path).data,
            brain,
            read_native(path).geometry,
            where="patient x1: scan",
            most_voxel_mm=4,
        )


def test_a_scan_without_a_head_is_refused(head):
    values, brain = head
    refuse("no head was found.*skull-stripped", np.where(brain, values, 0) * 0.5, brain, affine=AFFINE)
    crowd = np.full_like(values, 300.0) + np.arange(SIDE)
    refuse("no head was found", crowd, brain)


def test_a_brain_of_the_wrong_size_is_refused(head):
    values, brain = head
    refuse("0 litres", values, np.zeros_like(brain))
    refuse("a brain 0.7 to 2.2", values, binary_dilation(brain, iterations=6))


def test_a_mask_at_the_border_is_refused(head):
    values, brain = head
    shift = int(np.argwhere(brain)[:, 2].max())
    cut = slice(0, shift - 2)
    refuse("touches the border", values[:, :, cut], brain[:, :, cut])


def test_a_mask_that_holds_skin_is_refused(head):
    values, brain = head
    places = np.argwhere(brain)
    (_, back, low), (_, front, high) = places.min(0), places.max(0)
    swollen = brain.copy()
    region = np.zeros_like(brain)
    region[:, front - (front - back) // 4 :, : low + (high - low) // 3] = True
    swollen |= binary_dilation(brain, iterations=12) & find_head(values, brain) & region
    refuse("the mask holds skin or eyes", values, swollen)


def test_a_cut_vertex_and_a_cut_forehead_are_refused(head):
    values, brain = head
    top = int(np.argwhere(brain)[:, 2].max()) + 2
    refuse("vertex", values[:, :, :top], brain[:, :, :top])
    front = int(np.argwhere(brain)[:, 1].max()) + 2
    refuse("forehead", values[:, :front], brain[:, :front])


def test_a_cut_face_is_warned_of_and_processed(head):
    values, brain = head
    low = int(np.argwhere(brain)[:, 2].min()) - 2
    report = check(values[:, :, low:], brain[:, :, low:])
    assert "face is cut off" in report.warnings[0]


def test_a_defaced_head_is_refused(head):
    values, brain = head
    places = np.argwhere(brain)
    (_, back, low), (_, front, high) = places.min(0), places.max(0)
    defaced = values.copy()
    keep = binary_dilation(brain, iterations=2)
    y, z = np.arange(SIDE)[None, :, None], np.arange(SIDE)[None, None, :]
    below = (y > front - 0.3 * (front - back)) & (z < low + 0.5 * (high - low))
    defaced[np.broadcast_to(below, brain.shape) & ~keep] = 0
    refuse("defaced before", defaced, brain)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("remove", [remove_face, shear])
def test_a_head_that_went_through_a_method_of_removal_is_refused(remove, number):
    values, brain = fine(number)
    refuse("defaced before", remove(np.rint(values), brain), brain)


def test_a_brain_that_a_method_left_alone_is_refused(head):
    values, brain = head
    with pytest.raises(CohortError, match="Remedy"):
        check(keep_brain(values, brain), brain)


def test_sinuses_and_a_nasal_cavity_near_the_brain_are_no_air_outside(head):
    """As in real heads: dark hollows that reach to a few mm of the mask and open in a narrow nostril."""
    values, brain = head
    (left, _, low), (right, front, _) = np.argwhere(brain).min(0), np.argwhere(brain).max(0)
    middle = (left + right) // 2
    hollow = values.copy()
    hollow[middle - 3 : middle + 4, front - 12 : front + 2, low - 3 : low + 1][
        ~brain[middle - 3 : middle + 4, front - 12 : front + 2, low - 3 : low + 1]
    ] = 0
    hollow[middle, front:, low - 3] = 0  # the way out
    assert check(hollow, brain).warnings == ()


def test_a_skull_stripped_brain_is_refused(head):
    values, brain = head
    near = binary_dilation(brain, iterations=1)
    refuse("skull-stripped", np.where(near, np.maximum(values, 200 * near), 0), brain)


def test_a_t2_contrast_is_refused(head):
    values, brain = head
    refuse("T1-weighted", np.where(brain, 700 - values, values), brain)


def test_every_problem_is_listed_at_once(head):
    with pytest.raises(CohortError, match="2 problems") as refused:
        check(*head, known=False, most=3.0)
    assert str(refused.value).count("Remedy") == 2


def test_a_scan_inside_of_the_results_is_refused(tmp_path):
    check_sources_outside({"x1": tmp_path / "data" / "scan.nii.gz"}, tmp_path / "results")
    with pytest.raises(CohortError, match="x1.*lies in the results"):
        check_sources_outside({"x1": tmp_path / "results" / "scan.nii.gz"}, tmp_path / "results")
