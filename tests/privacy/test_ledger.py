"""The ledger: after any kill it never under-states, tampering shows, and patients' runs compose."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import stat
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from privessel.errors import BusyError, PrivacyError
from privessel.privacy.account import Account, Attempt, Point, Run
from privessel.privacy.accounting import Charge, composed_epsilon
from privessel.privacy.accounts import read_accounts, running
from privessel.privacy.chain import Head, read_chain
from privessel.privacy.keys import MasterSecret, Stream
from privessel.privacy.ledger import open_ledger
from privessel.privacy.levels import inside
from privessel.privacy.renyi import adaptive_epsilon
from privessel.privacy.spending import check_budget, digest_patients, runs_by_patient, spent_by_patient
from privessel.privacy.spending_tables import (
    format_spending,
    tabulate_patients,
    tabulate_people,
    tabulate_runs,
)

MASTER = MasterSecret(bytes(range(32)))
PATIENTS = digest_patients(MASTER, {"001": "aa", "002": "bb"})
START = Point()


def run_of(identity="0" * 64, *, patients=PATIENTS, **changes):
    fields = {
        "identity": identity,
        "cohort": "site",
        "architecture": "wgan",
        "level": "noise-1",
        "run": 1,
        "unit": "patch",
        "noise_multiplier": 1.0,
        "sampling_rate": 0.01,
        "steps": 1000,
        "patients": tuple(patients.values()),
    }
    return Run(**fields | changes)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("privessel.files.lock.PATIENCE_SECONDS", 0.2)


def opened(folder, run=None, *, machine="here", point=START, master=MASTER, **more):
    return open_ledger(
        folder, master=master, run=run or run_of(), point=point, machine=machine, silent_minutes=0.01, **more
    )


def read(folder, run=None, *, head=None, master=MASTER):
    """One run's account; an error where the ledger no longer contains `head`."""
    identity = (run or run_of()).identity
    known = head and Head(**head)
    read_chain(folder / f"{identity}.ledger", key=master.derive("ledger"), head=known)
    accounts = read_accounts(folder, master=master)
    return next((one for one in accounts if one.run.identity == identity), None)


def ledger_file(folder):
    return next(folder.glob("*.ledger"))


@pytest.fixture
def charged(tmp_path):
    """A ledger of three charges, with the file's length and the head after each."""
    stood, registers = [], []
    with opened(tmp_path) as ledger:
        for last in (0, 100, 250, 300):
            if last:
                ledger.charge(ledger.account.reached, last)
            stood.append((ledger_file(tmp_path).stat().st_size, ledger.head, last))
            registers.append((tmp_path / "runs.register").read_bytes())
    (tmp_path / "registers.json").write_text(json.dumps([each.decode() for each in registers]))
    return tmp_path, stood


def earlier_registers(folder):
    """The register as it was at the opening and after each charge of `charged`."""
    return [each.encode() for each in json.loads((folder / "registers.json").read_text())]


def test_charges_are_on_disk_when_charge_returns(tmp_path):
    with opened(tmp_path) as ledger:
        for last in (10, 20, 35):
            ledger.charge(ledger.account.reached, last)
            assert read(tmp_path).steps == last
            assert read(tmp_path, head=ledger.head).head.lines == ledger.head["lines"]
    assert stat.S_IMODE(ledger_file(tmp_path).stat().st_mode) == 0o600


def test_charges_are_synced_before_charge_returns(tmp_path, monkeypatch):
    synced, sync = [], os.fsync
    with opened(tmp_path) as ledger:
        monkeypatch.setattr(
            os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_size), sync(handle))
        )
        ledger.charge(0, 7)
    assert ledger_file(tmp_path).stat().st_size in synced


def test_after_a_kill_in_the_middle_of_a_write_the_ledger_is_never_below_what_was_charged(
    charged, tmp_path_factory
):
    folder, stood = charged
    content, registers = ledger_file(folder).read_bytes(), earlier_registers(folder)
    broken = tmp_path_factory.mktemp("broken")
    copy = broken / ledger_file(folder).name
    for length in range(stood[0][0], len(content)):
        for path in broken.iterdir():
            path.unlink()
        copy.write_bytes(content[:length])
        # The register's line follows the ledger's: a kill leaves the ledger up to one line ahead.
        lines = sum(size < length for size, _, _ in stood)
        (broken / "runs.register").write_bytes(registers[max(0, lines - 1)])
        returned = max(steps for size, _, steps in stood if size <= length)
        assert read(broken).steps == returned
        # opening syncs the disk, so it is tried around the ends of lines and now and then between
        if min(abs(length - size) for size, _, _ in stood) > 2 and length % 50:
            continue
        with opened(broken) as ledger:
            assert ledger.account.steps == returned
            ledger.charge(returned, returned + 5)
        assert read(broken).steps == returned + 5


@pytest.mark.parametrize("rest", [b"\0" * 5, b'{"mac": "\0\0\0\0"}\n', b'{"mac": "'])
def test_zeros_that_a_power_loss_left_in_place_of_a_line_are_removed(charged, rest, caplog):
    folder, _ = charged
    with ledger_file(folder).open("ab") as file:
        file.write(rest)
    with opened(folder) as ledger:
        assert ledger.account.steps == 300
        ledger.charge(300, 310)
    assert "cut short" in caplog.text
    assert read(folder).steps == 310


def test_truncation_shows_against_every_head_that_is_no_longer_there(charged):
    folder, stood = charged
    content = ledger_file(folder).read_bytes()
    for (size, _, _), register in zip(stood[:-1], earlier_registers(folder), strict=False):
        ledger_file(folder).write_bytes(content[:size])
        (folder / "runs.register").write_bytes(register)  # cut back too, or it would say so by itself
        for known_size, head, _ in stood:
            if known_size <= size:
                assert read(folder, head=head)
            else:
                with pytest.raises(PrivacyError, match="removed"):
                    read(folder, head=head)
                with pytest.raises(PrivacyError, match="removed"), opened(folder, point=Point(head=head)):
                    pass
    ledger_file(folder).unlink()
    with pytest.raises(PrivacyError, match="removed"):
        read(folder, head=stood[1][1])


def test_an_older_copy_that_was_put_back_and_charged_anew_shows(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.charge(0, 10)
        older = [(path, path.read_bytes()) for path in (ledger_file(tmp_path), tmp_path / "runs.register")]
        ledger.charge(10, 90)
        head = ledger.head
    for path, content in older:
        path.write_bytes(content)
    with opened(tmp_path) as ledger:
        ledger.charge(10, 20)
        assert ledger.head["lines"] == head["lines"]
    with pytest.raises(PrivacyError, match="removed"):
        read(tmp_path, head=head)


def test_any_changed_byte_shows(charged):
    folder, stood = charged
    content = ledger_file(folder).read_bytes()
    for place in range(len(content) - 1):
        changed = bytearray(content)
        changed[place] = changed[place] ^ 1 if changed[place] ^ 1 != ord("\n") else changed[place] ^ 2
        ledger_file(folder).write_bytes(changed)
        with pytest.raises(PrivacyError, match=r"edited|removed"):
            read(folder, head=stood[-1][1])


@pytest.mark.parametrize("forge", ["swap", "drop", "repeat", "space", "lower"])
def test_moved_removed_repeated_and_rewritten_lines_show_without_a_known_head(charged, forge):
    folder, _ = charged
    lines = ledger_file(folder).read_bytes().splitlines(keepends=True)
    if forge == "swap":
        lines[2], lines[3] = lines[3], lines[2]
    elif forge == "drop":
        del lines[3]
    elif forge == "repeat":
        lines.insert(3, lines[3])
    elif forge == "space":
        lines[3] = lines[3].replace(b": ", b":  ", 1)
    else:
        line = json.loads(lines[-1])
        line["record"]["last"] = 251
        lines[-1] = json.dumps(line, sort_keys=True).encode() + b"\n"
    ledger_file(folder).write_bytes(b"".join(lines))
    with pytest.raises(PrivacyError, match="edited, moved"):
        read(folder)
    with pytest.raises(PrivacyError, match="edited, moved"):
        read_accounts(folder, master=MASTER)
    with pytest.raises(PrivacyError, match="edited, moved"), opened(folder):
        pass


def test_a_ledger_of_another_site_or_under_another_name_is_refused(charged):
    folder, _ = charged
    with pytest.raises(PrivacyError, match="another master secret"):
        read(folder, master=MasterSecret(bytes(32)))
    other = run_of("1" * 64)
    shutil.copy(ledger_file(folder), folder / f"{other.identity}.ledger")
    with pytest.raises(PrivacyError, match="edited, moved"):
        read(folder, other)


def test_a_ledger_from_before_patches_were_counted_is_of_the_same_run_and_gets_no_counts(tmp_path):
    counts = {"patches_per_patient": 40, "region_patches": 3}
    with opened(tmp_path, run_of()) as ledger:
        ledger.charge(0, 10)
    with opened(tmp_path, run_of(**counts)) as ledger:
        assert ledger.account.run == run_of()
    other = run_of("1" * 64, **counts)
    with opened(tmp_path, other) as ledger:
        ledger.charge(0, 10)
    found = {one.run.identity[0]: one.run for one in read_accounts(tmp_path, master=MASTER)}
    assert found == {"0": run_of(), "1": other}
    with pytest.raises(PrivacyError, match="another run"):
        opened(tmp_path, run_of("1" * 64, **counts | {"region_patches": 4})).__enter__()
    with pytest.raises(ValueError, match="1 patch or more"):
        run_of(region_patches=0)


def test_a_ledger_of_other_patients_or_another_mechanism_is_refused(charged):
    folder, _ = charged
    for other in (run_of(patients=digest_patients(MASTER, {"003": "cc"})), run_of(noise_multiplier=2.0)):
        with pytest.raises(PrivacyError, match="another run"), opened(folder, other):
            pass


def test_a_replay_costs_nothing_where_the_same_bits_come_back(tmp_path):
    for stop in (30, 50, 45, 60):
        with opened(tmp_path) as ledger:
            assert ledger.attempt == 0
            for first in range(0, stop, 10):
                ledger.charge(first, first + 10)
    assert read(tmp_path).steps == 60


def test_steps_repeated_on_a_device_without_bit_reproducibility_are_charged_again(tmp_path):
    expected = 0
    for attempt, (start, stop) in enumerate([(0, 40), (30, 50), (0, 20), (50, 60)]):
        with opened(tmp_path, machine=None) as ledger:
            assert ledger.attempt == attempt
            for first in range(start, stop, 10):
                ledger.charge(first, first + 10)
        expected += stop - start
        assert read(tmp_path).steps == expected
    assert read(tmp_path).reached == 60


def test_every_start_on_such_a_device_draws_other_noise_even_if_nothing_was_charged(tmp_path):
    draws = set()
    for _ in range(4):
        with opened(tmp_path, machine=None) as ledger:
            draws.add(Stream(ledger.key(MASTER)).normal("noise", 0, 8).tobytes())
    assert len(draws) == 4


def test_going_back_within_an_attempt_without_bit_reproducibility_is_refused(tmp_path):
    with opened(tmp_path, machine=None) as ledger:
        ledger.charge(0, 20)
        with pytest.raises(PrivacyError, match="same noise"):
            ledger.charge(10, 30)


def test_a_later_attempt_goes_on_only_from_states_that_it_made_or_began_with(tmp_path):
    """Its noise over any other state's gradients, and over its own: their difference would be bare."""

    def start(point, machine="here"):
        with opened(tmp_path, point=point, machine=machine) as ledger:
            ledger.charge(point.step, point.step + 10)
            return ledger.attempt

    assert start(Point()) == 0
    assert start(Point(5, 0)) == 0
    assert start(Point(5, 0), "elsewhere") == 1  # another machine: fresh noise from step 5
    assert start(Point(5, 0), "elsewhere") == 1  # killed before its first checkpoint
    assert start(Point(12, 1), "elsewhere") == 1
    assert start(Point(7, 0), "elsewhere") == 2  # another state of attempt 0
    assert start(Point(12, 1), "elsewhere") == 3  # attempt 1's, but attempt 2 was the last
    assert start(Point(), "elsewhere") == 4  # the checkpoint was removed
    assert start(Point(), "elsewhere") == 4
    assert start(Point(3, 4), "here") == 5
    assert read(tmp_path).steps == 15 + 17 + 10 + 10 + 10 + 10


def test_a_generator_costs_what_was_charged_before_it_in_every_attempt():
    found = Account(run_of(), ((0, 0, 40), (0, 20, 60), (1, 50, 80), (2, 10, 30)), (), None)
    assert [found.charged_before(step) for step in (0, 10, 25, 55, 80, 99)] == [0, 10, 40, 80, 110, 110]
    assert found.steps == 110


@pytest.mark.parametrize(("first", "last"), [(1, 2), (0, -1), (-1, 3)])
def test_steps_cannot_be_left_out_or_run_backwards(tmp_path, first, last):
    with opened(tmp_path) as ledger, pytest.raises(ValueError, match=r"never charged|first <= last"):
        ledger.charge(first, last)


def test_steps_cannot_be_left_out_within_a_later_attempt(tmp_path):
    with opened(tmp_path, machine=None) as ledger:
        ledger.charge(0, 100)
    with opened(tmp_path, machine=None) as ledger:
        ledger.charge(20, 30)
        with pytest.raises(ValueError, match="never charged"):
            ledger.charge(40, 50)


def test_a_second_process_stands_back_and_the_first_goes_on(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.charge(0, 5)
        with pytest.raises(BusyError, match="another process"), opened(tmp_path):
            pass
        ledger.charge(5, 9)
    assert read(tmp_path).steps == 9


def test_a_run_of_a_machine_that_went_silent_is_taken_over_and_its_zombie_cannot_charge(tmp_path):
    lock = tmp_path / f"{run_of().identity}.lock"
    with opened(tmp_path) as zombie:
        zombie.charge(0, 5)
        # The lock of another machine: flock does not reach it, its heartbeat decides
        held = lock.read_bytes()
        lock.unlink()
        lock.write_text("elsewhere 1")
        with opened(tmp_path) as heir:
            heir.charge(5, 8)
        with pytest.raises(PrivacyError, match="another process has written"):
            zombie.charge(5, 6)
        assert held.decode().startswith(socket.gethostname())
    assert read(tmp_path).steps == 8


def _charge_and_die(folder, last):
    with opened(folder) as ledger:
        ledger.charge(ledger.account.reached, last)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_leaves_its_charges_and_no_lock(tmp_path):
    context = multiprocessing.get_context("fork")
    for last in (10, 20, 30):
        process = context.Process(target=_charge_and_die, args=(tmp_path, last))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert read(tmp_path).steps == last


def test_a_full_disk_stops_the_run_and_leaves_a_ledger_that_can_be_read(tmp_path, monkeypatch):
    write = os.write
    with opened(tmp_path) as ledger:
        ledger.charge(0, 10)
        monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:20]))
        with pytest.raises(OSError, match="disk full"):
            ledger.charge(10, 20)
        monkeypatch.undo()
        with pytest.raises(PrivacyError, match="another process has written"):
            ledger.charge(10, 20)
    assert read(tmp_path).steps == 10
    with opened(tmp_path) as ledger:
        ledger.charge(10, 20)
    assert read(tmp_path).steps == 20


def test_the_file_tells_nothing_of_ids_voxels_or_the_secret(charged):
    folder, _ = charged
    content = ledger_file(folder).read_text()
    assert '"001"' not in content
    assert '"aa"' not in content
    assert MASTER.secret.hex() not in content
    assert digest_patients(MASTER, {"001": "aa"}) != digest_patients(MasterSecret(bytes(32)), {"001": "aa"})


def test_a_patient_is_not_confused_between_id_and_voxels():
    (one,) = digest_patients(MASTER, {"x": "x"}).values()
    assert one[0] != one[1]


def test_two_records_of_one_patient_in_a_run_are_refused():
    with pytest.raises(PrivacyError, match="same id or the same scan"):
        run_of(patients=digest_patients(MASTER, {"001": "aa", "002": "aa"}))


@pytest.mark.parametrize(
    "wrong", [{"noise_multiplier": float("inf")}, {"unit": "slice"}, {"patients": {}}], ids=str
)
def test_a_run_that_cannot_be_paid_for_has_no_ledger(wrong):
    with pytest.raises(ValueError, match=r"without noise|unit|patients"):
        run_of(**wrong)


def account(identity, steps, *, voxels, **changes):
    run = run_of(identity, patients=digest_patients(MASTER, voxels), **changes)
    return Account(run, ((0, 0, steps),), (), None)


def test_a_patients_runs_compose_and_other_patients_runs_do_not():
    accounts = [
        account("a", 100, voxels={"001": "aa", "002": "bb"}, run=1),
        account("b", 200, voxels={"001": "aa"}, run=2, noise_multiplier=2.0),
        account("c", 300, voxels={"003": "cc"}, run=3),
        account("d", 0, voxels={"001": "aa"}, run=4),
    ]
    patients = digest_patients(MASTER, {"001": "aa", "002": "bb", "004": "dd"})
    first, second, third = spent_by_patient(accounts, patients=patients, delta=1e-5)
    assert [one.patient for one in (first, second, third)] == ["001", "002", "004"]
    both = [Charge(1.0, 0.01, 100), Charge(2.0, 0.01, 200)]
    assert first.epsilon == composed_epsilon(both, delta=1e-5)
    assert first.runs == ("wgan/noise-1/run-1", "wgan/noise-1/run-2")
    assert second.epsilon == composed_epsilon(both[:1], delta=1e-5)
    assert (third.epsilon, third.runs, third.unit) == (0, (), None)


def test_runs_of_two_studies_that_have_one_name_are_two_runs_of_a_patient():
    one, other = (account(name, 100, voxels={"001": "aa"}) for name in ("a", "b"))
    patients = digest_patients(MASTER, {"002": "bb", "001": "aa"})
    assert runs_by_patient([one, other], patients=patients) == {"002": [], "001": [one, other]}


@pytest.mark.parametrize(
    "voxels",
    [{"001": "zz"}, {"renamed": "aa"}, {"001": "aa"}],
    ids=["same id, new scan", "new id, same scan", "both"],
)
def test_an_equal_id_or_an_equal_scan_is_the_same_patient(voxels):
    accounts = [account("a", 100, voxels={"001": "aa"})]
    (found,) = spent_by_patient(accounts, patients=digest_patients(MASTER, voxels), delta=1e-5)
    assert found.runs


def test_the_same_patient_is_found_through_a_third_record():
    # run a: id 001, scan aa; run b: id x, scan aa; now: id x with a new scan
    accounts = [account("a", 100, voxels={"001": "aa"}), account("b", 100, voxels={"x": "aa"}, run=2)]
    (found,) = spent_by_patient(accounts, patients=digest_patients(MASTER, {"x": "new"}), delta=1e-5)
    assert len(found.runs) == 2


def test_runs_of_both_units_are_reported_for_the_patch():
    accounts = [
        account("a", 10, voxels={"001": "aa"}, unit="patient"),
        account("b", 10, voxels={"001": "aa"}, run=2),
    ]
    patients = digest_patients(MASTER, {"001": "aa"})
    units = [
        spent_by_patient(some, patients=patients, delta=1e-5)[0].unit
        for some in (accounts[:1], accounts[1:], accounts)
    ]
    assert units == ["patient", "patch", "patch"]


def test_beside_a_patch_run_a_run_that_protects_patients_costs_a_patch_a_gradient_that_turns_round():
    """Oracle: the delta of ten Gaussians whose means lie two clipping norms apart (Balle and Wang 2018)."""
    accounts = [
        account("a", 10, voxels={"001": "aa"}, unit="patient", noise_multiplier=8.0, sampling_rate=0.3),
        account("b", 1, voxels={"001": "aa"}, run=2, noise_multiplier=20.0, sampling_rate=0.001),
    ]
    patients = digest_patients(MASTER, {"001": "aa"})
    alone, both = (
        spent_by_patient(some, patients=patients, delta=1e-5)[0].epsilon for some in (accounts[:1], accounts)
    )
    mu = 2 / 8 * 10**0.5
    exact = norm.cdf(mu / 2 - both / mu) - np.exp(both) * norm.cdf(-mu / 2 - both / mu)
    assert exact == pytest.approx(1e-5, rel=0.05)
    assert both > 2 * alone


def test_a_budget_holds_over_all_runs_before_the_first_step():
    run = run_of("new", steps=500)
    enough = adaptive_epsilon([Charge(1.0, 0.01, 500)], delta=1e-5)
    budget = {"run": run, "start": 0, "replays": True, "running": (), "patients": PATIENTS, "delta": 1e-5}
    assert check_budget([], **budget, epsilon=enough).adaptive_epsilon == enough
    earlier = account("a", 1, voxels={"002": "bb"}, level="noise-2")
    with pytest.raises(PrivacyError, match=r"patient 002 .*wgan/noise-2/run-1.*privacy\.budget"):
        check_budget([earlier], **budget, epsilon=enough)
    stranger = account("a", 1_000, voxels={"003": "cc"})
    assert check_budget([stranger], **budget, epsilon=enough).adaptive_epsilon == enough


def test_a_refusal_tells_what_the_run_alone_costs_in_the_unit_of_the_whole_sentence():
    """A vote at eps 1 costs a patch 2: beside a GAN that hides patches it must not look cheaper."""
    gan, run = account("a" * 64, 100, voxels={"001": "aa"}), vote({"001": "aa"}).run
    patients = digest_patients(MASTER, {"001": "aa"})
    budget = {"run": run, "start": 0, "replays": True, "running": (), "patients": patients, "delta": 1e-5}
    with pytest.raises(PrivacyError, match=r"protects a single patch.* this run alone 2, 2 with it"):
        check_budget([gan], **budget, epsilon=0.5)
    with pytest.raises(PrivacyError, match=r"protects the whole patient.* this run alone 1, 1 with it"):
        check_budget([], **budget, epsilon=0.5)


def test_a_run_under_way_counts_with_all_its_steps_and_one_that_ended_early_with_those_it_took():
    run = run_of("new", steps=500)
    other = account("a", 100, voxels={"001": "aa"}, run=2)
    budget = {"run": run, "start": 0, "replays": True, "patients": PATIENTS, "epsilon": 99, "delta": 1e-5}
    for running_now, total in [((), 600), ({"a", "b"}, 1500)]:
        found = check_budget([other], **budget, running=running_now)
        assert found.epsilon == composed_epsilon([Charge(1.0, 0.01, total)], delta=1e-5)


def test_a_resumed_run_is_budgeted_for_what_it_was_charged_and_what_it_has_yet_to_do():
    run = run_of("new", steps=500)
    # two attempts: 0..300 charged, then 250..300 again: 350 in all
    half = Account(run, ((0, 0, 300), (1, 250, 300)), (), None)
    plan = {"run": run, "running": {"new"}, "patients": PATIENTS, "epsilon": 100, "delta": 1e-5}
    for start, replays, total in [(250, True, 550), (300, False, 550), (250, False, 600), (0, False, 850)]:
        worst = check_budget([half], start=start, replays=replays, **plan)
        assert worst.epsilon == composed_epsilon([Charge(1.0, 0.01, total)], delta=1e-5)
        assert worst.runs == ("wgan/noise-1/run-1",)


@pytest.mark.parametrize("seed", range(20))
def test_what_a_budget_foresees_is_what_is_charged_whatever_was_killed_before(seed):
    """The break: a run that began anew behind its own charges was foreseen to go on from where they end."""
    rng, run = random.Random(seed), run_of("new", steps=100)
    blocks, attempts, position = [], [], 0
    for number in range(rng.randint(1, 4)):
        start = rng.choice([0, rng.randint(0, position)])  # a checkpoint, or none
        attempts.append(Attempt("here", start, None))
        for _ in range(rng.randint(1, 3)):  # killed and resumed within the attempt, from any step of it
            first = rng.randint(start, max(start, position if blocks and blocks[-1][0] == number else start))
            position = rng.randint(first, 99)
            blocks.append((number, first, position))
    account = Account(run, tuple(blocks), tuple(attempts), None)
    resumed = rng.randint(attempts[-1].start, account.last_reached)
    foreseen = account.total(start=resumed, replays=True)
    ended = Account(run, (*blocks, (len(attempts) - 1, resumed, 100)), tuple(attempts), None)
    assert foreseen == ended.steps
    anew = Account(run, (*blocks, (len(attempts), 0, 100)), (*attempts, Attempt(None, 0, None)), None)
    assert account.total(start=0, replays=False) == anew.steps


def test_a_run_is_seen_to_be_under_way_while_its_ledger_is_open(tmp_path):
    with opened(tmp_path) as ledger:
        assert running(tmp_path, silent_minutes=5) == {ledger.account.run.identity}
    assert running(tmp_path, silent_minutes=5) == set()


def test_all_ledgers_of_a_site_are_read(tmp_path):
    for number in (1, 2):
        with opened(tmp_path, run_of(str(number) * 64, run=number)) as ledger:
            ledger.charge(0, number)
    assert [one.steps for one in read_accounts(tmp_path, master=MASTER)] == [1, 2]
    assert read_accounts(tmp_path / "none", master=MASTER) == []
    assert read(tmp_path, run_of("never")) is None


def test_a_ledger_that_was_removed_is_missed_by_its_run_s_name(tmp_path):
    for number in (1, 2):
        with opened(tmp_path, run_of(str(number) * 64, run=number)) as ledger:
            ledger.charge(0, 5)
    (tmp_path / f"{'1' * 64}.ledger").unlink()
    with pytest.raises(
        PrivacyError, match=r"111\.ledger, the ledger of wgan/noise-1/run-1 on site, is missing"
    ):
        read_accounts(tmp_path, master=MASTER)


def test_a_run_that_died_before_it_was_registered_is_registered_when_it_goes_on(tmp_path):
    with opened(tmp_path):
        pass
    (tmp_path / "runs.register").unlink()
    with pytest.raises(PrivacyError, match="lines of the register were removed"):
        read_accounts(tmp_path, master=MASTER)
    first = ledger_file(tmp_path).read_bytes().splitlines(keepends=True)[0]
    ledger_file(tmp_path).write_bytes(first)  # as a kill leaves it before the register's line
    assert len(read_accounts(tmp_path, master=MASTER)) == 1
    with opened(tmp_path):
        pass
    ledger_file(tmp_path).unlink()
    with pytest.raises(PrivacyError, match="is missing"):
        read_accounts(tmp_path, master=MASTER)


def _open_many(folder, first):
    for number in range(first, first + 20):
        with opened(folder, run_of(f"{number:064d}", run=number)):
            pass


def test_runs_that_start_at_the_same_time_are_all_registered(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_open_many, args=(tmp_path, first)) for first in (1, 101)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    lines = (tmp_path / "runs.register").read_text().splitlines()
    assert len(lines) == 40 * 3  # run, attempt and opening
    assert len({json.loads(line)["record"]["identity"] for line in lines}) == 40
    assert len(read_accounts(tmp_path, master=MASTER)) == 40


# --- Tables and text -------------------------------------------------------------------------------------


def test_tables_show_every_run_of_the_site_and_every_patient_of_the_cohort():
    accounts = [
        account("b" * 64, 200, voxels={"001": "aa"}, run=2),
        account("a" * 64, 100, voxels={"001": "aa", "002": "bb"}),
    ]
    runs = tabulate_runs(accounts, delta=1e-5)
    assert runs["run"].tolist() == ["wgan/noise-1/run-1", "wgan/noise-1/run-2"]
    assert runs["steps"].tolist() == [100, 200]
    assert runs["epsilon"].tolist() == [
        composed_epsilon([Charge(1.0, 0.01, steps)], delta=1e-5) for steps in (100, 200)
    ]
    patients = digest_patients(MASTER, {"002": "bb", "001": "aa", "003": "cc"})
    table = tabulate_patients(accounts, patients=patients, epsilon=8, delta=1e-5)
    assert table["patient"].tolist() == ["001", "002", "003"]
    assert table["epsilon"].tolist() == [
        composed_epsilon([Charge(1.0, 0.01, steps)], delta=1e-5) if steps else 0 for steps in (300, 100, 0)
    ]
    told = format_spending(runs, table, cohort="site")
    assert "budget of eps 8" in told
    both = adaptive_epsilon([Charge(1.0, 0.01, 300)], delta=1e-5)
    assert table["adaptive_epsilon"].tolist()[0] == both > table["epsilon"][0]
    assert f"1 patient: eps {both:.4g} of a patch in 2 runs" in told
    assert f"{table['epsilon'][0]:.4g} if all of them" in told
    assert "the same" in told
    assert "a" * 13 not in told


def vote(voxels):
    """Return the account of a vote at pure eps 1."""
    about = {"architecture": "vote", "level": "eps-1", "steps": 1, "sampling_rate": 1.0}
    about |= {"unit": "patient", "noise_multiplier": None, "pure_epsilon": 1.0}
    run = run_of("d" * 64, patients=digest_patients(MASTER, voxels), **about)
    return Account(run, ((0, 0, 1),), (), None)


def test_a_vote_is_called_one_and_every_eps_names_whom_it_is_of():
    gan = account("a" * 64, 100, voxels={"001": "aa"})
    accounts = [gan, vote({"001": "aa", "002": "bb"})]
    patients = digest_patients(MASTER, {"001": "aa", "002": "bb", "003": "cc"})
    runs = tabulate_runs(accounts, delta=1e-5)
    assert runs.set_index("run")["pure_epsilon"].fillna(0).to_dict() == {
        "vote/eps-1/run-1": 1,
        "wgan/noise-1/run-1": 0,
    }
    told = format_spending(
        runs, tabulate_patients(accounts, patients=patients, epsilon=8, delta=1e-5), cohort="site"
    )
    row = next(line for line in told.splitlines() if "vote/eps-1/run-1" in line)
    assert row.split()[2:] == ["patient", "vote", "1", "1", "1", "0", "1"]  # without an attempt here
    assert "none" not in told
    of_patch = adaptive_epsilon([gan.charge, inside(accounts[1].charge)], delta=1e-5)
    assert f"1 patient: eps {of_patch:.4g} of a patch in 2 runs" in told
    assert "1 patient: eps 1 of a patient in 1 run" in told
    assert "1 patient: eps 0\n" in told


def test_patients_with_equal_eps_of_different_units_have_a_line_each():
    table = pd.DataFrame(
        [("001", 2.0, 2.0, 8.0, 1e-5, "patient", "a"), ("002", 2.0, 2.0, 8.0, 1e-5, "patch", "a")],
        columns=["patient", "epsilon", "adaptive_epsilon", "budget", "delta", "unit", "runs"],
    )
    told = format_spending(tabulate_runs([], delta=1e-5), table, cohort="site")
    assert "1 patient: eps 2 of a patient in 1 run" in told
    assert "1 patient: eps 2 of a patch in 1 run" in told


def hull_draw(identity, person, *voxels):
    """Return the account of a person's draw of a hull, recognised by the id and by each scan."""
    about = {"architecture": "hull", "level": "eps-4", "steps": 1, "sampling_rate": 1.0, "unit": "patient"}
    (own,) = digest_patients(MASTER, {person: voxels[0]}).values()
    scans = [digest_patients(MASTER, {"": one})[""][1] for one in voxels]
    run = run_of(identity * 64, **about)
    return Account(replace(run, patients=(own, *pairwise(scans))), ((0, 0, 1),), (), None)


def test_people_with_several_scans_have_a_row_each_and_their_draws_share_a_line():
    accounts = [hull_draw("a", "p1", "aa", "ab"), hull_draw("b", "p2", "bb", "bc")]
    scans = {
        (person, session): digest_patients(MASTER, {person: voxels})[person]
        for person, session, voxels in (
            ("p1", "1", "aa"), ("p1", "2", "ab"), ("p2", "1", "bb"), ("p2", "2", "new"), ("p3", "1", "cc"),
            ("other-id", "1", "ab"),
        )
    }  # fmt: skip
    table = tabulate_people(accounts, scans=scans, epsilon=8, delta=1e-5)
    once = accounts[0].charge
    spent = dict(zip(table["patient"], table["epsilon"], strict=True))
    eps = composed_epsilon([once], delta=1e-5)
    assert spent == {"p1": eps, "p2": eps, "other-id": eps, "p3": 0}
    told = format_spending(tabulate_runs(accounts, delta=1e-5), table, cohort="clinic", who="People")
    assert told.count("hull/eps-4/run-1") == 2  # its line, and the line of those who took part
    assert "(2 such runs)" in told
    assert "People of clinic" in told
    assert f"3 patients: eps {adaptive_epsilon([once], delta=1e-5):.4g} of a patient in 1 run" in told


def test_text_of_a_site_that_has_spent_nothing_says_so():
    runs = tabulate_runs([], delta=1e-5)
    table = tabulate_patients([], patients=PATIENTS, epsilon=8, delta=1e-5)
    told = format_spending(runs, table, cohort="site")
    assert "none" in told
    assert "2 patients: eps 0" in told
