"""Reading an archive (.tar.gz) block by block: every member, and every byte that is not one.

Python's tarfile passes over what does not concern it, such as a second gzip stream, further headers, and
whatever follows the last member. Here each block must be the one that `archive.pack` writes.
"""

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from privessel.release.archive import HEADER, make_header

NAME, SIZE = 100, slice(124, 136)  # where a header has them
PART = 1 << 20  # bytes that are read from the disk at a time


@dataclass
class Member:
    """A file of an archive. `odd`: what its header, or the archive, has besides; `spare`: texts found there.

    A member whose name is empty stands for the archive itself. `plain`: a file, and no link or folder.
    """

    name: str = ""
    content: bytes = b""
    plain: bool = True
    odd: list[tuple[str, str]] = field(default_factory=list)  # (kind, what)
    spare: list[str] = field(default_factory=list)


def read_members(archive: Path) -> Iterator[Member]:
    """Yield each file of a .tar.gz in order, and what the archive has besides as members without a name."""
    with archive.open("rb") as file:
        tar = _Gunzip(file)
        while (block := tar.read(tarfile.BLOCKSIZE)) and any(block):
            try:
                yield _read_member(block, tar)
            except (tarfile.HeaderError, ValueError) as problem:
                yield _tell("tar header", f"cannot be read ({problem})", block)
                break
        rest = block + tar.read_all()
        if any(rest) or len(rest) < 2 * tarfile.BLOCKSIZE or tar.size % tarfile.RECORDSIZE:
            yield _tell("tar header", "more or fewer bytes behind the last file", rest)
        yield from tar.odd


def _read_member(block: bytes, tar: "_Gunzip") -> Member:
    about = _read_header(block)
    content = tar.read(about.size)
    filled = tar.read(-about.size % tarfile.BLOCKSIZE)
    member = Member(about.name, content, plain=about.isreg())
    if not about.isreg():
        member.odd.append(("tar header", "no plain file"))
    if about.mtime:
        member.odd.append(("tar header", "a time"))
    if about.uid or about.gid or about.uname or about.gname:
        member.odd.append(("tar header", f"an owner ({about.uname or about.uid})"))
    if any(filled):
        member.odd.append(("tar header", "bytes behind the file's end"))
        member.spare.append(filled.decode("latin-1"))
    if not member.odd and block != make_header(about.name, about.size):
        member.odd.append(("tar header", "fields that a release does not have"))
    if member.odd:
        member.spare += [about.uname, about.gname, about.linkname]
        member.spare += [part.decode("latin-1") for part in block.split(b"\0") if part]
    if not member.plain and content:
        # Further headers, which hold texts.
        member.spare.append(content.decode("latin-1"))
    return member


def _read_header(block: bytes) -> tarfile.TarInfo:
    about = tarfile.TarInfo(block[:NAME].rstrip(b"\0").decode("ascii", "replace"))
    with suppress(ValueError):
        about.size = int(block[SIZE].rstrip(b"\0"), 8)
        if block == make_header(about.name, about.size):
            return about  # as nearly all are, so that the rest is read in one case only
    return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")


class _Gunzip:
    """One gzip stream, read in parts; `odd` tells what its header and the file's end have besides."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._ready, self._taken = file, b"", 0
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.size, self.odd = 0, []
        header = file.read(len(HEADER))
        if header != HEADER:
            flags, time = header[3:4], header[4:8]
            what = "a time" if any(time) else "a file name or comment" if any(flags) else "other fields"
            self.odd.append(_tell("gzip header", what, header + file.read(1024).partition(b"\0")[0]))
        file.seek(0)

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end."""
        while len(self._ready) - self._taken < size and (more := self._inflate_more()):
            self._ready, self._taken = self._ready[self._taken :] + more, 0
        found = self._ready[self._taken : self._taken + size]
        self._taken += len(found)
        self.size += len(found)
        return found

    def _inflate_more(self) -> bytes:
        """Return the next part, decompressed; nothing at the end."""
        while not self._inflate.eof:
            given = self._inflate.unconsumed_tail or self._file.read(PART)
            if not given:
                self.odd.append(Member(odd=[("gzip header", "its end is missing")]))
                break
            if found := self._inflate.decompress(given, PART):
                return found
        return b""

    def read_all(self) -> bytes:
        """Return what is left, and note whatever follows the stream in the file."""
        parts = []
        while part := self.read(PART):
            parts.append(part)
        if behind := self._inflate.unused_data + self._file.read():
            self.odd.append(_tell("gzip header", "bytes behind its end", behind))
        return b"".join(parts)


def _tell(kind: str, what: str, content: bytes) -> Member:
    return Member(odd=[(kind, what)], spare=[content.decode("latin-1")])
