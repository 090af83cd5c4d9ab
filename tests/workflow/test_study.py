"""The study as a graph of jobs: dry runs of every configuration that ships, and of wrong ones."""

import pytest
import yaml
from conftest import Workflow


def write_config(workflow, *over, **changes):
    path = workflow.folder / "mine.yaml"
    path.write_text(yaml.safe_dump(changes))
    return ["--configfile", *over, "mine.yaml", "--cores", 1]


TINY = ["--configfile", "tests/config.yaml", "--cores", 1]
FIGURES = [
    *("fig2", "fig3", "fig4", "fig5", "fig6", "fig7", "fig8", "fig9", "figS1", "figS2", "table1"),
    *("comparison", "statistics", "gan_comparison", "transfer", "epochs"),
]


def test_full_study_has_36_gans_and_those_of_2021_and_8_unets_a_source(workflow):
    jobs = workflow.jobs("--profile", "slurm")
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


@pytest.mark.parametrize(("profile", "gans"), [("profiles/demo", 1), ("profiles/study-small", 4)])
def test_profiles_dry_run(workflow, profile, gans):
    jobs = workflow.jobs("--profile", profile)
    assert jobs["gan"] == gans


def test_each_figure_and_each_other_product_is_a_target(workflow):
    products = ["report", "export", "plan"]
    jobs = workflow.jobs(*TINY, *FIGURES, *products)
    for figure in FIGURES:
        assert jobs[figure] == jobs["fig9_data" if figure == "figS1" else f"{figure}_data"] == 1
    for product in products:
        assert jobs[product] == 1


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
        ({"patches": {"size": 50}}, ["50"]),
        ({"arch": "dcgan"}, ["dcgan", "batch norm", "no sample has a gradient of its own"]),
        ({"arch": "wgan-gp"}, ["wgan-gp", "gradient_penalty"]),
        ({"arch": "wgan-gp-sn"}, ["wgan-gp-sn", "spectral_norm"]),
        ({"gan": {"private": {"critic_norm": "batch"}}}, ["batch norm"]),
        ({"gan": {"architectures": {"dcgan": {"kept_epochs": [3]}}}}, ["kept_epochs"]),
        ({"compared": ["biggan"]}, ["biggan"]),
        ({"test_cohorts": ["phantom-a"]}, ["second test cohort", "transfer"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_config_is_refused_before_any_job(workflow, changes, words):
    result = workflow.run("-n", *write_config(workflow, **changes))
    assert result.returncode != 0
    for word in words:
        assert word in result.stdout


def test_an_audit_trains_each_of_its_levels_once_more_and_is_no_part_of_the_study(workflow):
    jobs = workflow.jobs("--profile", "profiles/demo", "audit")
    assert (jobs["audited_gan"], jobs["private_audited_gan"], jobs["attack"]) == (1, 1, 2)
    assert jobs["utility_privacy"] == jobs["attacks"] == 1
    assert not {"audited_gan", "attack", "audit_data"} & set(workflow.jobs("--profile", "profiles/demo"))


def test_an_audit_that_could_show_nothing_is_refused_and_the_study_is_not(workflow):
    wrong = {"canaries": 10251, "guesses_in": 6000, "guesses_out": 6000, "patches": 1001, "neighbours": 1002}
    changed = write_config(workflow, audit=wrong)
    refused = workflow.run("-n", *changed, "audit")
    assert refused.returncode != 0
    for fault in (
        "guesses_in and guesses_out must be",
        "canaries 10251 is more than a quarter of the 41000",
        "patches 1001 is more than patches.per_patient",
        "neighbours is more than synthetic or patches",
        "Remedy: correct these keys",
    ):
        assert fault in refused.stdout
    assert workflow.run("-n", *changed, "plan").returncode == 0
    nothing = workflow.run("-n", *write_config(workflow, audit={"levels": ["noise-3"]}), "audit")
    assert "none of this study's levels is in audit.levels. Remedy: name some of inf" in nothing.stdout


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
    changes |= {"transfer": {"sources": ["dcgan/inf", "wgan/inf"]}}
    changes |= {"epoch_study": {"levels": ["inf"], "runs": [1]}}
    jobs = workflow.jobs(*write_config(workflow, "tests/config.yaml", **changes))
    assert jobs["gan"] == jobs["studied_gan"] == 1
    assert "private_gan" not in jobs


def test_a_study_without_a_second_cohort_has_all_but_its_figures(workflow):
    changes = {"test_cohorts": ["phantom-a"], "transfer": {"patients": []}}
    jobs = workflow.jobs(*write_config(workflow, "tests/config.yaml", **changes))
    assert "transfer" not in jobs
    assert jobs["fig3"] == 1


def test_trainings_have_as_many_threads_of_openmp_as_their_rule(tmp_path):
    """Oversubscribed, torch falls to a tenth of its speed."""
    (tmp_path / "Snakefile").write_text('rule:\n    output: "n"\n    threads: 3\n    script: "n.py"\n')
    told = 'import os\nopen(snakemake.output[0], "w").write(os.environ["OMP_NUM_THREADS"])\n'
    (tmp_path / "n.py").write_text(told)
    Workflow(tmp_path).run("--cores", 4)
    assert (tmp_path / "n").read_text() == "3"
