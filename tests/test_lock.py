"""The lock of a run: one process at a time, and no run is lost with its machine."""

import os
import socket

import pytest

from privessel.errors import PrivacyError
from privessel.lock import held, lock


def test_a_second_holder_stands_back_until_the_first_is_done(tmp_path):
    path = tmp_path / "run" / ".lock"
    with lock(path, silent_minutes=1) as beat:
        beat()
        with (
            pytest.raises(PrivacyError, match=f"{socket.gethostname()} {os.getpid()}"),
            lock(path, silent_minutes=1),
        ):
            pass
    with lock(path, silent_minutes=1):
        pass


def test_a_lock_is_given_back_after_an_error(tmp_path):
    def fail():
        with lock(tmp_path / ".lock", silent_minutes=1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / ".lock").read_text() == ""


def test_another_machine_s_lock_is_respected_while_its_heart_beats_and_taken_over_after(tmp_path):
    path = tmp_path / ".lock"
    path.write_text("other-machine 12")
    with pytest.raises(PrivacyError, match="other-machine 12"), lock(path, silent_minutes=1):
        pass
    long_ago = path.stat().st_mtime - 61
    os.utime(path, (long_ago, long_ago))
    with lock(path, silent_minutes=1) as beat:
        beat()
        assert path.stat().st_mtime > long_ago + 60


def test_this_machine_s_dead_holder_is_taken_over_at_once(tmp_path):
    path = tmp_path / ".lock"
    path.write_text(f"{socket.gethostname()} 99999999")
    with lock(path, silent_minutes=1000):
        pass


def test_a_holder_that_was_taken_over_learns_it_at_its_next_heartbeat(tmp_path):
    path = tmp_path / ".lock"
    with lock(path, silent_minutes=1) as beat:
        path.write_text("other-machine 12")
        with pytest.raises(PrivacyError, match="other-machine 12 took over"):
            beat()
    assert path.read_text() == "other-machine 12"


def test_a_lock_is_seen_to_be_held_until_it_is_given_back(tmp_path):
    path = tmp_path / ".lock"
    assert not held(path, silent_minutes=1)
    with lock(path, silent_minutes=1) as beat:
        assert held(path, silent_minutes=1)
        beat()
    assert not held(path, silent_minutes=1)


def test_another_machine_s_lock_is_seen_to_be_held_while_its_heart_beats(tmp_path):
    path = tmp_path / ".lock"
    path.write_text("other-machine 12")
    assert held(path, silent_minutes=1)
    long_ago = path.stat().st_mtime - 61
    os.utime(path, (long_ago, long_ago))
    assert not held(path, silent_minutes=1)


def test_a_dead_holder_of_this_machine_holds_nothing(tmp_path):
    path = tmp_path / ".lock"
    path.write_text(f"{socket.gethostname()} 99999999")
    assert not held(path, silent_minutes=1000)
