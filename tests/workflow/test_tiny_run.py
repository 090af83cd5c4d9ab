"""The whole study at its smallest size, run for real; then run again, edited, and broken."""

import json
import os
import shutil
import signal
import time
from hashlib import sha256
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Workflow
from exported import read_nnunet, read_png_pairs

from privessel.files.reading import REMEDY

# Logs name times and benchmarks durations; all else that a study makes is decided by its config.
RESULTS = "results/tiny"
FIGURES = [
    *("fig2", "fig3", "fig4", "fig5", "fig6", "fig7", "fig8", "fig9", "figS1", "figS2", "table1"),
    *("comparison", "statistics", "gan_comparison", "transfer", "epochs"),
]


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_source_has_scores_on_every_test_patient(finished):
    scores = pd.read_csv(finished.folder / RESULTS / "tables/scores.csv")
    sources = ["real", "phantom-one", "phantom-random", "threshold", "frangi"]
    sources += ["wgan/inf/run-1/epoch-2", "wgan/noise-1/run-1/epoch-2", "wgan/noise-1/run-2/epoch-2"]
    sources += [
        "wgan/noise-1/run-1/epoch-2-shuffled",
        "wgan-gp-sn/inf/run-1/epoch-2",
    ]
    assert set(scores["source"]) == set(sources)
    assert (scores.groupby("source")["patient"].nunique() == 3).all()
    assert scores["dsc"].between(0, 1).all()


def test_private_rows_carry_the_eps_of_their_generator(finished):
    scores = pd.read_csv(finished.folder / RESULTS / "tables/scores.csv")
    record = json.loads((finished.folder / RESULTS / "gan/wgan/noise-1/run-1/privacy.json").read_text())
    rows = scores[scores["source"] == "wgan/noise-1/run-1/epoch-2"]
    assert (rows["eps"] == record["epochs"]["2"]["epsilon"]).all()
    assert np.isinf(scores[scores["level"] == "inf"]["eps"]).all()


def test_figures_captions_and_summary_are_there(finished):
    for figure in FIGURES:
        assert (finished.folder / RESULTS / f"figures/{figure}.pdf").read_bytes().startswith(b"%PDF")
        assert (finished.folder / RESULTS / f"figures/{figure}.png").stat().st_size > 5000
        assert (finished.folder / f"report/{figure}.rst").read_text().strip()
    assert "phantom-b" in (finished.folder / RESULTS / "summary.txt").read_text()


def test_every_set_of_images_has_its_quality_and_the_eps_of_its_generator(finished):
    quality = pd.read_csv(finished.folder / RESULTS / "tables/quality.csv").set_index("source")
    scores = pd.read_csv(finished.folder / RESULTS / "tables/scores.csv").drop_duplicates("source")
    scores = scores[~scores["kind"].isin(["baseline", "control"])].set_index("source")
    assert set(quality.index) == set(scores.index)
    assert quality["eps"].equals(scores.loc[quality.index, "eps"])
    assert (quality[["frechet_train", "frechet_test"]] >= 0).all(axis=None)
    assert quality["ssim_mean"].between(-1, 1).all()
    assert (quality["extractor"] == "Frechet distance (EfficientNet-Lite0)").all()


def test_transfer_patients_are_of_the_train_split_and_no_test_patient_is_among_them(finished):
    table = pd.read_csv(finished.folder / RESULTS / "tables/transfer.csv")
    starts = {"scratch", "wgan/noise-1/run-1/epoch-2", "wgan-gp-sn/inf/run-1/epoch-2"}
    assert set(table["start"]) == starts | {"phantom-one", "phantom-random", "threshold", "frangi"}
    assert set(table["patient"]) == {"b002"}
    assert [path.stem for path in (finished.folder / RESULTS / "patches/phantom-b").iterdir()] == ["b001"]


def test_the_epoch_study_has_each_generator_of_its_run_with_the_eps_of_its_epoch(finished):
    table = pd.read_csv(finished.folder / RESULTS / "tables/epochs.csv")
    record = json.loads((finished.folder / RESULTS / "gan/wgan/noise-1/run-2/privacy.json").read_text())
    free = table[table["epoch"].isna()].set_index("source")["dsc_mean"]
    for source in ("phantom-one", "phantom-random", "threshold", "frangi"):
        chosen = json.loads((finished.folder / RESULTS / f"selection/{source}.json").read_text())
        assert free[source] == chosen["validation_dsc"]
    table = table[table["epoch"].notna()]
    assert table["epoch"].tolist() == [1, 2]
    assert table["eps"].tolist() == [record["epochs"][epoch]["epsilon"] for epoch in ("1", "2")]
    assert table["kept"].tolist() == [False, True]


def test_an_audit_leaves_bounds_attacks_and_figures_and_the_study_as_it_was(finished):
    results = finished.folder / RESULTS
    before = digests(results)
    done = finished.tiny("audit")
    assert done.returncode == 0, done.stdout[-5000:]
    after = digests(results)
    assert {name: after[name] for name in before} == before
    for level, scores in (("inf", 2), ("noise-1", 3)):
        folder = results / "audit/wgan" / level / "run-1"
        record = json.loads((folder / "privacy.json").read_text())
        bounds = pd.read_csv(folder / "bound.csv")
        assert len(bounds) == scores
        claimed = record["epochs"]["2"]["epsilon"]
        assert (bounds["claimed_epsilon"] == (np.inf if claimed is None else claimed)).all()
        assert record["audit"]["canaries"] == 12
        assert record["patches"] == 80 + record["patients"] - 2  # each canary that is in is a patient
        attacks = pd.read_csv(folder / "membership.csv")
        assert set(attacks["attack"]) == {"critic", "nearest", "density"}
        assert (attacks["members"] == np.where(attacks["unit"] == "patch", 16, 2)).all()
        assert (folder / "neighbours.png").stat().st_size > 5000
    steps = pd.read_csv(results / "audit/wgan/noise-1/steps.csv").iloc[0]
    assert steps["guesses_in"] + steps["guesses_out"] == 500
    assert steps["claimed_epsilon"] == pytest.approx(claimed)  # of the last level above, by its own run
    assert 0 < steps["epsilon_low"] < claimed
    drawn = pd.read_csv(results / "figures/utility_privacy.csv")
    assert drawn[drawn["shows"] == "step"]["value"].tolist() == [steps["epsilon_low"]]
    for figure in ("utility_privacy", "attacks"):
        assert (results / f"figures/{figure}.pdf").read_bytes().startswith(b"%PDF")
    assert finished.tiny("-n", "audit").stdout.count("rule ") == 0


def test_exports_hold_the_pairs(finished):
    pairs = np.load(finished.folder / RESULTS / "synthetic/wgan/noise-1/run-1/epoch-2.npz")
    (dataset,) = (finished.folder / RESULTS / "export/nnunet/wgan/noise-1/run-1/epoch-2").glob("Dataset*")
    for images, labels in (
        read_nnunet(dataset),
        read_png_pairs(finished.folder / RESULTS / "export/png/wgan/noise-1/run-1/epoch-2"),
    ):
        assert np.array_equal(images, pairs["image"])
        assert np.array_equal(labels, pairs["label"])


def test_the_report_names_every_figure_and_no_place_of_the_secret(finished):
    page = (finished.folder / RESULTS / "report.html").read_text()
    assert page.count("data:image/png;base64") == len(FIGURES)
    assert "state:" not in page


def test_predictions_lie_in_the_frame_of_the_image(finished):
    mask = nib.load(finished.folder / RESULTS / "prediction/real/phantom-a/a004.nii.gz")
    image = nib.load(finished.folder / "data/tiny/phantom-a/sub-a004/anat/sub-a004_acq-TOF_angio.nii.gz")
    assert mask.shape == image.shape
    assert np.allclose(mask.affine, image.affine)


def test_nothing_is_written_elsewhere(finished):
    made = {path.name for path in finished.folder.iterdir()} - {"tests"}
    assert made == {
        "Snakefile", "config.yaml", "rules", "scripts", "schemas", "envs", "report", "profiles", "slurm",
        "results", "data", "logs", ".snakemake",
    }  # fmt: skip
    assert not list(finished.folder.glob("results/**/.resume"))
    assert not list(finished.folder.glob("results/**/*.partial*"))


def test_a_second_run_does_nothing_nor_does_one_after_a_touch_of_the_library(finished):
    (finished.folder / "scripts/privessel/gan/nets.py").touch()
    assert "Nothing to be done" in finished.tiny().stdout


@pytest.fixture(params=["simulated", "a hospital's"])
def reviewer(finished, tmp_path, request):
    """A checkout with the CSVs of the figures, and nothing else: no scans, no other results."""
    other = Workflow.install(tmp_path / "checkout")
    figures = other.folder / RESULTS / "figures"
    figures.mkdir(parents=True)
    for table in (finished.folder / RESULTS / "figures").glob("*.csv"):
        shutil.copy2(table, figures)
    changes = {}
    if request.param == "a hospital's":
        absent = {"public": False, "root": "/not/here", "image": "{session}/{patient}.nii"}
        changes = {
            "cohorts": {"pegasus": absent},
            "train_cohort": "pegasus",
            "test_cohorts": ["pegasus", "phantom-b"],
        }
    (other.folder / "mine.yaml").write_text(yaml.safe_dump(changes))
    return other


def test_reviewer_redraws_figures_from_their_csvs_without_patients(finished, reviewer):
    names = ["fig3", "fig5", "fig6", "fig8", "table1", "comparison", "statistics"]
    configs = ["--configfile", "tests/config.yaml", "mine.yaml"]
    result = reviewer.run(*configs, "--cores", 2, "--allowed-rules", *names, "--", *names)
    assert result.returncode == 0, result.stdout
    for name in names:
        drawn = Path(RESULTS, "figures", f"{name}.png")
        assert (reviewer.folder / drawn).read_bytes() == (finished.folder / drawn).read_bytes()
    assert not (reviewer.folder / "data").exists()


def test_editing_the_metrics_reruns_metrics_and_no_training(finished):
    code = finished.folder / "scripts/privessel/scores/metrics.py"
    text = code.read_text()
    code.write_text(text + "\n# edited\n")
    try:
        jobs = finished.jobs("--configfile", "tests/config.yaml", "--cores", 1)
    finally:
        code.write_text(text)
    assert {"validate", "test_phantom-a", "test_baseline_phantom-b", "scores"} <= set(jobs)
    assert not {"gan", "private_gan", "unet", "synthetic", "patches"} & set(jobs)


def copy_of(finished, folder):
    """The finished study somewhere else, with a longer GAN training to be done there."""
    shutil.copytree(finished.folder, folder, symlinks=True)
    longer = {"gan": {"checkpoint_seconds": 0.2, "steps_per_epoch": 120}}
    (folder / "longer.yaml").write_text(yaml.safe_dump(longer))
    other = Workflow(folder)
    other.arguments = ["--configfile", "tests/config.yaml", "longer.yaml", "--cores", 1]
    return other


@pytest.fixture
def heeds_ctrl_c():
    """A shell's background jobs ignore Ctrl-C, and so would all that is started from here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_training_stopped_by_ctrl_c_ends_as_if_it_had_never_been(finished, tmp_path):
    """Stop the workflow while a GAN trains, call it again, and compare with an undisturbed run."""
    target = "results/tiny/gan/wgan/noise-1/run-1/privacy.json"
    undisturbed, stopped = copy_of(finished, tmp_path / "one"), copy_of(finished, tmp_path / "two")
    result = undisturbed.run(*undisturbed.arguments, target)
    assert result.returncode == 0, result.stdout[-3000:]

    folder = (stopped.folder / target).parent
    run = stopped.start(*stopped.arguments, target)
    deadline = time.monotonic() + 240
    while not (folder / ".resume/checkpoint.pt").exists():
        assert run.poll() is None, "training ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    run.wait(timeout=120)
    assert not list(folder.glob("*.pt"))
    assert not (folder / "privacy.json").exists()

    result = stopped.run(*stopped.arguments, target)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "going on from step" in result.stdout
    assert digests(folder) == digests((undisturbed.folder / target).parent)


def test_damaged_patches_are_named_and_made_anew(finished):
    path = finished.folder / RESULTS / "patches/phantom-a/a001.npz"
    target = "results/tiny/gan/wgan/inf/run-1/privacy.json"
    before = digests(finished.folder / RESULTS / "patches")
    path.write_bytes(path.read_bytes()[:1000])
    result = finished.tiny(target)
    assert result.returncode != 0
    assert "a001.npz" in result.stdout
    assert REMEDY in result.stdout
    path.unlink()
    assert finished.tiny(target).returncode == 0
    assert digests(finished.folder / RESULTS / "patches") == before
