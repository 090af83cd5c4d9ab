"""The lock of a run: one process at a time, and no run is lost with its machine."""

import os
import socket
import threading
import time

import pytest

from privessel.errors import BusyError
from privessel.files.lock import held, lock

SOON = 0.5 / 60  # minutes


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("privessel.files.lock.PATIENCE_SECONDS", 0.3)


def test_a_second_holder_stands_back_until_the_first_is_done(tmp_path):
    path = tmp_path / "run" / ".lock"
    with lock(path, silent_minutes=1) as beat:
        beat()
        with (
            pytest.raises(BusyError, match=f"{socket.gethostname()} {os.getpid()}"),
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


@pytest.fixture
def another_machine(tmp_path):
    """The lock of a process elsewhere, whose heart beats until it is told to stop."""
    path = tmp_path / ".lock"
    path.write_text("other-machine 12")
    stop = threading.Event()

    def beat():
        while not stop.wait(0.05):
            os.utime(path)

    thread = threading.Thread(target=beat)
    thread.start()
    yield path, stop
    stop.set()
    thread.join()


def test_another_machine_s_lock_is_respected_while_its_heart_beats_and_taken_over_after(another_machine):
    path, stop = another_machine
    with pytest.raises(BusyError, match="other-machine 12"), lock(path, silent_minutes=SOON):
        pass
    stop.set()
    with lock(path, silent_minutes=SOON) as beat:
        beat()
        assert held(path, silent_minutes=SOON)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_jumped_makes_no_living_holder_dead_and_no_dead_one_alive(tmp_path, hours):
    path = tmp_path / ".lock"
    path.write_text("other-machine 12")
    os.utime(path, (time.time() + 3600 * hours,) * 2)
    started = time.monotonic()
    with lock(path, silent_minutes=SOON):
        assert time.monotonic() - started >= 60 * SOON


def test_a_process_that_is_about_to_end_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("privessel.files.lock.PATIENCE_SECONDS", 20)
    path = tmp_path / ".lock"
    entered, leave = threading.Event(), threading.Event()

    def first():
        with lock(path, silent_minutes=1):
            entered.set()
            leave.wait()

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    threading.Timer(0.3, leave.set).start()
    with lock(path, silent_minutes=1) as beat:
        assert leave.is_set()
        beat()
    thread.join()


def test_this_machine_s_dead_holder_is_taken_over_at_once(tmp_path):
    path = tmp_path / ".lock"
    path.write_text(f"{socket.gethostname()} 99999999")
    with lock(path, silent_minutes=1000):
        pass


def test_a_holder_that_was_taken_over_learns_it_at_its_next_heartbeat(tmp_path):
    path = tmp_path / ".lock"
    with lock(path, silent_minutes=1) as beat:
        path.write_text("other-machine 12")
        with pytest.raises(BusyError, match="other-machine 12 took over"):
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
