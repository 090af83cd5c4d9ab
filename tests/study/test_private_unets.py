"""Private U-Nets in a study: their names, sources, start, costs, and configs that are refused."""

import re

import pytest
from study.studies import PAPER, TINY, make

from privessel.errors import ConfigError
from privessel.study.config.fields import resolve_delta

ON = {"levels": ["eps-8", "noise-1"], "runs": [2, 3]}
PHANTOM = {"parameters": "one", "shape": [80, 96, 24], "spacing": [1.0, 1.0, 1.4]}
PHANTOM |= {"patients": {"train": 1, "validation": 0, "test": 0}}
UNETS = [f"private-unet/{level}/run-{run}" for level in ("eps-8", "noise-1") for run in (2, 3)]


@pytest.fixture(scope="module")
def study():
    return make(*TINY, private_unet=ON)


def test_none_are_shipped_and_each_key_that_could_be_turned_on_fits_the_study():
    paper = make(*PAPER)
    assert not paper.config.private_unets
    there = make(*PAPER, private_unet={"levels": ["eps-8"]})
    assert there.sources.start_weights.split("/unet/")[1].split("/")[1] in there.sources.settings
    demo = make(*PAPER, "profiles/demo/study.yaml", private_unet={"levels": ["eps-8"]})
    assert demo.sources.start_weights.split("/unet/")[1].split("/")[1] in demo.sources.settings


def test_each_level_and_run_is_a_source_that_is_tested_but_has_no_images(study):
    sources = study.sources
    assert study.config.private_unets == UNETS
    for name in UNETS:
        assert name in sources.tested
        assert name in sources.levels
        assert name not in {*sources.level_sets, *sources.image_sets, *sources.embedded, *sources.trained_on}
        assert sources.records[name]["kind"] == "private-unet"
        assert re.fullmatch(study.wildcard_constraints()["source"], name)
        assert sources.settings_of(name) == ["trained"]
        assert sources.weights_of(name) == [f"results/tiny/unet/{name}/trained/weights.pt"]
        assert f"results/tiny/{name}/privacy.json" in sources.privacy_records
    assert sources.records[UNETS[0]] == {
        "kind": "private-unet", "arch": "private-unet", "level": "eps-8", "run": 2, "epoch": None,
    }  # fmt: skip
    assert re.fullmatch(study.wildcard_constraints()["setting"], "trained")


def test_the_start_is_one_fixed_u_net_of_a_public_cohort(study):
    start = "results/tiny/unet/phantom-random/lr-0.001_dropout-0.1_augment-off/weights.pt"
    assert study.sources.start_weights == start
    other = {"learning_rate": 2e-3, "dropout": 0.0, "augment": True}
    there = make(*TINY, private_unet=ON | {"setting": other})
    assert there.sources.setting("lr-0.002_dropout-0_augment-on") == other


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"private_unet": {"levels": ["inf"]}}, "private_unet.levels.*noise-x or eps-x"),
        ({"private_unet": ON | {"start": "phantom-b"}}, "private_unet.start phantom-b is not in public_base"),
        ({"private_unet": ON | {"batch": 1000}}, r"private_unet.batch 1000 is more than the 80.*\(patch\)"),
        (
            {
                "private_unet": ON | {"batch": 3},
                "privacy": {"unit": "patient"},
                "levels": ["inf"],
                "shuffled": [],
            }
            | {"epoch_study": {"levels": [], "epochs": []}, "transfer": {"patients": []}},
            r"private_unet.batch 3 is more than the 2.*\(patient\)",
        ),
        ({"cohorts": {"private-unet": {"public": True, "phantom": PHANTOM}}}, "cohorts has private-unet"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_key(changes, told):
    with pytest.raises(ConfigError, match=told):
        make(*TINY, **changes)


def test_training_and_plan_use_the_study_s_promise(study):
    training, plan = study.private_unet_training(), study.planned_private_unet()
    assert (training["batch"], training["steps"], training["unit"]) == (8, 4, "patch")
    assert training["micro_batch"] == study.config.unet.batch
    assert (plan["sampling_rate"], plan["steps"]) == (8 / 80, 4)
    assert training["delta"] == plan["delta"] == resolve_delta(1e-3, units=80)
    assert study.private_unet_runs() == {"eps-8": 2, "noise-1": 2}


def test_its_steps_are_part_of_the_target_audit(study):
    folder = "results/tiny/audit/private-unet"
    own = [f"{folder}/{level}/steps.csv" for level in ("eps-8", "noise-1")]
    assert study.audit.step_files() == [*make(*TINY).audit.step_files(), *own]
    more = make(*TINY, private_unet=ON, audit={"step_guesses": 10**9})
    assert more.audit_cost.audited_unet_steps_minutes() > study.audit_cost.audited_unet_steps_minutes()


def test_a_wider_u_net_and_more_steps_ask_for_more_memory_and_time(study):
    wide = make(*TINY, private_unet=ON | {"steps": 4000}, unet={"filters": [64, 512]})
    assert wide.cost.private_unet_memory()(None, 1) > study.cost.private_unet_memory()(None, 1) + 50
    assert wide.cost.private_unet_minutes() > study.cost.private_unet_minutes()
