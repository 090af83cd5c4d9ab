"""The search of a finished release: no planted leak gets out, and nothing else is one."""

import base64
import gzip
import io
import os
import shutil
import tarfile
import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from tiny_release import (
    FORBIDDEN,
    KEY,
    PAIRS,
    SIZE,
    TERMS,
    VOXELS,
    charge,
    make_site,
    outline_of,
    searched,
    textures,
)

from privessel.errors import PrivacyError
from privessel.files import checkpoint
from privessel.privacy.keys import load_master
from privessel.release.forbidden import list_forbidden
from privessel.release.readers import take_apart
from privessel.release.scanner import require_clean, scan
from privessel.release.traces import Forbidden, Traces


@pytest.fixture
def site(tmp_path):
    return make_site(tmp_path)


def test_a_clean_release_has_no_finding(clean, tmp_path):
    assert searched(clean, tmp_path) == []


def test_ids_that_also_are_numbers_of_a_release_are_no_findings(clean, tmp_path):
    """The release has 5 pairs of 24 pixels from 80 patches, 40 of each of 2 patients, and tensors 0, 1, 2."""
    numbers = Forbidden(patients=["00001", "0001", "1", "2", "5", "24", "40", "80", "2022"])
    assert searched(clean, tmp_path, forbidden=numbers) == []


def append_text(name, text):
    def plant(folder):
        with (folder / name).open("a") as file:
            file.write(text)

    return plant


def resave_png(change):
    def plant(folder):
        path = folder / "data" / "png" / "image-00002.png"
        pixels = Image.fromarray(np.asarray(Image.open(path)))
        chunks = PngImagePlugin.PngInfo()
        change(chunks)
        pixels.save(path, pnginfo=chunks)

    return plant


def resave_npz(**more):
    def plant(folder):
        with np.load(folder / "data" / "pairs.npz") as arrays:
            given = dict(arrays)
        np.savez_compressed(folder / "data" / "pairs.npz", **given | more)

    return plant


def resave_pt(change):
    def plant(folder):
        path = folder / "model" / "generator.pt"
        state = checkpoint.load(path)
        change(state)
        torch.save(state, path)

    return plant


def rewrite_zip(path, *names, date=(1980, 1, 1, 0, 0, 0)):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, date), parts[name])


def date_zip_member(folder):
    rewrite_zip(folder / "data" / "pairs.npz", "image.npy", "label.npy", date=(2026, 5, 4, 3, 2, 0))


def hide_array(folder):
    with pytest.warns(UserWarning, match="Duplicate"):
        rewrite_zip(folder / "data" / "pairs.npz", "image.npy", "label.npy", "image.npy")


def comment_zip(folder):
    with zipfile.ZipFile(folder / "data" / "pairs.npz", "a") as archive:
        archive.comment = b"of P0042"


def add_scan(folder):
    scan = nibabel.Nifti1Image(np.zeros((SIZE, SIZE, 2), np.int16), np.eye(4))
    scan.header["descrip"] = b"sub-P0042 on ward7"
    nibabel.save(scan, folder / "data" / "scan.nii.gz")


class Runs:
    def __reduce__(self):
        return os.getcwd, ()


LEAKS = {
    "id in a text": (append_text("README.md", "Thanks to patient 001."), "patient id"),
    "id that is no number": (append_text("croissant.json", '"P0042"'), "patient id"),
    "id in a table": (append_text("data/png/pairs.csv", "001,label\n"), "patient id"),
    "id in a file's name": (lambda f: (f / "data" / "png" / "sub-001.png").touch(), "patient id"),
    "array behind another of its name": (hide_array, "odd content"),
    "id in a comment of a zip": (comment_zip, "patient id"),
    "path": (append_text("privacy.json", "/srv/hospital/scans"), "path"),
    "path of Windows": (append_text("README.md", r"C:\scans"), "path"),
    "relative path of the site": (append_text("README.md", "results/clinic/gan"), "path"),
    "user": (append_text("PRIVACY.md", "made by jdoe"), "name"),
    "host": (append_text("LICENSE", "on ward7.example.org"), "name"),
    "short seed": (append_text("README.md", "seed: 2022"), "seed"),
    "derived seed": (append_text("privacy.json", "6200300400500600700"), "seed"),
    "derived seed as bytes": (resave_npz(more=np.array([6_200_300_400_500_600_700])), "seed"),
    "seed as an array": (resave_npz(seed=np.array(2022)), "seed"),
    "key in hexadecimal": (append_text("privacy.json", KEY.hex()), "key"),
    "key in base64": (append_text("README.md", base64.b64encode(KEY).decode()), "key"),
    "key in compressed bytes": (resave_npz(key=np.frombuffer(KEY, np.uint8)), "key"),
    "digest": (append_text("privacy.json", "c3" * 32), "digest"),
    "start of a digest": (append_text("README.md", "c3" * 6), "digest"),
    "time in a text": (append_text("privacy.json", "2026-05-04T03:02:01"), "time"),
    "seconds since 1970": (append_text("privacy.json", " 1790000000 "), "time"),
    "text chunk": (resave_png(lambda c: c.add_text("Comment", "of P0042")), "patient id"),
    "compressed chunk": (resave_png(lambda c: c.add_text("Comment", "of P0042", zip=True)), "patient id"),
    "time chunk": (resave_png(lambda c: c.add(b"tIME", bytes([7, 234, 5, 4, 3, 2, 1]))), "odd content"),
    "bytes behind a picture": (append_text("data/png/label-00001.png", "P0042"), "patient id"),
    "text array": (resave_npz(patient=np.array(["P0042"])), "patient id"),
    "array that runs code": (resave_npz(more=np.array([Runs()], object)), "odd content"),
    "array of another type": (resave_npz(image=textures(5, seed=3)), "odd content"),
    "time of a zip member": (date_zip_member, "odd content"),
    "further part of a state": (resave_pt(lambda s: s.update(epoch=2)), "odd content"),
    "text in a state": (resave_pt(lambda s: s.update(of="sub-P0042")), "patient id"),
    "further tensor": (resave_pt(lambda s: s["weights"].update(x=torch.zeros(2, 24, 24))), "odd content"),
    "state that runs code": (
        lambda f: torch.save({"shape": Runs()}, f / "model" / "generator.pt"),
        "odd content",
    ),
    "scan": (add_scan, "unknown file"),
    "id in a scan's header": (add_scan, "patient id"),
    "host in a scan's header": (add_scan, "name"),
    "picture with real points": (lambda f: (f / "data" / "tsne.pdf").write_bytes(b"%PDF"), "unknown file"),
    "training curve": (lambda f: (f / "history.csv").write_text("epoch,loss\n"), "unknown file"),
    "link": (lambda f: (f / "data" / "link").symlink_to("pairs.npz"), "unknown file"),
    "slice of a scan": (
        lambda f: Image.fromarray(np.zeros((80, 96), np.uint8)).save(f / "data" / "png" / "image-00001.png"),
        "odd size",
    ),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found(clean, tmp_path, leak):
    plant, kind = LEAKS[leak]
    folder = shutil.copytree(clean, tmp_path / "vessels")
    plant(folder)
    found = searched(folder, tmp_path)
    assert kind in {one.kind for one in found}, found
    with pytest.raises(PrivacyError, match="Remedy") as refused:
        require_clean(found, name="vessels")
    assert KEY.hex() not in str(refused.value)
    assert base64.b64encode(KEY).decode() not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ({"mtime": 1_790_000_000}, "tar header"),
        ({"uid": 1000}, "tar header"),
        ({"uname": "jdoe"}, "tar header"),
        ({"pax_headers": {"comment": "P0042"}}, "tar header"),
        ({"gzip_mtime": 1_790_000_000}, "gzip header"),
        ({"gzip_name": "vessels-of-P0042.tar"}, "gzip header"),
    ],
)
def test_a_leak_in_the_archive_itself_is_found(tmp_path, header, kind):
    header = dict(header)
    outer = {"mtime": header.pop("gzip_mtime", 0), "filename": header.pop("gzip_name", "")}
    archive = tmp_path / "packed.tar.gz"
    with (
        archive.open("wb") as file,
        gzip.GzipFile(mode="wb", fileobj=file, **outer) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        member = tarfile.TarInfo("vessels/README.md")
        for name, value in header.items():
            setattr(member, name, value)
        tar.addfile(member, io.BytesIO())
    assert kind in {one.kind for one in scan(archive, outline=outline_of(), forbidden=FORBIDDEN)}


def test_numbers_names_and_words_that_mean_nothing_are_no_findings():
    traces = Traces(FORBIDDEN)
    for text in (
        "41 patients gave 1,001 patches; Kossen et al. 2022; 0.001; https://doi.org/10.3389/frai.2022.813842",
        "image-00001.png,label-00001.png case_00001_0000.png",
        "1/41,000 and/or 3 / 4, text/csv, at delta 1e-05, 2026-05",
    ):
        assert traces.find(text, prose=True) == set()


def test_a_site_s_ids_people_folders_digests_seeds_and_keys_are_all_looked_for(site, monkeypatch):
    charge(site)
    monkeypatch.setenv("LOGNAME", "mmustermann")
    monkeypatch.setattr("platform.node", lambda: "scanner3.clinic.example")
    found = list_forbidden(
        patients={"clinic-north": VOXELS, "elsewhere": ["x77"]}, voxels=VOXELS,
        paths=[site.state / "scans"], seed=2022, pairs=PAIRS, site=site,
        accounts=site.accounts(),
        terms=replace(TERMS, creators=("Institute elsewhere",)),
    )  # fmt: skip
    assert found.patients == {"001", "P0042", "x77"}
    assert {"mmustermann", "scanner3", "scanner3.clinic.example", "clinic-north"} <= found.names
    assert "elsewhere" not in found.names  # the terms say it themselves
    assert {str(site.state), str(site.state / "scans")} <= found.paths
    assert {
        "1" * 64,
        *VOXELS.values(),
        *(part for pair in site.digests(VOXELS).values() for part in pair),
    } <= found.digests
    assert 2022 in found.seeds
    master = load_master(site.state / "master.key")
    assert {
        master.secret, master.derive("ledger"), master.derive("patients"), site.signer().secret,
        site.codes_key(TERMS.name),
    } < set(found.keys)  # fmt: skip
    assert master.secret.hex() not in repr(found)
    assert str(master.secret) not in repr(found)


def test_checksums_behind_the_members_of_a_generator_are_no_texts():
    """The break: torch writes each member's CRC behind it, and here and there one looked like a path."""
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(5.0), "b": torch.zeros(3)}, buffer)
    assert not any("PK" in text for text in take_apart("generator.pt", buffer.getvalue()).metadata)
