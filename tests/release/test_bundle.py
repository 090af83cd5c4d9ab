"""The release: what is in it, and what its recipient can check."""

import hashlib
import json
import os
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from exported import read_nnunet, read_png_pairs
from PIL import Image
from tiny_release import (
    FORBIDDEN,
    REAL,
    TERMS,
    content_of,
    make_release,
    outline_of,
    public_numbers,
    publish,
    scaled,
    textures,
    verified,
)

from privessel.errors import PrivacyError
from privessel.files import checkpoint
from privessel.privacy.signing import Signer
from privessel.release import bundle
from privessel.release.archive import pack
from privessel.release.bundle import write_files
from privessel.release.checks.words import odds
from privessel.release.scanner import scan

# --- What is in it ------------------------------------------------------------------------------------------


def test_a_release_is_the_same_bytes_whenever_it_is_made_and_its_recipient_can_check_it(tmp_path, generator):
    digests = set()
    for name, time in (("one", 1_000_000_000), ("other", 1_600_000_000)):
        given = tmp_path / name / "generator.pt"
        given.parent.mkdir()
        shutil.copy(generator, given)
        os.utime(given, (time, time))
        publish(tmp_path / name / "vessels.tar.gz", generator=given)
        digests.add(hashlib.sha256((tmp_path / name / "vessels.tar.gz").read_bytes()).hexdigest())
    assert len(digests) == 1
    received = tmp_path / "received"
    with tarfile.open(tmp_path / "one" / "vessels.tar.gz") as tar:
        tar.extractall(received, filter="data")
    assert verified(received / "vessels").returncode == 0
    same = [path.read_bytes() for path in sorted((received / "vessels").rglob("*")) if path.is_file()]
    folder = tmp_path / "other" / "vessels"
    assert same == [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def test_the_three_forms_hold_the_same_pairs(clean):
    with np.load(clean / "data" / "pairs.npz") as arrays:
        pairs = arrays["image"], arrays["label"]
    assert [array.dtype for array in pairs] == [np.uint8, bool]
    for found in (
        read_png_pairs(clean / "data" / "png"),
        read_nnunet(clean / "data" / "nnunet" / "Dataset501_vessels"),
    ):
        assert all(np.array_equal(one, other) for one, other in zip(pairs, found, strict=True))


def test_a_generator_leaves_with_shape_and_weights_only_and_draws_the_same(clean, generator):
    leaving = checkpoint.load(clean / "model" / "generator.pt")
    assert leaving.keys() == {"shape", "weights"}
    before = checkpoint.load(generator)["weights"]
    assert all(torch.equal(before[name], value) for name, value in leaving["weights"].items())


def test_without_being_asked_for_no_weights_leave(tmp_path):
    publish(tmp_path / "vessels.tar.gz", terms=replace(TERMS, weights=False))
    assert not (tmp_path / "vessels" / "model").exists()
    assert "generator.pt" not in (tmp_path / "vessels" / "README.md").read_text()


def test_a_public_cohort_says_that_its_noise_protects_nobody(clean):
    for name in ("README.md", "PRIVACY.md"):
        assert "protects nobody" in (clean / name).read_text()
    numbers = json.loads((clean / "privacy.json").read_text())
    assert (numbers["protects"], numbers["public_key"]) == (False, True)
    assert "valid eps" not in (clean / "PRIVACY.md").read_text()


def test_croissant_metadata_pass_their_own_library_and_lead_to_the_pixels(clean):
    library = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    found = library.Dataset(jsonld=str(clean / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    assert len(list(found.records("pairs"))) == 5
    pictures = list(found.records("images-as-pixels"))
    shown = {bytes(one["images-as-pixels/file"]).decode(): one["images-as-pixels/pixels"] for one in pictures}
    expected = np.asarray(Image.open(clean / "data" / "png" / "image-00003.png"))
    assert np.array_equal(np.asarray(shown["image-00003.png"])[..., 0], expected)


@pytest.mark.parametrize(("epsilon", "told"), [(0.1, "1.1"), (1.0, "2.7"), (9.07, "8,700"), (29.0, "10^12")])
def test_odds_are_told_as_a_factor(epsilon, told):
    assert odds(epsilon) == told


# --- What lies where it should go ---------------------------------------------------------------------------


def test_an_earlier_release_is_replaced_and_anything_else_is_kept_and_refused(tmp_path):
    archive, folder = tmp_path / "vessels.tar.gz", tmp_path / "vessels"
    publish(archive)
    publish(archive, images=scaled(textures(5, seed=9)))
    assert verified(folder).returncode == 0
    (folder / "notes.txt").write_text("mine")
    before = archive.read_bytes()
    with pytest.raises(PrivacyError, match=r"notes\.txt.*Remedy: move it away"):
        publish(archive)
    assert (folder / "notes.txt").read_text() == "mine"
    assert archive.read_bytes() == before
    (folder / "notes.txt").unlink()
    (folder / "README.md").write_text("changed")
    with pytest.raises(PrivacyError, match=r"README\.md was changed.*Remedy"):
        publish(archive)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "MANIFEST.sha256").write_text("")
    with pytest.raises(PrivacyError, match=r"MANIFEST\.sha256 lists nothing.*Remedy"):
        publish(archive)


def test_what_the_scan_finds_gets_no_name_and_leaves_nothing_behind(tmp_path):
    terms = replace(TERMS, description="With thanks to P0042.")
    with pytest.raises(PrivacyError, match="patient id"):
        publish(tmp_path / "vessels.tar.gz", terms=terms)
    assert not list(tmp_path.iterdir())


def test_a_file_that_something_else_puts_there_before_the_archive_is_packed_is_refused(tmp_path, monkeypatch):
    def write_more(folder, content, *, threads):
        write_files(folder, content, threads=threads)
        (folder / "notes.txt").write_text("mine")

    monkeypatch.setattr(bundle, "write_files", write_more)
    with pytest.raises(PrivacyError, match=r"notes\.txt: unknown file"):
        publish(tmp_path / "vessels.tar.gz", terms=replace(TERMS, weights=False))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patches": 81}, "81 patches are not 40 of each of 2 patients"),
        ({"epsilon": 0.1}, "epsilon is 0.1, but"),
        ({"region_patches": 41}, "a place lies in 41 patches of a patient, who gave 40"),
    ],
)
def test_numbers_that_the_recipient_s_own_check_would_refuse_are_not_released(tmp_path, change, told):
    """The break: the site published them, and every recipient was told not to rely on them."""
    content = content_of(terms=replace(TERMS, weights=False), numbers=public_numbers() | change)
    with pytest.raises(PrivacyError, match=rf"not to rely on it: .*{told}.*Remedy"):
        bundle.publish(content, archive=tmp_path / "vessels.tar.gz", forbidden=FORBIDDEN)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["site.pub", "MANIFEST.sha256.sig"])
def test_a_signed_release_passes_the_search_and_only_with_its_own_signature(tmp_path, name):
    signer, other = Signer(bytes(range(32))), Signer(bytes(range(1, 33)))
    folder = make_release(tmp_path / TERMS.name, signer=signer)
    outline = replace(outline_of(), model=False, signer=signer)
    archive = tmp_path / "packed.tar.gz"
    pack(folder, archive)
    assert scan(archive, outline=outline, forbidden=FORBIDDEN) == []
    manifest = (folder / "MANIFEST.sha256").read_bytes()
    (folder / name).write_bytes(other.public_key if name == "site.pub" else other.sign(manifest))
    pack(folder, archive)
    assert [one.file for one in scan(archive, outline=outline, forbidden=FORBIDDEN)][0].startswith("vessels/")


def test_whether_a_release_is_published_does_not_depend_on_training_patches(tmp_path):
    """A copy of a patient's patch is no reason against it: refusing would tell that the patch was one."""
    publish(tmp_path / "vessels.tar.gz", images=scaled(REAL.image[:5]))
    assert (tmp_path / "vessels.tar.gz").exists()
