"""The study as a graph of jobs: dry runs of every configuration that ships, and of wrong ones."""

import pytest
import yaml
from conftest import Workflow


def write_config(workflow, **changes):
    path = workflow.folder / "mine.yaml"
    path.write_text(yaml.safe_dump(changes))
    return ["--configfile", "mine.yaml", "--cores", 1]


TINY = ["--configfile", "tests/config.yaml", "--cores", 1]
FIGURES = [
    *("fig2", "fig3", "fig4", "fig5", "fig6", "fig7", "fig8", "fig9", "figS1", "figS2", "table1"),
    *("comparison", "statistics", "gan_comparison", "transfer", "epochs"),
]


def test_full_study_has_36_gans_and_those_of_2021_and_8_unets_a_source(workflow):
    jobs = workflow.jobs("--cores", 1)
    assert jobs["gan"] == 1 + 3
    assert jobs["private_gan"] + jobs["studied_private_gan"] == 35
    assert jobs["studied_private_gan"] == 1
    sources = 36 + 3 + 1 + 2 + 2  # GANs, those of 2021, real patches, two phantoms, two controls
    studied = 10 - 1  # epochs of one run by one setting, which epoch 50 has in the main study
    assert jobs["unet"] == 8 * sources + studied
    assert jobs["select"] == sources
    assert jobs["test_phantom-a"] == jobs["test_phantom-b"] == sources
    assert jobs["transfer_unet"] == jobs["test_transfer"] == 3 * 5 * 3  # starts, numbers of patients, draws
    assert jobs["phantom_patient"] == 66 + 80 + 41 + 41
    assert all(jobs[figure] == 1 for figure in FIGURES)


@pytest.mark.parametrize(
    ("profile", "gans"), [("profiles/demo", 1), ("profiles/study-small", 4), ("slurm", 4)]
)
def test_profiles_dry_run(workflow, profile, gans):
    jobs = workflow.jobs("--profile", profile)
    assert jobs["gan"] == gans


@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_is_a_target(workflow, figure):
    jobs = workflow.jobs(*TINY, figure)
    assert jobs[figure] == jobs["fig9_data" if figure == "figS1" else f"{figure}_data"] == 1


@pytest.mark.parametrize("target", ["report", "export", "plan"])
def test_each_other_product_is_a_target(workflow, target):
    assert workflow.jobs(*TINY, target)[target] == 1


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
        ({"arch": "dcgan"}, ["dcgan", "batch norm", "no sample has a gradient of its own"]),
        ({"arch": "wgan-gp"}, ["wgan-gp", "gradient_penalty"]),
        ({"arch": "wgan-gp-sn"}, ["wgan-gp-sn", "spectral_norm"]),
        ({"gan": {"private": {"critic_norm": "batch"}}}, ["batch norm"]),
        ({"gan": {"architectures": {"dcgan": {"kept_epochs": [3]}}}}, ["kept_epochs"]),
        ({"compared": ["biggan"]}, ["biggan"]),
        ({"epoch_study": {"epochs": [51]}}, ["epoch_study", "51"]),
        ({"transfer": {"patients": [16]}}, ["16", "phantom-b", "15 train patients"]),
        ({"transfer": {"sources": ["dcgan/noise-1"]}}, ["dcgan/noise-1"]),
        ({"test_cohorts": ["phantom-a"]}, ["second test cohort", "transfer"]),
        ({"quality": {"frechet_images": 20000}}, ["frechet_images", "14000"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_config_is_refused_before_any_job(workflow, changes, words):
    result = workflow.run("-n", *write_config(workflow, **changes))
    assert result.returncode != 0
    for word in words:
        assert word in result.stdout


def test_an_export_of_a_set_that_the_study_does_not_make_is_refused(workflow):
    changed = write_config(workflow, export=["wgan/noise-0.65/run-1/epoch-49"])
    result = workflow.run("-n", *changed, "export")
    assert result.returncode != 0
    assert "epoch-49, not in this study" in result.stdout


def test_other_runs_need_no_other_keys(workflow):
    """The remedy for a run that is paid for and not wanted: another number."""
    jobs = workflow.jobs(*write_config(workflow, runs=[6]))
    assert jobs["private_gan"] == 7
    assert "epochs" not in jobs


def test_architectures_without_privacy_may_be_the_studys_own(workflow):
    changes = {"arch": "dcgan", "levels": ["inf"], "compared": ["wgan"], "shuffled": ["inf"], "export": []}
    changes |= {"epoch_study": {"levels": ["inf"]}, "transfer": {"sources": ["dcgan/inf", "wgan/inf"]}}
    jobs = workflow.jobs(*write_config(workflow, **changes))
    assert jobs["gan"] == jobs["studied_gan"] == 1
    assert "private_gan" not in jobs


def test_a_study_without_a_second_cohort_has_all_but_its_figures(workflow):
    changes = {"test_cohorts": ["phantom-a"], "transfer": {"patients": []}}
    jobs = workflow.jobs(*write_config(workflow, **changes))
    assert "transfer" not in jobs
    assert jobs["fig3"] == 1


def test_trainings_have_as_many_threads_of_openmp_as_their_rule(tmp_path):
    """Oversubscribed, torch falls to a tenth of its speed."""
    (tmp_path / "Snakefile").write_text('rule:\n    output: "n"\n    threads: 3\n    script: "n.py"\n')
    told = 'import os\nopen(snakemake.output[0], "w").write(os.environ["OMP_NUM_THREADS"])\n'
    (tmp_path / "n.py").write_text(told)
    Workflow(tmp_path).run("--cores", 4)
    assert (tmp_path / "n").read_text() == "3"
