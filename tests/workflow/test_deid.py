"""Whole heads through the workflow: a small cohort to its end, and nothing of it where it is off."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
import yaml
from deid.small_study import describe_study, frame_scans, plan_study, train_gan
from victims import living

from privessel.deid.trained import TrainedHeadGan

STUDY = """
study: few-heads
deid:
  enabled: true
  heads: {phantom: {people: 5, visits: 1, side: 32}}
  public_heads: {phantom: {people: 5, visits: 2, side: 32}}
  size: 32
  voxel_mm: 8.0
  preprocessing: {bias_field: true, denoising: 0}
  rotations: 4
  hulls: [paper, k-same-5, local-dp-4, brain]
  methods: [deface, watershed]
  code: {rank: 3}
  age: {steps: 4, width: 2, device: cpu, threads: 1}
  scaling: {factors: [0.9, 1.0], people: 2}
  gan:
    hulls: [local-dp-4]
    folds: 2
    generator_widths: [4, 4, 4, 4]
    discriminator_widths: [4, 4, 4, 4]
    steps: 6
    warm_up: 3
  attack: {questions: 20, yaws: [0.0], bootstrap: 50}
  release: {hull: local-dp-4, name: few, description: Simulated., creators: [Nobody], left_out: [h002_1]}
"""


def test_without_being_asked_for_there_is_no_rule_on_heads(workflow):
    assert not any("head" in name for name in workflow.jobs("--profile", "profiles/demo"))
    refused = workflow.run("-n", "deid")
    assert refused.returncode != 0
    assert "deid" in refused.stdout


@pytest.mark.slow
def test_a_few_heads_run_to_their_end_and_nothing_is_done_twice(workflow):
    (workflow.folder / "few.yaml").write_text(STUDY)
    asked = ("--configfile", "few.yaml", "--cores", 2, "--", "deid", "deid_release")
    ended = workflow.run(*asked, timeout=1200)
    assert ended.returncode == 0, ended.stdout[-5000:]
    folder = workflow.folder / "results/few-heads/deid"
    table = pd.read_csv(folder / "tables/identification.csv")
    assert set(table["method"]) == {
        "original",
        "deface",
        "watershed",
        *(f"hull-{hull}" for hull in ("paper", "k-same-5", "local-dp-4", "brain")),
        "gan-local-dp-4",
    }
    assert (table[table["method"] == "original"]["rate"] == 100).all()
    volumes = pd.read_csv(folder / "tables/volumes.csv").set_index(["method", "tissue"])
    assert set(volumes.index.get_level_values("method")) == set(table["method"])
    assert volumes.loc[("original", "brain"), "against"] == "truth"
    assert volumes.loc[("original", "brain"), "dice_median"] > 0.8
    assert volumes.loc[("hull-paper", "brain"), "failed"] == 5
    deface = pd.read_csv(folder / "metrics/deface/heads.csv")
    assert deface["changed_brain_voxels"].sum() == 0
    assert deface[["age", "age_original", "age_after"]].notna().all(axis=None)
    times = pd.read_csv(folder / "tables/times.csv")
    assert times.set_index(["step", "of"]).loc[("frame, privacy transform", "heads-public"), "jobs"] == 10
    for figure in ("deid_fig1", "deid_fig3", "deid_fig4", "deid_fig5", "deid_shield"):
        assert (folder / f"figures/{figure}.png").stat().st_size > 10_000
    promise = (folder / "hulls/local-dp-4/heads.txt").read_text()
    assert "(4, 1e-05)-differentially private" in promise
    assert len(list((folder / "made/local-dp-4/heads").glob("*.npz"))) == 5
    assert "trained on public people alone" in (folder / "made/local-dp-4/heads.txt").read_text()
    released = workflow.folder / "results/few-heads/release/few"
    told = subprocess.run([sys.executable, "-I", released / "verify.py"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "PROTECTS NOBODY" in told.stdout
    assert len(list(released.glob("sub-*/ses-1/anat/*_T1w.nii.gz"))) == 4
    assert (folder / "native/local-dp-4/heads/h001_1-inside-only.png").stat().st_size > 10_000
    assert workflow.jobs(*asked) == {}


def test_a_killed_training_goes_on_and_ends_with_the_bits_of_an_undisturbed_one(
    workflow, tmp_path, monkeypatch
):
    given = {"steps": 120, "checkpoint_seconds": 0.0}
    (workflow.folder / "heads.yaml").write_text(yaml.safe_dump(describe_study(**given)))
    monkeypatch.chdir(workflow.folder)
    frame_scans(plan_study(**given))
    folder = workflow.folder / "results/few-heads/deid/gan/fold-1"
    asked = ("--configfile", "profiles/deid-demo/study.yaml", "heads.yaml", "--cores", 1, "--")
    asked = (*asked, "results/few-heads/deid/gan/fold-1/generator.pt")
    assert workflow.jobs(*asked) == {"head_gan": 1, "total": 1}
    run = workflow.start(*asked)
    deadline = time.monotonic() + 300
    while not (folder / ".resume/head-gan.pt").exists():
        assert run.poll() is None, "it ended before its job could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    job = next(number for number, command in living(run.pid).items() if "train_head_gan.py" in command)
    os.kill(job, signal.SIGKILL)
    assert run.wait(timeout=300) != 0  # snakemake sees it, and ends by itself
    assert not (folder / "generator.pt").exists()
    ended = workflow.run(*asked)
    assert ended.returncode == 0, ended.stdout[-5000:]
    assert "going on from step" in ended.stdout
    assert not (folder / ".resume").exists()

    shutil.copytree(workflow.folder / "results", tmp_path / "undisturbed/results")
    monkeypatch.chdir(tmp_path / "undisturbed")
    shutil.rmtree("results/few-heads/deid/gan")
    train_gan(plan_study(**given), 1)
    one, other = (
        TrainedHeadGan.load(place / "results/few-heads/deid/gan/fold-1/generator.pt")
        for place in (workflow.folder, tmp_path / "undisturbed")
    )
    assert one.identity == other.identity
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in other.weights)
