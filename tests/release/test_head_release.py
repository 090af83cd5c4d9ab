"""A release of heads through its rule's script: what it holds, its refusals, and how it is checked."""

import gzip
import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import asdict, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from deid.clinic import COHORT, PUBLIC, Clinic, open_clinic
from tiny_release import make_site

from privessel.deid.draws import CODE
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.deid.native import read_native
from privessel.deid.promise import say_made
from privessel.deid.sidecar import write_sidecar
from privessel.deid.verify import pack_scan
from privessel.errors import PrivacyError
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_arrays
from privessel.privacy.accounting import Charge
from privessel.privacy.renyi import adaptive_epsilon
from privessel.release import head_bundle, head_draws, verify_heads
from privessel.release.allowed import write_manifest
from privessel.release.archive import list_files
from privessel.release.checks.head_files import compare_scan, name_head
from privessel.release.checks.heads import compute_epsilons
from privessel.release.checks.manifest import digest_of
from privessel.release.head_bundle import write_texts
from privessel.release.head_draws import check_groups


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """Two people of a hospital, charged for their hulls, their heads on the scanner's grid."""
    return open_clinic(tmp_path_factory.mktemp("clinic"))


@pytest.fixture(scope="module")
def released(clinic):
    clinic.teach(*PUBLIC)
    return clinic.release()


@pytest.fixture
def kept(clinic, released):
    """The clinic, whatever a test changes in its files: they are written again afterwards."""
    files = {path: path.read_bytes() for path in clinic.folder.rglob("*") if path.is_file()}
    yield clinic
    for path in clinic.folder.rglob("*"):
        if path.is_file() and path not in files:
            path.unlink()
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def copy(released, tmp_path):
    return shutil.copytree(released[1], tmp_path / released[1].name)


def refused(clinic, capsys, **given):
    """Return the message of a release that ended with status 1, and without a file of that name."""
    before = {path: path.read_bytes() for path in (clinic.results / "release").rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as ended:
        clinic.release(**given)
    assert ended.value.code == 1
    after = {path: path.read_bytes() for path in (clinic.results / "release").rglob("*") if path.is_file()}
    assert after == before  # what was released before stays as it was, and nothing is added
    said = capsys.readouterr().err
    assert "Remedy" in said
    assert "Traceback" not in said
    return said


def checked(folder, capsys, **given):
    code = verify_heads.main(folder, **given)
    return code, capsys.readouterr().out


# --- As it should be ---


def test_a_release_is_signed_and_passes_its_own_check_alone(clinic, released, tmp_path):
    folder = shutil.copytree(released[1], tmp_path / "received")
    key = clinic.site.signer().fingerprint
    told = subprocess.run(
        [sys.executable, "-I", folder / "verify.py", "--key", key], capture_output=True, text=True, cwd="/"
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "eps of this draw: 4 at delta 1e-05" in told.stdout
    assert f"the promise is the one that PRIVACY.md states; signed with the key {key}" in told.stdout


def test_the_brain_in_the_archive_is_the_hospitals_bit_for_bit(clinic, released, tmp_path):
    with tarfile.open(released[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    codes = dict(line.split(",") for line in (clinic.deid / "codes-inside-only.csv").read_text().split()[1:])
    for scan in clinic.scans.values():
        code = codes[f"{COHORT}/{scan.person}"]
        path = tmp_path / f"heads-a/sub-{code}/ses-1/anat/sub-{code}_ses-1_T1w.nii.gz"
        brain = read_native(Path(scan.brain)).stored > 0
        source = read_native(Path(scan.image)).stored
        np.testing.assert_array_equal(read_native(path).stored[brain], source[brain])


def test_the_archive_holds_no_id_path_or_date_of_the_source(clinic, released):
    with tarfile.open(released[0]) as archive:
        for member in archive:
            content = archive.extractfile(member).read()
            content += gzip.decompress(content) if member.name.endswith(".gz") else b""
            assert (member.mtime, member.uid, member.uname) == (0, 0, "")
            for told in (
                b"4711",
                b"MRN",
                b"Jane",
                b"20240131",
                b"2024-01",
                b"pacs",
                str(clinic.folder).encode(),
            ):
                assert told not in content + member.name.encode(), (member.name, told)


def test_people_have_codes_that_another_release_does_not_share_and_no_order_of_the_hospitals(
    clinic, released
):
    one = clinic.site.name_people("heads-a", ["clinic/a", "clinic/b"])
    other = clinic.site.name_people("heads-b", ["clinic/a", "clinic/b"])
    assert not set(one.values()) & set(other.values())
    table = (released[1] / "participants.tsv").read_text().splitlines()
    assert table[0] == "participant_id"
    assert table[1:] == sorted(table[1:])
    assert len(table) == 3


def test_made_again_or_after_an_end_in_the_middle_it_has_the_same_bytes(kept, released, monkeypatch):
    first, (archive, folder) = released[0].read_bytes(), released
    archive.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(
            "privessel.release.head_bundle.pack", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(SystemExit) as ended:
            kept.release()
        assert ended.value.code == 130
    assert not archive.exists()
    assert not list(archive.parent.glob(".*"))
    assert kept.release()[0].read_bytes() == first
    assert folder.exists()


def test_nobody_is_charged_by_a_release(kept):
    before = [account.steps for account in kept.site.accounts()]
    kept.release()
    assert [account.steps for account in kept.site.accounts()] == before == [1, 1]


def test_a_scan_that_is_left_out_is_counted_and_not_there(kept, capsys):
    _, folder = kept.release(left_out=["MRN4712_20240131"], name="heads-one")
    assert len((folder / "participants.tsv").read_text().splitlines()) == 2
    assert json.loads((folder / "privacy.json").read_text())["left_out"] == 1
    assert "1 scan of these people's cohort did not leave" in (folder / "PRIVACY.md").read_text()
    assert checked(folder, capsys)[0] == 0


# --- Refusals ---


def test_a_gan_that_has_learned_from_own_people_is_refused_whatever_the_reason(kept, capsys):
    kept.teach(*PUBLIC, f"{COHORT}/MRN4711")
    said = refused(kept, capsys, override="we have thought about it for long")
    assert "learned from 1 people who are not in deid.public_heads" in said
    assert "MRN4711" not in said


def test_heads_without_the_gan_that_made_them_are_refused(kept, capsys):
    shutil.rmtree(kept.deid / "gan")
    assert "no generator is there" in refused(kept, capsys)


def test_hulls_that_are_not_those_of_the_draws_are_refused(kept, capsys):
    hulls = read_arrays(kept.hulls)
    name = next(iter(hulls))
    hulls[name] = np.roll(hulls[name], 1, axis=1)
    write_arrays(kept.hulls, **hulls)
    assert f"the hulls of 1 scans of {COHORT}, such as {name}, are not those" in refused(kept, capsys)


def draw_of(clinic):
    return clinic.deid / "draws" / COHORT / "MRN4711" / "eps-4" / "run-1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "privacy.json").unlink(), "has no privacy.json"),
        (
            lambda folder: (folder / CODE).write_text('{"code": [0, 0, 0]}\n'),
            "not as the site's register has it",
        ),
        (lambda folder: shutil.rmtree(folder / ".finished"), "has no kept copy"),
        (lambda folder: edit(folder / "privacy.json", public_key=True), "came from a published seed"),
        (lambda folder: edit(folder / "privacy.json", noise_multiplier=9.0), "of another noise_multiplier"),
    ],
)
def test_a_draw_that_is_not_what_the_ledgers_have_is_refused(kept, capsys, change, said):
    change(draw_of(kept))
    assert said in refused(kept, capsys)


def test_draws_of_two_studies_count_as_draws_after_a_look_whatever_ledger_they_share(
    clinic, tmp_path, capsys
):
    """The same scans in a second study: the same draw for the books, drawn and charged once more."""
    state = shutil.copytree(clinic.site.state.parent, tmp_path / "secure") / clinic.site.state.name
    state.parent.chmod(0o700)
    site = replace(clinic.site, state=state)
    other = Clinic(tmp_path, {"MRN4711": 0, "MRN4712": 1}, site=site)
    for scan in other.scans.values():
        other.release_head(scan)
    other.teach(*PUBLIC)
    _, folder = other.release()
    numbers = json.loads((folder / "privacy.json").read_text())
    assert [one["steps"] for one in numbers["composed"]] == [1, 1]
    charges = [Charge(numbers["draw"]["noise_multiplier"], 1.0, 1)] * 2
    assert numbers["epsilon_adaptive"] == pytest.approx(adaptive_epsilon(charges, delta=1e-5))
    assert numbers["epsilon_adaptive"] > 1.1 * numbers["epsilon_composed"]
    assert "all draws of the worst-off person (2)" in (folder / "PRIVACY.md").read_text()
    assert checked(folder, capsys)[0] == 0
    assert "above the 7 that the site had set" in refused(other, capsys, name="heads-f", epsilon=7.0)


def test_no_eps_is_smaller_than_that_of_anybody_whoever_is_worst_off():
    """One large draw of a person costs more beforehand than two small ones of another, and less after it."""
    small, large = ([Charge(noise, 1.0, 1)] * n for noise, n in ((1.083, 2), (0.7, 1)))
    of_each = [compute_epsilons(None, [asdict(one) for one in own], delta=1e-5) for own in (small, large)]
    composed, fixed = head_draws._worst([small, large], delta=1e-5)
    found = head_draws.Drawn("brain", 1e-5, None, composed, fixed).epsilons()
    for name in ("epsilon_composed", "epsilon_adaptive"):
        assert found[name] == max(one[name] for one in of_each)
    assert of_each[0]["epsilon_adaptive"] > of_each[1]["epsilon_adaptive"]
    assert of_each[0]["epsilon_composed"] < of_each[1]["epsilon_composed"]


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_draw_whose_ledger_is_gone_is_refused(kept, capsys):
    for path in kept.site.state.glob("*.ledger"):
        path.unlink()
    refused(kept, capsys)


def test_more_than_the_limit_needs_a_written_reason_which_leaves_too(kept, capsys):
    assert "an eps of 4 at delta 1e-05, above the 2 that the site had set" in refused(
        kept, capsys, epsilon=2.0
    )
    reason = "the ethics board has agreed to it."
    _, folder = kept.release(epsilon=2.0, override=reason, name="heads-more")
    assert reason in (folder / "PRIVACY.md").read_text()
    code, told = checked(folder, capsys)
    assert code == 0
    assert "RELEASED AGAINST THE RULES" in told


@pytest.mark.parametrize("hull", ["local-dp-4", "brain", "local-dp-8"])
def test_people_who_are_called_public_after_they_were_charged_are_refused(kept, capsys, monkeypatch, hull):
    """Also where another hull leaves than the one that they were charged for."""
    monkeypatch.setattr(kept, "site", None)
    if hull != kept.hull:
        for kind in ("made", "native"):
            shutil.copytree(kept.deid / kind / kept.hull, kept.deid / kind / hull)
        monkeypatch.setattr(kept, "hull", hull)
        kept.shield()
    assert "marked as public, but 2 of its people were charged" in refused(kept, capsys)


def test_a_scan_of_a_patient_among_the_public_heads_is_refused(kept, capsys):
    """As where a cohort that was charged before becomes the public one of another study."""
    checked = kept.deid / "intake.json"
    digests = json.loads(checked.read_text())
    scan = f"{COHORT}/MRN4711_20240131"
    checked.write_text(json.dumps(digests | {"public/20_1": digests[scan]}))
    assert "1 scans of cohorts that are marked as public, such as public/20_1" in refused(kept, capsys)


def test_a_native_head_with_more_in_it_than_voxels_is_refused(kept, capsys):
    path = kept.native(kept.scans["MRN4711"])["image"]
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[148:156] = b"Jane Doe"
    path.write_bytes(gzip.compress(bytes(raw), 6, mtime=0))
    assert "is not what the scan, its made head and its hull give" in refused(kept, capsys)


def original(clinic, scan):
    """The bytes of a file that holds the person's own scan."""
    source = read_native(Path(scan.image))
    return pack_scan(source.stored, source.header, slope=source.slope, intercept=source.intercept)


def of_another(clinic, kind):
    return clinic.native(clinic.scans["MRN4712"])[kind].read_bytes()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image", lambda clinic: original(clinic, clinic.scans["MRN4711"])),
        ("image", lambda clinic: of_another(clinic, "image")),
        ("mask", lambda clinic: of_another(clinic, "mask")),
        ("sidecar", lambda clinic: b"{}\n"),
    ],
)
def test_a_native_file_that_is_not_what_brain_hull_and_made_head_give_is_refused(kept, capsys, kind, content):
    path = kept.native(kept.scans["MRN4711"])[kind]
    path.write_bytes(content(kept))
    said = refused(kept, capsys)
    assert f"person MRN4711, session 20240131: {path} is not what the scan" in said


def test_heads_that_were_composed_in_other_hulls_are_refused(kept, capsys):
    """As where draws or folders were exchanged: the hulls are right, the heads are of those before."""
    scan = kept.scans["MRN4711"]
    hulls = read_arrays(kept.hulls)
    write_arrays(kept.hulls, **hulls | {scan.name: np.ones_like(hulls[scan.name])})
    kept.release_head(scan)
    write_arrays(kept.hulls, **hulls)
    assert "MRN4711_20240131_T1w.nii.gz is not what the scan" in refused(kept, capsys)


def test_a_hull_around_anything_but_the_brain_of_the_scans_frame_is_refused(kept, capsys):
    """Around the whole head, a hull of any kind is the head's own."""
    scan = kept.scans["MRN4711"]
    framed, path = Framed.load(kept.place("frame", scan)), kept.place("gamma", scan)
    gamma = Gamma.load(path)
    replace(gamma, brain=framed.image > 0.2, masked_brain=framed.image).save(path)
    kept.shield()
    kept.make(scan)
    kept.release_head(scan)
    assert f"{path} is not of the brain in {kept.place('frame', scan)}" in refused(kept, capsys)


@pytest.mark.parametrize(
    "change",
    [
        lambda kept, made: kept.teach(*PUBLIC[:-1]),  # another GAN, of public people too
        lambda kept, made: shutil.copyfile(kept.place(f"made/{kept.hull}", kept.scans["MRN4712"]), made),
        lambda kept, made: write_arrays(made, image=read_arrays(made)["image"]),
    ],
)
def test_a_head_of_another_gan_or_another_brain_is_refused(kept, capsys, change):
    change(kept, kept.place(f"made/{kept.hull}", kept.scans["MRN4711"]))
    kept.release_head(kept.scans["MRN4711"])
    said = refused(kept, capsys)
    assert "was not made of this brain and this hull by a GAN that is there" in said


def test_a_file_that_is_exchanged_after_it_was_verified_does_not_leave(kept, capsys, monkeypatch):
    path = kept.native(kept.scans["MRN4711"])["image"]

    def write_files(folder, content, texts):
        path.write_bytes(original(kept, kept.scans["MRN4711"]))
        return write(folder, content, texts)

    write = head_bundle._write_files
    monkeypatch.setattr("privessel.release.head_bundle._write_files", write_files)
    assert "is not the file that was verified" in refused(kept, capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"description": "People such as MRN4711."}, "patient id (mrn4711)"),
        ({"description": "Scans of 31.01.2024."}, "date (31.01.2024)"),
    ],
)
def test_a_trace_in_the_sites_own_words_is_refused(kept, capsys, words, said):
    assert said in refused(kept, capsys, name="heads-c", **words)


def test_a_folder_that_is_no_release_is_not_replaced(kept, capsys):
    folder = kept.results / "release" / "heads-d"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert "exists and is not an unchanged release" in refused(kept, capsys, name="heads-d")


def test_fewer_than_k_who_share_a_hull_are_refused():
    one, other = np.zeros(3), np.ones(3)
    codes = {"a": one, "b": one, "c": other, "d": other}
    check_groups(codes, list(codes), k=2)
    with pytest.raises(PrivacyError, match="groups of 1 people who share a hull, fewer than the 2"):
        check_groups(codes, ["a", "b", "c"], k=2)


# --- The recipient ---


def renew(folder):
    """Write the manifest anew, as whoever has changed a file can."""
    (folder / "MANIFEST.sha256").write_text(
        write_manifest({name: digest_of(folder / name) for name in list_files(folder)})
    )


def scan_in(folder):
    return next(folder.rglob("*_T1w.nii.gz"))


def in_header(at, content):
    def change(folder):
        raw = bytearray(gzip.decompress(scan_in(folder).read_bytes()))
        raw[at : at + len(content)] = content
        scan_in(folder).write_bytes(gzip.compress(bytes(raw), mtime=0))

    return change


def edit_numbers(**changes):
    return lambda folder: edit_json(folder / "privacy.json", changes)


def edit_json(path, changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (in_header(148, b"Jane"), "has more in its header"),
        (in_header(348, b"\1"), "has more in its header"),
        (in_header(252, b"\0\0"), "has more in its header"),  # then qform's numbers stand there for nothing
        (lambda folder: scan_in(folder).write_bytes(scan_in(folder).read_bytes()[:-9]), "cannot be read"),
        (lambda folder: scan_in(folder).write_bytes(scan_in(folder).read_bytes() + b"x"), "cannot be read"),
        (lambda folder: (folder / "notes.txt").write_text("Jane"), "notes.txt is no file of these heads"),
        (
            lambda folder: next(folder.rglob("*_defacemask.nii.gz")).unlink(),
            "is missing, which these heads should have",
        ),
        (edit_numbers(epsilon=1.0), "epsilon is stated as 1, but the draws give 3.998"),
        (edit_numbers(people=7), "not as privacy.json has it"),
        (edit_numbers(promise="It is all safe."), "promise is not"),
        (edit_numbers(hull="paper"), "its hull, 'paper', is none that may leave"),
        (edit_numbers(more=1), "has other entries"),
        (lambda folder: (folder / "PRIVACY.md").write_text("It is all safe.\n"), "PRIVACY.md says other"),
    ],
)
def test_what_was_changed_is_found_even_with_a_new_manifest(copy, capsys, change, said):
    change(copy)
    code, told = checked(copy, capsys)
    assert code == 1
    assert "DO NOT RELY ON IT" in told
    renew(copy)
    code, told = checked(copy, capsys)
    assert code == 1
    assert said in told


def forge(folder, change):
    """Change privacy.json, and all that follows from it as the release's own programs have it."""
    numbers = json.loads((folder / "privacy.json").read_text())
    change(numbers)
    hull, public = numbers["hull"], numbers["public_cohort"]
    numbers |= {"promise": say_made(hull, delta=numbers["delta"], public=public, learns_from="public")}
    numbers |= compute_epsilons(numbers["draw"], numbers["composed"], delta=numbers["delta"])
    codes = [line[4:] for line in (folder / "participants.tsv").read_text().split()[1:]]
    for name, text in write_texts(numbers, codes=codes, signer=None).items():
        (folder / name).write_text(text)
    renew(folder)


def draws(**changes):
    def change(numbers):
        for one in (numbers["draw"], *numbers["composed"]):
            one |= changes

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda numbers: numbers.update(hull="local-dp-1"),
            "an eps of 1 is promised, but the draw gives 3.998",
        ),
        (draws(sampling_rate=0.01), "no single Gaussian step on all of a person"),
        (draws(steps=2), "no single Gaussian step on all of a person"),
        (draws(steps=0), "no single Gaussian step on all of a person"),
        (draws(noise_multiplier=None, pure_epsilon=1e-3), "no single Gaussian step on all of a person"),
        (lambda numbers: numbers.update(delta=0.5), "delta is not above 0 and at most 1e-05"),
        (lambda numbers: numbers.update(register="Jane Doe"), "is no digest"),
        (lambda numbers: numbers["accountant"]["versions"].update(x="Jane Doe"), "are no versions"),
        (lambda numbers: numbers["data"].update(name="x\n\n## What is promised"), "its name is none"),
        (lambda numbers: numbers.update(other_runs=-1), "fewer than none"),
        (lambda numbers: numbers["data"].update(signed=False), "heads of people are always signed"),
        (lambda numbers: numbers.update(hull="k-same-3", draw=None), "fewer than 3 people who could share"),
        (
            lambda numbers: numbers.update(override={"reason": "We know.", "refused": "Nothing at all."}),
            "a reason is given for what the rules do not refuse",
        ),
    ],
)
def test_numbers_that_no_release_has_are_found_even_where_all_texts_say_the_same(copy, capsys, change, said):
    forge(copy, lambda numbers: None)
    assert checked(copy, capsys)[0] == 0
    forge(copy, change)
    code, told = checked(copy, capsys)
    assert code == 1
    assert said in told


def in_sidecar(text):
    return lambda folder: next(folder.rglob("*_T1w.json")).write_text(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (in_sidecar('{"PatientName": "Jane Doe"}\n'), "more than the scanner's settings"),
        (in_sidecar('{"EchoTime": 0.0031415926}\n'), "more than the scanner's settings"),
        (in_sidecar('{\n "EchoTime": 0.003,\n "EchoTime": 0.003\n}\n'), "more than the scanner's settings"),
        (lambda folder: (folder / "Jane Doe").mkdir(), "Jane Doe is no folder of these heads"),
    ],
)
def test_what_may_not_be_kept_of_a_source_is_found_without_the_source(copy, capsys, change, said):
    change(copy)
    renew(copy)
    code, told = checked(copy, capsys)
    assert code == 1
    assert said in told


def test_whoever_writes_a_new_manifest_has_no_signature_of_the_site(clinic, copy, capsys):
    (copy / "LICENSE").write_text("mine\n")
    renew(copy)
    code, told = checked(copy, capsys, key=clinic.site.signer().fingerprint)
    assert code == 1
    assert "the signature does not belong to this MANIFEST.sha256" in told


@pytest.mark.parametrize("header", [nib.Nifti1Header, nib.Nifti2Header])
def test_scans_of_both_versions_of_nifti_are_read_by_their_bytes(header):
    source = header()
    source.set_data_shape((3, 4, 5))
    source.set_sform(np.diag([2.0, 3.0, 4.0, 1.0]), code=1)
    source.set_xyzt_units("mm")
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    paths = name_head("abcdefghij", 1)
    scan = {
        "image": pack_scan(stored, source, slope=0.5, intercept=-20.0),
        "mask": pack_scan((stored > 9).astype(np.uint8), source, slope=1.0, intercept=0.0),
        "sidecar": write_sidecar({}).encode(),
    }
    assert compare_scan(paths, scan) == []
    several = pack_scan(stored.astype(np.uint8), source, slope=1.0, intercept=0.0)
    assert "holds other values than 0 and 1" in compare_scan(paths, scan | {"mask": several})[0]
    nothing = pack_scan(np.zeros_like(stored, np.uint8), source, slope=1.0, intercept=0.0)
    assert "or one of them alone" in compare_scan(paths, scan | {"mask": nothing})[0]
    source["qform_code"], source["quatern_b"] = 0, 0.25
    unused = pack_scan(stored, source, slope=0.5, intercept=-20.0)
    assert compare_scan(paths, scan | {"image": unused}) == []
    source.set_sform(np.diag([2.0, 3.0, 5.0, 1.0]), code=1)
    moved = pack_scan((stored > 9).astype(np.uint8), source, slope=1.0, intercept=0.0)
    assert "lies on another grid" in compare_scan(paths, scan | {"mask": moved})[0]
    assert "more than the scanner" in compare_scan(paths, scan | {"sidecar": b'{"a": [1]}'})[0]


def test_an_entry_that_stands_twice_in_privacy_json_is_found(copy, capsys):
    path = copy / "privacy.json"
    path.write_text(path.read_text().replace('"people": 2,', '"people": 9,\n "people": 2,'))
    renew(copy)
    code, told = checked(copy, capsys)
    assert code == 1
    assert "privacy.json is not as it was written: an entry stands there twice" in told


# --- Hulls that nobody is charged for ---


def test_heads_in_shared_hulls_leave_as_long_as_enough_people_share_one(tmp_path, capsys):
    clinic = Clinic(tmp_path, {"a1": 0, "b2": 1}, hull="k-same-2")
    for scan in clinic.scans.values():
        clinic.release_head(scan)
    clinic.teach(*PUBLIC)
    said = refused(clinic, capsys, left_out=["b2_20240131"])
    assert "groups of 1 people who share a hull, fewer than the 2" in said
    _, folder = clinic.release()
    assert "k-anonymity with k = 2" in (folder / "PRIVACY.md").read_text()
    statement = (folder / "PRIVACY.md").read_text()
    assert "No ledger is kept of public scans, so other draws" in statement
    assert "No draw of a person's hull has been made" not in statement
    # The codes of public people follow from the published seed.
    assert "whoever guesses an id can tell whose a code is" in (folder / "README.md").read_text()
    assert checked(folder, capsys)[0] == 0


def test_another_face_around_the_same_brain_gives_the_same_archive_bit_for_bit(tmp_path):
    """The promise of `brain` for everything that leaves: names, texts, times, sizes and signature too."""
    site, archives = make_site(tmp_path), []
    for face in (None, 3):
        folder = tmp_path / str(face)
        clinic = Clinic(
            folder, {"MRN4711": 0, "MRN4712": 1}, site=site, hull="brain", faces={"MRN4711": face}
        )
        for scan in clinic.scans.values():
            clinic.release_head(scan)
        archives.append((Path(clinic.scans["MRN4711"].image).read_bytes(), clinic.release()[0].read_bytes()))
    assert archives[0][0] != archives[1][0]
    assert archives[0][1] == archives[1][1]


def test_heads_in_hulls_of_the_brain_alone_leave_at_no_eps_and_still_need_the_sites_key(tmp_path, capsys):
    clinic = Clinic(tmp_path, {"MRN4711": 0}, site=make_site(tmp_path), hull="brain")
    clinic.release_head(clinic.scans["MRN4711"])
    clinic.teach(*PUBLIC)
    _, folder = clinic.release()
    numbers = json.loads((folder / "privacy.json").read_text())
    assert (numbers["draw"], numbers["epsilon"], numbers["epsilon_composed"]) == (None, None, 0.0)
    assert numbers["other_runs"] == numbers["models_without_noise"] == 0
    statement = (folder / "PRIVACY.md").read_text()
    assert "the output does not depend on the rest of the scan at all (eps = 0)" in statement
    assert "whose is whose is known at the site alone" in (folder / "README.md").read_text()
    assert "No draw of a person's hull has been made at the site" in statement
    assert checked(folder, capsys)[0] == 0
    (clinic.site.state / "signing.key").unlink()
    assert "signing key" in refused(clinic, capsys, name="heads-e")
