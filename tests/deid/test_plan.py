"""The plan of a study's heads, and its config: what is made, from what, and what is refused."""

import importlib.util

import pytest
from study.studies import TINY, make, values

from privessel.errors import CohortError, ConfigError
from privessel.study.config.reading import read_config
from privessel.study.head_tools import check_installed

DEMO = ("config.yaml", "profiles/deid-demo/study.yaml")


def deid(**changes):
    return {"deid": {"enabled": True} | changes}


def test_the_demo_is_legal_and_every_other_study_has_this_part_off():
    assert read_config(values(*DEMO)).deid.enabled
    for files in (TINY, ("config.yaml",), ("config.yaml", "profiles/demo/study.yaml")):
        assert not read_config(values(*files)).deid.enabled
        assert make(*files).deid.names == []


def test_simulated_people_have_their_scans_without_a_file():
    plan = make(*DEMO).deid
    assert [scan.name for scan in plan.scans("heads")][:3] == ["h001_1", "h001_2", "h002_1"]
    assert len(plan.scans("heads-public")) == 56
    assert plan.simulated("heads", "h001_1")[0].endswith("sub-h001/ses-1/anat/sub-h001_ses-1_T1w.nii.gz")
    splits = plan.splits("heads")
    assert {"train", "test"} == set(splits.values())


def test_methods_are_the_unaltered_heads_the_removals_and_a_hull_of_each_kind():
    plan = make(*DEMO).deid
    assert plan.methods[:2] == ["original", "blurred"]
    assert "hull-local-dp-4" in plan.methods
    assert plan.hulls_of("hull-paper", "heads") == []
    assert plan.hulls_of("hull-brain", "heads") == ["results/deid-demo/deid/hulls/brain/heads.npz"]
    assert plan.gammas_of("deface", "heads") == []
    assert len(plan.gammas_of("hull-paper", "heads")) == 40


def test_what_heads_are_good_for_is_asked_of_every_method_that_makes_heads():
    study = make(*DEMO)
    uses, plan = study.head_uses, study.deid
    assert uses.methods == [method for method in plan.methods if method != "blurred"]
    assert uses.reference_of("original") == ["results/deid-demo/deid/truth/heads.npz"]
    assert uses.reference_of("deface") == ["results/deid-demo/deid/tissues/original/heads.npz"]
    assert uses.shields == plan.shielded
    assert uses.filled == list(study.config.deid.gan.hulls)
    assert uses.scaled_records[0]["known_as"] == "heads/h001"
    assert [scan.name for scan in uses.scaled][:2] == ["h001_1", "h002_1"]
    assert len(uses.scaled) == study.config.deid.scaling.people
    steps = {step["step"] for step in uses.steps("logs")}
    assert {"age network", "method, tissues", "frame, privacy transform"} <= steps
    off = make(*DEMO, **deid(age={"steps": 0})).head_uses
    assert not off.has_ages
    assert "age network" not in {step["step"] for step in off.steps("logs")}


def test_figure_5_begins_with_the_person_that_figure_1_shows():
    uses = make(*DEMO, **deid(shown=7, scaling={"people": 3})).head_uses
    assert [scan.name for scan in uses.scaled] == ["h008_1", "h001_1", "h002_1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hulls": ["k-same-1"]}, "k-same-N"),
        ({"hulls": ["local-dp-0"]}, "local-dp-E"),
        ({"delta": 1e-3}, "deid.delta"),
        ({"age": {"batch": 1}}, "deid.age.batch"),
        ({"scaling": {"factors": [1.0]}}, "deid.scaling.factors"),
        ({"scaling": {"factors": [1.0, 2.0]}}, "deid.scaling.factors"),
        ({"public_heads": {"public": False}}, "not `public: true`"),
        ({"public_heads": {"name": "heads"}}, "names of their own; heads"),
        ({"heads": {"name": "phantom-a"}}, "names of their own; phantom-a"),
        ({"heads": {"root": "somewhere"}}, "either `root`.*the other one is null"),
        ({"sessions": ["1"]}, "fewer sessions"),
        ({"heads": {"phantom": {"people": 4}}}, "4 people, fewer than deid.attack.candidates"),
        ({"public_heads": {"phantom": {"visits": 1}}}, "one scan a person"),
        ({"public_heads": {"phantom": {"people": 5}}}, "fewer than 2 scans for each axis"),
        ({"image": "sub-{patient}_T1w.nii.gz"}, "deid.image has no {session} in it"),
        ({"brain": "sub-{patient}_mask.nii.gz"}, "deid.brain has no {session} in it"),
        ({"image": "{patient}_{session}_{run}.nii.gz"}, "deid.image names {run}, but knows only"),
        ({"brain": "{patient}_{session}_{.nii.gz"}, "deid.brain is malformed"),
        ({"brain_tool": "bet"}, "deid.brain_tool"),
        ({"preprocessing": {"denoising": -1}}, "deid.preprocessing.denoising"),
        ({"hulls": ["paper", "k-same-21"], "gan": {"hulls": []}}, "k-same-21, but heads has 20 people"),
        (
            {"hulls": ["paper", "k-same-29"], "gan": {"hulls": []}},
            "k-same-29, but heads has 20.*heads-public has 28 people",
        ),
        ({"public_heads": {"phantom": {"people": 1}}, "code": {"rank": 1}}, "one person, but attackers"),
        ({"gan": {"hulls": ["paper", "k-same-2"]}}, "gan.hulls has k-same-2, which is not in deid.hulls"),
        ({"gan": {"folds": 1}}, "deid.gan.folds"),
        ({"gan": {"generator_widths": [8, 8, 8]}}, "generator_widths has 3 numbers.*have 4 scales"),
        ({"gan": {"discriminator_widths": [8, 8, 8, 0]}}, "deid.gan.discriminator_widths"),
        ({"gan": {"warm_up": 601}}, "warm_up is 601, more than the 600"),
        ({"gan": {"learns_from": "patients"}}, "deid.gan.learns_from"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        make(*DEMO, **deid(**changes)).deid.check()


def test_of_a_study_without_this_part_nothing_of_it_is_refused():
    read_config(values("config.yaml", deid={"sessions": ["1"]}))


# --- A cohort of one's own ---


@pytest.fixture
def hospital(tmp_path):
    """Three people; the second has one session."""
    rows = ["participant_id\tage", "sub-a1\t40", "sub-b2\t50", "sub-c3\tn/a"]
    (tmp_path / "participants.tsv").write_text("\n".join(rows) + "\n")
    for person, session in (("a1", "1"), ("a1", "2"), ("b2", "2"), ("c3", "1")):
        for name in (f"{person}_{session}.nii.gz", f"{person}_{session}_brain.nii.gz"):
            (tmp_path / name).write_text("scan")
    return tmp_path


def own(hospital, **changes):
    heads = {"name": "clinic", "public": False, "root": str(hospital), "phantom": None}
    paths = {"image": "{patient}_{session}.nii.gz", "brain": "{patient}_{session}_brain.nii.gz"}
    return make(*DEMO, **deid(heads=heads, **paths | changes)).deid


def test_people_are_those_of_the_table_and_scans_those_that_exist(hospital):
    plan = own(hospital)
    assert [scan.name for scan in plan.scans("clinic")] == ["a1_1", "a1_2", "b2_2", "c3_1"]
    assert plan.simulated("clinic", "a1_1") == []
    assert plan.needs_secret("local-dp-4", "clinic")
    assert not plan.needs_secret("brain", "clinic")
    assert not plan.needs_secret("local-dp-4", "heads-public")


def test_simulated_heads_beside_scans_of_ones_own_lie_where_they_are_written(hospital):
    plan = own(hospital, sessions=["before", "1", "2"])
    image, brain = plan.simulated("heads-public", "hp001_before")
    assert image.endswith("heads-public/sub-hp001/ses-before/anat/sub-hp001_ses-before_T1w.nii.gz")
    assert brain.endswith(
        "heads-public/derivatives/brain/sub-hp001/ses-before/anat/sub-hp001_ses-before_desc-brain_mask.nii.gz"
    )


@pytest.mark.parametrize("name", ["a1_2.nii.gz", "a1_2_brain.nii.gz"])
def test_a_scan_that_is_there_by_name_alone_is_refused_and_not_left_out(hospital, name):
    (hospital / name).unlink()
    (hospital / name).symlink_to("/nowhere/annex/objects/scan")
    with pytest.raises(CohortError, match=f"{name} is a link of git-annex.*Remedy"):
        own(hospital).scans("clinic")
    (hospital / name).unlink()
    (hospital / name).mkdir()
    with pytest.raises(CohortError, match=f"{name} is a folder.*Remedy"):
        own(hospital).scans("clinic")


def test_scans_of_ones_own_that_are_too_few_are_refused_before_any_job(hospital):
    with pytest.raises(ConfigError, match=r"deid.heads has 3 people, fewer.*k-same-4, but clinic has 3"):
        own(hospital, hulls=["k-same-4"], gan={"hulls": []}).check()
    own(hospital, hulls=["k-same-3"], gan={"hulls": []}, attack={"candidates": 3}).check()


def test_changed_contents_are_seen_and_a_touch_is_not(hospital):
    before = own(hospital).contents("clinic", "a1_1")
    (hospital / "a1_1.nii.gz").touch()
    assert own(hospital).contents("clinic", "a1_1") == before
    (hospital / "a1_1.nii.gz").write_text("another scan")
    assert own(hospital).contents("clinic", "a1_1") != before


def test_a_tool_makes_the_masks_of_a_cohort_of_ones_own_and_of_no_simulated_one(hospital):
    for path in hospital.glob("*_brain.nii.gz"):
        path.unlink()
    plan = own(hospital, brain_tool="deepbet", brain="no/such/{patient}.nii.gz", methods=["quickshear-tool"])
    mask = "results/deid-demo/deid/brain/clinic/a1_2.nii.gz"
    assert plan.scan("clinic", "a1_2").brain == mask
    assert plan.simulated("clinic", "a1_2") == [mask]
    assert len(plan.contents("clinic", "a1_2")) == 1
    assert "derivatives" in plan.scan("heads-public", "hp001_1").brain
    assert plan.tools == ["deepbet", "quickshear-tool"]


def test_people_may_have_one_scan_each_without_a_session_in_its_name(hospital):
    for person in ("a1", "b2", "c3"):
        (hospital / f"{person}.nii.gz").write_text("scan")
        (hospital / f"{person}_mask.nii.gz").write_text("mask")
    plan = own(hospital, image="{patient}.nii.gz", brain="{patient}_mask.nii.gz")
    assert [scan.name for scan in plan.scans("clinic")] == ["a1_1", "b2_1", "c3_1"]
    assert len(plan.scans("heads-public")) == 56


def test_a_study_of_simulated_heads_asks_for_no_tool():
    plan = make(*DEMO, **deid(brain_tool="deepbet")).deid
    assert "deepbet" not in plan.tools
    check_installed(plan.tools)


def test_tools_that_are_not_installed_are_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"deepbet needs deepbet, torch.*niimath-deface needs niimath.*Remedy: pip"
    ):
        check_installed(["file", "deepbet", "deface", "niimath-deface"])
    check_installed(["file", "deface", "watershed"])


def test_the_state_of_a_site_must_not_lie_among_the_scans_of_heads(hospital):
    heads = {"name": "clinic", "public": False, "root": str(hospital), "phantom": None}
    study = make(*DEMO, **deid(heads=heads), privacy={"state": str(hospital / "state")})
    with pytest.raises(ConfigError, match=r"privacy.state .*lies inside .*clinic"):
        study.site.state()


def test_results_must_not_lie_among_the_scans_of_heads(hospital, monkeypatch):
    monkeypatch.chdir(hospital)
    with pytest.raises(CohortError, match="results/deid-demo: lies inside the input folder"):
        own(hospital).check()


def test_who_draws_figures_again_needs_no_scans_of_heads(tmp_path):
    heads = {"name": "clinic", "public": False, "root": str(tmp_path / "gone"), "phantom": None}
    with pytest.raises(CohortError, match="does not exist"):
        make(*DEMO, **deid(heads=heads)).deid.check()
    plan = make(*DEMO, redraw=True, **deid(heads=heads)).deid
    plan.check()
    assert plan.contents("clinic", plan.shown.name) is None


def test_who_tells_snakemake_not_to_compare_contents_of_heads_is_warned(hospital, caplog):
    heads = {"name": "clinic", "public": False, "root": str(hospital), "phantom": None}
    make(*DEMO, **deid(heads=heads)).warn_of_triggers(["MTIME"])
    assert "changed scans of clinic" in caplog.text


def test_a_person_of_both_cohorts_is_refused(hospital):
    (hospital / "participants.tsv").write_text("participant_id\nsub-a1\nsub-b2\nhp001\n")
    for name in ("hp001_1.nii.gz", "hp001_1_brain.nii.gz"):
        (hospital / name).write_text("scan")
    with pytest.raises(ConfigError, match="both have hp001: "):
        own(hospital).check()


def test_many_people_of_both_cohorts_are_named_in_one_sentence(hospital):
    people = [f"hp{number:03d}" for number in range(1, 9)]
    (hospital / "participants.tsv").write_text("\n".join(["participant_id", *people]) + "\n")
    for person in people:
        for name in (f"{person}_1.nii.gz", f"{person}_1_brain.nii.gz"):
            (hospital / name).write_text("scan")
    with pytest.raises(ConfigError, match="hp004, hp005 and 3 others: no person is in both") as refused:
        own(hospital).check()
    assert str(refused.value).count("both have") == 1


def test_a_person_without_a_scan_and_a_scan_without_a_mask_are_refused(hospital):
    (hospital / "a1_2_brain.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"scans without a brain mask: 1, the first .*a1_2_brain.*Remedy"):
        own(hospital).scans("clinic")
    (hospital / "c3_1.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"no T1w scan of c3 was found.*Remedy"):
        own(hospital).scans("clinic")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("participant_id\tage\nsub-a1\t1\nsub-a1\t2\n", "lists a1 more than once"),
        ("participant_id\nsub-a1\na1\n", "lists a1 more than once"),
        ("participant_id\n", "lists nobody"),
        ("person\na1\n", "no column participant_id"),
        ("participant_id,age\na1,3\n", r"found: participant_id,age\).*separated by tabs"),
        ("participant_id\nsub-../a1\n", "cannot be a file's name"),
    ],
)
def test_a_table_that_does_not_say_who_there_is_is_refused(hospital, table, words):
    (hospital / "participants.tsv").write_text(table)
    with pytest.raises(CohortError, match=words):
        own(hospital).scans("clinic")
