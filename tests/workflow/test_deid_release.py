"""A release of heads through the workflow, from simulated scans to the recipient's check."""

import subprocess
import sys

import numpy as np
import pytest
from deid.clinic import write_gan

STUDY = """
study: few-heads
deid:
  enabled: true
  heads: {phantom: {people: 4, visits: 1, side: 32}}
  public_heads: {phantom: {people: 5, visits: 2, side: 32}}
  size: 32
  voxel_mm: 8.0
  rotations: 4
  hulls: [paper, local-dp-4, brain]
  methods: [watershed]
  code: {rank: 3}
  attack: {candidates: 3, questions: 20, yaws: [0.0], bootstrap: 50}
  release:
    hull: local-dp-4
    name: few
    description: Simulated heads.
    creators: [Nobody]
    left_out: [h002_1]
"""


@pytest.mark.slow
def test_heads_leave_through_the_rules_and_pass_the_recipients_check(workflow):
    """GAN and made heads are written here, where no rule makes them: the average of the public ones."""
    (workflow.folder / "few.yaml").write_text(STUDY)
    few = ("--configfile", "few.yaml", "--cores", 2)
    deid = workflow.folder / "results/few-heads/deid"
    before = [
        f"results/few-heads/deid/{name}" for name in ("hulls/local-dp-4/heads.npz", "public/average.npz")
    ]
    ended = workflow.run(*few, *before, timeout=1200)
    assert ended.returncode == 0, ended.stdout[-5000:]
    average = np.load(deid / "public/average.npz")["image"]
    for name in ("h001_1", "h003_1", "h004_1"):
        path = deid / f"made/local-dp-4/heads/{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, image=np.clip(average, 0, 1))
    write_gan(deid / "gan/fold-0/generator.pt", [f"heads-public/hp00{number}" for number in range(1, 6)])
    ended = workflow.run(*few, "deid_release", timeout=1200)
    assert ended.returncode == 0, ended.stdout[-5000:]
    folder = workflow.folder / "results/few-heads/release/few"
    told = subprocess.run([sys.executable, "-I", folder / "verify.py"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "PROTECTS NOBODY" in told.stdout
    assert len(list(folder.glob("sub-*/ses-1/anat/*_T1w.nii.gz"))) == 3
    assert (deid / "native/local-dp-4/heads/h001_1-inside-only.png").stat().st_size > 10_000
    assert workflow.jobs(*few, "deid_release") == {}
