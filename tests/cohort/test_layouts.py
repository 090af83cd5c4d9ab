"""Names of files as data sets have them: a template for each role, and the patients they fit."""

import pytest

from privessel.cohort.layouts import recognise
from privessel.cohort.naming import read_name

IXI = ["IXI002-Guys-0828", "IXI012-HH-1211", "IXI035-IOP-0873"]


def nifti(*names):
    return [f"{name}.nii.gz" for name in names]


def test_ixi_with_masks_beside_its_scans():
    found = recognise(
        nifti(
            *(f"volumes/{name}-MRA" for name in IXI),
            *(f"vessels/{name}-MRA_vessel_mask2" for name in IXI),
            *(f"masks/{name}-MRA_mask" for name in IXI),
            *(f"IXI-T1/{name}-T1" for name in IXI),
        )
    )
    assert found.kind == "IXI"
    assert found.templates["image"] == "volumes/{patient}-MRA.nii.gz"
    assert found.templates["vessels"] == "vessels/{patient}-MRA_vessel_mask2.nii.gz"
    assert found.templates["brain"] == "masks/{patient}-MRA_mask.nii.gz"
    assert list(found.patients) == IXI


def test_masks_that_have_their_images_name_are_known_by_their_folder():
    found = recognise(nifti(*(f"{name}-MRA" for name in IXI), *(f"labels/{name}-MRA" for name in IXI)))
    assert found.templates["image"] == "{patient}-MRA.nii.gz"
    assert found.templates["vessels"] == "labels/{patient}-MRA.nii.gz"


def test_topcow_leaves_out_ct_and_prefers_binary_masks():
    names = [f"topcow_{kind}_whole_{k:03d}" for kind in ("ct", "mr") for k in (1, 2)]
    folders = ("mul_labelsTr", "bin_labelsTr")
    found = recognise(
        nifti(
            *(f"imagesTr/{name}_0000" for name in names), *(f"{f}/{name}" for f in folders for name in names)
        )
    )
    assert found.kind == "TopCoW"
    assert found.templates["image"] == "imagesTr/topcow_mr_whole_{patient}_0000.nii.gz"
    assert found.templates["vessels"] == "bin_labelsTr/topcow_mr_whole_{patient}.nii.gz"
    assert list(found.patients) == ["001", "002"]
    assert "mul_labelsTr" in "".join(found.remarks)


def test_oasis_takes_one_session_a_patient_one_that_has_a_mask():
    scans = [(1, "d0129", "anat4"), (2, "d0757", "anat5"), (2, "d2341", "anat3")]
    image = "OAS3000{0}_MR_{1}/{2}/sub-OAS3000{0}_ses-{1}_acq-TOF_angio"
    mask = "derivatives/vessels/sub-OAS3000{0}/ses-{1}/anat/sub-OAS3000{0}_ses-{1}_acq-TOF_desc-vessels_mask"
    found = recognise(
        nifti(*(image.format(*scan) for scan in scans), mask.format(*scans[0]), mask.format(*scans[2]))
    )
    assert found.kind == "OASIS-3"
    assert (
        found.templates["image"]
        == "{patient}_MR_{session}/{series}/sub-{patient}_ses-{session}_acq-TOF_angio.nii.gz"
    )
    assert found.patients == {
        "OAS30001": {"session": "d0129", "series": "anat4"},
        "OAS30002": {"session": "d2341", "series": "anat3"},
    }
    assert any("more than one scan" in remark for remark in found.remarks)


@pytest.mark.parametrize("form", ["{role}/{site}/{site}_{k}", "{site}/{role}/{site}_{k}"])
def test_costa_has_a_column_for_the_folder_of_each_site(form):
    places = [(site, k) for site in ("ADAM", "LocH1") for k in (11, 12)]
    names = [form.format(role=role, site=s, k=k) for role in ("imagesTr", "labelsTr") for s, k in places]
    found = recognise(nifti(*names))
    assert found.kind == "COSTA"
    assert found.patients["LocH1_12"] == {"folder": "LocH1"}
    for name, (site, k) in zip(names, places, strict=False):
        path = found.templates["image"].format(patient=f"{site}_{k}", folder=site)
        assert path == f"{name}.nii.gz"


@pytest.mark.parametrize(
    ("names", "templates"),
    [
        (("017_img", "017_label", "017_mask"), ("{patient}_img", "{patient}_label", "{patient}_mask")),
        (("017/TOF", "017/vessels", "017/brain"), ("{patient}/TOF", "{patient}/vessels", "{patient}/brain")),
        (("images/case_1", "masks/case_1"), ("images/{patient}", "masks/{patient}", None)),
        (("volumes/007", "vessels/vessels_007", "masks/pred_007"),
         ("volumes/{patient}", "vessels/vessels_{patient}", "masks/pred_{patient}")),
        (("data/A1/scans/tof", "data/A1/masks/vessels"),
         ("data/{patient}/scans/tof", "data/{patient}/masks/vessels", None)),
        (("PAT1/TOF_MRA", "PAT1/vessel_seg", "PAT1/brain_mask"),
         ("{patient}/TOF_MRA", "{patient}/vessel_seg", "{patient}/brain_mask")),
        (("0000_img", "0000_seg"), ("{patient}_img", "{patient}_seg", None)),
    ],
)  # fmt: skip
def test_plain_names(names, templates):
    found = recognise(nifti(*names))
    expected = [None if template is None else f"{template}.nii.gz" for template in templates]
    assert list(found.templates.values()) == expected
    assert len(found.patients) == 1


def test_patients_without_a_mask_are_left_out_and_named():
    found = recognise(nifti("a_img", "b_img", "a_label"))
    assert list(found.patients) == ["a"]
    assert any("left out: b" in remark for remark in found.remarks)


def test_no_masks_are_no_reason_to_find_nothing():
    found = recognise(nifti(*(f"{name}-MRA" for name in IXI)))
    assert found.templates["vessels"] is None
    assert list(found.patients) == IXI


def test_lesions_and_other_contrasts_are_neither_images_nor_vessel_masks():
    assert recognise(nifti("sub-01/anat/sub-01_T1w", "sub-01/anat/sub-01_T2w")) is None
    lesion = "derivatives/manual_masks/sub-01/anat/sub-01_desc-Lesion_mask.nii.gz"
    assert read_name(lesion).role == "other"


def test_a_folder_with_braces_stays_a_path():
    found = read_name("{set}/017_img.nii.gz")
    assert found.template.format(patient="017", folder="{set}") == "{set}/017_img.nii.gz"


def test_a_session_with_a_patients_number_is_not_taken_for_the_patient():
    found = read_name("sub-1/ses-1/anat/sub-1_ses-1_angio.nii.gz")
    assert found.template == "sub-{patient}/ses-{session}/anat/sub-{patient}_ses-{session}_angio.nii.gz"
