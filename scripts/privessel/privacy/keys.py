"""The secrets of a site, and the random numbers drawn from them.

A site has one master secret. Each attempt at a private run has a key that is derived from the master secret
and from a nonce of the attempt. All random numbers of the attempt are drawn from that key by AES in counter
mode, so that any of them can be drawn again, in any order.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from randomgen import AESCounter

from privessel.errors import PrivacyError
from privessel.files.atomic import sync_folder

SECRET_BYTES = 32
# Values drawn under one chunk of the counter (0.8 ms of work); changing it changes every draw.
CHUNK = 1 << 16
# The 128-bit AES counter is [step: 64 bits][chunk: 24 bits][block: 40 bits]; a chunk uses about 2^15 blocks.
_BLOCK_BITS = 40
_CHUNK_BITS = 24


def hkdf(secret: bytes, *, salt: bytes = b"", info: bytes = b"", length: int = SECRET_BYTES) -> bytes:
    """Derive `length` bytes from `secret` by HKDF-SHA256 (RFC 5869).

    An empty `salt` means 32 zero bytes, as in the RFC; `length` is at most 8,160.
    """
    if not 0 < length <= 255 * hashlib.sha256().digest_size:
        raise ValueError(f"HKDF-SHA256 derives 1 to 8,160 bytes, not {length}")
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    block, derived = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([counter]), "sha256")
        derived += block
    return derived[:length]


@dataclass(frozen=True)
class MasterSecret:
    """The one secret of a site, from which its keys are derived; it is never shown in a repr or a log."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"a master secret has {SECRET_BYTES} bytes, not {len(self.secret)}")

    def derive(self, purpose: str) -> bytes:
        """Derive the 32-byte key of one purpose; the keys of two purposes tell nothing about each other."""
        return hkdf(self.secret, info=_joined("privessel key", purpose))


def create_master(path: Path) -> MasterSecret:
    """Create the master secret at `path` and return it; PrivacyError and files as `create_secret_file`."""
    return MasterSecret(create_secret_file(path, name="master secret"))


def load_master(path: Path) -> MasterSecret:
    """Read the master secret at `path`; PrivacyError as `read_secret_file`."""
    return MasterSecret(read_secret_file(path, name="master secret"))


def create_secret_file(path: Path, *, name: str) -> bytes:
    """Write 32 bytes of operating-system entropy to `path` (mode 0600, its folder 0700), and return them.

    The file appears whole or not at all, and is on disk before this returns. `name` is what messages call it.
    Raises PrivacyError where `path` exists: whatever was made with the old secret could not be used any more.
    """
    path = Path(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError:
        raise PrivacyError(f"{path}: there is a {name} already; load it, never replace it") from None
    finally:
        partial.unlink()
    sync_folder(path.parent)
    return read_secret_file(path, name=name)


def read_secret_file(path: Path, *, name: str) -> bytes:
    """Read the 32 bytes of a secret; `name` is what messages call it.

    Raises PrivacyError where it is missing, has the wrong size, can be read by others than its owner, or lies
    in a folder where others can replace it.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(SECRET_BYTES + 1)
    except FileNotFoundError:
        raise PrivacyError(f"{path}: no {name}; set privacy.state to the folder that holds it") from None
    if mode & 0o077:
        raise PrivacyError(f"{path}: others can read the {name}; run: chmod 600 {path}")
    if path.parent.stat().st_mode & 0o022:
        raise PrivacyError(
            f"{path.parent}: others can write where the {name} lies; run: chmod 700 {path.parent}"
        )
    if len(secret) != SECRET_BYTES:
        raise PrivacyError(
            f"{path}: a {name} has {SECRET_BYTES} bytes, this is another or damaged file; restore it "
            "from a backup, or name a new privacy.state and count by hand what the old one spent"
        )
    return secret


def run_key(master: MasterSecret, *, identity: str, attempt: int, nonce: bytes) -> bytes:
    """Derive the 32-byte key of one attempt at a private run; `identity` is the digest of the run's identity.

    The same arguments give the same key, and with it the same random numbers. The key cannot be derived
    without the master secret, and not without the nonce either, which is destroyed when the attempt is over
    (`privacy/nonce.py`). HKDF takes the nonce as its salt: 32 random bytes that an attacker does not know
    make the extraction a keyed hash of the master secret.
    """
    if attempt < 0:
        raise ValueError(f"an attempt is counted from 0, not {attempt}")
    if len(nonce) != SECRET_BYTES:
        raise ValueError(f"the nonce of an attempt has {SECRET_BYTES} bytes, not {len(nonce)}")
    return hkdf(master.secret, salt=nonce, info=_joined("privessel private run", identity, str(attempt)))


def public_key(*, seed: int, name: str) -> bytes:
    """Derive the key of a run on public data from a published seed; noise drawn from it protects nobody.

    The key follows from the run's name (architecture, level and number) and not from its identity, so that
    an edit of the code that changes no result leaves all random numbers as they were.
    """
    return hkdf(str(int(seed)).encode(), info=_joined("privessel public run", name))


class Stream:
    """Random numbers that depend only on the key, the kind of draw, the purpose and the step.

    They come from AES-128 in counter mode. Each kind of draw and each purpose has an AES key of its own,
    derived from `key` by HKDF; the step is the high half of the counter. So draws of different purposes or
    steps never overlap, and each can be repeated in any order. Normals are drawn by several `threads`, whose
    number changes no draw.
    """

    def __init__(self, key: bytes, *, threads: int = 1) -> None:
        if len(key) != SECRET_BYTES:
            raise ValueError(f"a stream's key has {SECRET_BYTES} bytes, not {len(key)}")
        self._key = key
        self._generators: dict[tuple[str, str, int], tuple[np.random.Generator, AESCounter, dict]] = {}
        self._lock = threading.Lock()
        self._threads = threads
        self._workers = ThreadPoolExecutor(threads) if threads > 1 else None

    def __repr__(self) -> str:
        return "Stream(key hidden)"

    def normal(self, purpose: str, step: int, shape: int | tuple[int, ...]) -> np.ndarray:
        """Draw standard normals, float32 of `shape`, drawn in float64 and rounded once."""
        drawn = np.empty(shape, np.float32)

        def store(part: np.ndarray, normals: np.ndarray) -> None:
            part[...] = normals

        self._fill(drawn.reshape(-1), store, purpose=purpose, step=step)
        return drawn

    def whole_normal(self, purpose: str, step: int, n: int, *, scale: float) -> np.ndarray:
        """Draw `n` normals of standard deviation `scale`, each rounded to the nearest whole number, float64.

        They are made of the numbers that `normal` draws, before those are rounded to float32.
        """
        if not 0 < scale < 2.0**40:  # from 2^45 on the gaps between the generator's numbers show
            raise ValueError(f"whole normals have a standard deviation above 0 and below 2^40, not {scale}")
        drawn = np.empty(n)

        def store(part: np.ndarray, normals: np.ndarray) -> None:
            normals *= scale
            np.rint(normals, out=part)

        self._fill(drawn, store, purpose=purpose, step=step)
        return drawn

    def _fill(
        self,
        flat: np.ndarray,
        store: Callable[[np.ndarray, np.ndarray], None],
        *,
        purpose: str,
        step: int,
    ) -> None:
        """Hand a part of `flat` (n,) at a time, with as many float64 normals, to `store`, in all threads."""
        chunks = -(-flat.size // CHUNK)

        def fill(worker: int) -> None:
            for chunk in range(worker, chunks, self._threads):
                part = flat[chunk * CHUNK : (chunk + 1) * CHUNK]
                store(part, self._at("normal", purpose, step, chunk, worker).standard_normal(part.size))

        with self._lock:
            if self._workers is None or chunks < 2:
                for worker in range(self._threads):
                    fill(worker)
            else:
                list(self._workers.map(fill, range(self._threads)))

    def uniform(self, purpose: str, step: int, n: int) -> np.ndarray:
        """Draw `n` float64 in [0, 1), multiples of 2^-53."""
        drawn = np.empty(n)
        with self._lock:
            for chunk, start in enumerate(range(0, n, CHUNK)):
                self._at("uniform", purpose, step, chunk).random(out=drawn[start : start + CHUNK])
        return drawn

    def _at(self, kind: str, purpose: str, step: int, chunk: int, worker: int = 0) -> np.random.Generator:
        """Return a worker's generator of (kind, purpose), set to the start of a step's chunk."""
        if not 0 <= step < 1 << 64:
            raise ValueError(f"a step is counted from 0, not {step}")
        if chunk >= 1 << _CHUNK_BITS:
            raise ValueError(f"one draw has at most {CHUNK << _CHUNK_BITS} values")
        if (kind, purpose, worker) not in self._generators:
            aes = hkdf(self._key, info=_joined("privessel draws", kind, purpose), length=16)
            bits = AESCounter(key=int.from_bytes(aes, "little"))
            self._generators[kind, purpose, worker] = np.random.Generator(bits), bits, bits.state
        generator, bits, state = self._generators[kind, purpose, worker]
        # Setting the state costs 5 us, a new generator 55. The buffer holds four blocks: four next counters.
        first = chunk << _BLOCK_BITS
        state["s"]["counter"] = np.array([half for i in range(4) for half in (first + i, step)], np.uint64)
        bits.state = state
        return generator


def _joined(*parts: str) -> bytes:
    """Join strings so that no two lists of them give the same bytes."""
    return json.dumps(parts).encode()
