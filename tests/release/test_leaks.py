"""Planted leaks: whatever a place of a release could hide, however it is written, is refused by both nets.

The first net is what a release may hold (`allowed`), the second the search for traces (`traces`). A leak must
be found by each of them alone, because the error has to say what it would have given away.
"""

import base64
import gzip
import io
import json
import shutil
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_release import (
    FORBIDDEN,
    KEY,
    SIZE,
    TERMS,
    VOXELS,
    charge,
    guarantee_of,
    make_release,
    make_site,
    outline_of,
    searched,
)

from privessel.errors import PrivacyError
from privessel.files import checkpoint
from privessel.release.allowed import Inspection, Outline, require_outline
from privessel.release.archive import list_files, pack
from privessel.release.checks.exports import SIGNATURE, make_chunk
from privessel.release.checks.statement import METHOD
from privessel.release.checks.words import tell_choices
from privessel.release.guarantee import LIBRARIES
from privessel.release.refusals import find_refusals
from privessel.release.scanner import require_clean, scan
from privessel.release.selection import Choice
from privessel.release.statement import summarise_numbers
from privessel.release.traces import Forbidden, Traces

FIRST_NET = {"odd content", "unknown file", "tar header", "gzip header"}
PICTURE, ARRAYS, STATE = "data/png/image-00002.png", "data/pairs.npz", "model/generator.pt"

# --- Places -------------------------------------------------------------------------------------------------


def in_text(name):
    def plant(folder, text):
        with (folder / name).open("a") as file:
            file.write(text)

    return name, plant


def in_json(name, change):
    def plant(folder, text):
        given = json.loads((folder / name).read_text())
        change(given, text)
        (folder / name).write_text(json.dumps(given, indent=1, ensure_ascii=False) + "\n")

    return name, plant


def in_png(change):
    """Change the chunks of a picture: a list of (kind, content)."""

    def plant(folder, text):
        content, chunks, at = (folder / PICTURE).read_bytes(), [], 8
        while at < len(content):
            size = int.from_bytes(content[at : at + 4])
            chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
            at += 12 + size
        change(chunks, text.encode())
        written = b"".join(content if not kind else make_chunk(kind, content) for kind, content in chunks)
        (folder / PICTURE).write_bytes(SIGNATURE + written)

    return PICTURE, plant


def chunk(kind, write=bytes):
    return in_png(lambda chunks, text: chunks.insert(1, (kind, write(text))))


def grow(chunks, place, text):
    chunks[place] = chunks[place][0], chunks[place][1] + text


def in_zip(name, change):
    """Write a zip file anew; `change` may alter a member's `ZipInfo`, or the archive."""

    def plant(folder, text):
        with zipfile.ZipFile(folder / name) as archive:
            members = [(member, archive.read(member)) for member in archive.infolist()]
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, content in members:
                fresh = zipfile.ZipInfo(member.filename, member.date_time)
                fresh.compress_type, fresh.external_attr = member.compress_type, member.external_attr
                archive.writestr(fresh, change(archive, fresh, text.encode()) or content)

    return name, plant


def comment(archive, _, text):
    archive.comment = text


def comment_member(_, member, text):
    member.comment = text


def extra_field(_, member, text):
    member.extra = struct.pack("<2H", 0x6375, len(text)) + text


def add_member(archive, _, text):
    if f"{text.decode()}.npy" not in archive.namelist():
        more = io.BytesIO()
        np.save(
            more,
            np.frombuffer(text + bytes(40), np.uint8).reshape(2, -1) if len(text) % 2 == 0 else np.zeros(2),
        )
        archive.writestr(f"{text.decode()}.npy", more.getvalue())


def before_zip(folder, text):
    content = (folder / ARRAYS).read_bytes()
    (folder / ARRAYS).write_bytes(text.encode() + content)


def pad_header(_, member, text):
    """Put a text into the spaces behind an array's header."""
    if member.filename == "image.npy":
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (5, 24, 24), }"
        pixels = np.zeros((5, 24, 24), np.uint8).tobytes()
        filled = header + b" " + text + b" " * (53 + 64 - len(text)) + b"\n"
        return b"\x93NUMPY\x01\0" + struct.pack("<H", len(filled)) + filled + pixels
    return None


def behind_array(_, member, text):
    if member.filename == "image.npy":
        whole = io.BytesIO()
        np.save(whole, np.zeros((5, 24, 24), np.uint8))
        return whole.getvalue() + text
    return None


def in_state(change):
    def plant(folder, text):
        state = checkpoint.load(folder / STATE)
        change(state, text)
        torch.save(state, folder / STATE)

    return STATE, plant


def add_record(folder, text):
    with zipfile.ZipFile(folder / STATE, "a") as archive:
        archive.writestr(f"archive/{text}", "")


def name_file(folder, text):
    (folder / "data" / "png" / f"{text.replace('/', '_')}.png").write_bytes((folder / PICTURE).read_bytes())


def name_folder(folder, text):
    (folder / "data" / text.replace("/", "_")).mkdir()
    (folder / "data" / text.replace("/", "_") / "pairs.npz").write_bytes(b"")


PLACES = {
    "file name": (None, name_file),
    "folder name": (None, name_folder),
    "tEXt": chunk(b"tEXt", lambda text: b"Comment\0" + text),
    "zTXt": chunk(b"zTXt", lambda text: b"Comment\0\0" + zlib.compress(text)),
    "iTXt": chunk(b"iTXt", lambda text: b"Comment\0\0\0en\0\0" + text),
    "compressed iTXt": chunk(b"iTXt", lambda text: b"Comment\0\1\0en\0\0" + zlib.compress(text)),
    "eXIf": chunk(b"eXIf", lambda text: b"II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0" + text),
    "eXIf in UTF-16": chunk(b"eXIf", lambda text: b"II*\0" + text.decode().encode("utf-16-le")),
    "iCCP": chunk(b"iCCP", lambda text: b"profile\0\0" + zlib.compress(b"ICC " + text)),
    "spare chunk": chunk(b"prVt"),
    "behind IEND": in_png(lambda chunks, text: chunks.append((b"", text))),
    "in IEND": in_png(lambda chunks, text: grow(chunks, -1, text)),
    "behind the pixels": in_png(lambda chunks, text: grow(chunks, 1, text)),
    "zip comment": in_zip(ARRAYS, comment),
    "zip member's comment": in_zip(ARRAYS, comment_member),
    "zip extra field": in_zip(ARRAYS, extra_field),
    "zip member's name": in_zip(ARRAYS, add_member),
    "before the zip": (ARRAYS, before_zip),
    "npy header": in_zip(ARRAYS, pad_header),
    "behind an array": in_zip(ARRAYS, behind_array),
    "JSON key": in_json("privacy.json", lambda given, text: given.update({text: 1})),
    "inner JSON key": in_json("privacy.json", lambda given, text: given["patient"].update({text: 1})),
    "JSON value": in_json("privacy.json", lambda given, text: given.update(unit=text)),
    "told in JSON": in_json("privacy.json", lambda given, text: given["choice"].update(told=text)),
    "version in JSON": in_json(
        "privacy.json", lambda given, text: given["accountant"]["versions"].update(numpy=text)
    ),
    "Croissant": in_json("croissant.json", lambda given, text: given.update(description=text)),
    "Croissant field": in_json(
        "croissant.json", lambda given, text: given["distribution"][0].update(name=text)
    ),
    "dataset.json": in_json(
        "data/nnunet/Dataset501_vessels/dataset.json", lambda given, text: given["labels"].update({text: 2})
    ),
    "card": in_text("README.md"),
    "PRIVACY.md": in_text("PRIVACY.md"),
    "LICENSE": in_text("LICENSE"),
    "verify.py": in_text("verify.py"),
    "manifest": in_text("MANIFEST.sha256"),
    "table": in_text("data/png/pairs.csv"),
    "key of a state": in_state(lambda state, text: state.update({text: 1})),
    "tensor's name": in_state(lambda state, text: state["weights"].update({text: torch.zeros(1)})),
    "shape of a generator": in_state(lambda state, text: state["shape"].update(upsampling=text)),
    "record of a state": (STATE, add_record),
    "comment of a state": in_zip(STATE, comment),
}

# --- Ways to write it ---------------------------------------------------------------------------------------

ID, NAME, DAY, TIME, PLACE, MAIL = "patient id", "name", "date", "time", "path", "e-mail address"
SPELLINGS = {
    "as it is": ("P0042", ID),
    "with a hyphen inside": ("P00-42", ID),
    "surname in another word": ("drSchmidts", ID),
    "long number with dots": ("20.456.789", ID),
    "long number, glued": ("MRN20456789x", ID),
    "behind a word and 'no.'": ("Patient no. 001", ID),
    "DICOM name": ("DOE^JOHN", NAME),
    "date with a short year": ("31/01/26", DAY),
    "lower case": ("p0042", ID),
    "with a hyphen": ("P-0042", ID),
    "with an underscore": ("p_0042", ID),
    "with a space": ("P 0042", ID),
    "with a dot": ("P.0042", ID),
    "glued on both sides": ("scanOfP0042b", ID),
    "behind a number and a letter": ("t2xP0042", ID),
    "non-breaking hyphen": ("P\N{NON-BREAKING HYPHEN}0042", ID),
    "minus": ("P\N{MINUS SIGN}0042", ID),
    "soft hyphen": ("P\N{SOFT HYPHEN}0042", ID),
    "invisible letters": ("P\N{ZERO WIDTH SPACE}00\N{ZERO WIDTH JOINER}42", ID),
    "wide letters": ("Ｐ００４２", ID),
    "Cyrillic letter": ("Р0042", ID),
    "Arabic digits": ("P\u0660\u0660\u0664\u0662", ID),
    "letters for digits": ("PO042", ID),
    "spaced out": ("P 0 0 4 2", ID),
    "BIDS": ("sub-001", ID),
    "BIDS, upper case": ("SUB_001", ID),
    "BIDS, glued": ("sub001", ID),
    "BIDS, glued on both sides": ("prefix_sub001x", ID),
    "behind a word": ("Patient: 001", ID),
    "base64": (base64.b64encode(b"P0042").decode(), ID),
    "base64 without padding": (base64.b64encode(b"of P0042").decode().rstrip("="), ID),
    "base64, second alignment": (base64.b64encode(b"xP0042").decode(), ID),
    "base64, glued": ("id_" + base64.urlsafe_b64encode("±§P0042".encode()).decode(), ID),
    "base64 twice": (base64.b64encode(base64.b64encode(b"of P0042")).decode(), ID),
    "base64 of a compressed text": (base64.b64encode(zlib.compress(b"of P0042")).decode(), ID),
    "base64 of gzip": (base64.b64encode(gzip.compress(b"of P0042")).decode(), ID),
    "base64 of a user": (base64.b64encode(b"made by jdoe").decode(), NAME),
    "hexadecimal": (b"P0042".hex(), ID),
    "hexadecimal with colons": (b"P0042".hex(":").upper(), ID),
    "URL": ("".join(f"%{one:02X}" for one in b"P0042"), ID),
    "URL, in part": ("P%30042", ID),
    "URL twice": (quote(quote("P 0042")), ID),
    "JSON escape": (r"P\u0030042", ID),
    "HTML": ("P&#48;042", ID),
    "user, upper case": ("JDOE", NAME),
    "home of a user": ("~jdoe", PLACE),
    "home of another user": ("~somebody/scans", PLACE),
    "host, other case": ("Ward7.Example.ORG", NAME),
    "host without separator": ("ward-7", NAME),
    "e-mail": ("someone@clinic.example", MAIL),
    "e-mail with words": ("someone [at] clinic.example", MAIL),
    "known folder in the root": ("cd /scans1", PLACE),
    "home": ("in:/home/other/scans", PLACE),
    "Windows": (r"D:\scans\today", PLACE),
    "known path, other case": ("RESULTS/Clinic", PLACE),
    "URL of a path": ("%2Fsrv%2Fscans%2Fnew", PLACE),
    "date": ("2026-01-31", DAY),
    "DICOM date": ("20260131", DAY),
    "DICOM date and time": ("20260131235959.000000", DAY),
    "European date": ("31.1.2026", DAY),
    "American date": ("01/31/2026", DAY),
    "date in words": ("31st January, 2026", DAY),
    "date in words, American": ("Jan. 31, 2026", DAY),
    "DICOM time": ("235959.123456", TIME),
    "DICOM time, marked": ("StudyTime 235959", TIME),
    "DICOM UID": ("1.2.840.113619.2.55.3.604688", "DICOM UID"),
    "digest, upper case": ("C3" * 32, "digest"),
    "key, base64 of it at another alignment": (base64.b64encode(b"x" + KEY).decode(), "key"),
    "key with colons": (KEY.hex(":"), "key"),
}
# Every place with one spelling, every spelling in a place of its own.
ROOMY = ["card", "PRIVACY.md", "tEXt", "JSON value", "Croissant", "zip comment", "key of a state", "table"]
PLANTED = {f"{place}, as it is": (place, "as it is") for place in PLACES} | {
    f"{ROOMY[number % len(ROOMY)]}, {spelling}": (ROOMY[number % len(ROOMY)], spelling)
    for number, spelling in enumerate(SPELLINGS)
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_leak_is_refused_by_both_nets(clean, tmp_path, planted):
    (name, plant), (text, kind) = PLACES[PLANTED[planted][0]], SPELLINGS[PLANTED[planted][1]]
    folder = shutil.copytree(clean, tmp_path / "vessels")
    plant(folder, text)
    found = searched(folder, tmp_path)
    there = [one for one in found if name is None or one.file == f"vessels/{name}"]
    assert kind in {one.kind for one in there}, found
    assert FIRST_NET & {one.kind for one in there}, found
    with pytest.raises(PrivacyError, match=kind) as refused:
        require_clean([one for one in there if one.kind == kind], name="vessels")
    assert next(one.file for one in there if one.kind == kind) in str(refused.value)
    assert KEY.hex() not in str(refused.value)
    assert inspected(folder)


def inspected(folder, *, terms=TERMS):
    """What the first net finds by itself."""
    inspection, odd = Inspection(outline_of(terms)), []
    for name in list_files(folder):
        odd += inspection.look_at(name, (folder / name).read_bytes())
    return odd + inspection.finish()


def test_there_are_enough_of_them():
    assert len(PLANTED) >= 60


# --- The archive itself -------------------------------------------------------------------------------------


def rewrite_tar(change, *, behind=b"", gzip_name=""):
    """Write the archive anew with a changed header of the card, or with bytes behind its end."""

    def plant(archive):
        with tarfile.open(archive) as tar:
            files = [(member, tar.extractfile(member).read()) for member in tar]
        with (
            archive.open("wb") as file,
            gzip.GzipFile(gzip_name, "wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for member, content in files:
                if member.name.endswith("README.md"):
                    change(member)
                tar.addfile(member, io.BytesIO(content))
        with archive.open("ab") as file:
            file.write(behind)

    return plant


IN_ARCHIVE = {
    "owner": rewrite_tar(lambda member: setattr(member, "uname", "jdoe")),
    "group": rewrite_tar(lambda member: setattr(member, "gname", "ward7")),
    "further header": rewrite_tar(lambda member: member.pax_headers.update(comment="P0042")),
    "name of the folder": rewrite_tar(lambda member: setattr(member, "name", "P0042/README.md")),
    "name in gzip": rewrite_tar(lambda _: None, gzip_name="P0042.tar"),
    "bytes behind gzip": rewrite_tar(lambda _: None, behind=b"P0042"),
    "second gzip": rewrite_tar(lambda _: None, behind=gzip.compress(b"P0042 and nothing else", mtime=0)),
}


@pytest.mark.parametrize("place", IN_ARCHIVE)
def test_a_leak_in_the_archive_itself_is_refused(clean, tmp_path, place):
    archive = tmp_path / "packed.tar.gz"
    pack(clean, archive)
    IN_ARCHIVE[place](archive)
    found = scan(archive, outline=outline_of(), forbidden=FORBIDDEN)
    kinds = {one.kind for one in found}
    assert kinds & {"tar header", "gzip header", "unknown file"}, found
    assert place == "second gzip" or kinds & {ID, NAME}, found  # compressed bytes of no known place


def test_an_archive_as_it_was_packed_has_nothing_of_the_kind(clean, tmp_path):
    archive = tmp_path / "packed.tar.gz"
    pack(clean, archive)
    assert scan(archive, outline=outline_of(), forbidden=FORBIDDEN) == []


# --- What only the first net sees ---------------------------------------------------------------------------


def swap_pictures(folder):
    one, other = (folder / "data" / "png" / f"image-0000{number}.png" for number in (1, 2))
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)


def resave_deeper(folder):
    pixels = np.asarray(Image.open(folder / PICTURE)).astype(np.uint16) * 256
    Image.fromarray(pixels).save(folder / PICTURE)


def mark_labels(folder):
    """Labels of 0, 1 and 2, which numpy reads as bool."""
    with np.load(folder / ARRAYS) as arrays:
        given = dict(arrays)
    given["label"] = (given["label"] * np.uint8(2)).view(bool)
    np.savez_compressed(folder / ARRAYS, **given)


def set_dtype(folder):
    state = checkpoint.load(folder / STATE)
    state["weights"] = {name: value.double() for name, value in state["weights"].items()}
    torch.save(state, folder / STATE)


def share_storage(folder):
    """A weight as a part of a longer tensor, whose rest is saved with it."""
    state = checkpoint.load(folder / STATE)
    name, value = next((name, value) for name, value in state["weights"].items() if value.ndim)
    longer = torch.cat([value.ravel(), torch.arange(9.0)])
    state["weights"][name] = longer[: value.numel()].view(value.shape)
    torch.save(state, folder / STATE)


@pytest.mark.parametrize(
    "change",
    [
        swap_pictures,
        resave_deeper,
        mark_labels,
        set_dtype,
        share_storage,
        lambda folder: (folder / "data/png/label-00004.png").unlink(),
        lambda folder: np.savez_compressed(folder / ARRAYS, **dict(np.load(folder / ARRAYS))),
        lambda folder: (folder / PICTURE).write_bytes((folder / PICTURE).read_bytes()[:-1] + b"\0"),
        lambda folder: (folder / "data/png/image-00005.png").write_bytes((folder / PICTURE).read_bytes()),
        lambda folder: (folder / "PRIVACY.md").write_text((folder / "PRIVACY.md").read_text() + " "),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_privessel_writes_it_is_refused(clean, tmp_path, change):
    folder = shutil.copytree(clean, tmp_path / "vessels")
    change(folder)
    assert {"odd content", "unknown file"} & {one.kind for one in searched(folder, tmp_path)}


ALONE = {"private_sets": 1, "runs": None, "models_without_noise": None}


@pytest.mark.parametrize(
    "change",
    [
        {"scanner": 3},
        {"unit": "P0042"},
        {"patients": "2"},
        {"patients": True},
        {"patients": 2.0},
        {"epsilon": "7"},
        {"choice": ALONE | {"told": "Müller chose it."}},
        {"choice": ALONE | {"told": "It was P0042."}},
        {"override": {"reason": "another one", "refused": []}},
        {"register": "the line of P0042"},
        {"accountant": {"method": "privacy loss distributions", "versions": {"numpy": "ward7"}}},
        {"accountant": {"method": METHOD, "versions": dict.fromkeys(LIBRARIES, "ward7")}},
        {"accountant": {"method": METHOD, "versions": dict.fromkeys([*LIBRARIES, "P0042"], "1.0")}},
        {"accountant": {"method": "P0042", "versions": dict.fromkeys(LIBRARIES, "1.0")}},
        {"not_covered": ["Patient P0042."]},
    ],
)
def test_privacy_json_holds_no_other_keys_types_and_words(change):
    outline = outline_of()
    require_outline(outline)
    with pytest.raises(PrivacyError, match=r"privacy\.json would hold what it may not.*Remedy") as refused:
        require_outline(replace(outline, numbers=outline.numbers | change))
    assert "P0042" not in str(refused.value)


@pytest.mark.parametrize("unit", ["patch", "patient"])
def test_the_numbers_of_a_release_against_the_rules_and_of_one_with_earlier_runs_may_leave(tmp_path, unit):
    reason = "The patients agreed to all of it, in writing."
    terms = replace(
        TERMS, epsilon=0.1, delta=2e-3, max_region_epsilon=0.1, region_reason=reason, override=reason
    )
    site, given = make_site(tmp_path), {"unit": unit, "rate": 0.2 if unit == "patch" else 0.5}
    record = charge(site, **given)
    charge(site, number=2, **given)
    site.note_model(name="wgan/inf/run-1", cohort="clinic", patients=site.digests(VOXELS))
    guarantee = guarantee_of(record, site, terms=terms)
    choice = Choice(3, tell_choices(3, 2, 1)[1], ("a score on patient P0042",))
    outweighed = find_refusals(guarantee, terms=terms, choice=choice)
    expected = {"epsilon", "delta", "region", "selection"} if unit == "patch" else {"epsilon", "selection"}
    assert {one.subject for one in outweighed} >= expected
    numbers = summarise_numbers(guarantee, choice=choice, terms=terms, outweighed=outweighed)
    outline = Outline(numbers, terms, "wgan", 5, SIZE, model=False)
    require_outline(outline)
    for key in ["override", *(["region_reason"] if unit == "patch" else [])]:
        with pytest.raises(PrivacyError, match="not as the site has set it"):
            require_outline(replace(outline, terms=replace(terms, **{key: "Another one."})))


# --- The site's own words, which only the second net can judge, and what is no leak ------------------------


@pytest.mark.parametrize("spelling", list(SPELLINGS)[::6])
def test_a_leak_in_the_site_s_own_words_is_refused(generator, tmp_path, spelling):
    text, kind = SPELLINGS[spelling]
    terms = replace(TERMS, description=f"Adults with a stroke ({text}).")
    folder = make_release(tmp_path / TERMS.name, generator, terms=terms)
    found = searched(folder, tmp_path, terms=terms)
    assert {one.kind for one in found} == {kind}
    assert {one.file for one in found} == {
        "vessels/README.md", "vessels/croissant.json", "vessels/privacy.json"
    }  # fmt: skip


CONTROLS = {
    "years and numbers": ({"description": "1,001 adults, 2015 to 2019, 0.5 x 0.7 mm at 3 T, 20-60 %."}, {}),
    "words of medicine": ({"description": "T1w/T2w, TOF-MRA (TE 3.7 ms); CTA and/or ASL at t = 4.0 s."}, {}),
    "umlauts and dashes": ({"description": "Ärzte – Köln; “naïve” patients ≥ 18 y, 2015–2019, α = 0."}, {}),
    "a contact": (
        {"creators": ("A Hospital <data@hospital.example>",)},
        {"contacts": ["data@hospital.example"]},
    ),
    "a web site": ({"description": "See https://www.hospital.example/home/data/vessels for more."}, {}),
    "short ids": ({}, {"patients": ["1", "2", "5", "24", "a1", "x2", "42", "001", "2022"]}),
    "ids that are words": ({}, {"patients": ["image", "vessel", "label", "Data"]}),
    "ids like numbers of files": ({}, {"patients": ["00001", "case_00001", "00000", "0000"]}),
    "ids like digests": ({}, {"patients": ["abc", "deca", "face"]}),
    "versions": ({"description": "With torch 2.5.1, numpy 1.26.4, ITK 5.3.0 and dcm2niix 1.0.2022."}, {}),
    "short names": ({}, {"names": ["vm", "x1", "sim"]}),
    "a folder in the root": ({}, {"paths": ["/data", "/model", "/srv/data"]}),
    "many patients": ({}, {"patients": [f"PAT-{number:04d}" for number in range(500)]}),
    "a long name": ({"name": "vessels_of-1-clinic_2019"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS)
def test_what_is_no_leak_passes(generator, tmp_path, control):
    terms, forbidden = CONTROLS[control]
    terms = replace(TERMS, **terms)
    folder = make_release(tmp_path / terms.name, generator, terms=terms)
    assert inspected(folder, terms=terms) == []
    assert searched(folder, tmp_path, forbidden=replace(FORBIDDEN, **forbidden), terms=terms) == []


@pytest.mark.parametrize(
    "text",
    [
        '"epsilon": 123456.75,',
        '"torch": "2.6.0.dev20250112+cpu"',
        "eps 5,785 after 12,810 steps; 320250.5 in all",
        "0.20260131, 120260131, 202601315",
        "arXiv:2008.11193, doi:10.3389/frai.2022.813842, version 1.26.4",
        "P00421, XP00429, sub-0019, patients, 80 patches",
        "https://creativecommons.org/licenses/by/4.0/",
    ],
)
def test_numbers_that_look_like_dates_times_or_ids_are_none(text):
    assert Traces(FORBIDDEN).find(text, prose=True) == set()


def test_random_bytes_in_base64_and_hexadecimal_are_no_traces():
    many = Forbidden(
        patients=[f"P{number:04d}" for number in range(100)], names=["jdoe", "anna"], paths=["/srv/clinic"]
    )
    traces = Traces(many)
    draws = np.random.default_rng(0)
    for size in [32, 64, 3001] * 20:
        content = draws.bytes(size)
        for code in (base64.b64encode, base64.urlsafe_b64encode, bytes.hex):
            written = code(content)
            text = f'"signature": "{written if code is bytes.hex else written.decode()}"'
            assert traces.find(text, prose=True) == set()
