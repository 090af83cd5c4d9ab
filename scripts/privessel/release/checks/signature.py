"""The signature of a release: Ed25519 of the bytes of its manifest, and the public key it is checked with.

`site.pub` is a PEM file of the public key and `MANIFEST.sha256.sig` the 64 bytes of the signature, so that
openssl can check them as well:

    openssl pkeyutl -verify -pubin -inkey site.pub -rawin -in MANIFEST.sha256 -sigfile MANIFEST.sha256.sig

The fingerprint is the SHA-256 of the public key in DER:

    openssl pkey -pubin -in site.pub -outform DER | sha256sum
"""

import base64
import binascii
import hashlib
import re
from pathlib import Path

from privessel.release.checks.manifest import MANIFEST, PUBLIC_KEY, SIGNATURE

_DER = bytes.fromhex(
    "302a300506032b6570032100"
)  # of every Ed25519 public key, before its 32 bytes (RFC 8410)


def check_signature(folder: Path, key: str) -> tuple[str, list[str]]:
    """Return (fingerprint, faults) of a release's signature by the key that the recipient trusts.

    key: a fingerprint, or the path of a file with the public key (PEM) or the fingerprint. Raises ValueError
    where it is neither or lies in `folder`, and ImportError where the package cryptography is not installed.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    trusted = read_fingerprint(key)
    if Path(key).is_file() and folder.resolve() in Path(key).resolve().parents:
        raise ValueError(f"--key {key} came with the data set: take the key from the site that made it")
    missing = [name for name in (SIGNATURE, PUBLIC_KEY) if not (folder / name).is_file()]
    if missing:
        return trusted, [f"it is not signed: {name} is missing" for name in missing[:1]]
    der = _read_public_key((folder / PUBLIC_KEY).read_bytes())
    if der is None:
        return trusted, [f"{PUBLIC_KEY} holds no Ed25519 key"]
    found = hashlib.sha256(der).hexdigest()
    if found != trusted:
        return trusted, [f"it is signed with the key {found}, and not with {trusted}"]
    try:
        signature, manifest = ((folder / name).read_bytes() for name in (SIGNATURE, MANIFEST))
        Ed25519PublicKey.from_public_bytes(der[len(_DER) :]).verify(signature, manifest)
    except (InvalidSignature, OSError):
        return trusted, [f"the signature does not belong to this {MANIFEST}"]
    return trusted, []


def read_fingerprint(key: str) -> str:
    """Return the fingerprint, 64 hexadecimal digits, that `key` is or that the file `key` holds."""
    found = _as_fingerprint(key)
    if found is None and Path(key).is_file():
        content = Path(key).read_bytes()
        der = _read_public_key(content)
        found = hashlib.sha256(der).hexdigest() if der else _as_fingerprint(content.decode(errors="replace"))
    if found is None:
        raise ValueError(
            f"--key {key}: neither a fingerprint (64 hexadecimal digits) nor a file with a public key"
        )
    return found


def _as_fingerprint(text):
    digits = re.sub(r"^sha256:|[\s:]", "", text.strip().lower())
    return digits if re.fullmatch(r"[0-9a-f]{64}", digits) else None


def _read_public_key(content):
    """Return the DER of an Ed25519 public key in a PEM file; None where there is none."""
    found = re.search(rb"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----", content)
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        return None
    return der if der.startswith(_DER) and len(der) == len(_DER) + 32 else None
