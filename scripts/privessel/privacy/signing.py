"""The signature of a site under its releases: Ed25519 (RFC 8032), by the package `cryptography`.

The signing key lies beside the master secret and is random by itself, so that neither tells anything about
the other. Whoever has the signing key can publish in the site's name, but cannot remove noise from any model.
The public key, and its fingerprint, are for everyone. Ed25519 draws no random numbers when it signs: the same
bytes have the same signature.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privessel.errors import PrivacyError
from privessel.privacy.keys import create_secret_file, read_secret_file

SIGNING_KEY = "signing.key"


@dataclass(frozen=True)
class Signer:
    """A site's signing key: 32 secret bytes, which are never shown in a repr or a log."""

    secret: bytes = field(repr=False)

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)

    @property
    def public_key(self) -> bytes:
        """The public key as a PEM file, as openssl writes it (SubjectPublicKeyInfo, RFC 8410)."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key in DER, in hexadecimal: what a site publishes for its recipients."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()

    def sign(self, content: bytes) -> bytes:
        """Return the signature of `content`, 64 bytes; the same content has the same signature."""
        return self._key.sign(content)


def create_signer(state: Path) -> Signer:
    """Create the signing key in the folder `state` and return it; PrivacyError where there is one already."""
    return Signer(create_secret_file(state / SIGNING_KEY, name="signing key"))


def load_signer(state: Path) -> Signer:
    """Read the signing key in the folder `state`.

    Raises PrivacyError, with the remedy, where there is none, and where others can read or replace it.
    """
    if not (state / SIGNING_KEY).exists():
        raise PrivacyError(
            f"{state / SIGNING_KEY}: no signing key, so nobody could check that a release is this site's. "
            "Remedy: make it once with the same command and the target `secret` alone, and publish the "
            "fingerprint that it prints; if there was one, restore it from a backup"
        )
    return Signer(read_secret_file(state / SIGNING_KEY, name="signing key"))
