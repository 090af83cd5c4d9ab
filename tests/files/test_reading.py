"""Files that the workflow has written, read back; the kinds of damage are in test_faults.py."""

import errno
import gzip

import pytest

from privessel.errors import DamagedError
from privessel.files.reading import digest_files, file_digest, reading


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-4, example B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "abc") == file_digest(str(tmp_path / "abc")) == expected


def test_files_of_one_name_do_not_hide_each_other(tmp_path):
    for room in ("gan", "unet"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "training.py").write_text(room)
    paths = ["gan/training.py", "unet/training.py"]
    before = digest_files(paths, root=tmp_path)
    assert list(before) == paths
    for path in paths:
        text = (tmp_path / path).read_text()
        (tmp_path / path).write_text("edited")
        assert digest_files(paths, root=tmp_path) != before
        (tmp_path / path).write_text(text)
    assert digest_files(paths, root=tmp_path) == before


def read(error):
    with reading("results/017.npz"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad header"),
        KeyError("image"),
        OSError(errno.EINVAL, "Invalid"),
        gzip.BadGzipFile("no gzip"),
    ],
)
def test_content_that_cannot_be_used_is_damage_of_the_named_file(error):
    with pytest.raises(DamagedError, match=r"results/017\.npz.*Remedy"):
        read(error)


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "No such file"), PermissionError(errno.EACCES, "No"), MemoryError()],
)
def test_what_is_no_fault_of_the_content_passes_unchanged(error):
    with pytest.raises(type(error)) as caught:
        read(error)
    assert caught.value is error
