"""A site's signing key: made once, only for its owner, and checked by others' programs."""

import hashlib
import shutil
import subprocess

import pytest

from privessel.errors import PrivacyError
from privessel.privacy.signing import SIGNING_KEY, Signer, load_signer
from privessel.privacy.site import SECRET, Site

# RFC 8032, section 7.1, test 2: secret key, public key, message and signature.
RFC = (
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "state", epsilon=50.0, delta=1e-4)


def test_signatures_and_keys_are_those_of_the_standard():
    secret, public, message, signature = map(bytes.fromhex, RFC)
    signer = Signer(secret)
    assert signer.sign(message) == signer.sign(message) == signature
    der = bytes.fromhex("302a300506032b6570032100") + public  # RFC 8410
    assert signer.fingerprint == hashlib.sha256(der).hexdigest()
    assert secret.hex() not in repr(signer)
    assert str(secret) not in repr(signer)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_verifies_a_signature_and_nothing_else(tmp_path):
    signer = Signer(bytes(range(32)))
    (tmp_path / "key").write_bytes(signer.public_key)
    (tmp_path / "file").write_bytes(b"what was signed")
    (tmp_path / "sig").write_bytes(signer.sign(b"what was signed"))
    options = ["-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "file", "-sigfile", "sig"]
    command = ["openssl", "pkeyutl", *options]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "file").write_bytes(b"what was not")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "key", "-outform", "DER"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert hashlib.sha256(der.stdout).hexdigest() == signer.fingerprint


def test_secret_and_signing_key_are_made_together_and_neither_follows_from_the_other(site, tmp_path):
    assert site.create_secrets() == [SECRET, SIGNING_KEY]
    files = [site.state / name for name in (SECRET, SIGNING_KEY)]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    secret, signing = (path.read_bytes() for path in files)
    assert site.signer() == Signer(signing)
    other = Site(tmp_path / "other", epsilon=1.0, delta=1e-4)
    other.state.mkdir(mode=0o700)
    (other.state / SECRET).write_bytes(secret)
    (other.state / SECRET).chmod(0o600)
    assert other.create_secrets() == [SIGNING_KEY]
    assert other.signer() != site.signer()
    assert (other.state / SECRET).read_bytes() == secret


def test_neither_is_ever_replaced(site):
    site.create_secrets()
    before = site.signer()
    with pytest.raises(PrivacyError, match=f"signing key, whose fingerprint is {before.fingerprint}"):
        site.create_secrets()
    assert site.signer() == before


def test_a_state_without_a_signing_key_is_told_how_to_make_one(site):
    site.create_secrets()
    (site.state / SIGNING_KEY).unlink()
    with pytest.raises(PrivacyError, match=r"no signing key.*Remedy: make it once.*target `secret`"):
        load_signer(site.state)


def test_a_signing_key_that_others_can_read_is_refused(site):
    site.create_secrets()
    (site.state / SIGNING_KEY).chmod(0o640)
    with pytest.raises(PrivacyError, match="others can read the signing key"):
        site.signer()
