"""What a study is made of: its GANs, U-Nets and figures, whom its numbers protect, what is refused."""

import re

import pytest
from study.studies import PAPER, TINY, make

from privessel.errors import CohortError, ConfigError
from privessel.study.names import GanName


@pytest.fixture(scope="module")
def paper():
    return make(*PAPER)


@pytest.fixture(scope="module")
def tiny():
    return make(*TINY)


def test_the_papers_study_has_36_gans_those_of_2021_and_8_settings_a_source(paper):
    assert len(paper.gans.pairs) == 1 + 7 * 5
    assert len(paper.gans.private_pairs) == 35
    assert len(paper.gans.compared) == 3
    assert len(paper.gans.all_runs) == 39
    assert len(paper.sources.settings) == 8
    assert (
        len(paper.sources.trained_on) == 36 + 3 + 1 + 2 + 2 + 1
    )  # real patches, two phantoms, two controls, a vote
    assert len(paper.transfers.trainings) == 3 * 5 * 3  # starts, numbers of patients, draws
    assert len(paper.gans.studied_pairs) == 10
    counts = {name: len(patients) for name, patients in paper.cohorts.patients.items()}
    assert counts == {"phantom-a": 66, "phantom-b": 80, "phantom-one": 41, "phantom-random": 41}


def test_every_name_of_a_study_matches_its_wildcards_and_nothing_of_another_kind_does(tiny):
    patterns = tiny.wildcard_constraints()
    for source in tiny.sources.trained_on:
        assert re.fullmatch(patterns["source"], source)
    for name in tiny.sources.settings:
        assert re.fullmatch(patterns["setting"], name)
    assert not re.fullmatch(patterns["source"], "ixi")
    assert not re.fullmatch(patterns["arch"], "dcgan")


def test_a_cohort_without_a_hyphen_is_a_source_like_any_other():
    """A name such as `ixi` matched no wildcard, and Snakemake missed its inputs."""
    phantom = {"parameters": "one", "shape": [80, 96, 24], "spacing": [1.0, 1.0, 1.4]}
    phantom["patients"] = {"train": 1, "validation": 0, "test": 0}
    study = make(*TINY, cohorts={"ixi": {"public": True, "phantom": phantom}}, public_baselines=["ixi"])
    assert "ixi" in study.sources.trained_on
    assert re.fullmatch(study.wildcard_constraints()["source"], "ixi")
    assert study.sources.records["ixi"] == {"kind": "phantom"}


@pytest.mark.parametrize("files", [PAPER, TINY, ("config.yaml", "profiles/demo/study.yaml")])
def test_public_baselines_may_name_several_families_of_phantoms(files):
    study = make(*files, public_baselines=["phantom-random", "phantom-wide"])
    families = {name: study.config.cohorts[name].phantom.parameters for name in study.config.public_baselines}
    assert families == {"phantom-random": "random", "phantom-wide": "wide"}
    assert {"phantom-random", "phantom-wide"} <= set(study.sources.trained_on)
    shapes = {tuple(study.config.cohorts[name].phantom.shape) for name in families}
    assert len(shapes) == 1


def test_records_say_what_each_source_is(tiny):
    records = tiny.sources.records
    assert records["real"] == {"kind": "real"}
    assert records["threshold"]["kind"] == records["frangi"]["kind"] == "baseline"
    kinds = {source: record["kind"] for source, record in records.items() if "level" in record}
    assert kinds["wgan/inf/run-1/epoch-2"] == "inf"
    assert kinds["wgan/noise-1/run-2/epoch-2"] == "private"
    assert kinds["wgan-gp-sn/inf/run-1/epoch-2"] == "compared"
    assert kinds["wgan/noise-1/run-1/epoch-2-shuffled"] == "control"
    for source in kinds:
        gan = GanName.parse(source)
        assert (records[source]["level"], records[source]["run"]) == (gan.level, gan.run)


@pytest.mark.parametrize(("unit", "batch", "units"), [("patch", 8, 80), ("patient", 2, 2)])
def test_units_and_deltas_follow_from_the_patients(unit, batch, units):
    changes = {
        "privacy": {"unit": unit, "patient_patches": 8, "delta": "1/units", "patient_delta": "1/(10 units)"}
    }
    study = make(*TINY, gan={"private": {"batch": batch}}, **changes)
    assert study.site.units == units
    assert study.site.delta == 1 / 80
    assert study.site.patient_delta == 1 / 20
    mechanism = study.planned_mechanism()
    assert mechanism["sampling_rate"] == batch / units
    assert mechanism["steps"] == 2 * 5 * 2
    assert mechanism["delta"] == (1 / 80 if unit == "patch" else 1 / 20)


def test_other_runs_need_no_other_keys():
    """The remedy for a run that is paid for and not wanted: another number."""
    study = make(*PAPER, runs=[6])
    assert len(study.gans.private_pairs) == 7
    assert not study.gans.studied_pairs
    assert "epochs" not in study.products.figures


def test_a_study_without_a_second_cohort_has_all_but_its_figures():
    study = make(*TINY, test_cohorts=["phantom-a"], transfer={"patients": []})
    assert not {"transfer", "figS2"} & set(study.products.figures)
    assert {"fig3", "fig7", "gan_comparison"} <= set(study.products.figures)


def test_architectures_without_privacy_may_be_the_studys_own():
    changes = {"arch": "dcgan", "levels": ["inf"], "compared_architectures": ["wgan"], "shuffled": ["inf"]}
    changes |= {"transfer": {"sources": ["dcgan/inf", "wgan/inf"]}, "export": []}
    changes |= {"epoch_study": {"levels": ["inf"], "runs": [1]}}
    study = make(*TINY, **changes)
    assert study.gans.all_runs == ["dcgan/inf/run-1", "wgan/inf/run-1"]
    assert not study.gans.private_pairs
    assert "fig7" not in study.products.figures


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gan": {"private": {"batch": 81}}}, ["gan.batch 81", "80", "patch"]),
        ({"quality": {"frechet_images": 41}}, ["quality.frechet_images 41", "40"]),
        ({"test_cohorts": ["phantom-a"]}, ["second test cohort", "transfer"]),
        ({"transfer": {"patients": [2]}}, ["transfer.patients has 2", "phantom-b has 1"]),
        ({"transfer": {"sources": ["dcgan/inf"]}}, ["transfer.sources has dcgan/inf"]),
    ],
    ids=str,
)
def test_keys_that_do_not_fit_the_patients_are_refused(changes, words):
    with pytest.raises(ConfigError) as refused:
        make(*TINY, **changes)
    for word in (*words, "Remedy: "):
        assert word in str(refused.value)


def test_a_split_that_is_needed_and_empty_is_refused():
    with pytest.raises(CohortError, match=r"phantom-a.*validation"):
        make(*TINY, cohorts={"phantom-a": {"phantom": {"patients": {"validation": 0}}}})


def test_an_audit_that_could_show_nothing_is_refused_and_the_study_is_not():
    wrong = {"canaries": 10251, "guesses_in": 6000, "guesses_out": 6000, "patches": 1001, "neighbours": 1002}
    with pytest.raises(ConfigError) as refused:
        make(*PAPER, audit=wrong).audit.runs()
    for fault in (
        "guesses_in and guesses_out must be",
        "canaries 10251 is more than a quarter of the 41000",
        "patches 1001 is more than patches.per_patient",
        "neighbours is more than attacker_pairs or patches",
        "Remedy: correct these keys",
    ):
        assert fault in str(refused.value)
    with pytest.raises(ConfigError, match=r"none of this study's levels .* Remedy: name some of inf"):
        make(*PAPER, audit={"levels": ["noise-3"]}).audit.runs()


@pytest.mark.parametrize("level", ["inf", "noise-1"])
def test_an_audited_run_is_trained_as_the_study_s_and_keeps_its_last_epoch_alone(level):
    study = make(*PAPER)
    audited, own = study.audit.training("wgan", level), study.gans.training("wgan", level, "1")
    assert audited.pop("kept_epochs") == [study.config.gan_keys(level)["epochs"]]
    own.pop("kept_epochs")
    assert audited == own


def test_steps_are_audited_at_private_levels_only():
    study = make(*PAPER)
    assert study.audit.step_files() == [
        f"results/paper/audit/wgan/{level}/steps.csv" for level in ("noise-2", "noise-1", "noise-0.65")
    ]
    assert make(*PAPER, audit={"levels": ["inf"]}).audit.step_files() == []


def test_an_export_of_a_set_that_the_study_does_not_make_is_refused():
    study = make(*PAPER, export=["wgan/noise-0.65/run-1/epoch-49"])
    with pytest.raises(ConfigError, match=r"epoch-49, not in this study.* Remedy"):
        study.gans.exported()


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ({"pairs": None}, "not set"),
        ({"pairs": "wgan/noise-1/run-1/epoch-49"}, "not in this study"),
        ({"pairs": "wgan/inf/run-1/epoch-2"}, "made without noise"),
        ({"pairs": "wgan/noise-1/run-1/epoch-2", "creators": []}, "needs release.description"),
    ],
)
def test_what_cannot_be_released_is_refused_before_any_job(release, words):
    study = make(*TINY, release={"description": "Phantoms.", "creators": ["We"], **release})
    with pytest.raises(ConfigError, match=words) as refused:
        study.release.inputs()
    assert "Remedy" in str(refused.value)


def hospital(folder, **changes):
    """A study on a cohort whose folder is not there, as who draws figures again has it."""
    absent = {"public": False, "root": str(folder / "scans")}
    cohorts = {"train_cohort": "pegasus", "test_cohorts": ["pegasus", "phantom-b"]}
    return make(*TINY, redraw=True, cohorts={"pegasus": absent}, **cohorts, **changes)


def test_absent_cohorts_are_allowed_only_where_figures_alone_are_drawn_again(tmp_path):
    assert hospital(tmp_path).cohorts.absent == ["pegasus"]
    with pytest.raises(CohortError, match="does not exist"):
        make(*TINY, cohorts={"pegasus": {"public": False, "root": str(tmp_path)}}, train_cohort="pegasus")


def test_a_site_without_a_state_or_with_one_among_results_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"privacy.state is not set.*Remedy"):
        hospital(tmp_path).site.require_secret()
    with pytest.raises(ConfigError, match=r"lies inside.*Remedy"):
        hospital(tmp_path, privacy={"state": "results/state"}).site.state()
    with pytest.raises(ConfigError, match=r"no master secret.*Remedy"):
        hospital(tmp_path, privacy={"state": str(tmp_path / "state")}).site.require_secret()


def test_who_tells_snakemake_not_to_compare_contents_is_warned(tmp_path, caplog):
    hospital(tmp_path).warn_of_triggers(["MTIME", "PARAMS"])
    make(*TINY).warn_of_triggers(["MTIME"])  # simulated patients are inputs of rules
    assert not caplog.records
    hospital(tmp_path).warn_of_triggers(["MTIME"])
    assert "changed scans of pegasus" in caplog.text


def test_a_dry_run_without_a_secret_warns_once_and_still_refuses_an_unsafe_place(tmp_path, caplog):
    place = str(tmp_path / "state")
    for _ in range(3):
        assert hospital(tmp_path, dry_run=True, privacy={"state": place}).site.require_secret() == []
    (record,) = caplog.records
    assert place in record.getMessage()
    assert "Nothing private can be trained or drawn yet" in record.getMessage()
    with pytest.raises(ConfigError, match="lies inside"):
        hospital(tmp_path, dry_run=True, privacy={"state": "results/state"}).site.require_secret()


@pytest.mark.parametrize("key", ["state", "anchor"])
def test_the_report_shows_neither_the_place_of_the_secret_nor_that_of_the_ledgers_heads(tmp_path, key):
    study = hospital(tmp_path, privacy={key: "/somewhere/private"})
    shown = study.shown_config()
    assert "/somewhere" not in str(shown)
    assert shown["privacy"]["unit"] == study.config.privacy.unit


def test_more_memory_is_asked_for_with_each_attempt_and_more_for_larger_sizes(paper, tiny):
    class Wildcards:
        arch, level, source, k = "wgan", "noise-1", "real", "1"

    names = {
        "cost": ("gan_memory", "unet_memory", "transfer_memory", "quality_memory"),
        "audit_cost": ("audited_memory", "attack_memory"),
        "vote_cost": ("candidate_memory", "ballot_memory"),
    }
    for part, name in [(part, name) for part, listed in names.items() for name in listed]:
        small, large = (getattr(getattr(study, part), name)() for study in (tiny, paper))
        assert small(Wildcards, 2) == 2 * small(Wildcards, 1)
        assert large(Wildcards, 1) > small(Wildcards, 1)
    assert paper.cost.gan_minutes(Wildcards) > tiny.cost.gan_minutes(Wildcards)
    steps = [study.audit_cost.audited_steps_minutes(Wildcards) for study in (tiny, paper)]
    assert steps[1] > steps[0]


def test_a_ballot_asks_for_the_memory_of_the_patches_that_it_predicts_at_a_time():
    """A patch more in the forward pass takes 40 bytes for each of its pixels and of the first filters."""
    small, large = (
        make(*PAPER, prediction={"batch": batch}, vote={"patches": 200, "unet": {"filters": [8, 16]}})
        for batch in (1, 101)
    )
    more = large.vote_cost.ballot_memory()(None, 1) - small.vote_cost.ballot_memory()(None, 1)
    assert more == pytest.approx(100 * 40 * 8 * 96**2 / 1e6, abs=1)


def test_every_figure_has_its_data_its_place_in_the_report_and_its_caption(paper):
    assert set(paper.products.reported) == set(paper.products.figures)
    for name in paper.products.figures:
        assert paper.products.figure_data(name).startswith("results/paper/figures/")
    assert paper.products.figure_data("figS1") == paper.products.figure_data("fig9")
    assert set(paper.products.tabulated.values()) == {"scores", "quality", "transfer", "epochs"}


def test_of_two_splits_the_later_is_compared_with_the_earlier_and_training_with_nobody_who_judges(tmp_path):
    for name in ("one", "other"):
        root = tmp_path / name
        root.mkdir()
        rows = [f"sub-{name}{split}\t{split}\n" for split in ("test", "train", "validation")]
        (root / "participants.tsv").write_text("participant_id\tsplit\n" + "".join(rows))
        for split in ("test", "train", "validation"):
            for kind in ("img", "label", "mask"):
                (root / f"{name}{split}_{kind}.nii.gz").touch()
    files = {
        "image": "{patient}_img.nii.gz",
        "vessels": "{patient}_label.nii.gz",
        "brain": "{patient}_mask.nii.gz",
    }
    cohorts = {name: {"public": True, "root": str(tmp_path / name)} | files for name in ("one", "other")}
    study = make(*TINY, cohorts=cohorts, train_cohort="one", test_cohorts=["one", "other"])

    def compared(cohort, split):
        return [path.split("/")[-1] for path in study.sources.earlier_outcomes(cohort, split)]

    assert compared("one", "train") == []
    assert compared("other", "train") == ["onetrain.json"]
    assert compared("one", "validation") == ["onetrain.json", "othertrain.json"]
    assert compared("other", "test") == [
        f"{name}{split}.json"
        for split, names in (
            ("train", ("one", "other")),
            ("validation", ("one", "other")),
            ("test", ("one",)),
        )
        for name in names
    ]
    assert compared("phantom-one", "train") == []
    assert study.sources.scans_with("one", "onetest").endswith("cohort/one/test.csv")
