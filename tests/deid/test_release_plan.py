"""What a release of heads asks for, and what is refused before any job."""

from types import SimpleNamespace

import pytest
from study.studies import make, values

from privessel.errors import ConfigError
from privessel.study.config.reading import read_config

DEMO = ("config.yaml", "profiles/deid-demo/study.yaml")


def plan(**release):
    return make(*DEMO, deid={"release": release}).head_release


def test_every_scan_of_the_demo_leaves_with_its_made_head_as_input():
    found = plan()
    assert len(found.inputs()["images"]) == 40
    assert found.inputs()["images"][0].endswith("deid/native/local-dp-4/heads/h001_1_T1w.nii.gz")
    source = found.source(SimpleNamespace(hull="local-dp-4", heads="heads", scan="h001_1"))
    assert source["made"] == "results/deid-demo/deid/made/local-dp-4/heads/h001_1.npz"
    assert "ledgers" not in found.inputs()
    assert found.archive == "results/deid-demo/release/demo-heads.tar.gz"


def test_scans_that_leave_are_numbered_anew_and_never_named_by_their_session():
    records = {one["name"]: one["number"] for one in plan(left_out=["h001_1"]).records()}
    assert records["h001_2"] == 1
    assert (records["h002_1"], records["h002_2"]) == (1, 2)
    assert len(records) == 39


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ({"hull": None}, "deid.release.hull is not set, so no heads leave"),
        ({"hull": "paper"}, "nothing is promised of it.*no reason can outweigh that.*Remedy"),
        ({"hull": "local-dp-3"}, "local-dp-3, which is not in deid.hulls"),
        ({"description": " "}, "needs deid.release.description"),
        ({"creators": []}, "deid.release.creators"),
        ({"left_out": ["h001_9"]}, "left_out has h001_9, which is no scan"),
        ({"left_out": [f"h{n:03d}_{visit}" for n in range(1, 21) for visit in (1, 2)]}, "leaves no scan"),
    ],
)
def test_what_cannot_leave_is_refused_before_any_job(release, words):
    with pytest.raises(ConfigError, match=words):
        plan(**release).inputs()


def test_two_releases_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="would replace the other"):
        read_config(values(*DEMO, release={"name": "demo-heads"}))


def test_a_name_that_no_folder_should_have_is_refused_in_words():
    with pytest.raises(ConfigError, match=r"deid.release.name is .heads of 2026.*letters, digits, hyphens"):
        plan(name="heads of 2026")


def test_people_need_the_sites_secret():
    heads = {"name": "clinic", "public": False}
    found = make(*DEMO, deid={"heads": heads}).head_release
    with pytest.raises(ConfigError, match=r"master.key|privessel.state|privacy.state"):
        found.inputs()
