"""The archive of a folder: what Python's own tar writer makes of the same files."""

import gzip
import io
import tarfile

from privessel.release.archive import list_files, pack


def test_an_archive_is_that_of_tarfile_for_any_number_and_size_of_files(tmp_path):
    folder = tmp_path / "vessels"
    (folder / "data" / "empty").mkdir(parents=True)
    for number in range(150):
        (folder / "data" / f"{number:03d}.bin").write_bytes(bytes([number]) * (7 * number))
    (folder / "block").write_bytes(b"x" * 512)
    (folder / "data.txt").write_text("sorts after the folder data")
    (folder / "data" / "link").symlink_to("001.bin")
    pack(folder, tmp_path / "packed.tar.gz")

    expected = io.BytesIO()
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    with tarfile.open(fileobj=expected, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in paths:
            member = tarfile.TarInfo(f"vessels/{path.relative_to(folder).as_posix()}")
            member.size = path.stat().st_size
            tar.addfile(member, io.BytesIO(path.read_bytes()))
    assert gzip.decompress((tmp_path / "packed.tar.gz").read_bytes()) == expected.getvalue()
    assert list_files(folder) == [path.relative_to(folder).as_posix() for path in paths]


def test_links_to_folders_are_listed_and_not_entered(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "elsewhere")
    assert list_files(tmp_path / "folder") == ["link"]
