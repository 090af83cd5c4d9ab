"""Files that are either whole or absent, and that are named where they cannot be written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced to disk and renamed to `path`.

    The temporary name keeps the suffix (`.nii.gz`), because writers choose the format by it. On an error the
    temporary file is removed and `path` stays as it was; an OSError of writing it names `path`.
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
        refusal = _refusal(error)
        # Writing to an open file names none, and the temporary one is gone when the message is read.
        if refusal and (partial is None or refusal.filename in (None, str(partial))):
            raise OSError(refusal.errno, refusal.strerror, str(path)) from error
        raise
    finally:
        if partial:
            with suppress(OSError):  # of a file system that has become read-only
                partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file in `folder` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(error: BaseException | None) -> OSError | None:
    """Find the system's refusal behind an error: some writers fail once more while they close what failed."""
    while error and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error


def _make_beside(path: Path) -> Path:
    suffix = "".join(path.suffixes[-2:]) if path.suffixes[-2:-1] == [".nii"] else path.suffix
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name.split('.')[0]}-", suffix=f".partial{suffix}", dir=path.parent
    )
    os.close(handle)
    return Path(name)
