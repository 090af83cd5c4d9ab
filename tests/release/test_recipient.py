"""What a recipient can check: files, numbers, texts, metadata and signature; and what no check can show."""

import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from dp_accounting.pld import privacy_loss_distribution
from scipy.stats import binom
from tiny_release import (
    COHORT,
    COUNTS,
    TERMS,
    alone,
    charge,
    guarantee_of,
    make_release,
    make_site,
    public_numbers,
    record_of,
    verified,
)

from privessel.privacy.signing import Signer
from privessel.release import verify
from privessel.release.checks import words
from privessel.release.checks.epsilon import compose_epsilon
from privessel.release.checks.files import PROGRAMS
from privessel.release.checks.licences import LICENCES
from privessel.release.checks.numbers import check_numbers
from privessel.release.refusals import find_refusals
from privessel.release.statement import summarise_numbers
from privessel.study.config import privacy

SIGNER, OTHER = Signer(bytes(range(32))), Signer(bytes(range(1, 33)))


@pytest.fixture(scope="module")
def patients_release(tmp_path_factory):
    """A signed release from patients, of two runs."""
    folder = tmp_path_factory.mktemp("patients")
    site = make_site(folder)
    record = charge(site)
    charge(site, number=2, steps=10, planned=10)
    given = guarantee_of(record, site)
    numbers = summarise_numbers(given, choice=alone(given), terms=TERMS, outweighed=[])
    return make_release(folder / "vessels", numbers=numbers, signer=SIGNER)


@pytest.fixture
def signed(patients_release, tmp_path):
    return shutil.copytree(patients_release, tmp_path / "vessels")


@pytest.fixture
def unsigned(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "unsigned" / "vessels")


def renew_manifest(folder):
    """Write the manifest anew, as whoever has changed a file can."""
    manifest = folder / "MANIFEST.sha256"
    names = [line.partition("  ")[2] for line in manifest.read_text().splitlines()]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    manifest.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))


def renew_metadata(folder):
    """Write the digests in the Croissant metadata anew."""
    metadata = json.loads((folder / "croissant.json").read_text())
    for part in metadata["distribution"]:
        if "sha256" in part:
            part["sha256"] = hashlib.sha256((folder / part["contentUrl"]).read_bytes()).hexdigest()
    (folder / "croissant.json").write_text(json.dumps(metadata, indent=1, ensure_ascii=False) + "\n")


def edit_numbers(folder, *changes):
    """Change entries of privacy.json, each a path of keys and its new value, and all digests with them."""
    path = folder / "privacy.json"
    numbers = json.loads(path.read_text())
    for *keys, last, value in changes:
        place = numbers
        for key in keys:
            place = place[key]
        place[last] = value
    path.write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n")
    renew_metadata(folder)
    renew_manifest(folder)


def edit_text(folder, name, old, new):
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    renew_metadata(folder)
    renew_manifest(folder)


def checked(folder, capsys, **given):
    """Return the exit status of the check, and what it said. It runs in this process, which is quicker."""
    code = verify.main(folder, **given)
    return code, capsys.readouterr().out


# --- Releases as they should be -------------------------------------------------------------------------


def test_releases_pass_the_check_and_say_that_their_maker_is_unknown_without_a_key(unsigned, signed):
    nobody, kept = "PROTECTS NOBODY: its noise comes", "every eps is what its mechanisms give"
    for folder, worth in ((unsigned, nobody), (signed, kept)):
        told = verified(folder)
        assert told.returncode == 0, told.stdout + told.stderr
        assert worth in told.stdout
        assert "maker: unknown" in told.stdout
        assert told.stdout.rstrip().endswith("who made it is unknown")
        assert "as they were released" not in told.stdout
        assert not list(folder.rglob("__pycache__"))


def test_a_release_that_protects_patients_passes_the_check(tmp_path, capsys):
    site = make_site(tmp_path)
    given = guarantee_of(charge(site, unit="patient", rate=0.5), site)
    terms = replace(TERMS, epsilon=100.0)
    numbers = summarise_numbers(given, choice=alone(given), terms=terms, outweighed=[])
    code, told = checked(make_release(tmp_path / "vessels", numbers=numbers, terms=terms), capsys)
    assert code == 0, told
    assert "Region level: covered by the whole patient" in told


def test_secret_noise_on_a_public_cohort_is_a_contradiction(tmp_path, capsys):
    """The break: a cohort of patients marked as public needed no ledgers, and passed as protecting."""
    given = guarantee_of(record_of(), None, cohort=replace(COHORT, public=True))
    numbers = summarise_numbers(given, choice=alone(given), terms=TERMS, outweighed=[])
    code, told = checked(make_release(tmp_path / "vessels", numbers=numbers), capsys)
    assert (code, "secret noise on a public cohort" in told) == (1, True), told


def test_a_release_against_the_rules_passes_with_its_reasons_and_not_without(tmp_path, capsys):
    site = make_site(tmp_path)
    terms = replace(
        TERMS, epsilon=1.0, max_region_epsilon=2.0, override="The board agreed.", region_reason="So be it."
    )
    given = guarantee_of(charge(site), site, terms=terms)
    refusals = find_refusals(given, terms=terms, choice=alone(given))
    assert [one.subject for one in refusals] == ["epsilon", "region"]
    numbers = summarise_numbers(given, choice=alone(given), terms=terms, outweighed=refusals)
    folder = make_release(tmp_path / "vessels", numbers=numbers, terms=terms)
    code, told = checked(folder, capsys)
    assert code == 0, told
    assert "RELEASED AGAINST THE RULES: The board agreed. So be it; who made it" in told
    for change, fault in (
        (("override", None), "no reason is given although the rules refuse: epsilon"),
        (("region", "reason", None), "contradict the reason"),
        (("epsilon_limit", 50.0), "says wrongly that it is refused: epsilon"),
    ):
        edited = shutil.copytree(folder, tmp_path / "edited")
        edit_numbers(edited, change)
        code, told = checked(edited, capsys)
        assert (code, fault in told) == (1, True), told
        shutil.rmtree(edited)


# --- Edits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["change", "remove", "add", "link", "swap"])
def test_a_recipient_sees_files_that_do_not_fit_the_manifest(unsigned, tmp_path, harm):
    card = unsigned / "README.md"
    if harm == "change":
        card.write_text(card.read_text().replace("one patch", "all patches"))
    elif harm == "remove":
        card.unlink()
    elif harm == "add":
        (unsigned / "data" / "more.txt").write_text("more")
    elif harm == "link":
        card.rename(tmp_path / "elsewhere")
        card.symlink_to(tmp_path / "elsewhere")
    else:
        card.write_bytes((unsigned / "PRIVACY.md").read_bytes())
    told = verified(unsigned)
    assert told.returncode == 1
    assert "DO NOT RELY ON IT" in told.stdout


FEW_STEPS = {"noise_multiplier": 1.0, "sampling_rate": 0.2, "steps": 2} | COUNTS | {"counted": True}
NUMBERS = {
    "fewer steps": [("run", "steps", 2)],
    "fewer steps everywhere": [
        ("run", "steps", 2), *((level, "composed", [FEW_STEPS]) for level in words.LEVELS)
    ],
    "a large delta": [("delta", 0.09)],
    "a large delta everywhere": [(*place, "delta", 0.09) for place in ((), ("patch",), ("region",))],
    "a small eps of patients": [("patient", "epsilon", 0.1)],
    "a small eps of patients, composed": [("patient", "epsilon_composed", 0.1)],
    "a small eps of a region": [("region", "epsilon", 1.0)],
    "a small eps": [("epsilon", 2.0)],
    "a small eps everywhere": [("epsilon", 2.0), ("patch", "epsilon", 2.0)],
    "a small composed eps": [("epsilon_composed", 2.0), ("patch", "epsilon_composed", 2.0)],
    "no finite eps": [("patient", "epsilon", None)],
    "a small probability of a larger loss": [("patch", "loss_above_epsilon", 1e-6)],
    "an unknown probability of a larger loss": [("patch", "loss_above_epsilon", None)],
    "a small eps as planned": [("planned", "epsilon", 0.5)],
    "more patients": [("patients", 41_000)],
    "more patients and patches": [("patients", 2_000), ("patches", 80_000)],
    "fewer patches a patient": [("patches_per_patient", 4)],
    "less overlap": [("region_patches", 1)],
    "more overlap than patches": [("region_patches", 41)],
    "another unit": [("unit", "patient")],
    "no unit": [("unit", "hospital")],
    "another rate": [("run", "sampling_rate", 0.02)],
    "more noise": [("run", "noise_multiplier", 8.0)],
    "a shorter list of runs": [("patch", "composed", [FEW_STEPS | {"steps": 20}])],
    "runs that used fewer patches": [
        (
            "patient",
            "composed",
            [FEW_STEPS | {"steps": 20}, FEW_STEPS | {"steps": 10, "patches_per_patient": 1}],
        )
    ],
    "an empty list of runs": [("patch", "composed", [])],
    "a run that is not in the list": [("patch", "composed", [FEW_STEPS | {"steps": 19}])],
    "a higher limit": [("epsilon_limit", 50.0)],
    "a lower limit": [("epsilon_limit", 1.0)],
    "a higher limit of a region": [("region", "epsilon_limit", 1e9)],
    "a reason for nothing": [("region", "reason", "The board agreed.")],
    "a small eps of runs that were chosen": [("adaptive", "epsilon", 6.0)],
    "no eps of runs that were chosen": [("adaptive", None)],
    "fewer runs that were chosen": [("adaptive", "composed", [FEW_STEPS])],
    "an override of nothing": [("override", {"reason": "Because.", "refused": ["epsilon: too much"]})],
    "protection": [("protects", "yes")],
    "another promise": [("certified", True)],
    "a part less": [("override", {})],
    "true for a number": [("patients", True)],
    "no number": [("epsilon", float("nan"))],
    "noise below nothing": [("run", "noise_multiplier", -1.0)],
    "other neighbours": [("neighbours", "one pixel replaced by an empty one")],
    "another sampler": [("sampler", "shuffled")],
    "a shorter list of what is not covered": [("not_covered", ["Nothing."])],
    "another choice": [("choice", "private_sets", 3)],
    "fewer runs in the ledgers": [("choice", "runs", 1)],
    "no models without noise": [("choice", "models_without_noise", 2)],
    "another register": [("register", "0" * 64)],
    "another accountant": [("accountant", "versions", {"dp-accounting": "9"})],
    "another clipping norm": [("clipping_norm", 100.0)],
    "another licence": [("data", "licence", "CC0-1.0")],
    "no licence": [("data", "licence", "all rights reserved")],
    "another description": [("data", "description", "All adults of a country.")],
    "other creators": [("data", "creators", ["Another Hospital"])],
    "more pairs": [("data", "pairs", 6)],
    "more pairs than there are names": [("data", "pairs", 10**9)],
    "another size": [("data", "size", 96)],
    "a generator": [("data", "weights", True)],
    "no signature": [("data", "signed", False)],
}  # fmt: skip


@pytest.mark.parametrize("edit", NUMBERS)
def test_an_edited_number_contradicts_something_although_all_digests_fit(signed, capsys, edit):
    edit_numbers(signed, *NUMBERS[edit])
    code, told = checked(signed, capsys)
    assert code == 1
    assert "DO NOT RELY ON IT" in told
    assert "was changed" not in told  # the digests were made to fit


def test_fewer_runs_in_the_ledgers_than_are_behind_an_eps_are_a_contradiction(patients_release):
    numbers = json.loads((patients_release / "privacy.json").read_text())
    assert check_numbers(numbers)[1] == []
    numbers["choice"] |= {"runs": 1, "told": words.tell_choices(1, 1, 0)[0]}
    assert check_numbers(numbers)[1] == ["1 runs in ledgers are stated, but 2 are behind an eps"]


def test_a_release_that_protects_nobody_cannot_be_made_one_that_does(unsigned, capsys):
    edit_numbers(unsigned, ("public_key", False), ("protects", True))
    code, told = checked(unsigned, capsys)
    assert code == 1
    assert "README.md says other than privacy.json" in told


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("PRIVACY.md", "| one patch | 5.52 |", "| one patch | 0.01 |"),
        ("PRIVACY.md", "Delta is not the probability", "Delta is the probability"),
        ("PRIVACY.md", "; vacuous |", " |"),
        ("PRIVACY.md", "What others publish", "What nobody publishes"),
        ("README.md", "80 axial patches of 2 patients", "80 axial patches of 2,000 patients"),
        ("README.md", "Patch level: eps 5.52", "Patch level: eps 0.552"),
        ("README.md", "5 synthetic patches", "5,000 synthetic patches"),
        ("README.md", "Do not use it to diagnose", "Use it to diagnose"),
        ("LICENSE", "CC-BY-4.0", "CC0-1.0"),
        ("croissant.json", "licenses/by/4.0", "publicdomain/zero/1.0"),
        ("croissant.json", "vessel 255, anything else 0", "vessel 0"),
        ("data/nnunet/Dataset501_vessels/dataset.json", '"numTraining": 5', '"numTraining": 4'),
    ],
)
def test_an_edited_text_contradicts_the_numbers_although_all_digests_fit(signed, capsys, name, old, new):
    edit_text(signed, name, old, new)
    code, told = checked(signed, capsys)
    assert code == 1
    assert name.rpartition("/")[2] in told


def replace_bytes(folder, name, change):
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    if name != "croissant.json":
        renew_metadata(folder)
    renew_manifest(folder)


LIE = b'{"epsilon": 0.01, "description": "eps 0.01",'


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("privacy.json", lambda content: LIE + content[1:]),
        ("privacy.json", lambda content: content.replace(b'"patient": {', b'"patient": {"epsilon": 0.1,', 1)),
        ("croissant.json", lambda content: LIE + content[1:]),
        ("croissant.json", lambda content: content.replace(b"\n ", b"\n  ")),
        ("README.md", lambda content: content.replace(b"\n", b"\r\n")),
        ("data/nnunet/Dataset501_vessels/dataset.json", lambda content: LIE + content[1:]),
        (
            "data/nnunet/Dataset501_vessels/dataset.json",
            lambda content: content.replace(b'"background": 0', b'"background": 1'),
        ),
        ("data/png/pairs.csv", lambda content: b"eps of a patient is 0.01\n"),
        ("data/png/image-00000.png", lambda content: content + b"eps 0.01 of patient 001"),
        ("data/png/label-00001.png", lambda content: content[:-12] + b"\0\0\0\0tEXt" + content[-12:]),
        ("data/png/image-00002.png", lambda content: content[:-30] + b"?" + content[-29:]),
    ],
)
def test_nothing_can_be_added_to_a_file_although_all_digests_fit(signed, capsys, name, change):
    """The break: names that occur twice, texts beside the pictures, and bytes behind a picture passed."""
    replace_bytes(signed, name, change)
    code, told = checked(signed, capsys)
    assert code == 1, told
    assert name.rpartition("/")[2] in told


@pytest.mark.parametrize("level", words.LEVELS)
def test_an_eps_may_fall_short_by_the_accountants_error_alone(signed, capsys, level):
    """The break: every eps could be shaved by as much as two computations of it may differ, 1 % and 3 %."""
    numbers = json.loads((signed / "privacy.json").read_text())
    share = {"patch": 0.997, "region": 0.985, "patient": 0.97}[level]  # the last is over-stated by 1.5 %
    changes = [(level, key, share * numbers[level][key]) for key in ("epsilon", "epsilon_composed")]
    if level == "patch":
        changes += [(key, share * numbers[key]) for key in ("epsilon", "epsilon_composed")]
    edit_numbers(signed, *changes)
    code, told = checked(signed, capsys)
    assert (code, f"eps of one {level}, all private runs is stated as" in told) == (1, True), told


@pytest.mark.parametrize("harm", ["another", "none", "fewer"])
def test_digests_in_the_metadata_are_those_of_the_files(signed, capsys, harm):
    path = signed / "croissant.json"
    metadata = json.loads(path.read_text())
    files = [part for part in metadata["distribution"] if "sha256" in part]
    assert [part["contentUrl"] for part in files] == ["data/pairs.npz", "data/png/pairs.csv", "privacy.json"]
    if harm == "another":
        files[0]["sha256"] = "0" * 64
    elif harm == "none":
        del files[1]["sha256"]
    else:
        metadata["distribution"].remove(files[2])
    path.write_text(json.dumps(metadata, indent=1) + "\n")
    renew_manifest(signed)
    code, told = checked(signed, capsys)
    assert code == 1
    assert "croissant.json describes other files" in told


def test_files_that_are_listed_but_belong_to_no_release_are_reported(signed, capsys):
    (signed / "ward.txt").write_text("more")
    with (signed / "MANIFEST.sha256").open("a") as manifest:
        manifest.write(f"{hashlib.sha256(b'more').hexdigest()}  ward.txt\n")
    code, told = checked(signed, capsys)
    assert code == 1
    assert "ward.txt is no file of this data set" in told


@pytest.mark.parametrize("line", ["0  ../outside", "0  /etc/hostname", "no digest"])
def test_a_manifest_of_files_elsewhere_is_refused(signed, capsys, line):
    with (signed / "MANIFEST.sha256").open("a") as manifest:
        manifest.write(line + "\n")
    assert checked(signed, capsys)[0] == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"data": 1}', "\x00"])
def test_a_damaged_privacy_json_is_a_fault_and_no_traceback(signed, capsys, content):
    (signed / "privacy.json").write_text(content)
    renew_manifest(signed)
    code, told = checked(signed, capsys)
    assert code == 1
    assert "DO NOT RELY ON IT" in told


# --- Who made it --------------------------------------------------------------------------------------------


def test_the_right_key_says_who_made_it(signed, tmp_path, capsys):
    (tmp_path / "key.pem").write_bytes(SIGNER.public_key)
    (tmp_path / "key.txt").write_text(f"sha256:{SIGNER.fingerprint.upper()}\n")
    done = verified(signed, "--key", str(tmp_path / "key.pem"))
    answers = [(done.returncode, done.stdout)]
    answers += [checked(signed, capsys, key=key) for key in (SIGNER.fingerprint, str(tmp_path / "key.txt"))]
    for code, told in answers:
        assert code == 0, told
        assert f"signed with the key {SIGNER.fingerprint}" in told
        assert "unknown" not in told


def test_another_key_or_no_signature_is_nothing_to_rely_on(signed, unsigned, capsys):
    assert "it is not signed" in checked(unsigned, capsys, key=SIGNER.fingerprint)[1]
    code, told = checked(signed, capsys, key=OTHER.fingerprint)
    assert (code, "DO NOT RELY ON IT: it is signed with the key" in told) == (1, True)
    (signed / "MANIFEST.sha256.sig").write_bytes(bytes(64))
    code, told = checked(signed, capsys, key=SIGNER.fingerprint)
    assert (code, "does not belong to this MANIFEST.sha256" in told) == (1, True)
    (signed / "MANIFEST.sha256.sig").unlink()
    assert checked(signed, capsys, key=SIGNER.fingerprint)[0] == 1
    assert "MANIFEST.sha256.sig is missing" in checked(signed, capsys)[1]  # the numbers say that it is signed


def test_a_forgery_without_contradictions_passes_but_not_with_the_key(tmp_path, signed, capsys):
    """Fewer steps, and everything else made anew from them: only the signature shows it."""
    public = public_numbers()
    choice = public["choice"] | {"runs": 1, "models_without_noise": 0, "told": words.tell_choices(1, 1, 0)[0]}
    forged = public | {"public_key": False, "protects": True, "public_cohort": False, "choice": choice}
    folder = make_release(tmp_path / "forged", numbers=forged, signer=OTHER)
    assert checked(folder, capsys)[0] == 0
    assert checked(folder, capsys, key=SIGNER.fingerprint)[0] == 1
    for name in ("site.pub", "MANIFEST.sha256.sig"):
        shutil.copy(signed / name, folder / name)
    renew_manifest(folder)
    code, told = checked(folder, capsys, key=SIGNER.fingerprint)
    assert (code, "does not belong to this MANIFEST.sha256" in told) == (1, True)


def test_a_key_that_is_none_and_a_missing_package_are_told_as_such(signed, capsys, monkeypatch):
    code, told = checked(signed, capsys, key="the hospital's")
    assert (code, "neither a fingerprint" in told) == (2, True)
    code, told = checked(signed, capsys, key=str(signed / "site.pub"))
    assert (code, "came with the data set" in told) == (2, True)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    code, told = checked(signed, capsys, key=SIGNER.fingerprint)
    assert (code, "install cryptography" in told) == (2, True)
    assert checked(signed, capsys)[0] == 0  # not needed without a key


def test_without_dp_accounting_there_is_no_verdict(signed, tmp_path):
    (tmp_path / "dp_accounting.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, signed / "verify.py"], env={"PYTHONPATH": str(tmp_path)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "")
    assert "install dp-accounting" in done.stdout


def test_a_check_from_elsewhere_checks_a_data_set_too(signed, tmp_path):
    """A recipient does better to take the program from the authors of privessel."""
    program = tmp_path / "elsewhere"
    program.mkdir()
    shutil.copy(signed / "verify.py", program)
    shutil.copytree(signed / "checks", program / "checks")
    edit_text(signed, "verify.py", "def main(", "def other_main(")
    told = verified(signed, str(signed), program=program / "verify.py")
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_checks_a_release_as_well(signed):
    command = "openssl pkeyutl -verify -pubin -inkey site.pub -rawin -in MANIFEST.sha256 -sigfile"
    for expected in (True, False):
        done = subprocess.run(
            [*command.split(" "), "MANIFEST.sha256.sig"], cwd=signed, capture_output=True, check=False
        )
        assert (done.returncode == 0) == expected
        (signed / "MANIFEST.sha256").write_text("changed")


# --- The check and the library ------------------------------------------------------------------------------


def by_hand(mechanisms, patches, *, delta, interval):
    """eps and P[loss > eps] straight from dp-accounting on one fine grid.

    Between two points of the grid delta is P[loss > eps] - e^eps E[e^-loss; loss > eps], and
    both are constant there, so that two values of delta give the probability.
    """
    total = None
    for noise, rate, steps in mechanisms:
        counts = binom(patches, rate).pmf(range(patches + 1))
        one = privacy_loss_distribution.from_mixture_gaussian_mechanism(
            noise, list(range(patches + 1)), list(counts), value_discretization_interval=interval
        )
        dense = type(one)(one._pmf_remove.to_dense_pmf(), one._pmf_add.to_dense_pmf())
        part = dense.self_compose(steps)
        total = part if total is None else total.compose(part)
    spent = total.get_epsilon_for_delta(delta)
    low, high = ((math.floor(spent / interval) + share) * interval for share in (0.1, 0.9))
    ways = [(way.get_delta_for_epsilon(low), way.get_delta_for_epsilon(high)) for way in pmfs(total)]
    return spent, max(one + (one - other) / math.expm1(high - low) for one, other in ways)


def pmfs(distribution):
    return distribution._pmf_remove, distribution._pmf_add


@pytest.mark.parametrize(
    ("mechanisms", "patches", "interval"),  # of the grid: the smaller eps, the finer
    [
        ([(0.65, 0.0128, 1350)], 1, 2e-3),
        ([(1.0, 0.2, 20), (2.0, 0.05, 500)], 1, 2e-3),
        ([(4.0, 1.0, 10)], 1, 2e-3),
        ([(1.0, 0.001, 3000), (1.0, 0.001, 3000), (0.8, 0.01, 100)], 1, 1e-3),
        ([(4.0, 1.0, 10)], 3, 2e-3),
        ([(1.0, 0.2, 20)], 3, 2e-3),
        ([(8.0, 0.01, 200), (4.0, 0.02, 20)], 5, 5e-4),
    ],
)
def test_a_recipient_computes_what_the_mechanisms_give(mechanisms, patches, interval):
    names = ("noise_multiplier", "sampling_rate", "steps")
    given = [dict(zip(names, one, strict=True)) | {"pure_epsilon": None} for one in mechanisms]
    level = "patch" if patches == 1 else "region"
    found, chance = compose_epsilon(given, unit="patch", level=level, delta=2.4e-6, patches=patches)
    spent, above = by_hand(mechanisms, patches, delta=2.4e-6, interval=interval)
    assert spent * (1 - 2e-3) <= found <= spent * 1.01
    assert chance == pytest.approx(above, rel=0.05)


def test_the_check_needs_nothing_of_the_library_beside_it(clean, tmp_path):
    assert {f"checks/{path.name}" for path in (clean / "checks").iterdir()} | {"verify.py"} == set(PROGRAMS)
    for path in [clean / "verify.py", *(clean / "checks").iterdir()]:
        assert not re.search(r"(?:from|import) privessel", path.read_text())
    assert set(LICENCES) == set(privacy.LICENCES.__args__)
