"""Whole heads through the workflow: a small cohort to its end, and nothing of it where it is off."""

import pandas as pd
import pytest

STUDY = """
study: few-heads
deid:
  enabled: true
  heads: {phantom: {people: 5, visits: 1, side: 32}}
  public_heads: {phantom: {people: 5, visits: 2, side: 32}}
  size: 32
  voxel_mm: 8.0
  rotations: 4
  hulls: [paper, k-same-5, local-dp-4, brain]
  methods: [deface, watershed]
  code: {rank: 3}
  age: {steps: 4, width: 2, device: cpu, threads: 1}
  scaling: {factors: [0.9, 1.0], people: 2}
  attack: {questions: 20, yaws: [0.0], bootstrap: 50}
"""


def test_without_being_asked_for_there_is_no_rule_on_heads(workflow):
    assert not any("head" in name for name in workflow.jobs("--profile", "profiles/demo"))
    refused = workflow.run("-n", "deid")
    assert refused.returncode != 0
    assert "deid" in refused.stdout


@pytest.mark.slow
def test_a_few_heads_run_to_their_end_and_nothing_is_done_twice(workflow):
    (workflow.folder / "few.yaml").write_text(STUDY)
    asked = ("--configfile", "few.yaml", "--cores", 2, "deid")
    ended = workflow.run(*asked, timeout=1200)
    assert ended.returncode == 0, ended.stdout[-5000:]
    folder = workflow.folder / "results/few-heads/deid"
    table = pd.read_csv(folder / "tables/identification.csv")
    assert set(table["method"]) == {
        "original",
        "deface",
        "watershed",
        *(f"hull-{hull}" for hull in ("paper", "k-same-5", "local-dp-4", "brain")),
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
    assert workflow.jobs(*asked) == {}
