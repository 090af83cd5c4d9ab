"""Files of the user: what is absent says how to fetch it, and another content has another fingerprint."""

import errno
import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from privessel.errors import CohortError
from privessel.files.source import find_absence, fingerprint, read_content

LARGE = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()


def age(path, seconds):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + int(seconds * 1e9)))


@pytest.mark.parametrize("content", [b"", b"x", LARGE[:500]], ids=len)
def test_of_a_small_file_the_content_alone_counts(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    before = fingerprint(path)
    age(path, 3600)
    assert fingerprint(path) == before
    path.write_bytes(content + b"y")
    age(path, -86400)
    assert fingerprint(path) != before


def test_of_a_large_gzip_file_the_content_counts_and_not_the_time(tmp_path):
    path, copy = tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"
    path.write_bytes(gzip.compress(LARGE, mtime=0))
    shutil.copy(path, copy)
    age(copy, 1e6)
    assert fingerprint(copy) == fingerprint(path)
    changed = bytearray(LARGE)
    changed[50_000] ^= 1
    copy.write_bytes(gzip.compress(bytes(changed), mtime=0))
    os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    assert copy.stat().st_size == path.stat().st_size
    assert fingerprint(copy) != fingerprint(path)


@pytest.mark.parametrize(
    "content", [LARGE, gzip.compress(LARGE) + gzip.compress(b"")], ids=["plain", "parts"]
)
@pytest.mark.parametrize("seconds", [-86400, 1])
def test_of_other_large_files_another_time_counts_older_or_newer(tmp_path, content, seconds):
    path = tmp_path / "a.nii"
    path.write_bytes(content)
    before = fingerprint(path)
    assert fingerprint(path) == before
    age(path, seconds)
    assert fingerprint(path) != before


def test_a_link_has_the_fingerprint_of_its_target(tmp_path):
    (tmp_path / "a").write_bytes(LARGE)
    (tmp_path / "b").symlink_to("a")
    assert fingerprint(tmp_path / "b") == fingerprint(tmp_path / "a")


def test_a_folder_and_a_file_that_must_not_be_read_are_named(tmp_path, monkeypatch):
    assert "is a folder" in find_absence(tmp_path)
    path = tmp_path / "a"
    path.write_text("an image")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)
    assert "right to read it" in find_absence(path)


def test_an_absent_content_says_how_to_fetch_it(tmp_path):
    path = tmp_path / "a b.nii.gz"
    assert "does not exist" in find_absence(path)
    path.symlink_to(".git/annex/objects/F9/3x/MD5E-s2--0f.nii.gz")
    assert f"`datalad get '{path}'`" in find_absence(path)
    path.unlink()
    path.symlink_to("nowhere.nii.gz")
    assert "a link to nowhere.nii.gz" in find_absence(path)
    path.unlink()
    path.write_text("/annex/objects/MD5E-s2--0f.nii.gz\n")
    assert "datalad get" in find_absence(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2\n")
    assert "git lfs pull" in find_absence(path)
    path.write_text("an image")
    assert find_absence(path) is None


@pytest.mark.parametrize("call", ["stat", "lstat", "read_bytes"])
def test_a_file_below_a_folder_that_must_not_be_opened_is_told_with_a_remedy(tmp_path, monkeypatch, call):
    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = tmp_path / "a"
    path.write_text("an image")
    monkeypatch.setattr(Path, call, refuse)
    try:
        told = find_absence(path)
    finally:
        monkeypatch.undo()
    assert told.startswith("cannot be read (Permission denied). Remedy: ")
    assert "folders above it" in told


def test_a_content_is_read_or_its_absence_told(tmp_path, monkeypatch):
    path = tmp_path / "a"
    with pytest.raises(CohortError, match="does not exist. Remedy: "):
        read_content(path)
    path.write_bytes(LARGE)
    assert read_content(path) == LARGE

    def fail(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(CohortError, match="cannot be read .Input/output error.. Remedy: "):
        read_content(path)
