"""The study as a graph of jobs: dry runs of what ships. What needs no Snakemake is in tests/study."""

import pytest
import yaml
from conftest import Workflow

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
    sources = 36 + 3 + 1 + 2 + 2 + 1  # GANs, those of 2021, real patches, two phantoms, two controls, a vote
    studied = 10 - 1  # epochs of one run by one setting, which epoch 50 has in the main study
    assert jobs["unet"] == 8 * sources + studied
    assert jobs["select"] == sources
    assert jobs["test_phantom-a"] == jobs["test_phantom-b"] == sources
    assert jobs["transfer_unet"] == jobs["test_transfer"] == 3 * 5 * 3  # starts, numbers of patients, draws
    assert jobs["phantom_patient"] == 66 + 80 + 41 + 41
    assert all(jobs[figure] == 1 for figure in FIGURES)


def test_the_small_study_runs_four_gans_without_privacy(workflow):
    assert workflow.jobs("--profile", "profiles/study-small")["gan"] == 4


def test_each_figure_and_each_other_product_is_a_target(workflow):
    products = ["report", "export", "plan"]
    jobs = workflow.jobs(*TINY, *FIGURES, *products)
    for figure in FIGURES:
        assert jobs[figure] == jobs["fig9_data" if figure == "figS1" else f"{figure}_data"] == 1
    for product in products:
        assert jobs[product] == 1


def test_an_audit_trains_each_of_its_levels_once_more_and_is_no_part_of_the_study(workflow):
    jobs = workflow.jobs("--profile", "profiles/demo", "audit")
    assert (jobs["audited_gan"], jobs["private_audited_gan"], jobs["attack"]) == (1, 1, 2)
    assert jobs["audited_steps"] == 1  # of the private level
    assert jobs["utility_privacy"] == jobs["attacks"] == 1
    assert not {"audited_gan", "audited_steps", "attack", "audit_data"} & set(
        workflow.jobs("--profile", "profiles/demo")
    )


@pytest.mark.parametrize(
    ("changes", "target", "words"),
    [
        ({"gna": {}}, "all", "config: gna is no key of this workflow. Remedy: write gan"),
        ({"rivals": []}, "all", "config: rivals is called public_baselines now"),
        ({"export": ["wgan/noise-0.65/run-1/epoch-49"]}, "export", "epoch-49, not in this study"),
    ],
)
def test_a_refusal_is_a_few_lines_with_the_remedy_and_no_traceback(workflow, changes, target, words):
    path = workflow.folder / "mine.yaml"
    path.write_text(yaml.safe_dump(changes))
    refused = workflow.run("-n", "--configfile", path.name, "--cores", 1, target)
    assert refused.returncode != 0
    assert words in refused.stdout
    assert "Remedy" in refused.stdout
    assert len(refused.stdout) < 3000


def test_trainings_have_as_many_threads_of_openmp_as_their_rule(tmp_path):
    """Oversubscribed, torch falls to a tenth of its speed."""
    (tmp_path / "Snakefile").write_text('rule:\n    output: "n"\n    threads: 3\n    script: "n.py"\n')
    told = 'import os\nopen(snakemake.output[0], "w").write(os.environ["OMP_NUM_THREADS"])\n'
    (tmp_path / "n.py").write_text(told)
    Workflow(tmp_path).run("--cores", 4)
    assert (tmp_path / "n").read_text() == "3"
