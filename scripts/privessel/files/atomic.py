"""Writing files so that each is either whole or absent; errors name the file that cannot be written."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced to disk and renamed to `path`.

    The temporary name keeps the suffix (`.nii.gz`), because writers choose the format by it. On an error the
    temporary file is removed and `path` stays as it was. An OSError of writing names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = None
    try:
        partial = _make_beside(path)
        yield partial
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        partial.replace(path)
        sync_folder(path.parent)
    except Exception as error:
        cause = _system_error(error)
        # An error of an open file has no name in it, and the temporary name means nothing to the reader.
        if cause and (partial is None or cause.filename in (None, str(partial))):
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise
    finally:
        if partial:
            with suppress(OSError):  # the file system may have become read-only
                partial.unlink(missing_ok=True)


def write_synced(descriptor: int, content: bytes, *, path: Path) -> None:
    """Write `content` to the open file `descriptor` and bring it to disk; an OSError names `path`.

    Raises OSError where only a part could be written, too.
    """
    try:
        written = os.write(descriptor, content)
        if written != len(content):
            raise OSError(errno.ENOSPC, f"disk full, only {written} of {len(content)} bytes could be written")
        os.fsync(descriptor)
    except OSError as error:
        error.filename = str(path)  # an error of an open file has no name in it
        raise


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file in `folder` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _system_error(error: BaseException | None) -> OSError | None:
    """Return the system's error behind another: a writer may fail again while it closes the file."""
    while error and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error


def _make_beside(path: Path) -> Path:
    """Create an empty hidden file beside `path`, with its suffix."""
    suffix = "".join(path.suffixes[-2:]) if path.suffixes[-2:-1] == [".nii"] else path.suffix
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name.split('.')[0]}-", suffix=f".partial{suffix}", dir=path.parent
    )
    os.close(handle)
    return Path(name)
