"""One noise, one use: an attempt's key needs its nonce, and the nonce is gone when the run has ended."""

import hashlib
import hmac
import json
import os
import shutil
import stat

import pytest
from privacy.test_ledger import MASTER, START, ledger_file, opened, read, run_of

from privessel.errors import PrivacyError
from privessel.privacy import nonce as nonces
from privessel.privacy.account import Point
from privessel.privacy.keys import hkdf
from privessel.privacy.ledger import Ledger
from privessel.privacy.register import Books


def nonce_files(folder):
    return sorted(path.name.removeprefix(run_of().identity + ".") for path in folder.glob("*.nonce"))


def opened_key(folder, **changes):
    with opened(folder, **changes) as ledger:
        return ledger.attempt, ledger.key(MASTER)


def test_the_nonce_is_on_disk_before_the_attempt_s_line_and_the_line_before_the_first_draw(
    tmp_path, monkeypatch
):
    seen, write = [], Ledger._write

    def watched(ledger, record):
        seen.append((record["kind"], nonce_files(tmp_path)))
        write(ledger, record)

    monkeypatch.setattr(Ledger, "_write", watched)
    with opened(tmp_path):
        assert seen == [("run", []), ("attempt", ["0.nonce"])]
    (path,) = tmp_path.glob("*.nonce")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32


def test_the_ledger_holds_a_commitment_and_not_the_nonce(tmp_path):
    with opened(tmp_path) as ledger:
        (path,) = tmp_path.glob("*.nonce")
        drawn, identity = path.read_bytes(), run_of().identity
        commitment = ledger.account.attempts[0].commitment
    # Oracle: the digest written out.
    assert commitment == hashlib.sha256(f"privessel nonce {identity} 0 ".encode() + drawn).hexdigest()
    for kept in (ledger_file(tmp_path), tmp_path / "runs.register"):
        assert drawn not in kept.read_bytes()
        assert drawn.hex() not in kept.read_text()
        assert drawn.hex() not in repr(vars(ledger)["account"])


def test_the_key_is_hkdf_of_secret_and_nonce(tmp_path):
    """Oracle: HKDF-SHA256 of RFC 5869 for 32 bytes, written out."""
    _, key = opened_key(tmp_path)
    drawn = next(tmp_path.glob("*.nonce")).read_bytes()
    info = json.dumps(["privessel private run", run_of().identity, "0"]).encode()
    extracted = hmac.digest(drawn, MASTER.secret, "sha256")
    assert key == hmac.digest(extracted, info + b"\x01", "sha256")


def test_with_the_secret_and_all_other_files_the_key_of_an_ended_run_cannot_be_derived(tmp_path):
    """The break: before, the master secret and the ledger gave every key of every run."""
    _, key = opened_key(tmp_path)
    before = hkdf(
        MASTER.secret, info=json.dumps(["privessel private run", run_of().identity, "0"]).encode()
    )  # the key as older versions derived it
    nonces.destroy_nonces(tmp_path, identity=run_of().identity)
    left = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    drawn_from = [bytes.fromhex(part) for part in _digests(b"".join(left))]
    assert len(drawn_from) > 3
    info = json.dumps(["privessel private run", run_of().identity, "0"]).encode()
    tried = [hkdf(MASTER.secret, salt=salt, info=info) for salt in (b"", *drawn_from)]
    assert key not in [before, *tried]
    # And the site itself does not draw that noise again: the run's next opening is another attempt.
    attempt, again = opened_key(tmp_path)
    assert (attempt, again != key) == (1, True)


def _digests(content):
    words = content.decode().replace('"', " ").split()
    return [word for word in words if len(word) == 64 and set(word) <= set("0123456789abcdef")]


def test_two_copies_of_a_state_never_draw_the_same_noise_for_two_attempts(tmp_path):
    """The break: a state that was copied before the attempt drew the same noise on both machines."""
    with opened(tmp_path / "one"):
        pass
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    keys = [opened_key(tmp_path / name, machine="another")[1] for name in ("one", "two")]
    assert keys[0] != keys[1]


def test_a_copy_without_the_nonce_begins_another_attempt_which_is_charged(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.charge(0, 40)
        first = ledger.key(MASTER)
    next(tmp_path.glob("*.nonce")).unlink()
    with opened(tmp_path) as ledger:
        assert (ledger.attempt, ledger.replays) == (1, False)
        assert ledger.key(MASTER) != first
        ledger.charge(0, 40)
    assert read(tmp_path).steps == 80


@pytest.mark.parametrize("other", [bytes(32), b"", b"short"], ids=["zeros", "empty", "cut short"])
def test_another_or_a_damaged_nonce_is_never_used(tmp_path, other):
    with opened(tmp_path) as ledger:
        ledger.charge(0, 40)
    next(tmp_path.glob("*.nonce")).write_bytes(other)
    with opened(tmp_path) as ledger:
        assert ledger.attempt == 1
        ledger.charge(0, 10)
    assert read(tmp_path).steps == 50


def test_an_attempt_of_an_older_version_which_had_no_nonce_is_not_repeated(tmp_path, monkeypatch):
    write = Ledger._write

    def older(ledger, record):
        write(ledger, {name: value for name, value in record.items() if name != "commitment"})

    monkeypatch.setattr(Ledger, "_write", older)
    with opened(tmp_path) as ledger:
        ledger.charge(0, 40)
    monkeypatch.undo()
    with opened(tmp_path) as ledger:
        assert ledger.attempt == 1


def test_a_new_attempt_destroys_the_nonces_of_those_before(tmp_path):
    for attempt in range(3):
        assert opened_key(tmp_path, machine=f"machine {attempt}")[0] == attempt
        assert nonce_files(tmp_path) == [f"{attempt}.nonce"]


def test_a_nonce_that_nothing_would_read_again_is_never_written(tmp_path):
    """Where no bits repeat, an interrupted run draws anew; a file would only give its noise away."""
    with opened(tmp_path):
        pass
    keys = [opened_key(tmp_path, machine=None) for _ in range(2)]
    assert [attempt for attempt, _ in keys] == [1, 2]
    assert keys[0][1] != keys[1][1]
    assert nonce_files(tmp_path) == []


def test_an_opening_that_is_refused_leaves_the_last_attempt_as_it_was(tmp_path):
    """The break: a budget that refused a new attempt had destroyed the nonce of the last one by then."""

    def refuse(ledger):
        asked.append(ledger.replays)
        raise PrivacyError("over the budget")

    asked = []
    with opened(tmp_path) as ledger:
        ledger.charge(0, 40)
        key = ledger.key(MASTER)
    with pytest.raises(PrivacyError, match="over the budget"), opened(tmp_path, machine="b", check=refuse):
        pass
    assert asked == [False]
    assert opened_key(tmp_path) == (0, key)
    with pytest.raises(PrivacyError, match="over the budget"), opened(tmp_path, check=refuse):
        pass
    assert asked == [False, True]


def test_a_nonce_is_overwritten_before_its_file_is_removed(tmp_path, monkeypatch):
    with opened(tmp_path):
        pass
    (path,) = tmp_path.glob("*.nonce")
    drawn, steps = path.read_bytes(), []
    twin = tmp_path / "another name of the same bytes on disk"
    os.link(path, twin)
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append(twin.read_bytes()), sync(handle)))
    nonces.destroy_nonces(tmp_path, identity=run_of().identity)
    assert not path.exists()
    assert steps[0] == twin.read_bytes() == bytes(32) != drawn


# --- Killed at every moment --------------------------------------------------------------------------------


class Killed(BaseException):
    """What ends the process at once."""


def _kill_before(monkeypatch, owner, name, number):
    """Kill the process just before the call of this number, counted from 0, of a function."""
    function, calls = getattr(owner, name), []

    def killed(*arguments, **keywords):
        calls.append(1)
        if len(calls) == number + 1:
            raise Killed
        return function(*arguments, **keywords)

    monkeypatch.setattr(owner, name, killed)


@pytest.mark.parametrize("machine", ["here", None])
def test_killed_at_any_write_the_next_start_repeats_the_noise_or_is_charged_and_never_both(
    tmp_path, monkeypatch, machine
):
    """Two noises over one charge, or one noise over two, would be the break.

    Each system call that writes is a moment to be killed before. What the killed process had charged and
    released is remembered; then the run goes on to its end.
    """
    for moment in range(60):
        folder = tmp_path / f"{machine} {moment}"
        used = []  # (key, steps that were released under it), in the order of the processes

        def work(folder=folder, used=used):
            with opened(folder, machine=machine) as ledger:
                used.append((ledger.key(MASTER), 0))
                for first in range(0, 40, 20):
                    ledger.charge(first, first + 20)
                    used[-1] = (used[-1][0], first + 20)
            nonces.destroy_nonces(folder, identity=run_of().identity)

        with monkeypatch.context() as patched:
            _kill_before(patched, os, "write", moment)
            try:
                work()
            except Killed:
                killed = True
            else:
                killed = False
        if not killed:
            break
        work()
        released = {}
        for key, steps in used:
            released[key] = max(released.get(key, 0), steps)
        account = read(folder)
        assert account.steps >= sum(released.values())
        # Every noise was drawn under an attempt of its own that the ledger has.
        assert len(released) <= len(account.attempts)
        assert nonce_files(folder) == []
    assert moment > (10 if machine else 8)  # all moments were tried, also those after the last write
    assert not killed


def test_a_nonce_without_its_line_is_replaced_and_never_drawn_from(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        _kill_before(patched, Ledger, "_write", 1)  # the attempt's line
        with pytest.raises(Killed), opened(tmp_path):
            pass
    (path,) = tmp_path.glob("*.nonce")
    left = path.read_bytes()
    attempt, _ = opened_key(tmp_path)
    assert attempt == 0
    assert path.read_bytes() != left


def test_a_line_without_anything_after_it_is_the_attempt_that_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        _kill_before(patched, Books, "write", 3)  # the line for the opening
        with pytest.raises(Killed), opened(tmp_path):
            pass
    drawn = next(tmp_path.glob("*.nonce")).read_bytes()
    with opened(tmp_path, point=START) as ledger:
        assert (ledger.attempt, ledger.replays) == (0, True)
    assert next(tmp_path.glob("*.nonce")).read_bytes() == drawn


def test_a_full_disk_while_the_nonce_is_written_begins_no_attempt(tmp_path, monkeypatch):
    write = os.write

    def full(handle, data):
        return write(handle, data[:5] if len(data) == 32 else data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"disk full.*\.0\.nonce"), opened(tmp_path):
        pass
    monkeypatch.undo()
    assert read(tmp_path).attempts == ()
    assert opened_key(tmp_path)[0] == 0


def test_nonces_of_a_site_are_listed_by_run_and_attempt(tmp_path):
    with opened(tmp_path):
        (path,) = tmp_path.glob("*.nonce")
        assert nonces.list_nonces(tmp_path) == {(run_of().identity, 0): path.read_bytes()}


def test_going_on_from_an_attempt_s_own_checkpoint_needs_its_nonce_too(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.charge(0, 40)
        point = Point(20, 0, ledger.head, ledger.register)
    with opened(tmp_path, point=point) as ledger:
        assert ledger.replays
    next(tmp_path.glob("*.nonce")).unlink()
    with opened(tmp_path, point=point) as ledger:
        assert not ledger.replays
        ledger.charge(20, 40)
    assert read(tmp_path).steps == 60
    with (
        pytest.raises(PrivacyError, match="removed"),
        opened(tmp_path, point=Point(1, 0, {"lines": 99, "mac": ""})),
    ):
        pass
