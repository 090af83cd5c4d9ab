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
    REAL,
    TERMS,
    public_numbers,
    publish,
    scaled,
    textures,
    verified,
)

from privessel.errors import PrivacyError
from privessel.files import checkpoint
from privessel.privacy.accounting import Charge, composed_epsilon
from privessel.release import verify
from privessel.release.wording import odds

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
    told = verified(received / "vessels")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "PROTECTS NOBODY" in told.stdout
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


# --- What its recipient can check ---------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["change", "remove", "add", "link", "swap"])
def test_a_recipient_sees_files_that_are_not_as_they_were_released(clean, tmp_path, harm):
    folder = shutil.copytree(clean, tmp_path / "vessels")
    card = folder / "README.md"
    if harm == "change":
        card.write_text(card.read_text().replace("one patch", "all patches"))
    elif harm == "remove":
        card.unlink()
    elif harm == "add":
        (folder / "data" / "more.txt").write_text("more")
    elif harm == "link":
        card.rename(tmp_path / "elsewhere")
        card.symlink_to(tmp_path / "elsewhere")
    else:
        card.write_bytes((folder / "PRIVACY.md").read_bytes())
    told = verified(folder)
    assert told.returncode == 1
    assert "DO NOT RELY ON IT" in told.stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"epsilon": 2.0}, "is stated as 2, but is"),
        ({"epsilon_composed": 2.0}, "eps of all runs on one patient is stated as 2"),
        (
            {"composed": [{"noise_multiplier": 9.0, "sampling_rate": 0.2, "steps": 20}]},
            "is not among the runs",
        ),
        ({"delta": 0.01}, "delta 0.01 is not below"),
        ({"epsilon_limit": 1.0}, "eps is above the limit"),
    ],
)
def test_a_recipient_sees_numbers_that_do_not_follow_from_the_mechanisms(change, told):
    lines, faults = verify.check_numbers(public_numbers() | change)
    assert len(lines) == 4
    assert told in "; ".join(faults)
    assert "DO NOT RELY ON IT" in verify.tell_verdict(public_numbers(), faults)


@pytest.mark.parametrize(
    "mechanisms",
    [
        [(0.65, 0.0128, 1350)],
        [(1.0, 0.2, 20), (2.0, 0.05, 500)],
        [(4.0, 1.0, 10)],
        [(1.0, 0.001, 3000), (1.0, 0.001, 3000), (0.8, 0.01, 100)],
    ],
)
def test_a_recipient_computes_the_eps_of_the_accountant(mechanisms):
    given = [
        dict(zip(("noise_multiplier", "sampling_rate", "steps"), one, strict=True)) for one in mechanisms
    ]
    expected = composed_epsilon([Charge(*one) for one in mechanisms], delta=2.4e-6)
    assert verify.compose_epsilon(given, 2.4e-6) == pytest.approx(expected, rel=5e-3)


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
    with pytest.raises(PrivacyError, match=r"README\.md.*Remedy"):
        publish(archive)


def test_what_the_scan_finds_gets_no_name_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(PrivacyError, match=r"patient's image.*must not be released"):
        publish(
            tmp_path / "vessels.tar.gz",
            images=np.concatenate([scaled(textures(4, seed=3)), scaled(REAL.image[:1])]),
        )
    assert not list(tmp_path.iterdir())
