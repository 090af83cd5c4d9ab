"""Faults that only show in a whole run: a full disk, a killed job, a clock that was ahead, damage."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hospital import GAN, TARGET, digests, done

pytest_plugins = ["hospital"]
PATCHES = [f"results/hospital/patches/patients/a00{number}.npz" for number in (1, 2)]
PAIRS = "results/hospital/synthetic/wgan/noise-1/run-1/epoch-2.npz"


def mount(*arguments):
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a file system")
    if subprocess.run(["mount", *arguments], check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")


@pytest.fixture
def small_disk(hospital):
    """The study's results on a file system of their own: neither that of the workflow nor that of TMPDIR."""
    folder = hospital.folder / "results"
    before = folder.rename(hospital.folder / "elsewhere")
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=8M", "faults", folder)
    shutil.copytree(before, folder, dirs_exist_ok=True)
    for patches in PATCHES:  # the first that are made on this disk
        (hospital.folder / patches).unlink()
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def read_only_results(paid_for):
    folder = paid_for.folder / "results"
    mount("--bind", folder, folder)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def refused(result, *words):
    """A run that ends with a message and no traceback."""
    assert result.returncode != 0
    for word in ("error: ", "Remedy: ", *words):
        assert word in result.stdout
    assert "Traceback" not in result.stdout


def test_results_on_a_disk_of_their_own_that_gets_full_are_finished_later_and_charged_once(
    hospital, small_disk
):
    done(hospital.study(*PATCHES))
    places = (hospital.folder, Path(tempfile.gettempdir()))
    assert small_disk.stat().st_dev not in [place.stat().st_dev for place in places]
    patches = digests(small_disk / "hospital/patches/patients")
    free = os.statvfs(small_disk).f_bavail * 4096
    (small_disk / "filler").write_bytes(bytes(free - 64 * 1024))
    refused(hospital.study(TARGET), f"{GAN}/.resume", "No space left on device")
    (small_disk / "filler").unlink()
    done(hospital.study(TARGET))
    assert hospital.charged() == 20
    assert digests(small_disk / "hospital/patches/patients") == patches


def test_a_killed_job_ends_the_run_and_goes_on_from_its_checkpoint(hospital):
    hospital.configure(
        gan={"checkpoint_seconds": 0.1, "steps_per_epoch": 60},
        privacy={"budget": {"epsilon": 1000.0, "delta": 1e-3}},
    )
    run = hospital.start(*hospital.arguments, TARGET)
    deadline = time.monotonic() + 240
    while not (hospital.folder / GAN / ".resume/checkpoint.pt").exists():
        assert run.poll() is None, "it ended before its job could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    job = next(process for process, command in processes(run.pid) if "train_gan.py" in command)
    os.kill(job, signal.SIGKILL)
    assert run.wait(timeout=120) != 0  # snakemake sees it, and ends by itself
    assert "going on from step" in done(hospital.study(TARGET))
    assert hospital.charged() == 240


def processes(group):
    """Processes of a group with their command lines."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    yield int(entry.name), (entry / "cmdline").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue


def test_results_that_are_read_only_are_named_and_stay(paid_for, read_only_results):
    before = digests(paid_for.folder / GAN)
    result = paid_for.study(PAIRS)
    assert result.returncode != 0
    assert "Read-only file system" in result.stdout
    assert "results/hospital/synthetic" in result.stdout
    assert digests(paid_for.folder / GAN) == before
    assert paid_for.charged() == 20


def test_results_of_a_clock_that_was_ahead_are_named_and_stay_and_are_good_once_touched(paid_for):
    made = [path for path in (paid_for.folder / "results").rglob("*") if path.is_file()]
    before = digests(paid_for.folder / GAN)
    for path in made:
        os.utime(path, (time.time() + 5 * 3600,) * 2)
    result = paid_for.study(PAIRS)
    assert result.returncode != 0
    assert "times in the future" in result.stdout
    assert "Remedy" in result.stdout
    assert not (paid_for.folder / PAIRS).exists()
    for path in made:
        path.touch()
    done(paid_for.study(PAIRS))
    assert digests(paid_for.folder / GAN) == before
    assert paid_for.charged() == 20


def test_a_damaged_generator_that_was_paid_for_is_named_and_comes_back_or_is_refused(paid_for):
    folder = paid_for.folder / GAN
    before, generator = digests(folder), folder / "generator-epoch-2.pt"
    os.truncate(generator, 1000)
    refused(paid_for.study(PAIRS), f"{GAN}/{generator.name} is damaged")
    generator.unlink()
    assert "its files were restored, nothing was trained or charged" in done(paid_for.study(PAIRS))
    assert digests(folder) == before

    kept = folder / ".finished" / generator.name
    os.truncate(kept, 1000)
    generator.unlink()
    again = paid_for.study(f"{GAN}/{generator.name}")
    refused(again, "finished and paid for", f"{GAN}/.finished/{generator.name} is not as it was")
    assert not generator.exists()
    assert paid_for.charged() == 20
