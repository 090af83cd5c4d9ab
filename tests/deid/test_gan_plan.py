"""Who learns from whom: the plan of a study's C-DeID-GANs, without any file."""

from collections import Counter

import pytest
from study.studies import make

from privessel.errors import ConfigError

DEMO = ("config.yaml", "profiles/deid-demo/study.yaml")


def plan(**gan):
    return make(*DEMO, deid={"enabled": True, "gan": gan}).head_gans


def person_of(path):
    """Cohort and person of a file's path."""
    cohort, name = path.removesuffix(".npz").split("/")[-2:]
    return f"{cohort}/{name.partition('_')[0]}"


@pytest.mark.parametrize("learns_from", ["public", "everyone"])
@pytest.mark.parametrize("folds", [2, 5])
def test_no_training_file_of_a_fold_is_of_a_person_in_it_and_everyone_elses_are(folds, learns_from):
    gans = plan(folds=folds, learns_from=learns_from)
    everyone = {person for fold in range(folds) for person in gans.held_out(fold)}
    assert len(everyone) == {"public": 28, "everyone": 48}[learns_from]
    for fold in range(folds):
        for kind in ("frame", "gamma"):
            files = gans.learned_files(kind, fold)
            people = [person_of(path) for path in files]
            assert people == gans.learned_people(fold)
            assert all(f"/{kind}/" in path for path in files)
            assert set(people) == everyone - set(gans.held_out(fold))
            assert set(Counter(people).values()) == {2}  # both visits


def test_gans_that_learn_from_the_public_have_no_file_of_an_own_person():
    gans = plan()
    for fold in (0, 1):
        for kind in ("frame", "gamma"):
            assert not [path for path in gans.learned_files(kind, fold) if "/heads/" in path]
    assert gans.learned_cohorts == ["heads-public"]
    assert not gans.learns_from_own


@pytest.mark.parametrize("learns_from", ["public", "everyone"])
def test_every_head_is_made_by_a_gan_that_has_not_learned_from_the_person(learns_from):
    gans = plan(folds=3, learns_from=learns_from)
    for cohort in ("heads", "heads-public"):
        made_by = {record["known_as"]: record["fold"] for record in gans.records(cohort)}
        assert set(made_by.values()) == set(gans.needed(cohort))
        for person, fold in made_by.items():
            assert person not in gans.learned_people(fold)
    assert gans.needed("heads") == ([0] if learns_from == "public" else [0, 1, 2])


def test_another_own_person_changes_no_public_gan():
    """Or a GAN would be trained anew, with other weights, for each person who joins."""
    few, more = (
        make(*DEMO, deid={"enabled": True, "heads": {"phantom": {"people": people}}}).head_gans
        for people in (20, 21)
    )
    for fold in (0, 1):
        assert few.learned(fold) == more.learned(fold)
        assert few.held_out(fold) == more.held_out(fold)
        assert few.learned_patients(fold) == more.learned_patients(fold) == {}


def test_patients_whom_a_gan_learns_from_are_known_by_their_scans_and_public_people_are_not():
    deid = {"enabled": True, "heads": {"public": False}, "gan": {"learns_from": "everyone"}}
    gans = make(*DEMO, deid=deid).head_gans
    for fold in (0, 1):
        patients = gans.learned_patients(fold)
        learned = {f"heads/{name}" for cohort, name, _ in gans.learned(fold) if cohort == "heads"}
        assert set(patients) == learned
        assert all(scan == f"heads/{person}_{scan[-1]}" for scan, person in patients.items())


def test_methods_and_made_heads_are_those_of_the_hulls_that_gans_fill():
    gans = plan(hulls=["brain"])
    assert [name for name in gans.heads.methods if name.startswith("gan-")] == ["gan-brain"]
    made = gans.made_of("gan-brain", "heads")
    assert made[0] == "results/deid-demo/deid/made/brain/heads/h001_1.npz"
    assert gans.made("{hull}", "heads", wildcard=True)[0].endswith("/made/{hull}/{heads}/h001_1.npz")
    assert len(made) == 40
    assert gans.made_of("hull-brain", "heads") == []
    assert gans.heads.frames_of("gan-brain", "heads") == gans.heads.hulls_of("gan-brain", "heads") == []
    assert not [name for name in plan(hulls=[]).heads.methods if name.startswith("gan-")]


def test_a_study_without_gans_needs_no_folds():
    few = {"phantom": {"people": 3}}
    heads = {"enabled": True, "public_heads": few, "code": {"rank": 2}, "hulls": ["paper"]}
    with pytest.raises(ConfigError, match="deid.gan.folds is 5, but there are 3 people"):
        make(*DEMO, deid=heads | {"gan": {"hulls": ["paper"], "folds": 5}}).head_gans.check()
    make(*DEMO, deid=heads | {"gan": {"hulls": [], "folds": 5}}).head_gans.check()
    make(*DEMO, deid=heads | {"gan": {"hulls": ["paper"], "folds": 3}}).head_gans.check()


def test_the_paper_asks_for_more_memory_and_time_than_the_demo():
    paper = make("config.yaml", deid={"enabled": True}).head_gans
    wildcards = {"fold": "0"}
    one, other = (gans.megabytes(type("Fold", (), wildcards)) for gans in (plan(), paper))
    assert 1000 < one < 2500 < other < 20_000
    assert plan().minutes() < 200 < paper.minutes()
    assert plan().made_minutes("heads") < paper.made_minutes("heads")
