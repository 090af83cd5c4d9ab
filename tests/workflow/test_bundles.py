"""The target `release` on patients: the bundle as its recipient gets it, and refusals on the way."""

import json
import shutil
import subprocess
import sys
import tarfile

import pytest
from hospital import done

from privessel.privacy.signing import SIGNING_KEY, load_signer

pytest_plugins = ["hospital"]
PAIRS = "wgan/noise-1/run-1/epoch-2"
ARCHIVE = "results/hospital/release/gift.tar.gz"
TERMS = {
    "pairs": PAIRS,
    "name": "gift",
    "description": "Adults of one clinic.",
    "creators": ["The Clinic"],
    "weights": True,
    "epsilon": 20.0,
    "delta": 1e-3,
    "max_region_epsilon": 1e4,
}


@pytest.fixture(scope="module")
def given(tmp_path_factory, prepared):
    """A hospital that has released its one private run."""
    found = prepared.copy_to(tmp_path_factory.mktemp("hospital"))
    configure(found)
    done(found.study("release"))
    return found


def configure(hospital, *, release=None, **changes):
    changes["levels"] = ["inf", "noise-1"]
    hospital.configure(release=TERMS | (release or {}), **changes)


def refused(hospital, *words):
    result = hospital.study("release")
    assert result.returncode != 0, result.stdout[-3000:]
    for word in (*words, "Remedy"):
        assert word in result.stdout, result.stdout[-3000:]


def test_a_release_is_checked_by_its_recipient_made_again_to_the_byte_and_after_another_charge(
    given, tmp_path
):
    configure(given)
    before = (given.folder / ARCHIVE).read_bytes()
    with tarfile.open(given.folder / ARCHIVE) as tar:
        assert all(member.mtime == member.uid == 0 for member in tar)
        tar.extractall(tmp_path, filter="data")
    fingerprint = load_signer(given.state).fingerprint
    told = subprocess.run(
        [sys.executable, "-I", tmp_path / "gift" / "verify.py", "--key", fingerprint],
        text=True,
        capture_output=True,
        check=False,
        cwd="/",
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "verdict: no contradiction, and every eps is what its mechanisms give" in told.stdout
    assert f"signed with the key {fingerprint}" in told.stdout
    numbers = json.loads((tmp_path / "gift" / "privacy.json").read_text())
    assert numbers["protects"]
    run = {"noise_multiplier": 1.0, "sampling_rate": 0.2, "steps": 20, "pure_epsilon": None}
    assert numbers["run"] == run
    assert (numbers["patches"], numbers["patients"]) == (80, 2)
    everything = b"".join(
        path.read_bytes() for path in sorted((tmp_path / "gift").rglob("*")) if path.is_file()
    )
    for word in (str(given.state), str(given.folder), str(given.scans), "a001", "hospital"):
        assert word.encode() not in everything

    (given.folder / ARCHIVE).unlink()
    done(given.study("release"))
    assert (given.folder / ARCHIVE).read_bytes() == before
    assert "Nothing to be done" in done(given.study("-n", "release"))
    (ledger,) = given.state.glob("*.ledger")
    other = shutil.copy(ledger, ledger.with_name("another.ledger"))
    assert "release_bundle" in done(given.study("-n", "release"))
    other.unlink()


def test_the_search_for_copies_is_a_report_that_stays_inside(given):
    done(given.study("copies"))
    report = given.folder / "results/hospital/privacy/copies-gift-inside-only.csv"
    assert report.read_text().startswith("# inside only")
    log = (given.folder / "logs/hospital/privacy/copies-gift.log").read_text()
    assert "a001" not in log
    assert "cop" not in log.replace("copies-gift", "").replace("search_copies", "")


def test_a_release_from_patients_without_a_signing_key_is_refused_until_there_is_one(given):
    key = given.state / SIGNING_KEY
    configure(given, release={"name": "unsigned"})
    kept = key.rename(key.with_suffix(".kept"))
    refused(given, "no signing key", "the target `secret`")
    kept.rename(key)


def test_what_has_no_noise_is_refused_before_any_job(given):
    configure(given, release={"pairs": PAIRS.replace("noise-1", "inf")})
    refused(given, "was made without noise")


def test_a_release_says_something_of_its_cohort_or_is_refused_before_any_job(given):
    configure(given, release={"description": " "})
    refused(given, "needs release.description")


def test_a_written_reason_outweighs_a_limit_and_leaves_with_the_data(given):
    reason = "The ethics board agreed to it in writing."
    configure(given, release={"name": "strict", "epsilon": 1.0, "override": reason})
    assert "AGAINST the rules" in done(given.study("release"))
    folder = given.folder / "results/hospital/release/strict"
    assert all(reason in (folder / name).read_text() for name in ("README.md", "PRIVACY.md", "privacy.json"))


def test_an_eps_that_overlapping_patches_bought_is_refused_unless_its_reason_leaves_with_the_data(given):
    diluted = {"name": "diluted", "max_region_epsilon": 10.0}
    configure(given, release=diluted)
    refused(given, "One place on a vessel lies in up to", "write your reason into release.region_reason")
    reason = "The vessels at the base of the skull are alike in all adults."
    configure(given, release=diluted | {"region_reason": reason})
    done(given.study("release"))
    folder = given.folder / "results/hospital/release/diluted"
    assert all(reason in (folder / name).read_text() for name in ("README.md", "PRIVACY.md", "privacy.json"))


def test_a_patient_s_id_in_the_description_does_not_get_out(given):
    configure(given, release={"name": "loose", "description": "Scans of a001 and others."})
    refused(given, "patient id (a001)")
    assert not list((given.folder / "results/hospital/release").glob("*loose*"))


def test_notes_in_the_folder_of_a_release_are_kept(given):
    configure(given, release={"name": "noted"})
    notes = given.folder / "results/hospital/release/noted/notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    refused(given, "is not an unchanged release of privessel")
    assert notes.read_text() == "mine"
