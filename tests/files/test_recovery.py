"""What a dead Snakemake left in Slurm's queue: the right jobs are found, and only they are cancelled."""

import subprocess
import sys
import time

import pytest

from privessel.files import recovery
from privessel.files.recovery import Orphan, SlurmError, cancel, find_orphans, find_workflows


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A queue in a file, and the two commands that read and change it."""
    queue, tools = tmp_path / "queue", tmp_path / "tools"
    tools.mkdir()
    scripts = {
        "squeue": f"cat {queue}",
        "scancel": f'for job in "$@"; do sed -i "/^$job|/d" {queue}; done',
    }
    for name, line in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\ntrue\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    return queue


def line(number, *, folder, name="privessel_0a1b", state="RUNNING", rule="rule_gan_wildcards_wgan_inf_1"):
    return f"{number}|{state}|{folder}|{name}|{rule}\n"


def test_jobs_of_this_folder_and_prefix_are_cancelled_and_no_others(slurm, tmp_path):
    others = line(1, folder="/elsewhere") + line(2, folder=tmp_path, name="another-study")
    slurm.write_text(others + line("3_1", folder=tmp_path) + line(4, folder=tmp_path, state="PENDING"))
    found = find_orphans(prefix="privessel", folder=tmp_path)
    assert found == [
        Orphan("3_1", "RUNNING", "rule_gan_wildcards_wgan_inf_1"),
        Orphan("4", "PENDING", "rule_gan_wildcards_wgan_inf_1"),
    ]
    cancel(found, prefix="privessel", folder=tmp_path)
    assert slurm.read_text() == others


def test_a_job_that_does_not_end_is_named(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(recovery, "PATIENCE_SECONDS", 0)
    slurm.write_text(line(7, folder=tmp_path))
    with pytest.raises(SlurmError, match="7.*Remedy"):
        cancel([], prefix="privessel", folder=tmp_path)


def test_a_slurm_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match=r"squeue .*Remedy"):
        find_orphans(prefix="privessel", folder=tmp_path)


@pytest.mark.parametrize(("arguments", "directs"), [(["--cores", "1"], True), (["--mode", "remote"], False)])
def test_a_living_workflow_is_seen_and_the_snakemake_inside_a_job_is_not_one(tmp_path, arguments, directs):
    (tmp_path / "snakemake").write_text("import time\ntime.sleep(60)\n")
    process = subprocess.Popen([sys.executable, "snakemake", *arguments], cwd=tmp_path)
    try:
        time.sleep(0.2)
        assert find_workflows(tmp_path) == ([process.pid] if directs else [])
    finally:
        process.kill()
        process.wait()
    assert find_workflows(tmp_path) == []
