"""One head that leaves, through its rule's script: from a scan to verified files, or to a refusal."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from deid.clinic import VIEW, Clinic
from deid.native import write
from PIL import Image

from privessel.deid import released, verify
from privessel.deid.native import read_brain, read_native
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_arrays
from privessel.study.head_scans import HeadScan


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    return Clinic(tmp_path_factory.mktemp("clinic"), {"a1": 0}, hull="brain")


@pytest.fixture
def scan(clinic):
    """The scan, whatever a test does to its files: they are written again afterwards."""
    (scan,) = clinic.scans.values()
    kept = {
        path: path.read_bytes()
        for path in (*clinic.deid.rglob("*"), *map(Path, (scan.image, scan.brain)))
        if path.is_file()
    }
    yield scan
    for path, content in kept.items():
        path.write_bytes(content)
    for path in clinic.native(scan).values():
        path.unlink(missing_ok=True)


def refused(clinic, scan, capsys):
    """Return the message of a script that ended with status 1 and without any file that could leave."""
    with pytest.raises(SystemExit) as ended:
        clinic.release_head(scan)
    assert ended.value.code == 1
    assert not [path for path in clinic.native(scan).values() if path.exists()]
    assert not list((clinic.deid / "native").rglob("*.partial*"))
    said = capsys.readouterr().err
    assert "Remedy" in said
    assert "person a1" in said
    assert "Traceback" not in said
    return said


def test_the_brain_is_equal_bit_for_bit_on_an_oblique_anisotropic_grid_with_slope_and_intercept(clinic, scan):
    made = clinic.release_head(scan)
    source, written = read_native(Path(scan.image)), read_native(made["image"])
    brain = read_brain(Path(scan.brain), source)
    np.testing.assert_array_equal(written.stored[brain], source.stored[brain])
    assert (written.stored.dtype, written.slope, written.intercept) == (np.int16, 0.5, -20.0)
    sizes = np.linalg.norm(source.affine[:3, :3], axis=0)
    np.testing.assert_allclose(sizes, [3.0, 4.2, 5.0], rtol=1e-5)
    np.testing.assert_array_equal(written.affine, source.affine)
    assert (written.stored[~brain] != source.stored[~brain]).mean() > 0.3
    np.testing.assert_array_equal(np.asarray(nib.load(made["mask"]).dataobj) == 1, ~brain)
    assert json.loads(made["sidecar"].read_text()) == {"EchoTime": 0.003}


def test_the_picture_stays_beside_and_says_so(clinic, scan):
    clinic.release_head(scan)
    path = clinic.place(f"native/{clinic.hull}", scan, "-inside-only.png")
    with Image.open(path) as picture:
        assert picture.size == (5 * VIEW, 2 * VIEW)
    assert path not in clinic.native(scan).values()


def test_another_persons_face_around_the_same_brain_gives_the_same_files_bit_for_bit(clinic, tmp_path):
    """From the scan on: frame, gamma, hull, composition, files. The hull `brain` asks nothing of a face."""
    files = []
    for face in (None, 2):
        folder = tmp_path / str(face)
        one = Clinic.__new__(Clinic)
        vars(one).update(vars(clinic))
        one.folder, one.deid = folder, folder / "results" / "study" / "deid"
        scan = one.scan("a1", 0, face=face)
        one.scans = {"a1": scan}
        one.check(scan)
        one.shield()
        one.teach()
        one.make(scan)
        files.append({kind: path.read_bytes() for kind, path in one.release_head(scan).items()})
        files[-1]["source"] = Path(scan.image).read_bytes()
    assert files[0].pop("source") != files[1].pop("source")
    assert files[0] == files[1]


def test_the_same_bytes_come_again(clinic, scan):
    first = {kind: path.read_bytes() for kind, path in clinic.release_head(scan).items()}
    for path in clinic.native(scan).values():
        path.unlink()
    assert first == {kind: path.read_bytes() for kind, path in clinic.release_head(scan).items()}


def test_nothing_of_the_source_but_brain_and_grid_is_in_the_files(clinic, scan):
    for path in clinic.release_head(scan).values():
        content = path.read_bytes()
        content += gzip.decompress(content) if path.suffix == ".gz" else b""
        for told in (b"Jane", b"4711", b"MRN", b"2024", b"pacs", b"a1_"):
            assert told not in content, (path, told)


# --- Each check broken once ---


def test_a_head_with_the_persons_own_face_is_refused(clinic, scan, capsys):
    own = read_arrays(clinic.place("frame", scan))["image"]
    write_arrays(clinic.place("made/brain", scan), image=np.clip(own * 0.97, 0, 1))
    write_arrays(clinic.hulls, **{scan.name: np.ones(own.shape, bool)})
    assert "its face is like the source's" in refused(clinic, scan, capsys)
    assert clinic.place("native/brain", scan, "-inside-only.png").exists()  # to look at


@pytest.mark.parametrize("broken", ["brain", "face", "outside", "header", "cut"])
def test_whatever_is_wrong_with_the_written_file_leaves_none(clinic, scan, capsys, monkeypatch, broken):
    compose, pack = released.compose, verify.pack_scan

    def changed(source, brain, generated, hull, place):
        output = compose(source, brain, generated, hull, place)
        if broken == "brain":
            output[tuple(np.argwhere(brain)[7])] += 1
        elif broken == "face":
            output[...] = source.stored
        elif broken == "outside":
            output[0, 0, 0] += 1
        return output

    def packed(stored, source, **scale):
        whole = pack(stored, source, **scale)
        if broken == "header":
            raw = bytearray(gzip.decompress(whole))
            raw[148:152] = b"Jane"
            return gzip.compress(bytes(raw), mtime=0)
        return whole[: len(whole) // 2] if broken == "cut" else whole

    monkeypatch.setattr(released, "compose", changed)
    monkeypatch.setattr(verify, "pack_scan", packed)
    said = {
        "brain": "its brain is not the source's, voxel by voxel",
        "face": "of the head beside the brain is as in the source",
        "outside": "1 voxels outside of the shielded hull are not air",
        "header": "its header has more than it may: descrip",
        "cut": "it cannot be read back",
    }
    assert said[broken] in refused(clinic, scan, capsys)


# --- Inputs that do not belong together ---


def test_a_scan_that_was_changed_after_its_checks_is_refused(clinic, scan, capsys):
    image = nib.load(scan.image)
    write(Path(scan.image), image.get_fdata() * 1.01, image.affine)
    assert "is not the scan that was checked" in refused(clinic, scan, capsys)


def test_a_mask_that_was_changed_after_its_checks_is_refused(clinic, scan, capsys):
    mask = np.asarray(nib.load(scan.brain).dataobj).copy()
    mask[:, : mask.shape[1] // 2] = 0
    write(Path(scan.brain), mask, nib.load(scan.brain).affine, slope=None, dtype=np.uint8)
    assert "is not the mask that the scan was framed by" in refused(clinic, scan, capsys)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image[:-1], "has the shape (31, 32, 32)"),
        (lambda image: image + 1, "values outside of 0 to 1"),
        (lambda image: image * np.nan, "values outside of 0 to 1"),
    ],
)
def test_a_made_head_that_is_none_is_refused(clinic, scan, capsys, change, said):
    image = read_arrays(clinic.place("made/brain", scan))["image"]
    write_arrays(clinic.place("made/brain", scan), image=change(image))
    assert said in refused(clinic, scan, capsys)


def test_a_scan_that_is_no_longer_there_is_refused(clinic, scan, capsys):
    gone = HeadScan(scan.person, scan.session, scan.image + ".gone", scan.brain)
    assert f"{gone.image} does not exist" in refused(clinic, gone, capsys)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_sidecar_that_is_none_is_refused(clinic, scan, capsys, text):
    sidecar = Path(scan.image.replace(".nii.gz", ".json"))
    kept = sidecar.read_text()
    sidecar.write_text(text)
    try:
        assert f"{sidecar} is no JSON" in refused(clinic, scan, capsys)
    finally:
        sidecar.write_text(kept)


def test_a_scan_without_a_sidecar_leaves_with_an_empty_one(clinic, scan):
    sidecar = Path(scan.image.replace(".nii.gz", ".json"))
    kept = sidecar.read_text()
    sidecar.unlink()
    try:
        assert json.loads(clinic.release_head(scan)["sidecar"].read_text()) == {}
    finally:
        sidecar.write_text(kept)


def test_only_results_are_written(clinic, scan):
    before = {path for path in clinic.folder.rglob("*") if path.is_file()}
    clinic.release_head(scan)
    new = {path for path in clinic.folder.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(clinic.results) for path in new - {clinic.folder / "logs.log"})
