"""A GAN run: what it writes, what it never writes, and that no interruption changes or hides anything."""

import copy
import csv
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_gan import COMPARED, SHAPE, TRAINING

from privessel.errors import BusyError, PrivacyError
from privessel.files import checkpoint
from privessel.files.lock import lock
from privessel.gan import charged_steps
from privessel.gan import loop as train_gan
from privessel.gan.checkpoints import RunFiles
from privessel.gan.loop import train
from privessel.gan.losses import plain_gradient
from privessel.gan.pairs import Pairs, TrainingPatches
from privessel.gan.step import Gan, shuffled_batch
from privessel.privacy.account import Run
from privessel.privacy.accounting import Charge, epsilon
from privessel.privacy.identity import identity_digest
from privessel.privacy.keys import Stream
from privessel.privacy.ledger import Ledger
from privessel.privacy.mechanism import private_gradient
from privessel.privacy.renyi import adaptive_epsilon
from privessel.privacy.site import PaidRun, Site

torch.set_num_threads(1)
KEY = bytes(range(32))
PRIVATE = replace(TRAINING, noise_multiplier=0.8)
IDENTITY = {
    "architecture": {"name": "wgan"}, "level": "noise-0.8", "run": 1, "training": {"epochs": 3},
    "patches": "ab", "code": {}, "libraries": {}, "device": "cpu", "threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_nonce():
    """Let two runs in different folders draw the same noise, so that their weights can be compared."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("privessel.privacy.nonce.draw_nonce", lambda: bytes(32))
        yield


def site_at(folder, **changes):
    """A site whose secret is the same in every test."""
    if not (folder / "master.key").exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "master.key").write_bytes(KEY)
        (folder / "master.key").chmod(0o600)
    return Site(**{"state": folder, "epsilon": 1e3, "delta": 1e-5} | changes)


def paid(state, *, identity=IDENTITY, machine="here", **changes):
    """A private run on five patients, to be charged to a ledger in the folder `state`."""
    site = site_at(state, **changes)
    patients = site.digests({f"{number:03d}": f"scan {number}" for number in range(5)})
    run = Run(
        identity=identity_digest(identity), cohort="site", architecture="wgan", level="noise-0.8", run=1,
        unit="patch", noise_multiplier=0.8, sampling_rate=0.1, steps=24, patients=tuple(patients.values()),
    )  # fmt: skip
    return PaidRun(site, run, patients, machine)


def charged(state):
    (account,) = site_at(state).accounts()
    return account


def discs(n, size=12, *, seed=0):
    """Bright labelled discs on a dark ground, in [-1, 1]."""
    rng = np.random.default_rng(seed)
    x, y = np.mgrid[:size, :size]
    centre = rng.uniform(2, size - 2, (2, n, 1, 1))
    labels = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < rng.uniform(2, 4, (n, 1, 1)) ** 2
    return np.where(labels, 1, -1 + rng.uniform(0, 0.3, labels.shape)).astype(np.float32), labels


def run(folder, training=TRAINING, **changes):
    images, labels = discs(40)
    images = changes.pop("images", images)
    patches = TrainingPatches(
        images,
        changes.pop("labels", labels),
        changes.pop("patients", np.arange(len(images)) // 8),
        validation=discs(9, seed=1),
    )
    files = RunFiles(
        folder, changes.pop("identity", IDENTITY), checkpoint_seconds=changes.pop("checkpoint_seconds", 1e9)
    )
    settings = {
        "shape": SHAPE,
        "training": training,
        "source": Stream(KEY),
        "files": files,
        "device": "cpu",
        "record": lambda account: {"unit": "patch"},
    }
    return train(patches, **{**settings, **changes})


def weights(folder, epoch=3):
    return checkpoint.load(folder / f"generator-epoch-{epoch}.pt")["weights"]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Uninterrupted runs: without privacy, on public patches, and on patients."""
    state = tmp_path_factory.mktemp("state") / "site"
    runs = {"inf": (TRAINING, Stream(KEY)), "public": (PRIVATE, Stream(KEY)), "paid": (PRIVATE, paid(state))}
    folders = {}
    for name, (training, source) in runs.items():
        folders[name] = tmp_path_factory.mktemp("finished") / name
        run(folders[name], training, source=source)
    for name, (shape, training) in COMPARED.items():
        folders[name] = tmp_path_factory.mktemp("finished") / name
        run(folders[name], training, shape=shape)
    return folders


# --- What a run leaves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["inf", "public"])
def test_a_run_leaves_the_kept_generators_the_history_and_what_it_says_of_privacy(finished, level):
    left = {path.name for path in finished[level].iterdir()}
    assert left == {".lock", "generator-epoch-1.pt", "generator-epoch-3.pt", "history.csv", "privacy.json"}
    assert json.loads((finished[level] / "privacy.json").read_text()) == {"unit": "patch"}
    assert not equal(weights(finished[level], 1), weights(finished[level], 3))


def rows(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_history_of_a_private_run_holds_only_what_follows_from_released_gradients(finished):
    found = rows(finished["public"])
    assert list(found[0]) == [
        "epoch", "critic_steps", "epsilon", "score_fake", "score_validation", "norm_generator", "norm_critic"
    ]  # fmt: skip
    assert [int(row["critic_steps"]) for row in found] == [8, 16, 24]
    spent = [float(row["epsilon"]) for row in found]
    assert spent == sorted(spent)
    assert spent[0] > 0


def test_log_of_a_private_run_holds_no_number_but_progress(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(charged_steps, "LOG_SECONDS", 0.0)
    caplog.set_level("DEBUG")
    run(tmp_path, PRIVATE)
    assert len(caplog.messages) == PRIVATE.steps
    pattern = r"GAN, noise 0.8: epoch \d of 3, step \d+ of 12, [\d.]+ steps/s, \d:\d\d:\d\d left"
    assert all(re.fullmatch(pattern, message) for message in caplog.messages)


@pytest.mark.parametrize("level", ["inf", *COMPARED])
def test_history_without_privacy_has_the_critic_s_loss_and_no_eps(finished, level):
    found = rows(finished[level])
    assert all(row["epsilon"] == "" and float(row["loss_critic"]) for row in found)


def test_a_gan_learns_where_its_patches_are_bright_and_how_much_of_them_is_vessel(tmp_path):
    images, labels = discs(64)
    images[:, :6], labels[:, :6] = -1, False  # discs in one half only
    form = replace(SHAPE, generator_width=6, critic_width=6, critic_norm="none")
    learning = replace(
        TRAINING, steps_per_epoch=150, epochs=1, kept_epochs=(1,), critic_steps=3, weight_clip=0.1, batch=16,
        micro_batch=64,
    )  # fmt: skip
    run(tmp_path, learning, images=images, labels=labels, shape=form)
    one = Gan(form, learning, stream=Stream(KEY), device="cpu")
    one.kept.load_state_dict(weights(tmp_path, 1))
    with torch.no_grad():
        made = one.kept.eval()(one.latents("a test's own", 0, 200)).numpy()
    empty, full = made[:, :, :6].mean((0, 2, 3)), made[:, :, 6:].mean((0, 2, 3))
    assert full[0] - empty[0] > 0.5 * (images[:, 6:].mean() - images[:, :6].mean())
    assert full[1] - empty[1] > 0.5 * labels[:, 6:].mean()


# --- Interruptions -------------------------------------------------------------------------------------


def stop_at_charge(monkeypatch, *numbers):
    """Stop the run when a ledger has written its charges of these numbers, counted from 1; list them all."""
    charge, blocks = Ledger.charge, []

    def stopping(ledger, first, last):
        charge(ledger, first, last)
        blocks.append((first, last))
        if len(blocks) in numbers:
            raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "charge", stopping)
    return blocks


@pytest.mark.parametrize("level", ["inf", "public", "paid", *COMPARED])
def test_a_run_stopped_again_and_again_ends_with_the_same_bits(tmp_path, finished, level, monkeypatch):
    shape, training = COMPARED.get(level, (SHAPE, TRAINING if level == "inf" else PRIVATE))
    source = paid(tmp_path / "state") if level == "paid" else Stream(KEY)
    advance, taken, folder = Gan.advance, [], tmp_path / "run"

    def stopping(gan, data):
        taken.append(gan.step)
        if len(taken) in (2, 6, 7, 13):
            raise KeyboardInterrupt
        advance(gan, data)

    monkeypatch.setattr(Gan, "advance", stopping)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            run(folder, training, shape=shape, source=source, checkpoint_seconds=0)
        assert not list(folder.glob("*.pt"))
    run(folder, training, shape=shape, source=source, checkpoint_seconds=0)
    assert taken == [0, 1, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9, 9, 10, 11]
    for epoch in (1, 3):
        assert equal(weights(folder, epoch), weights(finished[level], epoch))
    assert (folder / "history.csv").read_text() == (finished[level] / "history.csv").read_text()


def _train_slowly(folder, state):
    run(folder, PRIVATE, source=paid(state), checkpoint_seconds=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_five_times_ends_with_the_same_bits_and_its_ledger_covers_every_step(tmp_path, finished):
    folder, state = tmp_path / "run", tmp_path / "state"
    context, dice, kills = multiprocessing.get_context("fork"), random.Random(0), 0

    def size():
        return sum(path.stat().st_size for path in state.glob("*.ledger"))

    site_at(state)
    while not (folder / "privacy.json").exists():
        process, seen = context.Process(target=_train_slowly, args=(folder, state)), size()
        process.start()
        if kills < 5:
            while process.is_alive() and size() == seen:
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.02))
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        path = folder / ".resume" / "checkpoint.pt"
        if path.exists():
            taken = checkpoint.load(path)["gan"]["step"] * PRIVATE.critic_steps
            assert taken <= charged(state).reached
    assert kills == 5
    assert charged(state).steps == 24
    assert equal(weights(folder), weights(finished["paid"]))


def test_on_a_machine_that_repeats_no_bits_every_step_that_is_repeated_is_charged_and_drawn_anew(
    tmp_path, finished, monkeypatch
):
    folder, state = tmp_path / "run", tmp_path / "state"
    blocks = stop_at_charge(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(folder, PRIVATE, source=paid(state, machine=None))
    run(folder, PRIVATE, source=paid(state, machine=None))
    assert blocks == [(0, 8), (8, 16), (8, 16), (16, 24)]
    account = charged(state)
    assert (account.steps, account.charged_before(16), len(account.attempts)) == (32, 24, 2)
    assert not equal(weights(folder), weights(finished["paid"]))
    spent = [float(row["epsilon"]) for row in rows(folder)]
    given = {"noise_multiplier": 0.8, "sampling_rate": 0.1, "delta": 1e-4}
    assert spent == [epsilon(**given, steps=steps) for steps in (8, 24, 32)]


def test_a_charge_comes_before_anything_it_pays_for_is_written(tmp_path, monkeypatch):
    folder, files, reached = tmp_path / "run", [], []
    charge = Ledger.charge

    def watched(ledger, first, last):
        written = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
        state = folder / ".resume" / "checkpoint.pt"
        on_disk = checkpoint.load(state)["gan"]["step"] * PRIVATE.critic_steps if state.exists() else 0
        assert on_disk == first == (reached[-1] if reached else 0)
        files.append(written)
        reached.append(last)
        charge(ledger, first, last)

    monkeypatch.setattr(Ledger, "charge", watched)
    run(folder, PRIVATE, source=paid(tmp_path / "state"))
    assert reached == [8, 16, 24]
    assert files[0] == []
    assert not any("epoch-3" in path.name for path in files[-1])


def test_a_run_that_the_budget_does_not_cover_trains_nothing_and_is_charged_nothing(tmp_path):
    with pytest.raises(PrivacyError, match=r"patient 00\d would have spent eps .* of 0.5.*No step was taken"):
        run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state", epsilon=0.5))
    assert [path.name for path in (tmp_path / "run").rglob("*")] == [".lock"]
    assert charged(tmp_path / "state").steps == 0


def test_a_second_run_on_the_same_patients_is_budgeted_with_the_first(tmp_path):
    alone = adaptive_epsilon([Charge(0.8, 0.1, 24)], delta=1e-5)
    state, other = tmp_path / "state", IDENTITY | {"run": 2}
    run(tmp_path / "one", PRIVATE, source=paid(state, epsilon=1.01 * alone))
    with pytest.raises(PrivacyError, match="2 with it"):
        run(
            tmp_path / "two", PRIVATE, identity=other,
            source=paid(state, identity=other, epsilon=1.01 * alone),
        )  # fmt: skip


def test_a_ledger_that_lost_charges_since_the_checkpoint_stops_the_run(tmp_path, monkeypatch):
    stop_at_charge(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state"))
    (ledger,) = (tmp_path / "state").glob("*.ledger")
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:2]))
    with pytest.raises(PrivacyError, match="charges were removed"):
        run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state"))


def test_a_leftover_of_another_identity_is_refused_where_it_was_paid_for_and_else_starts_anew(
    tmp_path, finished, monkeypatch
):
    other = IDENTITY | {"training": {"epochs": 4}}
    stop_at_charge(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "paid", PRIVATE, source=paid(tmp_path / "state"))
    with pytest.raises(PrivacyError, match=r"another run.*remove .*\.resume"):
        run(tmp_path / "paid", PRIVATE, source=paid(tmp_path / "state", identity=other), identity=other)
    assert (tmp_path / "paid" / ".resume" / "checkpoint.pt").exists()

    monkeypatch.setattr(train_gan, "save_checkpoint", interrupting(train_gan.save_checkpoint, 2))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "public", PRIVATE)
    run(tmp_path / "public", PRIVATE, identity=other)
    assert equal(weights(tmp_path / "public"), weights(finished["public"]))


def interrupting(function, number):
    """The function, and Ctrl-C after its call of this number."""
    calls = []

    def wrapped(*arguments, **keywords):
        function(*arguments, **keywords)
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt

    return wrapped


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    (tmp_path / ".resume").mkdir()
    (tmp_path / ".resume" / "checkpoint.pt").write_bytes(b"half a")
    with pytest.raises(ValueError, match="checkpoint.pt is damaged"):
        run(tmp_path)


def test_a_second_process_on_the_same_run_stands_back(tmp_path, monkeypatch):
    monkeypatch.setattr("privessel.files.lock.PATIENCE_SECONDS", 0.2)
    with lock(tmp_path / ".lock", silent_minutes=1), pytest.raises(BusyError, match="another process"):
        run(tmp_path)


def test_a_run_whose_kept_generator_was_taken_away_starts_anew_when_asked_to_and_at_no_cost(
    tmp_path, finished, monkeypatch
):
    folder, state = tmp_path / "run", tmp_path / "state"
    blocks = stop_at_charge(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(folder, PRIVATE, source=paid(state))
    (folder / ".resume" / "generator-epoch-1.pt").unlink()
    with pytest.raises(PrivacyError, match="kept epoch is missing.*remove it to start from the beginning"):
        run(folder, PRIVATE, source=paid(state))
    shutil.rmtree(folder / ".resume")
    run(folder, PRIVATE, source=paid(state))
    assert blocks[2] == (0, 8)
    assert charged(state).steps == 24
    assert equal(weights(folder), weights(finished["paid"]))


def test_where_no_bits_repeat_a_missing_kept_generator_is_never_charged_for_again_unasked(
    tmp_path, monkeypatch
):
    folder, state = tmp_path / "run", tmp_path / "state"
    stop_at_charge(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(folder, PRIVATE, source=paid(state, machine=None))
    before = charged(state).steps
    (folder / ".resume" / "generator-epoch-1.pt").unlink()
    with pytest.raises(PrivacyError, match="kept epoch is missing.*all of them are charged again"):
        run(folder, PRIVATE, source=paid(state, machine=None))
    assert charged(state).steps == before


@pytest.mark.parametrize("was", ["paid", "public"])
def test_a_run_does_not_go_on_when_its_cohort_was_marked_public_or_no_longer_is(tmp_path, monkeypatch, was):
    """The break: a paid run's checkpoint continued without charges, and with published noise."""
    folder, state = tmp_path / "run", tmp_path / "state"
    site_at(state)
    sources = {"paid": paid(state), "public": Stream(KEY)}

    def stopping(gan, data):
        if gan.step == 5:
            raise KeyboardInterrupt
        advance(gan, data)

    advance = Gan.advance
    with monkeypatch.context() as patched:
        patched.setattr(Gan, "advance", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(folder, PRIVATE, source=sources.pop(was), checkpoint_seconds=0)
    before = [account.steps for account in site_at(state).accounts()]
    (other,) = sources.values()
    with pytest.raises(PrivacyError, match="`public` was changed"):
        run(folder, PRIVATE, source=other)
    assert [account.steps for account in site_at(state).accounts()] == before


def test_a_finished_paid_run_is_not_replaced_by_one_that_nobody_is_charged_for(bought):
    folder, state, _ = bought
    with pytest.raises(PrivacyError, match="`public` was changed"):
        run(folder, PRIVATE, source=Stream(KEY))
    run(folder, PRIVATE, source=paid(state))


def test_what_cannot_be_said_about_a_run_stops_it_before_its_first_charge(tmp_path):
    def record(account):
        raise PrivacyError("cannot be said")

    with pytest.raises(PrivacyError, match="cannot be said"):
        run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state"), record=record)
    assert site_at(tmp_path / "state").accounts() == []


# --- A run that is finished and paid for ----------------------------------------------------------------


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def purchase(tmp_path_factory):
    """A finished private run and its state; tests work on copies."""
    root = tmp_path_factory.mktemp("purchase")
    run(root / "run", PRIVATE, source=paid(root / "state"))
    return root


@pytest.fixture
def bought(purchase, tmp_path):
    """A finished private run whose outputs were deleted to start the job again, and what they were."""
    folder, state = (shutil.copytree(purchase / name, tmp_path / name) for name in ("run", "state"))
    before = contents(folder)
    for path in folder.iterdir():
        if path.is_file() and path.name != ".lock":
            path.unlink()
    return folder, state, before


def never(*_):
    raise AssertionError("a step was taken")


def test_a_finished_private_run_is_brought_back_and_not_trained_again(bought, monkeypatch):
    folder, state, before = bought
    monkeypatch.setattr(Gan, "advance", never)
    for _ in range(2):
        run(folder, PRIVATE, source=paid(state))
        assert contents(folder) == before
    assert charged(state).steps == 24


@pytest.mark.parametrize("part", ["code", "libraries", "device", "threads"])
def test_a_finished_private_run_stands_when_only_the_version_or_machine_has_changed(
    bought, part, monkeypatch, caplog
):
    folder, state, before = bought
    now = IDENTITY | {part: "other"}
    monkeypatch.setattr(Gan, "advance", never)
    run(folder, PRIVATE, source=paid(state, identity=now), identity=now)
    assert contents(folder) == before
    assert f"was trained under another {part}" in caplog.text
    assert "charged in addition" in caplog.text


@pytest.mark.parametrize(
    ("part", "now", "told"),
    [("training", {"epochs": 9}, "epochs was 3, is 9"), ("patches", "cd", "other patches")],
    ids=["training", "patches"],
)
def test_a_finished_private_run_is_refused_for_other_settings_and_kept(bought, part, now, told, monkeypatch):
    folder, state, before = bought
    identity = IDENTITY | {part: now}
    monkeypatch.setattr(Gan, "advance", never)
    with pytest.raises(
        PrivacyError, match=rf"wgan/noise-0.8/run-1 is finished and paid for.*{told}.*Remedy.*runs"
    ):
        run(folder, PRIVATE, source=paid(state, identity=identity), identity=identity)
    assert charged(state).steps == 24
    run(folder, PRIVATE, source=paid(state))
    assert contents(folder) == before


def test_a_finished_private_run_stands_when_a_later_version_has_more_settings(bought, monkeypatch):
    folder, state, before = bought
    identity = IDENTITY | {"training": IDENTITY["training"] | {"added_later": 1.0}}
    monkeypatch.setattr(Gan, "advance", never)
    run(folder, PRIVATE, source=paid(state, identity=identity), identity=identity)
    assert contents(folder) == before
    assert charged(state).steps == 24


# Settings as runs recorded them before `fakes` became `fake_clipping`, and an audit's `every` `score_every`.
OLD = IDENTITY | {
    "training": {"epochs": 3, "fakes": "centre"},
    "audit": {"canaries": 40, "every": 2},
    "code": {"train_gan.py": "ab", "gan_steps.py": "cd"},
}
NEW = OLD | {
    "training": {"epochs": 3, "fake_clipping": "centre"},
    "audit": {"canaries": 40, "score_every": 2},
    "code": {"gan/loop.py": "ef", "gan/step.py": "01"},
}


@pytest.fixture
def bought_before(tmp_path):
    """A private run that was finished before settings were renamed, its outputs deleted by a new start."""
    folder, state = tmp_path / "run", tmp_path / "state"
    run(folder, PRIVATE, source=paid(state, identity=OLD), identity=OLD)
    assert json.loads((folder / ".finished" / "identity.json").read_text()) == OLD
    before = contents(folder)
    for name in before.keys() - {".lock"}:
        (folder / name).unlink()
    return folder, state, before


def test_a_private_run_that_was_finished_before_settings_were_renamed_stands(
    bought_before, monkeypatch, caplog
):
    folder, state, before = bought_before
    monkeypatch.setattr(Gan, "advance", never)
    run(folder, PRIVATE, source=paid(state, identity=NEW), identity=NEW)
    assert contents(folder) == before
    assert charged(state).steps == 24
    assert "was trained under another code" in caplog.text


@pytest.mark.parametrize(
    ("part", "now", "told"),
    [
        ("training", {"epochs": 3, "fake_clipping": "common"}, "fake_clipping was centre, is common"),
        ("audit", {"canaries": 40, "score_every": 1}, "score_every was 2, is 1"),
    ],
    ids=["training", "audit"],
)
def test_a_renamed_setting_with_another_value_is_still_another_run(
    bought_before, part, now, told, monkeypatch
):
    folder, state, _ = bought_before
    identity = NEW | {part: now}
    monkeypatch.setattr(Gan, "advance", never)
    with pytest.raises(PrivacyError, match=rf"is finished and paid for.*{told}.*Remedy"):
        run(folder, PRIVATE, source=paid(state, identity=identity), identity=identity)


def test_an_unfinished_private_run_from_before_settings_were_renamed_is_refused_and_not_started_anew(
    tmp_path, monkeypatch
):
    folder, state = tmp_path / "run", tmp_path / "state"
    stop_at_charge(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(folder, PRIVATE, source=paid(state, identity=OLD), identity=OLD)
    saved = (folder / ".resume" / "checkpoint.pt").read_bytes()
    monkeypatch.setattr(Gan, "advance", never)
    with pytest.raises(PrivacyError, match=r"another run.*Remedy: restore those.* remove .*\.resume"):
        run(folder, PRIVATE, source=paid(state, identity=NEW), identity=NEW)
    assert (folder / ".resume" / "checkpoint.pt").read_bytes() == saved
    assert charged(state).steps == 16


def test_a_run_stopped_between_its_last_charge_and_its_last_file_is_finished_without_another_step(
    tmp_path, finished, monkeypatch
):
    folder, state = tmp_path / "run", tmp_path / "state"
    monkeypatch.setattr(train_gan, "save_checkpoint", interrupting(train_gan.save_checkpoint, 3))
    with pytest.raises(KeyboardInterrupt):
        run(folder, PRIVATE, source=paid(state))
    monkeypatch.setattr(Gan, "advance", never)
    run(folder, PRIVATE, source=paid(state, epsilon=1e-3))  # a budget cut since then takes nothing away
    assert equal(weights(folder), weights(finished["paid"]))


# --- The step ------------------------------------------------------------------------------------------


def pairs(n=40, background=0.0):
    return Pairs(*discs(n), patients=np.arange(n) // 8, device="cpu", background=background)


def gan(training=PRIVATE, **form):
    return Gan(replace(SHAPE, **form), training, stream=Stream(KEY), device="cpu")


@pytest.mark.parametrize("clipping", ["book-keeping", "opacus"])
def test_neither_step_leaves_a_sample_s_state_in_the_critic(clipping):
    one = gan(replace(PRIVATE, clipping=clipping))
    clean = copy.deepcopy(one.critic)
    one.advance(pairs())
    for module, before in zip(one.critic.modules(), clean.modules(), strict=True):
        assert vars(module).keys() == vars(before).keys()
        assert not module._forward_hooks
        assert not module._backward_hooks
    for parameter in [*one.critic.parameters(), *one.generator.parameters()]:
        assert parameter.grad is None
        assert not [name for name in vars(parameter) if "sample" in name]


def test_both_clipping_engines_train_alike():
    trained = [
        gan(replace(PRIVATE, clipping=name, optimiser="rmsprop")) for name in ("book-keeping", "opacus")
    ]
    for one in trained:
        for _ in range(3):
            one.advance(pairs())
    for mine, theirs in zip(trained[0].critic.parameters(), trained[1].critic.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("background", [0.0, -1.0])
def test_the_critic_sees_the_image_beside_a_label_of_1_on_vessels_and_the_background_off_them(background):
    images, labels = discs(40)
    taken = pairs(background=background).take(np.array([7, 3])).numpy()
    assert taken.dtype == np.float32
    assert np.array_equal(taken[:, 0], images[[7, 3]])
    assert np.array_equal(taken[:, 1], np.where(labels[[7, 3]], 1, background))


def test_critic_weights_are_clipped_after_every_step():
    one = gan(replace(PRIVATE, weight_clip=0.003))
    one.advance(pairs())
    largest = max(parameter.abs().max().item() for parameter in one.critic.parameters())
    assert largest == pytest.approx(0.003)


def test_with_endless_clipping_norm_and_no_noise_the_private_gradient_is_the_plain_one():
    one = gan(critic_norm="none")
    real, fake = pairs().take(np.arange(4)), torch.rand(4, 2, 12, 12)
    mechanism = replace(PRIVATE, clipping_norm=1e3, noise_multiplier=1e-15, grid_bits=30).mechanism()
    private = private_gradient(one.clipping, real, fake, stream=Stream(KEY), step=0, mechanism=mechanism)
    plain, loss = plain_gradient(one.critic, real, fake, loss="wasserstein", micro_batch=3)
    for mine, theirs in zip(private, plain, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)
    expected = one.critic(fake).mean() - one.critic(real).mean()
    torch.testing.assert_close(loss, expected.detach(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("net", ["critic", "generator"])
def test_the_critic_s_step_sets_real_scores_above_fake_ones_and_the_generator_s_raises_fake_ones(net):
    training = replace(TRAINING, batch=40, critic_steps=1, generator_learning_rate=1e-3, weight_clip=1.0)
    one, data = gan(training, critic_norm="none"), pairs()
    other = "generator" if net == "critic" else "critic"
    one.optimisers[other].step = lambda: None
    latents = one.latents("a test's own", 0, 64)

    def advantage():
        with torch.no_grad():
            real = one.critic(data.take(np.arange(40))).mean()
            return (real - one.critic(one.generator(latents)).mean()).item()

    before = advantage()
    one.advance(data)
    assert advantage() > before if net == "critic" else advantage() < before


def test_the_average_of_the_generator_forgets_by_its_decay_and_sooner_at_first():
    one = gan(replace(TRAINING, ema=0.75))
    name = "hidden.0.weight"
    expected = one.generator.state_dict()[name].clone()
    for step in range(1, 40):
        one.advance(pairs())
        decay = min(0.75, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * one.generator.state_dict()[name]
    torch.testing.assert_close(one.kept.state_dict()[name], expected, atol=1e-5, rtol=1e-4)
    off = gan(replace(TRAINING, ema=0.0))
    assert off.kept is off.generator


@pytest.mark.parametrize(("start", "expected"), [(1.0, [1] * 8), (0.5, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25])])
def test_both_learning_rates_fall_linearly_to_0_over_the_last_steps(start, expected):
    one = gan(replace(TRAINING, decay_start=start, steps_per_epoch=8, epochs=1, kept_epochs=(1,)))
    seen = {"critic": [], "generator": []}
    for _ in range(8):
        one.advance(pairs())
        for name, optimiser in one.optimisers.items():
            seen[name].append(optimiser.param_groups[0]["lr"] / 1e-2)
    assert seen["critic"] == pytest.approx(expected)
    assert seen["generator"] == pytest.approx(expected)


def test_without_privacy_every_patch_is_seen_once_before_any_is_seen_again():
    stream, passes = Stream(KEY), []
    for first in (0, 3):
        batches = [
            shuffled_batch(stream, step=step, population=12, batch=4) for step in range(first, first + 3)
        ]
        passes.append(np.concatenate(batches))
        assert sorted(passes[-1]) == list(range(12))
    assert passes[0].tolist() != passes[1].tolist()


def test_the_steps_of_a_private_run_see_a_fresh_poisson_sample_each(monkeypatch):
    one, data, sizes = gan(replace(PRIVATE, batch=10, critic_steps=5)), pairs(), []
    take = data.take
    monkeypatch.setattr(data, "take", lambda indices: sizes.append(tuple(indices)) or take(indices))
    one.advance(data)
    one.advance(data)
    assert len(set(sizes)) == 10
    assert len({len(indices) for indices in sizes}) > 2


def test_where_the_unit_is_the_patient_a_step_sees_so_many_patches_of_each_patient_it_drew(monkeypatch):
    training = replace(PRIVATE, unit="patient", units=5, batch=2, patient_patches=3, critic_steps=40)
    one, data, drawn = gan(training), pairs(), []
    take = data.take
    monkeypatch.setattr(data, "take", lambda indices: drawn.append(indices) or take(indices))
    one.advance(data)
    owners = [(indices // 8).reshape(-1, 3) for indices in drawn]
    assert all((each == each[:, :1]).all() for each in owners)
    assert all(len(set(indices)) == len(indices) for indices in drawn)
    assert len({len(each) for each in owners}) > 2
    taken = np.mean([len(each) for each in owners])
    assert taken == pytest.approx(2, abs=5 * np.sqrt(5 * 0.4 * 0.6 / 40))
    assert set(np.concatenate(drawn)) == set(range(40))


# --- Input that cannot be trained on -------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"kept_epochs": ()},
        {"kept_epochs": (4,)},
        {"kept_epochs": (0,)},
        {"optimiser": "sgd"},
        {"clipping": "none"},
        {"ema": 1.0},
        {"epochs": 0},
        {"critic_learning_rate": 0.0},
        {"label_background": 1.0},
        {"label_background": -1.5},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": 1.0, "fake_clipping": "whole"},
        {"unit": "slice"},
        {"patient_patches": 0},
    ],
)
def test_hyper_parameters_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        replace(TRAINING, **wrong)


@pytest.mark.parametrize(
    "wrong", ["few", "units", "size", "labels", "float64", "owners", "patients", "of a patient"]
)
def test_patches_that_cannot_be_trained_on_are_refused_before_anything_is_written(tmp_path, wrong):
    images, labels = discs(40)
    training, patients = PRIVATE, np.arange(40) // 8
    if wrong == "few":
        images, labels, patients = images[:3], labels[:3], patients[:3]
    if wrong == "units":  # a rate above 1: what an audit adds to the patches makes them no more
        training = replace(training, units=3)
    if wrong == "owners":
        patients = patients[:3]
    if wrong == "patients":
        training = replace(training, unit="patient", batch=6)
    if wrong == "of a patient":
        training = replace(training, unit="patient", patient_patches=9)
    if wrong == "size":
        images = images[:, :11]
    if wrong == "labels":
        labels = labels.astype(np.uint8)
    if wrong == "float64":
        images = images.astype(float)
    with pytest.raises(ValueError, match="must be|must both be|must name|fewer than"):
        run(tmp_path, training, images=images, labels=labels, patients=patients)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_no_longer_finite_end_the_run(tmp_path):
    images, labels = discs(40)
    images[:] = np.nan
    with pytest.raises(FloatingPointError, match="epoch 1"):
        run(tmp_path, images=images, labels=labels)
