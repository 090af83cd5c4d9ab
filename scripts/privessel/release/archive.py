"""A folder as an archive, .tar.gz, of the same bytes whenever it is packed."""

import gzip
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HEADER = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"  # of gzip: no name, no time, most compressed, no system
AT_ONCE = 64  # files that are read ahead while those before them are compressed


def list_files(folder: Path) -> list[str]:
    """Return the path of every file and link below `folder`, relative to it, folder by folder in order."""
    found = []
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(f"{place}/{name}")]
        inside = Path(place).relative_to(folder).as_posix()
        found += [name if inside == "." else f"{inside}/{name}" for name in [*names, *links]]
    return sorted(found, key=lambda name: name.split("/"))


def pack(folder: Path, archive: Path) -> None:
    """Pack a folder as .tar.gz, under its own name: no times, owners or modes of files.

    The same files give the same bytes (with the same zlib, which compresses them).
    """
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
    ):
        size = 0
        for members in _read_ahead(folder, list_files(folder)):
            size += packed.write(members)
        # A tar archive ends with two empty blocks, and is filled up to a whole record.
        size += packed.write(bytes(2 * tarfile.BLOCKSIZE))
        packed.write(bytes(-size % tarfile.RECORDSIZE))


def _read_ahead(folder: Path, names: list[str]) -> Iterator[bytes]:
    """Yield the files as members of a tar archive, some at a time; the next ones are read meanwhile."""
    parts = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(_members, folder, part) for part in parts[:1]]
        for part in parts[1:]:
            waiting.append(reader.submit(_members, folder, part))
            yield waiting.pop(0).result()
        for last in waiting:
            yield last.result()


def _members(folder: Path, names: list[str]) -> bytes:
    """Return files as they stand in a tar archive: each a header, its content, and zeros to a whole block."""
    found = []
    for name in names:
        content = (folder / name).read_bytes()
        header = make_header(f"{folder.name}/{name}", len(content))
        found += [header, content, bytes(-len(content) % tarfile.BLOCKSIZE)]
    return b"".join(found)


def make_header(name: str, size: int) -> bytes:
    """Return the header of a file of so many bytes in a tar archive."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.USTAR_FORMAT)
