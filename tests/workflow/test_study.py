"""The study as a graph of jobs: dry runs of every configuration that ships, and of wrong ones."""

import pytest
import yaml


def write_config(workflow, **changes):
    path = workflow.folder / "mine.yaml"
    path.write_text(yaml.safe_dump(changes))
    return ["--configfile", "mine.yaml", "--cores", 1]


def test_full_study_has_36_gans_and_8_unets_a_source(workflow):
    jobs = workflow.jobs("--cores", 1)
    assert jobs["gan"] + jobs["private_gan"] == 36
    sources = 36 + 1 + 2 + 2  # GANs, real patches, two phantoms, two controls
    assert jobs["unet"] == 8 * sources
    assert jobs["select"] == sources
    assert jobs["test_phantom-a"] == jobs["test_phantom-b"] == sources
    assert jobs["phantom_patient"] == 66 + 65 + 41 + 41
    assert jobs["total"] < 1500


@pytest.mark.parametrize("profile", ["profiles/demo", "slurm"])
def test_profiles_dry_run(workflow, profile):
    jobs = workflow.jobs("--profile", profile)
    assert jobs["gan"] == 1


@pytest.mark.parametrize("figure", ["fig2", "fig3", "fig4", "fig5", "fig7", "table1"])
def test_each_figure_is_a_target(workflow, figure):
    jobs = workflow.jobs("--cores", 1, figure)
    assert jobs[figure] == jobs[f"{figure}_data"] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gna": {}}, ["gna"]),
        ({"gan": {"batchsize": 32}}, ["batchsize"]),
        ({"levels": ["inf", "noise-1", "noise-1"]}, ["noise-1", "non-unique"]),
        ({"levels": ["noise-1.50"]}, ["noise-1.50"]),
        ({"gan": {"generator_learning_rate": "5e-5"}}, ["5e-5"]),
        ({"test_cohorts": ["phantom-a", "1000plus"]}, ["1000plus", "cohorts"]),
        (
            {"cohorts": {"phantom-a": {"phantom": {"patients": {"validation": 0}}}}},
            ["phantom-a", "validation", "split"],
        ),
        ({"gan": {"kept_epochs": [60]}}, ["60", "epochs"]),
        ({"shuffled": ["noise-3"]}, ["noise-3"]),
        ({"patches": {"size": 50}}, ["50"]),
        ({"prediction": {"stride": 100}}, ["stride"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_config_is_refused_before_any_job(workflow, changes, words):
    result = workflow.run("-n", *write_config(workflow, **changes))
    assert result.returncode != 0
    for word in words:
        assert word in result.stdout
