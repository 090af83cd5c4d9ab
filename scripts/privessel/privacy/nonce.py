"""The nonce of an attempt: 32 random bytes that its key depends on, and that are destroyed when it is over.

A key that followed from the site's master secret alone would have two weaknesses. A copied state could draw
the same noise again over other gradients, and whoever got hold of the secret later could remove the noise of
every model that was ever released. So each attempt at a run draws a nonce of its own. The nonce lies in a
file beside the ledger, `{identity}.{attempt}.nonce`, and the ledger holds only its *commitment*, a digest
that tells nothing about it. The file is needed to continue the attempt after an interruption. When the run
has ended, or another attempt has replaced this one, the file is overwritten and removed, and from then on
nobody can compute the attempt's key again.

Overwriting destroys the bytes on a plain disk. It does not reach copies that a solid-state disk, a file
system with snapshots or copy-on-write, or a backup has kept; docs/privacy.md says what to do about those.
"""

import hashlib
import hmac
import os
from pathlib import Path

from privessel.files.atomic import sync_folder, write_synced

NONCE_BYTES = 32


def draw_nonce() -> bytes:
    """Return 32 bytes of operating-system entropy."""
    return os.urandom(NONCE_BYTES)


def commit(nonce: bytes, *, identity: str, attempt: int) -> str:
    """Return the commitment to a nonce: SHA-256 of the nonce and of whose it is, in hexadecimal."""
    message = f"privessel nonce {identity} {attempt} ".encode() + nonce
    return hashlib.sha256(message).hexdigest()


def create_nonce(folder: Path, *, identity: str, attempt: int, keep: bool) -> bytes:
    """Draw the nonce of a new attempt, write it to its file (mode 0600) if it is to be kept, and return it.

    It is on disk when this returns. A nonce that a killed process left there is destroyed first: its attempt
    never reached the ledger, so nothing was drawn with it.
    """
    path = _path(folder, identity, attempt)
    _destroy(path)
    nonce = draw_nonce()
    if not keep:
        return nonce
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_synced(descriptor, nonce, path=path)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
    return nonce


def read_nonce(folder: Path, *, identity: str, attempt: int, commitment: str | None) -> bytes | None:
    """Return the nonce of an attempt; None where its file is missing or does not fit the commitment."""
    try:
        nonce = _path(folder, identity, attempt).read_bytes()
    except FileNotFoundError:
        return None
    fits = hmac.compare_digest(commit(nonce, identity=identity, attempt=attempt), commitment or "")
    return nonce if fits else None


def list_nonces(folder: Path) -> dict[tuple[str, int], bytes]:
    """Return every nonce that lies in `folder`, by the identity and the attempt that it belongs to."""
    found = {}
    for path in sorted(Path(folder).glob("*.nonce")):
        identity, _, attempt = path.stem.rpartition(".")
        if attempt.isdigit():
            found[identity, int(attempt)] = path.read_bytes()
    return found


def destroy_nonces(folder: Path, *, identity: str, keep: int | None = None) -> None:
    """Overwrite and remove the nonces of a run, except that of attempt `keep`."""
    kept = None if keep is None else _path(folder, identity, keep)
    for path in Path(folder).glob(f"{identity}.*.nonce"):
        if path != kept:
            _destroy(path)


def _path(folder: Path, identity: str, attempt: int) -> Path:
    return Path(folder) / f"{identity}.{attempt}.nonce"


def _destroy(path: Path) -> None:
    """Overwrite a file in place, bring that to disk, and remove the file; do nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        zeros = bytes(max(NONCE_BYTES, os.fstat(descriptor).st_size))
        write_synced(descriptor, zeros, path=path)
    finally:
        os.close(descriptor)
    path.unlink()
    sync_folder(path.parent)
