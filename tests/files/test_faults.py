"""What a machine does to files: full and read-only disks, clocks that jump, damage. Each really happens."""

import gc
import json
import logging
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from cohort.test_patches import PATIENT
from gan.test_loop import (
    PRIVATE,
    charged,
    equal,
    one_nonce,  # noqa: F401
    paid,
    run,
    stop_at_charge,
    weights,
)
from tiny_gan import SHAPE
from volumes import scan_of_tubes, tubes, write_patient

from privessel.cohort import patches
from privessel.cohort.intake import read_voxels
from privessel.cohort.sampling import sample_patient
from privessel.figures.style import save as save_figure
from privessel.files import checkpoint
from privessel.files.reading import read_arrays, read_json
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.gan import charged_steps
from privessel.gan import paid_runs as finished
from privessel.gan.files import keep_critic, keep_generator, save_checkpoint
from privessel.gan.step import Gan
from privessel.gan.synthesis import load_generator
from privessel.phantom.dataset import write_nifti
from privessel.privacy.account import Point
from privessel.privacy.keys import Stream
from privessel.scores.evaluation import evaluate_patients
from privessel.scores.table import METRICS, read_metrics
from privessel.unet.net import TrainedUNet, UNet, UNetShape
from privessel.unet.run import save_run


@pytest.fixture(scope="module", autouse=True)
def _quick_collections():
    """Leave out of every collection what the imports have made: hundreds of thousands of objects."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


SCRIPTS = Path(__file__).parents[2] / "scripts"
PAGE = 4096


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "faults", folder], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(disk, *, but):
    """Fill the disk but for some bytes, in whole pages."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * PAGE
    filler.write_bytes(bytes(max(0, free - but // PAGE * PAGE)))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(disk):
    """Let nothing be written to the disk, as after an error of its hardware."""
    gc.collect()  # the disk could not be made read-only while a file on it is open for writing
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


@pytest.fixture
def message_of(tmp_path, capsys):
    """Runs some work as a job, and returns the message it ends with: a remedy, no traceback."""

    def ends(work):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended, logged(tmp_path / "job.log"):
            work()
        said = capsys.readouterr().err
        assert ended.value.code == 1
        assert "Traceback" not in said
        assert "Remedy: " in said
        return said

    return ends


# --- Writers ---------------------------------------------------------------------------------------------


def a_gan():
    gan = Gan(replace(SHAPE, patch=16), PRIVATE, stream=Stream(bytes(32)), device="cpu")
    gan.step = 4
    return gan


def a_unet():
    shape = UNetShape(filters=(4, 8), dropout=0.0)
    network = UNet(shape, generator=torch.Generator().manual_seed(0))
    kept = {name: value.contiguous() for name, value in network.state_dict().items()}
    return TrainedUNet(weights=kept, shape=shape, patch_size=16, mean=1.0, sd=2.0, identity={})


def some_patches(patient):
    return sample_patient(patient, scan_of_tubes(), n=40, size=16, seed=0, max_overlap=None)


def write_patches(folder, patient):
    patches.save(folder / "017.npz", some_patches(patient))


def write_checkpoint(folder, patient):
    history = [{"epoch": number, "epsilon": None} for number in range(3)]
    save_checkpoint(folder, a_gan(), digest="abc", history=history, ledger=None, watched=None)


def write_generator(folder, patient):
    keep_generator(folder, a_gan(), 1)


def write_critic(folder, patient):
    keep_critic(folder, a_gan(), torch.zeros(40))


def write_unet(folder, patient):
    rows = [{"epoch": epoch, "loss": 0.5, "dsc": 0.5} for epoch in range(500)]
    kept = {"weights": folder / "weights.pt", "history_csv": folder / "history.csv"}
    save_run(a_unet(), rows, **kept, resume=folder / ".resume")


def write_pairs(folder, patient):
    """The rule's own script, on a generator."""
    made = patient.image.parent
    keep_generator(made, a_gan(), 1)
    (made / "privacy.json").write_text(json.dumps({"unit": "patch", "epochs": {"1": {"epsilon": 2.0}}}))
    named = SimpleNamespace(arch="wgan", level="noise-1", run="1", epoch="1")
    given = SimpleNamespace(generator=made / "generator-epoch-1.pt", privacy=made / "privacy.json")
    synthesis = {"pairs": 16, "label_threshold": 0.0, "batch": 8}
    params = SimpleNamespace(threads=1, seed=1, device="cpu", synthesis=synthesis)
    snakemake = SimpleNamespace(
        log=[made / "script.log"], params=params, wildcards=Named(vars(named)), input=given,
        output=SimpleNamespace(sheet=folder / "sheet.png", pairs=folder / "pairs.npz"),
    )  # fmt: skip
    script = SCRIPTS / "synthesise.py"
    exec(compile(script.read_text(), script, "exec"), {"snakemake": snakemake})


class Named(list):
    """Wildcards as snakemake gives them: values in order, and by name."""

    def __init__(self, names):
        super().__init__(names.values())
        self.__dict__.update(names)


def write_evaluation(folder, patient):
    noise = np.random.default_rng(0)

    def segment(scan):
        return noise.random(scan.image.shape) > 0.5

    evaluate_patients(
        [patient],
        segment,
        patch_size=16,
        rows=[folder / "017.csv"],
        masks=[folder / "017.nii.gz"],
        table=folder / "all.csv",
    )


def write_phantom(folder, patient):
    write_nifti(folder / "image.nii.gz", tubes()[0], np.eye(4))


def write_figures(folder, patient):
    figure, axes = plt.subplots(figsize=(1.5, 1.5))
    axes.plot(np.random.default_rng(0).random(300))
    axes.set_axis_off()
    save_figure(figure, folder / "fig.pdf", folder / "fig.png")
    plt.close(figure)


def write_kept_run(folder, patient):
    made = patient.image.parent
    keep_generator(made, a_gan(), 1)
    (folder / "run").mkdir(exist_ok=True)
    finished.keep([made / "generator-epoch-1.pt"], folder / "run", identity={"level": "noise-1"})


WRITERS = [
    *(write_patches, write_checkpoint, write_generator, write_critic, write_unet, write_pairs),
    write_evaluation,
    *(write_phantom, write_figures, write_kept_run),
]


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    return write_patient(tmp_path_factory.mktemp("scans"))


def contents(folder):
    """Files by name, but for empty folders; also hidden ones."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, patient):
    """The files that each writer leaves where nothing hinders it."""
    made = {}
    for write in WRITERS:
        folder = tmp_path_factory.mktemp("undisturbed")
        write(folder, patient)
        made[write] = contents(folder)
    return made


each_writer = pytest.mark.parametrize("write", WRITERS, ids=lambda writer: writer.__name__)


@each_writer
@pytest.mark.parametrize("share", [0, 0.5], ids=["at its start", "in its middle"])
def test_a_disk_that_gets_full_costs_the_write_and_nothing_else(
    write, share, disk, patient, message_of, undisturbed
):
    undisturbed = undisturbed[write]
    before = {name: b"before" for name in undisturbed if ".finished" not in name}
    for name, content in before.items():
        (disk / name).write_bytes(content)
    pages = sum(-(-len(content) // PAGE) for content in undisturbed.values())
    # Every file that is replaced gives back its own page, which must not be enough for the rest.
    free = max(0, int(share * pages) - len(before) + 1)
    with full(disk, but=free * PAGE):
        said = message_of(lambda: write(disk, patient))
        left = contents(disk)
    del left["filler"]
    assert "No space left on device" in said
    assert any(
        str(disk) in line and Path(name).name in line for name in undisturbed for line in said.splitlines()
    )
    assert left.keys() == before.keys()
    assert all(content in (b"before", undisturbed[name]) for name, content in left.items())
    assert left != undisturbed
    write(disk, patient)
    assert contents(disk) == undisturbed


@each_writer
def test_results_that_are_read_only_are_named_and_stay_as_they_were(
    write, disk, patient, message_of, undisturbed
):
    write(disk, patient)
    with read_only(disk):
        said = message_of(lambda: write(disk, patient))
    assert "Read-only file system" in said
    assert str(disk) in said
    assert contents(disk) == undisturbed[write]


def test_a_log_that_cannot_be_written_any_more_stops_no_job(disk, tmp_path, capsys):
    with logged(disk / "job.log"), full(disk, but=0):
        for _ in range(3):
            logging.getLogger("privessel").info("step %d", 7)
        (tmp_path / "result").write_text("there")
    said = capsys.readouterr().err
    assert said.count("job.log: [Errno 28] No space left on device; the job goes on without this log") == 1
    assert said.count("step 7") == 3
    assert "Traceback" not in said
    assert (tmp_path / "result").exists()


def test_a_log_that_cannot_be_begun_is_named(disk, capsys):
    with read_only(disk), pytest.raises(SystemExit), logged(disk / "job.log"):
        raise AssertionError("the job was started")
    said = capsys.readouterr().err
    assert "job.log: Read-only file system. Remedy: " in said
    assert "Traceback" not in said


# --- A private run, whose budget must not be spent twice -------------------------------------------------


@pytest.fixture(scope="module")
def bought(tmp_path_factory):
    """A finished private run and its site."""
    folder = tmp_path_factory.mktemp("bought")
    run(folder / "run", PRIVATE, source=paid(folder / "state"))
    return folder


def never(*_):
    raise AssertionError("a step was taken")


def outputs(folder):
    return {name: content for name, content in contents(folder).items() if not name.startswith(".")}


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_private_run_on_a_disk_that_gets_full_goes_on_from_its_checkpoint_and_is_charged_once(
    share, disk, message_of, bought
):
    """Results and ledger lie on one disk, so that either may be hit; a share of what they need is free."""
    needed = sum(-(-len(content) // PAGE) for content in contents(bought).values())
    source = paid(disk / "state")
    with full(disk, but=int(share * needed) * PAGE):
        said = message_of(lambda: run(disk / "run", PRIVATE, source=source))
        assert "No space left on device" in said or "disk full" in said
        assert str(disk) in said
        assert outputs(disk / "run") == {}
    run(disk / "run", PRIVATE, source=source)
    assert charged(disk / "state").steps == 24
    assert len(charged(disk / "state").attempts) == 1
    for epoch in (1, 3):
        assert equal(weights(disk / "run", epoch), weights(bought / "run", epoch))
    assert (disk / "run" / "history.csv").read_bytes() == (bought / "run" / "history.csv").read_bytes()


@pytest.mark.parametrize("pages", [6, 7, 8, 9])
def test_a_ledger_whose_disk_gets_full_in_a_line_stays_whole_and_names_itself(disk, message_of, pages):
    source = paid(disk / "state")

    def charge_on():
        with source.open(Point(), silent_minutes=1) as (_, ledger):
            for step in range(100):
                ledger.charge(step, step + 1)

    with full(disk, but=pages * PAGE):
        said = message_of(charge_on)
    assert re.search(r"(\.ledger|runs\.register): disk full, only \d+ of \d+ bytes", said)
    reached = charged(disk / "state").reached
    assert 0 < reached < 100
    with source.open(Point(), silent_minutes=1) as (_, ledger):
        ledger.charge(0, reached + 1)
    assert charged(disk / "state").steps == reached + 1


@pytest.fixture
def damaged(bought, tmp_path):
    """A copy of the finished run, one of whose generators was damaged in place, and what the outputs were."""
    subprocess.run(["cp", "-a", bought, tmp_path / "copy"], check=True)  # keeps second names of a file
    folder = tmp_path / "copy" / "run"
    before = outputs(folder)
    with (folder / "generator-epoch-3.pt").open("rb+") as output:
        output.truncate(1000)
    return folder, before


def test_a_damaged_generator_of_a_private_run_is_named_and_brought_back_without_a_step(
    damaged, message_of, monkeypatch
):
    folder, before = damaged
    said = message_of(lambda: load_generator(folder / "generator-epoch-3.pt"))
    assert "generator-epoch-3.pt is damaged" in said
    for name in before:  # as the message says, and as snakemake then does with the others
        (folder / name).unlink()
    monkeypatch.setattr(Gan, "advance", never)
    run(folder, PRIVATE, source=paid(folder.parent / "state"))
    assert outputs(folder) == before
    assert charged(folder.parent / "state").steps == 24


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [cut, zero, Path.unlink], ids=["cut", "zeros", "gone"])
@pytest.mark.parametrize("name", ["generator-epoch-3.pt", "privacy.json", "identity.json", "digests.json"])
def test_where_the_kept_copy_is_damaged_too_the_run_is_refused_and_not_trained_again(
    name, damage, damaged, message_of, monkeypatch
):
    folder, before = damaged
    for output in before:
        (folder / output).unlink()
    damage(folder / ".finished" / name)
    monkeypatch.setattr(Gan, "advance", never)
    said = message_of(lambda: run(folder, PRIVATE, source=paid(folder.parent / "state")))
    assert "wgan/noise-0.8/run-1 is finished and paid for" in said
    assert f".finished/{name}" in said
    assert "not trained again without being asked for" in said
    assert outputs(folder) == {}
    assert charged(folder.parent / "state").steps == 24


@pytest.mark.parametrize("damage", [cut, zero], ids=["cut", "zeros"])
def test_a_damaged_checkpoint_of_a_private_run_is_refused_with_what_starting_anew_costs(
    damage, tmp_path, message_of, monkeypatch
):
    stop_at_charge(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state"))
    damage(tmp_path / "run" / ".resume" / "checkpoint.pt")
    monkeypatch.setattr(Gan, "advance", never)
    said = message_of(lambda: run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state")))
    assert "checkpoint.pt is damaged" in said
    assert "anywhere else all of them are charged again" in said


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_jumps_between_two_heartbeats_changes_neither_bits_nor_charges(
    hours, tmp_path, bought, monkeypatch
):
    """The clock of a machine is shared: what moves is what programs see of it, the time and that of files."""
    monkeypatch.setattr(charged_steps, "LOG_SECONDS", 0.0)  # a heartbeat a step
    now, advance = time.time, Gan.advance

    def jumping(gan, data):
        advance(gan, data)
        monkeypatch.setattr(time, "time", lambda: now() + 3600 * hours * (gan.step % 3))
        for path in tmp_path.rglob("*"):
            os.utime(path, (time.time(),) * 2)
        if gan.step == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(Gan, "advance", jumping)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state"))
    monkeypatch.setattr(Gan, "advance", lambda gan, data: advance(gan, data))
    run(tmp_path / "run", PRIVATE, source=paid(tmp_path / "state"))
    assert equal(weights(tmp_path / "run"), weights(bought / "run"))
    assert charged(tmp_path / "state").steps == 24


# --- Readers ---------------------------------------------------------------------------------------------


def a_row(folder):
    row = pd.DataFrame([{"patient": "017"} | dict.fromkeys(METRICS, 0.123456789)])
    row.to_csv(folder / "017.csv", index=False)
    return folder / "017.csv"


def a_list(folder):
    (folder / "train.csv").write_text("patient,voxels\n003,abcdef\n017,123456\n")
    return folder / "train.csv"


def a_record(folder):
    (folder / "privacy.json").write_text(
        json.dumps({"unit": "patch", "epochs": {"1": {"epsilon": 2.0}}}) + "\n"
    )
    return folder / "privacy.json"


def arrays(folder):
    np.savez_compressed(folder / "fig2.npz", image=np.arange(5000), eps=np.arange(3.0))
    return folder / "fig2.npz"


def patches_of(folder):
    patches.save(
        folder / "017.npz", sample_patient(PATIENT, scan_of_tubes(), n=40, size=16, seed=0, max_overlap=None)
    )
    return folder / "017.npz"


def a_generator(folder):
    keep_generator(folder, a_gan(), 1)
    return folder / "generator-epoch-1.pt"


def weights_of(folder):
    a_unet().save(folder / "weights.pt")
    return folder / "weights.pt"


# What makes a file, what reads it, and a file of another kind with the same ending.
READERS = {
    "patches": (patches_of, lambda path: patches.load([path]), arrays),
    "pairs": (patches_of, lambda path: patches.load_pairs([path]), arrays),
    "arrays of a figure": (arrays, read_arrays, a_record),
    "state": (a_generator, checkpoint.load, a_record),
    "generator": (a_generator, load_generator, weights_of),
    "U-Net": (weights_of, TrainedUNet.load, a_generator),
    "metrics": (a_row, lambda path: read_metrics(path, patients=["017"]), a_list),
    "table": (a_row, lambda path: read_table(path, columns=["dsc"]), a_list),
    "checked patients": (a_list, read_voxels, a_row),
    "record": (a_record, lambda path: read_json(path, keys=["epochs"]), a_list),
}


@pytest.mark.parametrize("damage", ["empty", "cut", "its last bytes", "zeros", "another's"])
@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_named_with_a_remedy(kind, damage, tmp_path, message_of):
    make, read, make_other = READERS[kind]
    path = make(tmp_path)
    read(path)
    whole = path.read_bytes()
    (tmp_path / "other").mkdir()
    left = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "its last bytes": whole[:-3],
        "zeros": bytes(len(whole)),
        "another's": make_other(tmp_path / "other").read_bytes(),
    }
    path.write_bytes(left[damage])
    assert str(path) in message_of(lambda: read(path))


def test_metrics_of_another_patient_are_refused(tmp_path, message_of):
    table = a_row(tmp_path)
    for patients in (["003"], ["003", "017"], []):
        assert "017.csv" in message_of(lambda patients=patients: read_metrics(table, patients=patients))


def test_labels_that_do_not_belong_to_their_images_are_refused(tmp_path, message_of):
    np.savez(tmp_path / "epoch-2.npz", image=np.zeros((4, 8, 8), np.uint8), label=np.zeros((1, 8, 8), bool))
    assert "epoch-2.npz" in message_of(lambda: patches.load_pairs([tmp_path / "epoch-2.npz"]))
