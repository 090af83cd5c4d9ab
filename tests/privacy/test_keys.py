"""Secrets, keys and draws: nothing is guessed, repeated between runs, or shown."""

import os
import stat
import subprocess
import sys
import time
from itertools import combinations

import numpy as np
import pytest
from randomgen import AESCounter
from scipy import stats

from privessel.errors import PrivacyError
from privessel.privacy.identity import IDENTITY_FIELDS, identity_digest
from privessel.privacy.keys import (
    CHUNK,
    MasterSecret,
    Stream,
    create_master,
    hkdf,
    load_master,
    public_key,
    run_key,
)

IDENTITY = {
    "architecture": "wgan",
    "level": "noise-1",
    "run": 1,
    "training": {"epochs": 50, "noise_multiplier": 1.0},
    "patches": {"001": "ab"},
    "code": {"gans": "cd"},
    "libraries": {"torch": "2"},
    "device": "cpu",
    "threads": 2,
}
MASTER = MasterSecret(bytes(range(32)))
NONCE = bytes(range(32, 64))


def test_hkdf_gives_the_vectors_of_rfc_5869():
    # Appendix A.1, A.2 and A.3
    assert hkdf(b"\x0b" * 22, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)), length=42).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    long = hkdf(bytes(range(0x50)), salt=bytes(range(0x60, 0xB0)), info=bytes(range(0xB0, 0x100)), length=82)
    assert long.hex() == (
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
        "cc30c58179ec3e87c14c01d5c1f3434f1d87"
    )
    assert hkdf(b"\x0b" * 22, length=42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


@pytest.mark.parametrize("length", [0, 8161])
def test_hkdf_refuses_lengths_the_rfc_does_not_define(length):
    with pytest.raises(ValueError, match="8,160"):
        hkdf(b"x", length=length)


def test_the_generator_is_aes_128_in_counter_mode():
    # FIPS 197, appendix C.1: the block under a counter is the AES encryption of the counter
    key = int.from_bytes(bytes(range(16)), "little")
    plain = int.from_bytes(bytes.fromhex("00112233445566778899aabbccddeeff"), "little")
    block = AESCounter(key=key, counter=plain).random_raw(2).astype("<u8").tobytes()
    assert block.hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


def test_a_created_master_secret_loads_and_only_its_owner_can_read_it(tmp_path):
    path = tmp_path / "state" / "master"
    created = create_master(path)
    assert load_master(path) == created
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["master"]


def test_two_sites_never_share_a_master_secret(tmp_path):
    assert create_master(tmp_path / "a" / "master") != create_master(tmp_path / "b" / "master")


def test_an_existing_master_secret_is_never_replaced(tmp_path):
    path = tmp_path / "state" / "master"
    created = create_master(path)
    with pytest.raises(PrivacyError, match="never replace"):
        create_master(path)
    assert load_master(path) == created
    assert [entry.name for entry in path.parent.iterdir()] == ["master"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_master_secret_that_others_can_reach_is_refused_with_the_remedy(tmp_path, mode):
    path = tmp_path / "state" / "master"
    create_master(path)
    path.chmod(mode)
    with pytest.raises(PrivacyError, match="chmod 600"):
        load_master(path)


def test_a_master_secret_in_a_folder_others_can_write_is_refused(tmp_path):
    path = tmp_path / "state" / "master"
    create_master(path)
    path.parent.chmod(0o777)
    with pytest.raises(PrivacyError, match="chmod 700"):
        load_master(path)


@pytest.mark.parametrize("size", [0, 31, 33, 1000])
def test_a_master_secret_of_another_size_is_refused(tmp_path, size):
    path = tmp_path / "master"
    path.write_bytes(os.urandom(size))
    path.chmod(0o600)
    with pytest.raises(PrivacyError, match="32 bytes"):
        load_master(path)


def test_a_missing_master_secret_names_the_setting(tmp_path):
    with pytest.raises(PrivacyError, match=r"privacy\.state"):
        load_master(tmp_path / "master")


def test_secrets_do_not_show_in_a_repr():
    secret = bytes(range(32))
    for shown in (repr(MasterSecret(secret)), str(MasterSecret(secret)), repr(Stream(secret))):
        assert repr(secret)[2:20] not in shown
        assert secret.hex()[:8] not in shown


def test_no_two_runs_levels_attempts_parameters_or_code_versions_share_a_noise_vector():
    changes = [
        {},
        {"run": 2},
        {"level": "noise-2"},
        {"architecture": "dcgan"},
        {"training": {"epochs": 51, "noise_multiplier": 1.0}},
        {"training": {"epochs": 50, "noise_multiplier": 2.0}},
        {"patches": {"001": "ac"}},
        {"patches": {"002": "ab"}},
        {"code": {"gans": "ce"}},
        {"libraries": {"torch": "3"}},
        {"device": "cuda"},
        {"threads": 1},
    ]
    digests = [identity_digest(IDENTITY | change) for change in changes]
    keys = [
        run_key(MASTER, identity=digest, attempt=attempt, nonce=NONCE)
        for digest in digests
        for attempt in range(3)
    ]
    keys += [run_key(MasterSecret(bytes(32)), identity=digests[0], attempt=0, nonce=NONCE)]
    keys += [run_key(MASTER, identity=digests[0], attempt=0, nonce=bytes(32))]
    keys += [public_key(seed=seed, name=digest) for seed in (0, 1) for digest in digests]
    draws = [Stream(key).normal("noise", 0, 64) for key in keys]
    for one, other in combinations(draws, 2):
        # float32 values meet by chance now and then; a shared stream would share all 64
        assert np.isin(one, other).sum() < 4


def test_the_same_identity_and_attempt_repeat_the_same_draws():
    digest = identity_digest(dict(reversed(IDENTITY.items())))
    assert digest == identity_digest(IDENTITY)
    first, again = (Stream(run_key(MASTER, identity=digest, attempt=0, nonce=NONCE)) for _ in range(2))
    np.testing.assert_array_equal(first.normal("noise", 7, 100), again.normal("noise", 7, 100))


@pytest.mark.parametrize("field", sorted(IDENTITY_FIELDS))
def test_an_identity_without_a_field_is_refused(field):
    with pytest.raises(ValueError, match=field):
        identity_digest({name: value for name, value in IDENTITY.items() if name != field})


def test_identities_that_json_would_confuse_are_refused():
    with pytest.raises(TypeError, match="string"):
        identity_digest(IDENTITY | {"patches": {1: "ab"}})
    with pytest.raises(ValueError, match="finite"):
        identity_digest(IDENTITY | {"training": {"noise_multiplier": float("inf")}})
    with pytest.raises(TypeError):
        identity_digest(IDENTITY | {"training": np.float32(1)})


def test_keys_of_different_purposes_differ():
    keys = {MASTER.derive("ledger"), MASTER.derive("patients"), MASTER.secret}
    keys.add(run_key(MASTER, identity="ledger", attempt=0, nonce=NONCE))
    assert len(keys) == 4


def test_a_draw_does_not_depend_on_what_was_drawn_before():
    alone = Stream(bytes(32))
    expected = alone.normal("noise", 5, (3, 7)), alone.uniform("sampling", 5, 11)
    busy = Stream(bytes(32))
    for step in (5, 3, 5, 9):
        busy.normal("noise", step, 999)
        busy.uniform("sampling", step, 13)
    np.testing.assert_array_equal(busy.normal("noise", 5, (3, 7)), expected[0])
    np.testing.assert_array_equal(busy.uniform("sampling", 5, 11), expected[1])


def test_a_longer_draw_begins_with_the_shorter_one():
    stream = Stream(bytes(32))
    np.testing.assert_array_equal(
        stream.normal("noise", 1, 3 * CHUNK)[: CHUNK + 9], stream.normal("noise", 1, CHUNK + 9)
    )
    np.testing.assert_array_equal(
        stream.uniform("noise", 1, 2 * CHUNK)[:CHUNK], stream.uniform("noise", 1, CHUNK)
    )


def test_draws_of_different_purposes_steps_kinds_and_chunks_share_no_block():
    # 53-bit uniforms: among 400,000 of them an accidental collision has probability 1e-5
    stream = Stream(bytes(32))
    drawn = [stream.uniform(purpose, step, 50_000) for purpose in ("a", "b") for step in (0, 1, 2**32)]
    drawn.append(stream.uniform("c", 0, 2 * CHUNK))
    together = np.concatenate(drawn)
    assert np.unique(together).size == together.size


def test_the_purpose_and_kind_cannot_be_confused():
    stream = Stream(bytes(32))
    words = [stream.uniform(purpose, 0, 4).tobytes() for purpose in ("a", "a,b", 'a", "b', "", "normal")]
    assert len(set(words)) == len(words)


def test_normals_and_uniforms_of_one_purpose_and_step_are_unrelated():
    # NumPy takes a normal's size from bits 9..60 of a word and a uniform from bits 11..63: made from the same
    # words, the size would follow eight times the uniform, modulo 1, until the first rejection
    stream = Stream(bytes(32))
    related = [
        np.corrcoef(np.abs(stream.normal("a", step, 20)), 8 * stream.uniform("a", step, 20) % 1)[0, 1]
        for step in range(50)
    ]
    assert abs(np.mean(related)) < 0.15


def test_normals_are_standard_normal_and_uniforms_uniform():
    stream = Stream(bytes(range(32)))
    normals = stream.normal("noise", 0, (500, 1000))
    assert normals.dtype == np.float32
    assert normals.shape == (500, 1000)
    assert stats.kstest(normals.ravel(), "norm").pvalue > 1e-3
    assert abs(normals.mean()) < 4 / np.sqrt(normals.size)
    assert abs(normals.astype(float).var() - 1) < 4 * np.sqrt(2 / normals.size)
    # successive steps are uncorrelated
    follow = stream.normal("noise", 1, (500, 1000))
    assert abs(np.corrcoef(normals.ravel(), follow.ravel())[0, 1]) < 4 / np.sqrt(normals.size)
    uniforms = stream.uniform("sampling", 0, 200_000)
    assert uniforms.dtype == np.float64
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    assert stats.kstest(uniforms, "uniform").pvalue > 1e-3


def test_a_draw_of_nothing_is_empty():
    assert Stream(bytes(32)).normal("noise", 0, (0, 3)).shape == (0, 3)
    assert Stream(bytes(32)).uniform("noise", 0, 0).shape == (0,)


@pytest.mark.parametrize("size", [0, 5, CHUNK, 3 * CHUNK + 7, 8 * CHUNK])
def test_the_number_of_threads_changes_no_draw(size):
    streams = [Stream(bytes(range(32)), threads=threads) for threads in (1, 2, 5)]
    for step in (3, 4, 3):
        draws = [stream.normal("noise", step, size) for stream in streams]
        assert all(np.array_equal(one, draws[0]) for one in draws)


def test_draws_refuse_impossible_steps_and_keys():
    with pytest.raises(ValueError, match="step"):
        Stream(bytes(32)).normal("noise", -1, 1)
    with pytest.raises(ValueError, match="32 bytes"):
        Stream(bytes(16))
    with pytest.raises(ValueError, match="attempt"):
        run_key(MASTER, identity="x", attempt=-1, nonce=NONCE)


def test_draws_are_the_same_in_another_process():
    program = (
        "from privessel.privacy.keys import Stream; s = Stream(bytes(32));"
        "print(s.normal('noise', 2, 70000).sum(dtype=float), s.uniform('sampling', 2, 5).tolist())"
    )
    environment = os.environ | {"PYTHONPATH": "scripts", "PYTHONHASHSEED": "1"}
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=os.getcwd(),
    ).stdout
    stream = Stream(bytes(32))
    assert shown.split(" ", 1)[0] == str(stream.normal("noise", 2, 70000).sum(dtype=float))
    assert shown.strip().endswith(str(stream.uniform("sampling", 2, 5).tolist()))


def test_a_call_costs_less_than_100_microseconds_beside_the_draw():
    stream = Stream(bytes(32))
    stream.normal("noise", 0, 1)
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for step in range(200):
            stream.normal("noise", step, 1)
        best = min(best, (time.process_time() - start) / 200)
    assert best < 100e-6
