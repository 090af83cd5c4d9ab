"""The release: what it is worth, what is refused, and what a written reason outweighs."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from tiny_release import (
    ALONE,
    COHORT,
    COUNTS,
    PAIRS,
    TERMS,
    VOXELS,
    alone,
    charge,
    guarantee_of,
    make_release,
    make_site,
    public_numbers,
    record_of,
    scaled,
    textures,
    verified,
    vessels,
)

from privessel.cohort.patches import Patches, save
from privessel.errors import CohortError, PrivacyError
from privessel.gan import paid_runs
from privessel.limits import readable
from privessel.privacy import chain, ledger, register
from privessel.privacy.accounting import Charge, composed_epsilon
from privessel.privacy.patient import group_epsilon
from privessel.privacy.promises import state_promises
from privessel.privacy.renyi import adaptive_epsilon
from privessel.release import bundle, verify
from privessel.release.checks.card import write_card
from privessel.release.checks.statement import write_statement
from privessel.release.forbidden import list_forbidden
from privessel.release.guarantee import Trainings, count_cohort, state_guarantee
from privessel.release.own_run import read_entries
from privessel.release.refusals import find_refusals, require_allowed, require_protected
from privessel.release.selection import Choice, find_choice
from privessel.release.statement import describe_data, summarise_numbers
from privessel.study.names import GanName

SMALL = replace(COHORT, patches=40, patches_per_patient=20, region_patches=4)
SMALL_COUNTS = {"patches_per_patient": 20, "region_patches": 4}


RUN_NAME = PAIRS.rpartition("/")[0]


@pytest.fixture
def site(tmp_path):
    return make_site(tmp_path)


def test_runs_and_models_without_noise_on_the_patients_are_counted_from_the_books(site):
    record = charge(site)
    one, two = (RUN_NAME, "1" * 64), (RUN_NAME.replace("run-1", "run-2"), "2" * 64)
    assert guarantee_of(record, site).trainings == Trainings(1, charged=frozenset({one}), models=0)
    patients = site.digests(VOXELS)
    for name in ("wgan/inf/run-1", "wgan/inf/run-1", "dcgan/inf/run-1"):  # the first was trained twice
        site.note_model(name=name, cohort="clinic", patients=patients)
    site.note_model(name="wgan/inf/run-1", cohort="other", patients=site.digests({"x1": "strangers"}))
    charge(site, number=2)
    assert guarantee_of(record, site).trainings == Trainings(2, charged=frozenset({one, two}), models=2)


def test_a_model_on_a_patient_under_another_id_counts_where_a_third_record_joins_both(site):
    """The break: a model was missed whose patient only a ledger's record joins with the one of the run."""
    record = charge(site)
    patient = next(iter(VOXELS))
    charge(site, number=2, patients={patient: "another scan"})
    site.note_model(name="wgan/inf/run-1", cohort="other", patients=site.digests({"alias": "another scan"}))
    assert guarantee_of(record, site).trainings.models == 1


def test_an_audit_on_the_patients_counts_as_a_run_as_it_does_in_eps(site, tmp_path):
    """The break: eps counted it, and the number of runs that was told beside it did not."""
    record = charge(site)
    charge(site, number=2, counts=COUNTS | {"series": "audit"})
    charge(site, number=3, patients={"somebody else": "d4" * 32})
    found = guarantee_of(record, site)
    assert len(found.promises_composed["patch"]["composed"]) == 2
    assert found.trainings == Trainings(2, charged=frozenset({(RUN_NAME, "1" * 64)}), models=0)
    numbers = summarise_numbers(found, choice=alone(found), terms=TERMS, outweighed=[])
    told = (make_release(tmp_path / "vessels", numbers=numbers) / "PRIVACY.md").read_text()
    assert "It was the only private set of its study. The site's ledgers have 2 private runs on its" in told
    assert "patients, audits included" in told


def charges_of(guarantee):
    """The mechanisms of the patient whose eps of a patch is largest."""
    return [part.charge for part in guarantee.promises_composed["patch"]["composed"]]


# --- What it is worth ---------------------------------------------------------------------------------------


def test_every_run_on_a_patient_counts_also_of_other_studies_and_under_another_id(site):
    record = charge(site)
    alone = guarantee_of(record, site)
    assert charges_of(alone) == [Charge(1.0, 0.2, 20)]
    assert alone.epsilon == alone.epsilon_composed == composed_epsilon([Charge(1.0, 0.2, 20)], delta=1e-4)
    charge(site, number=1, identity="e" * 64, patients={"known otherwise": VOXELS["P0042"]}, steps=7)
    charge(site, number=3, patients={"somebody else": "d4" * 32})
    found = guarantee_of(record, site)
    assert charges_of(found) == [Charge(1.0, 0.2, 7), Charge(1.0, 0.2, 20)]
    assert found.epsilon == alone.epsilon
    assert found.epsilon_composed == composed_epsilon([Charge(1.0, 0.2, 27)], delta=1e-4) > alone.epsilon


def test_each_level_is_promised_to_the_patient_who_is_worst_off_at_that_level(site):
    """The break: whoever was worst off by one patch was taken for the worst off as a whole."""
    first, second = ({name: VOXELS[name]} for name in VOXELS)
    charge(site, number=1, noise=0.4, rate=0.003, steps=1, planned=1, patients=first, counts=SMALL_COUNTS)
    charge(site, number=2, noise=20.0, rate=0.5, steps=100, planned=100, patients=second, counts=SMALL_COUNTS)
    record = charge(site, number=3, noise=8.0, rate=0.05, steps=10, planned=10, counts=SMALL_COUNTS)
    terms = replace(TERMS, delta=1e-5)
    found = guarantee_of(record, site, terms=terms, cohort=SMALL)
    released, of_first, of_second = Charge(8.0, 0.05, 10), Charge(0.4, 0.003, 1), Charge(20.0, 0.5, 100)
    each = [
        state_promises(
            [released, other], unit="patch", sizes=SMALL.sizes, delta=1e-5, patient_delta=TERMS.patient_delta
        )
        for other in (of_first, of_second)
    ]
    for level in ("patient", "region", "patch"):
        worst = max(one[level]["epsilon"] for one in each)
        assert found.promises_composed[level]["epsilon"] == pytest.approx(worst, rel=1e-6)
    assert each[0]["patch"]["epsilon"] > each[1]["patch"]["epsilon"]
    assert each[0]["patient"]["epsilon"] < each[1]["patient"]["epsilon"]
    numbers = summarise_numbers(found, choice=ALONE, terms=terms, outweighed=[])
    assert [one["noise_multiplier"] for one in numbers["patch"]["composed"]] == [0.4, 8.0]
    assert [one["noise_multiplier"] for one in numbers["patient"]["composed"]] == [8.0, 20.0]
    between = each[0]["region"]["epsilon"], each[1]["region"]["epsilon"]
    limit = replace(terms, max_region_epsilon=sum(between) / 2)
    assert "region" in [one.subject for one in find_refusals(found, terms=limit, choice=ALONE)]


def test_each_run_counts_with_as_many_patches_of_a_patient_as_it_used(site):
    """The break: a study of 200 patches a patient counted as if it had used one, like the released run."""
    counts = {"patches_per_patient": 200, "region_patches": 4}
    charge(site, number=1, rate=0.001, steps=500, planned=500, counts=counts)
    one = replace(COHORT, patches=2, patches_per_patient=1, region_patches=1)
    counts = {"patches_per_patient": 1, "region_patches": 1}
    record = charge(site, number=2, noise=4.0, rate=0.5, counts=counts)
    found = guarantee_of(record, site, cohort=one)
    other = Charge(1.0, 0.001, 500)
    alone = group_epsilon([other], patches=200, delta=TERMS.patient_delta)
    for level, patches, delta in (("patient", 200, TERMS.patient_delta), ("region", 4, TERMS.delta)):
        expected = group_epsilon([other, found.run], patches=(patches, 1), delta=delta)
        assert found.promises_composed[level]["epsilon"] == expected
    assert found.promises_composed["patient"]["epsilon"] > alone
    numbers = summarise_numbers(found, choice=ALONE, terms=TERMS, outweighed=[])
    assert [one["patches_per_patient"] for one in numbers["patient"]["composed"]] == [200, 1]


OLD = {"patches_per_patient": None, "region_patches": None}


def test_a_ledger_that_does_not_say_how_many_patches_its_run_used_needs_a_reason(site, tmp_path):
    record = charge(site)
    charge(site, number=2, rate=0.01, counts={"patches_per_patient": 50, "region_patches": 2})
    charge(site, number=3, rate=0.02, counts=OLD)
    found = guarantee_of(record, site)
    together = [Charge(1.0, 0.01, 20), Charge(1.0, 0.02, 20), Charge(1.0, 0.2, 20)]
    for level, patches, delta in (
        ("patient", (50, 50, 40), TERMS.patient_delta),
        ("region", (2, 3, 3), TERMS.delta),
    ):
        expected = group_epsilon(together, patches=patches, delta=delta)
        assert found.promises_composed[level]["epsilon"] == expected
    refusals = find_refusals(found, terms=TERMS, choice=alone(found))
    assert [one.subject for one in refusals] == ["counts"]
    with pytest.raises(
        PrivacyError, match=r"do not say how many patches.*write your reason into release\.override"
    ):
        require_allowed(refusals, name="vessels", override=None)
    terms = replace(TERMS, override="The older study cut forty patches, as its config shows.")
    numbers = summarise_numbers(found, choice=alone(found), terms=terms, outweighed=refusals)
    folder = make_release(tmp_path / "vessels", numbers=numbers, terms=terms)
    assert "| 50 (assumed) | 3 (assumed) |" in (folder / "PRIVACY.md").read_text()
    assert verify.main(folder) == 0
    silent = make_release(tmp_path / "silent", numbers=numbers | {"override": None}, terms=TERMS)
    assert verify.main(silent) == 1


def test_a_run_whose_own_ledger_is_old_takes_the_numbers_of_the_patches_that_it_is_released_with(site):
    found = guarantee_of(charge(site, counts=OLD), site)
    assert found.counted
    assert found.promises_composed["patient"]["epsilon"] == found.promises["patient"]["epsilon"]


@pytest.mark.parametrize("change", [{"patches_per_patient": 20}, {"region_patches": 2}])
def test_other_patches_than_the_run_was_charged_for_are_refused(site, change):
    with pytest.raises(PrivacyError, match=r"its ledger says .* but the study's patches give.*Remedy"):
        guarantee_of(charge(site), site, cohort=replace(COHORT, **change))


def test_a_run_costs_all_its_steps_whichever_epoch_leaves(site):
    record = charge(site, steps=20, planned=20)
    assert guarantee_of(record, site).run.steps == 20


def test_patients_as_the_unit_have_their_own_delta_and_no_second_statement(site):
    found = guarantee_of(charge(site, unit="patient"), site)
    assert (found.unit, found.delta) == ("patient", TERMS.patient_delta)
    numbers = summarise_numbers(found, choice=ALONE, terms=TERMS, outweighed=[])
    assert numbers["patient"]["epsilon"] == numbers["epsilon"]


# --- What is refused ----------------------------------------------------------------------------------------


def test_a_run_without_noise_is_refused():
    with pytest.raises(PrivacyError, match=r"without noise.*Remedy: set release\.pairs"):
        require_protected(record_of(level="inf", noise_multiplier=None, public_key=True), public=True)


def test_noise_from_a_published_seed_is_refused_on_patients_and_on_nobody_else():
    with pytest.raises(PrivacyError, match=r"clinic came from a published seed.*Remedy"):
        require_protected(record_of(public_key=True), public=False)
    require_protected(record_of(public_key=True), public=True)
    require_protected(record_of(), public=False)


def test_a_run_that_was_charged_to_patients_is_refused_when_their_cohort_is_marked_as_public(site):
    """The break: the flip left all other runs on the patients out of the composed eps."""
    record = charge(site)
    for one in (record, record | {"public_key": True}, record_of()):
        with pytest.raises(PrivacyError, match=r"now marked as public.*Remedy: set `public: false`"):
            require_protected(one, public=True)


def test_a_run_without_a_ledger_is_refused(site):
    record = charge(site)
    with pytest.raises(PrivacyError, match=r"names no ledger.*Remedy"):
        guarantee_of(record_of(), site)
    (site.state / f"{'1' * 64}.ledger").unlink()
    with pytest.raises(PrivacyError, match="missing: charges were removed"):
        guarantee_of(record, site)
    (site.state / "runs.register").unlink()
    witness = "the privacy.json of wgan/noise-1/run-1"
    with pytest.raises(PrivacyError, match=rf"lacks a line that {witness} has seen.*Remedy: restore"):
        guarantee_of(record, site)
    old = record | {"ledger": record["ledger"] | {"register": ""}}  # as older versions wrote it
    with pytest.raises(PrivacyError, match=rf"is missing or lacks line 3, which {witness}.*Remedy: restore"):
        guarantee_of(old, site)
    edited = record | {"ledger": old["ledger"] | {"lines": 0, "mac": ""}}
    with pytest.raises(PrivacyError, match=r"has no ledger of it.*Remedy: restore"):
        guarantee_of(edited, site)


def test_a_release_reads_and_verifies_each_file_of_the_books_once(site, monkeypatch):
    record, taken = charge(site), []
    charge(site, number=2)
    for module in (ledger, register):
        monkeypatch.setattr(module, "read_chain", lambda path, **given: read(path, taken, **given))
    entries = read_entries(record, site=site)
    given = {"voxels": VOXELS, "steps": 20, "cohort": COHORT, "terms": TERMS}
    assert state_guarantee(record, entries, site=site, **given).trainings.runs == 2
    list_forbidden(
        patients={"clinic": VOXELS}, voxels=VOXELS, paths=[], seed=1, pairs=PAIRS, site=site,
        accounts=entries.accounts, terms=TERMS,
    )  # fmt: skip
    assert sorted(taken) == [f"{'1' * 64}.ledger", f"{'2' * 64}.ledger", "runs.register"]


def read(path, taken, **given):
    taken.append(path.name)
    return chain.read_chain(path, **given)


def test_a_run_whose_ledger_stops_before_its_end_is_refused(site):
    with pytest.raises(PrivacyError, match=r"incomplete, 19 of 20 steps.*Remedy"):
        guarantee_of(charge(site, steps=19), site)


def test_an_edited_ledger_is_refused(site):
    record = charge(site)
    path = site.state / f"{'1' * 64}.ledger"
    path.write_text(path.read_text().replace('"last": 20', '"last": 21'))
    with pytest.raises(PrivacyError, match=r"was edited.*Remedy: restore"):
        guarantee_of(record, site)


def test_a_ledger_that_was_cut_back_is_refused(site):
    record = charge(site)
    path = site.state / f"{'1' * 64}.ledger"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(PrivacyError, match="charges were removed"):
        guarantee_of(record, site)


def discard(site):
    """Release run 1, and a run 2 on the same patients that was thrown away; the state between the two."""
    record = charge(site)
    between = {path.name: path.read_bytes() for path in site.state.iterdir()}
    charge(site, number=2, steps=900, planned=900)
    return record, between


def composed(record, site, **changes):
    return guarantee_of(record, site, **changes).epsilon_composed


def test_the_last_line_of_a_discarded_run_s_ledger_is_missed(site):
    """The break: without it, or without that ledger and its last line in the register, eps fell unseen."""
    record, _ = discard(site)
    both = composed_epsilon([Charge(1.0, 0.2, 920)], delta=1e-4)
    assert composed(record, site) == both > 9 * composed_epsilon([Charge(1.0, 0.2, 20)], delta=1e-4)
    path, register = site.state / f"{'2' * 64}.ledger", site.state / "runs.register"
    content = path.read_text()
    path.write_text("".join(content.splitlines(keepends=True)[:-1]))
    with pytest.raises(PrivacyError, match=r"the ledger of wgan/noise-1/run-2.*removed.*Remedy"):
        composed(record, site)
    path.unlink()
    register.write_text("".join(register.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(PrivacyError, match=r"the ledger of wgan/noise-1/run-2 on clinic, is missing"):
        composed(record, site)


def put_back(site, files):
    for path in site.state.iterdir():
        path.unlink()
    for name, content in files.items():
        (site.state / name).write_bytes(content)
    (site.state / "master.key").chmod(0o600)


def test_a_state_put_back_to_before_a_discarded_run_is_missed_by_any_of_its_witnesses(site, tmp_path):
    record, before = discard(site)
    alone = composed_epsilon([Charge(1.0, 0.2, 20)], delta=1e-4)
    newest = {path.name: path.read_bytes() for path in site.state.iterdir()}
    results = tmp_path / "results"
    numbers = summarise_numbers(guarantee_of(record, site), choice=ALONE, terms=TERMS, outweighed=[])
    put_back(site, before)
    assert composed(record, site, results=results) == alone  # whoever removes every witness is not found
    for place, content in (
        ("gan/wgan/noise-1/run-2/privacy.json", charge_of(newest, site, record)),
        ("release/vessels/privacy.json", numbers),
    ):
        witness = results / place
        witness.parent.mkdir(parents=True)
        witness.write_text(json.dumps(content))
        put_back(site, before)
        with pytest.raises(PrivacyError, match=rf"{witness} has seen.*Remedy: restore the newest copy"):
            composed(record, site, results=results)
        witness.unlink()


def charge_of(newest, site, record):
    """What run 2's privacy.json says, written when the state was at its newest."""
    put_back(site, newest)
    return charge(site, number=2, steps=900, planned=900)


def test_a_release_reads_the_anchor_and_adds_to_it(site, tmp_path):
    record = charge(site)
    anchored = replace(site, anchor=tmp_path / "elsewhere" / "anchor.txt")
    found = guarantee_of(record, anchored)
    lines = anchored.anchor.read_text().splitlines()
    assert [line.split()[1] for line in lines] == [found.register]
    before = {path.name: path.read_bytes() for path in site.state.iterdir()}
    charge(anchored, number=2, steps=900, planned=900)
    assert composed(record, anchored) > 10
    put_back(site, before)
    with pytest.raises(PrivacyError, match=r"the anchor .*anchor\.txt has seen.*Remedy"):
        composed(record, anchored)


def test_the_register_s_head_leaves_with_a_release_on_patients_alone(site):
    found = guarantee_of(charge(site), site)
    numbers = summarise_numbers(found, choice=ALONE, terms=TERMS, outweighed=[])
    assert numbers["register"] == found.register
    last = (site.state / "runs.register").read_text().splitlines()[-1]
    assert json.loads(last)["mac"] == found.register
    assert public_numbers()["register"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"noise_multiplier": 3.0},
        {"sampling_rate": 0.01},
        {"unit": "patient"},
        {"arch": "dcgan"},
        {"level": "noise-9"},
        {"run": 7},
        {"cohort": "another"},
    ],
)
def test_a_privacy_json_that_says_other_than_its_ledger_is_refused(site, change):
    with pytest.raises(PrivacyError, match=r"was edited, or is of another run.*Remedy"):
        guarantee_of(charge(site) | change, site)


def test_the_ledger_of_an_audit_is_no_run_that_can_be_released(site):
    with pytest.raises(PrivacyError, match=r"the ledger of wgan/noise-1/audit-1.*Remedy"):
        guarantee_of(charge(site, counts=COUNTS | {"series": "audit"}), site)


def test_a_privacy_json_and_a_cohort_that_differ_from_the_kept_copy_of_the_run_are_refused(site, tmp_path):
    """The break: the clipping norm and the planned delta of a release were whatever the file said."""
    sizes = {"patients": 2, "patches": 80, "region_patches": 3}
    record = charge(site) | sizes
    folder = tmp_path / "results" / "gan" / PAIRS.rpartition("/")[0]
    folder.mkdir(parents=True)
    (folder / "privacy.json").write_text(json.dumps(record))
    given = {"results": tmp_path / "results"}
    changes = {"clipping_norm": 1e-9, "delta": 0.4, "patients": 3, "patches": 81, "region_patches": 1}
    for name, value in changes.items():  # nothing is kept of it
        guarantee_of(record | {name: value}, site, **given)
    paid_runs.keep([folder / "privacy.json"], folder, identity={})
    guarantee_of(record, site, **given)
    for name, value in changes.items():
        with pytest.raises(PrivacyError, match=rf"differs from the kept copy in {name}.*Remedy"):
            guarantee_of(record | {name: value}, site, **given)
    with pytest.raises(
        PrivacyError, match=r"not those that it was trained on: they differ in patients, patches"
    ):
        guarantee_of(record, site, **given, cohort=replace(COHORT, patients=3, patches=120))
    kept = folder / ".finished" / "privacy.json"
    kept.write_text(json.dumps(record | {"delta": 0.4}))
    with pytest.raises(PrivacyError, match="kept files are damaged"):
        guarantee_of(record | {"delta": 0.4}, site, **given)


def test_a_run_on_other_patients_than_the_study_has_is_refused(site):
    with pytest.raises(PrivacyError, match=r"does not name the study's training patients.*Remedy"):
        guarantee_of(charge(site), site, voxels={"somebody": "d4" * 32})


def test_patients_of_runs_with_two_privacy_units_are_refused(site):
    record = charge(site)
    charge(site, number=2, unit="patient")
    with pytest.raises(PrivacyError, match=r"no single eps follows.*Remedy"):
        guarantee_of(record, site)


def test_a_patient_who_was_in_no_run_of_the_release_is_refused_also_beside_others(site):
    with pytest.raises(PrivacyError, match="does not name the study's training patients"):
        guarantee_of(charge(site), site, voxels=VOXELS | {"later": "d4" * 32})


def test_eps_above_the_limit_is_refused_by_what_is_composed_and_not_by_the_run_alone(site):
    record = charge(site)
    alone = guarantee_of(record, site)
    terms = replace(TERMS, epsilon=alone.epsilon * 1.01)
    assert not find_refusals(alone, terms=terms, choice=ALONE)
    charge(site, number=2)
    refusals = find_refusals(guarantee_of(record, site), terms=terms, choice=ALONE)
    assert [one.subject for one in refusals] == ["epsilon"]
    with pytest.raises(PrivacyError, match=r"Composed over all runs.*Remedy: release a run with more noise"):
        require_allowed(refusals, name="vessels", override=None)


@pytest.mark.parametrize("unit", ["patch", "patient"])
def test_a_refusal_for_its_eps_says_of_what_the_eps_is(site, unit):
    record, terms = charge(site, unit=unit), replace(TERMS, epsilon=0.1)
    refusals = find_refusals(guarantee_of(record, site, terms=terms), terms=terms, choice=ALONE)
    told = {one.subject: one.told for one in refusals}["epsilon"]
    assert re.search(rf"the eps of one {unit} is [\d.]+ at delta", told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"delta": 1 / 800}, r"delta 0\.00125 of 80 patches is not below"),
        ({"patient_delta": 1.001e-5}, r"delta 1e-05 of patients is above 1e-05, however few they are"),
    ],
)
def test_a_delta_of_a_tenth_of_a_unit_is_refused_and_just_below_it_is_not(site, change, told):
    record = charge(site)
    terms = replace(TERMS, **change)
    refusals = find_refusals(guarantee_of(record, site, terms=terms), terms=terms, choice=ALONE)
    with pytest.raises(PrivacyError, match=rf"{told}.*Remedy: set release\.{next(iter(change))}"):
        require_allowed(refusals, name="vessels", override=None)
    terms = replace(TERMS, **{name: 0.999 * value for name, value in change.items()})
    assert not find_refusals(guarantee_of(record, site, terms=terms), terms=terms, choice=ALONE)


def test_a_delta_that_lets_a_unit_be_published_whole_is_never_allowed(site):
    terms = replace(TERMS, delta=1 / 79, override="We have thought about it for long.")
    with pytest.raises(PrivacyError, match="published whole"):
        find_refusals(guarantee_of(charge(site), site, terms=terms), terms=terms, choice=ALONE)


@pytest.mark.parametrize("which", ["epsilon", "epsilon_composed", "study_epsilon"])
def test_an_eps_that_cannot_be_computed_is_never_allowed(site, which):
    guarantee = replace(guarantee_of(charge(site), site), **{which: math.inf})
    with pytest.raises(PrivacyError, match=r"no finite eps.*Remedy: set release\.delta higher"):
        find_refusals(guarantee, terms=replace(TERMS, override="We trust it all the same."), choice=ALONE)


def test_the_limit_is_about_what_runs_cost_if_they_were_chosen_one_after_the_other(site, tmp_path):
    """The break: a composed eps that holds for a fixed plan only was compared, and nothing said so."""
    record = charge(site)
    assert guarantee_of(record, site).adaptive is None
    charge(site, number=2)
    found = guarantee_of(record, site)
    spent = adaptive_epsilon(charges_of(found), delta=TERMS.delta)
    assert found.adaptive["epsilon"] == spent > found.epsilon_composed
    terms = replace(TERMS, epsilon=spent * 1.001)
    assert not find_refusals(found, terms=terms, choice=ALONE)
    terms = replace(TERMS, epsilon=spent * 0.999, override="The plan was fixed in the letter of May.")
    refusals = find_refusals(found, terms=terms, choice=ALONE)
    assert "as if each had been chosen after a look" in refusals[0].told
    numbers = summarise_numbers(found, choice=alone(found), terms=terms, outweighed=refusals)
    folder = make_release(tmp_path / "vessels", numbers=numbers, terms=terms)
    for name in ("PRIVACY.md", "README.md"):
        told = (folder / name).read_text()
        assert f"chosen as one went, the eps of one patch is {readable(spent)} at delta" in told
    assert verify.main(folder) == 0
    for number, change in enumerate((None, numbers["adaptive"] | {"epsilon": spent * 0.99})):
        lied = numbers | {"adaptive": change}
        assert verify.main(make_release(tmp_path / f"lie-{number}", numbers=lied, terms=terms)) == 1


def test_a_region_above_the_limit_is_refused_by_what_is_composed_unless_its_own_reason_is_written(
    site, tmp_path
):
    record = charge(site)
    alone = guarantee_of(record, site)
    terms = replace(TERMS, max_region_epsilon=alone.promises["region"]["epsilon"] * 1.01)
    assert not find_refusals(alone, terms=terms, choice=ALONE)
    charge(site, number=2)
    given = guarantee_of(record, site)
    refusals = find_refusals(given, terms=terms, choice=ALONE)
    assert [one.subject for one in refusals] == ["region"]
    told = (
        r"lies in up to 3 patches.*Remedy: bound the overlap \(patches\.max_overlap\).*release\.region_reason"
    )
    with pytest.raises(PrivacyError, match=told):
        require_allowed(refusals, name="vessels", override="The board agreed to a larger eps.")
    terms = replace(terms, region_reason="The vessels shown are those of any adult.")
    require_allowed(refusals, name="vessels", override=None, region_reason=terms.region_reason)
    numbers = summarise_numbers(given, choice=ALONE, terms=terms, outweighed=refusals)
    assert numbers["override"] is None
    content = bundle.Content(scaled(textures(1, seed=3)), vessels(1, seed=4), numbers, terms, "wgan", None)
    bundle.write_files(tmp_path, content)
    for name in ("README.md", "PRIVACY.md", "privacy.json"):
        assert terms.region_reason in (tmp_path / name).read_text()


def test_more_patches_from_the_same_scans_do_not_buy_a_release(site):
    """Twice the patches at half the rate: the eps of a patch falls, that of the place they show does not."""
    few = guarantee_of(record_of(public_key=True), None, cohort=COHORT)
    record = record_of(public_key=True, sampling_rate=0.05)
    many = guarantee_of(record, None, cohort=replace(COHORT, patches=320, region_patches=12))
    assert many.epsilon < few.epsilon / 2
    assert many.promises["region"]["epsilon"] > 0.9 * few.promises["region"]["epsilon"]
    limit = replace(TERMS, max_region_epsilon=0.5 * few.promises["region"]["epsilon"])
    for guarantee in (few, many):
        assert [one.subject for one in find_refusals(guarantee, terms=limit, choice=ALONE)] == ["region"]


def test_no_region_is_asked_for_where_nobody_is_behind_it_or_the_patient_is_the_unit(site):
    terms = replace(TERMS, max_region_epsilon=1e-3, region_reason="Somebody has left this here.")
    public = guarantee_of(record_of(public_key=True), None, cohort=replace(COHORT, public=True))
    assert not find_refusals(public, terms=terms, choice=ALONE)
    assert summarise_numbers(public, choice=ALONE, terms=terms, outweighed=[])["region"]["reason"] is None
    by_patient = guarantee_of(charge(site, unit="patient"), site)
    assert not find_refusals(by_patient, terms=replace(terms, epsilon=1e3), choice=ALONE)


def test_the_release_says_patient_region_and_patch_and_the_eps_at_the_delta_it_was_planned_with(site):
    given = guarantee_of(charge(site), site)
    numbers = summarise_numbers(given, choice=ALONE, terms=TERMS, outweighed=[])
    levels = ["patient", "region", "patch"]
    assert [name for name in numbers if name in levels] == levels
    assert numbers["patch"]["epsilon"] == numbers["epsilon"] < numbers["region"]["epsilon"]
    assert numbers["planned"] == {"delta": 1e-3, "epsilon": composed_epsilon([given.run], delta=1e-3)}
    assert numbers["planned"]["epsilon"] < numbers["epsilon"]
    assert numbers["neighbours"] == "one patch replaced by an empty one"
    assert numbers["patch"]["loss_above_epsilon"] > numbers["delta"]
    numbers["data"] = describe_data(TERMS, architecture="wgan", pairs=1, size=24, weights=False, signed=True)
    told = write_statement(numbers)
    order = [told.index(words) for words in ("| a whole patient |", "| a place on a vessel", "| one patch |")]
    assert order == sorted(order)
    assert "It was planned at delta 0.001" in told
    assert "Delta is not the probability that the bound on the odds is exceeded" in told
    card = write_card(numbers)
    order = [card.index(f"{name} level:") for name in ("Patient", "Region", "Patch")]
    assert order == sorted(order)


def test_the_region_of_a_release_is_counted_from_the_patches_or_is_the_bound(tmp_path):
    paths = []
    for name in ("001", "P0042"):
        centre = np.array([[5, 5, 0], [6, 5, 0], [6, 6, 0], [5, 5, 1]])
        image = np.zeros((4, 8, 8), np.float32)
        one = Patches(image, image == 0, centre, np.zeros(4, int), (name,), (0,))
        save(tmp_path / f"{name}.npz", one)
        paths.append(tmp_path / f"{name}.npz")
    found = count_cohort(paths, public=True, max_overlap=None)
    assert (found.patients, found.patches, found.patches_per_patient, found.region_patches) == (2, 8, 4, 3)
    assert count_cohort(paths, public=True, max_overlap=5).region_patches == 5
    with pytest.raises(CohortError, match=r"patient 001: 3 patches cover one vessel voxel.*max_overlap is 2"):
        count_cohort(paths, public=True, max_overlap=2)


def test_a_written_reason_outweighs_a_judgement_and_leaves_with_the_data(site, tmp_path, caplog):
    terms = replace(TERMS, epsilon=1.0, override="The ethics board agreed to eps 10 in its letter.")
    guarantee = guarantee_of(charge(site), site, terms=terms)
    refusals = find_refusals(guarantee, terms=terms, choice=Choice(3, "No file shows it.", ("fault of 001",)))
    assert [one.subject for one in refusals] == ["epsilon", "selection"]
    require_allowed(refusals, name="vessels", override=terms.override)
    assert "AGAINST the rules" in caplog.text
    numbers = summarise_numbers(guarantee, choice=alone(guarantee), terms=terms, outweighed=refusals)
    content = bundle.Content(scaled(textures(1, seed=3)), vessels(1, seed=4), numbers, terms, "wgan", None)
    (tmp_path / "vessels").mkdir()
    bundle.write_files(tmp_path / "vessels", content)
    for name in ("README.md", "PRIVACY.md", "privacy.json"):
        assert terms.override in (tmp_path / "vessels" / name).read_text()
        assert "fault of 001" not in (tmp_path / "vessels" / name).read_text()
    told = verified(tmp_path / "vessels")
    assert told.returncode == 0
    assert "RELEASED AGAINST THE RULES: The ethics board" in told.stdout


def test_a_reason_that_outweighs_nothing_stays_out(site):
    terms = replace(TERMS, override="Somebody has left this here.")
    guarantee = guarantee_of(charge(site), site, terms=terms)
    assert summarise_numbers(guarantee, choice=ALONE, terms=terms, outweighed=[])["override"] is None


# --- What chose it ------------------------------------------------------------------------------------------


def study(tmp_path, scores):
    """A study's results with a synthetic set per name, and a validation score where there is one."""
    history = tmp_path / "history.csv"
    history.write_text("epoch,critic_steps,epsilon\n1,10,2.0\n")
    for name, score in scores.items():
        path = tmp_path / "synthetic" / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if score is not None:
            path = tmp_path / "selection" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"setting": "lr", "validation_dsc": score}))
    given = {"results": tmp_path, "history": history, "cohort": "clinic", "train_patients": VOXELS}
    return given | {"epochs": (GanName.parse(PAIRS).epoch,), "trainings": None}


OTHER = PAIRS.replace("run-1", "run-2")


@pytest.mark.parametrize(
    ("scores", "fault"),
    [
        ({PAIRS: None}, None),
        ({PAIRS: None, PAIRS.replace("noise-1", "inf"): None}, None),  # what has no noise is no candidate
        ({PAIRS: 0.5, OTHER: 0.4}, None),
        ({PAIRS: 0.5, OTHER: 0.6}, f"validation patients chose {OTHER}"),
        ({PAIRS: 0.5, OTHER: None}, f"no validation result of {OTHER}"),
    ],
)
def test_a_choice_is_what_validation_patients_ranked_first_or_none(tmp_path, scores, fault):
    found = find_choice(PAIRS, **study(tmp_path, scores))
    assert bool(found.faults) == bool(fault)
    assert (fault or "") in " ".join(found.faults)
    assert found.candidates == sum("inf" not in name for name in scores)


def test_that_nothing_was_chosen_is_counted_from_the_ledgers_and_not_from_the_files_that_are_left(tmp_path):
    given = study(tmp_path, {PAIRS: None})
    record = tmp_path / "gan" / RUN_NAME / "privacy.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"ledger": {"identity": "1" * 64}}))
    own = (RUN_NAME, "1" * 64)
    alone = find_choice(PAIRS, **given | {"trainings": Trainings(1, frozenset({own}), models=0)})
    assert "nothing was chosen" in alone.told
    assert not alone.faults
    # The files of another run, or of another epoch, were deleted: the ledgers and privacy.json still know.
    for other in ((RUN_NAME.replace("run-1", "run-2"), "2" * 64), (RUN_NAME, "2" * 64)):
        earlier = find_choice(PAIRS, **given | {"trainings": Trainings(2, frozenset({own, other}), models=3)})
        assert "nothing was chosen" not in earlier.told
        assert "3 models without noise" in earlier.told
        assert f"of which this study has no files ({other[0]})" in earlier.faults[0]
    epochs = find_choice(PAIRS, **given | {"epochs": (1, GanName.parse(PAIRS).epoch)})
    assert epochs.candidates == 2
    assert "nothing was chosen" not in epochs.told


def test_files_of_other_names_do_not_stand_in_for_runs_that_are_missing(tmp_path):
    """The break: runs were counted, so that two empty files hid two runs of another study."""
    names = [PAIRS, *(PAIRS.replace("noise-1/run-1", f"noise-9/run-{number}") for number in (8, 9))]
    given = study(tmp_path, {name: 0.5 if name == PAIRS else 0.0 for name in names})
    record = tmp_path / "gan" / RUN_NAME / "privacy.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"ledger": {"identity": "1" * 64}}))
    charged = {(RUN_NAME, "1" * 64), *((RUN_NAME.replace("run-1", f"run-{n}"), f"{n}" * 64) for n in (2, 3))}
    found = find_choice(PAIRS, **given | {"trainings": Trainings(3, frozenset(charged), models=0)})
    assert "no files (wgan/noise-1/run-2, wgan/noise-1/run-3)" in found.faults[0]


def test_a_score_on_a_training_patient_speaks_against_the_choice(tmp_path):
    given = study(tmp_path, {PAIRS: None})
    for patient in ("v9", "001"):
        assert not find_choice(PAIRS, **given).faults
        path = tmp_path / "metrics" / PAIRS / "lr" / "clinic" / f"{patient}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert "001.csv is a score on a training patient" in find_choice(PAIRS, **given).faults[0]


def test_a_history_that_shows_training_patients_speaks_against_the_choice(tmp_path):
    given = study(tmp_path, {PAIRS: None})
    given["history"].write_text("epoch,critic_steps,loss_critic\n1,10,0.5\n")
    assert "shows loss_critic of training patients" in find_choice(PAIRS, **given).faults[0]
