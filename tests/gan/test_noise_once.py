"""The noise of a private run is drawn for one training only, wherever it is interrupted, and never again."""

import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
from gan.test_loop import PRIVATE, charged, equal, paid, run, site_at, stop_at_charge, weights

from privessel.errors import PrivacyError
from privessel.gan import paid_runs
from privessel.gan.step import Gan
from privessel.privacy.account import Point
from privessel.privacy.keys import MasterSecret, Stream
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun


@pytest.fixture(autouse=True)
def _one_nonce(monkeypatch):
    monkeypatch.setattr("privessel.privacy.nonce.draw_nonce", lambda: bytes(32))


def nonces(state):
    return [path.name.split(".")[1] for path in state.glob("*.nonce")]


def outputs(folder):
    return {path.name for path in folder.glob("*") if path.is_file()} - {".lock"}


def interrupt(monkeypatch, owner, name, *, after):
    """Interrupt the run just before or after its first call of a function."""
    function = getattr(owner, name)

    def interrupted(*arguments, **keywords):
        if after:
            function(*arguments, **keywords)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupted)


def test_a_finished_run_leaves_no_nonce_and_its_outputs_appear_only_when_it_is_gone(tmp_path, monkeypatch):
    folder, state, end, seen = tmp_path / "run", tmp_path / "state", PaidRun.end, []

    def watched(self, *arguments):
        seen.append((nonces(state), (folder / ".finished").exists(), outputs(folder)))
        end(self, *arguments)

    monkeypatch.setattr(PaidRun, "end", watched)
    run(folder, PRIVATE, source=paid(state))
    assert seen == [(["0"], True, set())]
    assert nonces(state) == []
    assert "privacy.json" in outputs(folder)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name"), [(paid_runs, "keep"), (PaidRun, "end")], ids=["kept", "nonce destroyed"]
)
def test_killed_around_its_end_a_run_is_finished_once_and_its_nonce_destroyed(
    tmp_path, monkeypatch, owner, name, after
):
    folder, state = tmp_path / "run", tmp_path / "state"
    run(tmp_path / "whole", PRIVATE, source=paid(tmp_path / "another state"))
    with monkeypatch.context() as patched:
        interrupt(patched, owner, name, after=after)
        with pytest.raises(KeyboardInterrupt):
            run(folder, PRIVATE, source=paid(state))
    assert outputs(folder) == set()
    assert nonces(state) == ([] if (owner, after) == (PaidRun, True) else ["0"])
    run(folder, PRIVATE, source=paid(state))
    assert equal(weights(folder), weights(tmp_path / "whole"))
    assert nonces(state) == []
    assert (charged(state).steps, len(charged(state).attempts)) == (24, 1)


def test_a_finished_run_that_is_trained_again_on_purpose_draws_fresh_noise_and_is_charged(tmp_path):
    folder, state = tmp_path / "run", tmp_path / "state"
    run(folder, PRIVATE, source=paid(state))
    first = weights(folder)
    shutil.rmtree(folder)  # with the kept copy
    run(folder, PRIVATE, source=paid(state))
    assert not equal(weights(folder), first)
    assert (charged(state).steps, len(charged(state).attempts)) == (48, 2)


def test_no_file_that_a_finished_run_leaves_gives_its_noise_back(tmp_path, monkeypatch):
    """With the secret, the ledgers and the results, later draws are of other noise than the run's was."""
    monkeypatch.undo()  # real nonces
    folder, state, drawn = tmp_path / "run", tmp_path / "state", []
    whole_normal = Stream.whole_normal

    def watched(stream, purpose, step, n, *, scale):
        drawn.append((purpose, step, n, scale, whole_normal(stream, purpose, step, n, scale=scale)))
        return drawn[-1][-1]

    with monkeypatch.context() as patched:
        patched.setattr(Stream, "whole_normal", watched)
        run(folder, PRIVATE, source=paid(state))
    purpose, step, n, scale, noise = drawn[0]
    master = MasterSecret((state / "master.key").read_bytes())
    with paid(state).open(Point(), silent_minutes=1) as (stream, ledger):
        assert ledger.attempt == 1
        again = stream.whole_normal(purpose, step, n, scale=scale)
    older = Stream(master.derive("ledger")).whole_normal(purpose, step, n, scale=scale)
    assert n > 100
    for other in (again, older):
        assert abs(np.corrcoef(noise, other)[0, 1]) < 6 / n**0.5


def test_where_kernels_have_changed_since_the_run_goes_on_with_fresh_noise_and_is_charged(
    tmp_path, monkeypatch
):
    folder, state = tmp_path / "run", tmp_path / "state"
    with monkeypatch.context() as patched:
        blocks = stop_at_charge(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            run(folder, PRIVATE, source=paid(state, machine="here kernels ab"))
        run(folder, PRIVATE, source=paid(state, machine="here kernels cd"))
    assert blocks == [(0, 8), (8, 16), (8, 16), (16, 24)]
    assert (charged(state).steps, len(charged(state).attempts)) == (32, 2)


def told(account):
    """The part of privacy.json that says where the ledgers stood."""
    if account is None:  # asked before the first step
        return {}
    ledger = {"identity": account.run.identity, "register": account.register}
    return {"ledger": ledger | asdict(account.head)}


def test_an_older_copy_of_the_state_is_refused_by_what_has_seen_more_before_any_step(tmp_path, monkeypatch):
    """The break: a state that was put back, nonce and all, drew the same noise and was charged once."""
    folder, state, backup = tmp_path / "study/gan/wgan/noise-0.8/run-1", tmp_path / "state", tmp_path / "old"
    charge = Ledger.charge

    def stopping(ledger, first, last):
        if first == 8:
            shutil.copytree(state, backup)
        charge(ledger, first, last)
        if first == 16:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "charge", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(folder, PRIVATE, source=paid(state))
    older = replace(paid(backup), results=tmp_path / "study")
    with monkeypatch.context() as patched:
        patched.setattr(Gan, "advance", lambda *_: pytest.fail("a step was taken"))
        with pytest.raises(
            PrivacyError, match=r"lacks a line that the checkpoint of .* has seen.*older copy"
        ):
            run(folder, PRIVATE, source=older)
    run(folder, PRIVATE, source=paid(state), record=told)  # with the newest state it goes on, to its end
    assert charged(state).steps == 24
    monkeypatch.setattr(Gan, "advance", lambda *_: pytest.fail("a step was taken"))
    with pytest.raises(PrivacyError, match=r"lacks a line that .*run-1/privacy\.json has seen.*older copy"):
        run(tmp_path / "study/gan/wgan/noise-0.8/run-2", PRIVATE, source=older)
    assert site_at(backup).accounts()[0].reached == 8
