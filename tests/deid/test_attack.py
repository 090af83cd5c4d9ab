import numpy as np
import pytest
from deid.people import SIDE, scan

from privessel.deid.attack import (
    Heads,
    answer,
    bootstrap,
    draw_questions,
    fit_embedding,
    fit_ridge,
    learn_ways,
)
from privessel.deid.faces import ATTACKERS, FLOOR, REMOVALS, Faces, apply_method, as_photographs, measure_face
from privessel.deid.frame import Framed, Place
from privessel.deid.gamma import Gamma
from privessel.deid.identification import ask
from privessel.deid.removal import face_region, keep_brain, mask_face, remove_face, shear
from privessel.errors import CohortError


def framed(number, visit=1):
    image, brain = scan(number, visit)
    return Framed(image, brain, Place(SIDE, np.eye(4), 1.0))


AVERAGE = np.mean([scan(n)[0] for n in range(20, 24)], 0)


@pytest.mark.parametrize("method", [*REMOVALS, "reface"])
def test_every_method_keeps_the_brain_and_changes_the_face(method):
    image, brain = scan(0)
    made = apply_method(method, framed(0), average=AVERAGE, gamma=None)
    np.testing.assert_array_equal(made[brain], image[brain])
    face = face_region(brain) & (image > 0.3) & ~brain
    assert (made[face] != image[face]).mean() > 0.2


def test_methods_remove_more_and_more():
    image, brain = scan(0)
    left = [(method(image, brain) > 0.3).sum() for method in (mask_face, remove_face, keep_brain)]
    assert left[0] > left[1] > left[2]
    assert (shear(image, brain) > 0.3).sum() < (image > 0.3).sum()


def test_a_hull_is_shown_filled_evenly_around_the_brain():
    image, brain = scan(0)
    gamma = Gamma(np.ones_like(brain), brain, np.where(brain, image, 0))
    shown = apply_method("hull-paper", framed(0), average=AVERAGE, gamma=gamma)
    assert set(np.unique(shown[~brain])) == {np.float32(0.5)}
    with pytest.raises(ValueError, match="no hull for it"):
        apply_method("hull-paper", framed(0), average=AVERAGE, gamma=None)


def test_a_photograph_knows_neither_place_nor_size():
    depth = np.full((1, 1, 40, 40), 24.0, np.float32)
    small, large = depth.copy(), depth.copy()
    y, x = np.mgrid[:40, :40]
    small[0, 0][(y - 15) ** 2 + (x - 18) ** 2 < 6**2] = 10
    large[0, 0][(y - 22) ** 2 + (x - 20) ** 2 < 12**2] = 4
    one, other = as_photographs(small), as_photographs(large)
    assert np.abs(one - other).mean() < 1.2
    assert np.abs(small - large).mean() > 4


def test_questions_name_the_person_first_and_others_once_each():
    questions = draw_questions(7, 70, 5, np.random.default_rng(1))
    assert questions.shape == (70, 5)
    assert all(len(set(row)) == 5 for row in questions.tolist())
    np.testing.assert_array_equal(np.bincount(questions[:, 0]), 10)
    with pytest.raises(ValueError, match="4 people are fewer than 5"):
        draw_questions(4, 10, 5, np.random.default_rng(1))


def test_knowing_finds_everybody_and_knowing_nothing_is_a_guess():
    questions = draw_questions(10, 100, 5, np.random.default_rng(2))
    assert answer(np.eye(10), questions).mean() == 1
    np.testing.assert_allclose(answer(np.zeros((10, 10)), questions), 0.2)
    assert answer(-np.eye(10), questions).mean() == 0


def people_vectors(random, n=12, scans=3, dimensions=40, noise=0.1):
    centres = random.normal(size=(n, dimensions))
    vectors = np.repeat(centres, scans, 0) + noise * random.normal(size=(n * scans, dimensions))
    return vectors, tuple(f"p{k}" for k in range(n) for _ in range(scans))


def test_an_embedding_brings_scans_of_one_person_together():
    random = np.random.default_rng(3)
    vectors, people = people_vectors(random)
    embed = fit_embedding(vectors, people)
    new, _ = people_vectors(np.random.default_rng(4), n=8, scans=2)
    codes = embed(new)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1)
    assert ((codes[::2] @ codes[1::2].T).argmax(1) == np.arange(8)).mean() > 0.7


def test_ridge_regression_finds_a_linear_map():
    random = np.random.default_rng(5)
    vectors, matrix = random.normal(size=(60, 8)), random.normal(size=(8, 3))
    codes = vectors @ matrix
    new = random.normal(size=(10, 8))
    truth = new @ matrix
    found = fit_ridge(vectors, codes)(new)
    assert (found * truth / np.linalg.norm(truth, axis=1, keepdims=True)).sum(1).min() > 0.98


def test_only_the_adaptive_attacker_undoes_a_method_that_turns_pictures_round():
    """The heads that leave are the negatives of the originals, in another order of pixels."""
    random = np.random.default_rng(6)
    known, people = people_vectors(random, n=40, scans=2)
    order = random.permutation(known.shape[1])
    asked, _ = people_vectors(random, n=10, scans=1)
    others = Heads(known, -known[:, order], people)
    questions = draw_questions(10, 100, 5, random)
    rates = {
        name: max(answer(way(asked, -asked[:, order]), questions).mean() for way in ways)
        for name, ways in learn_ways(others, fit_embedding(known, people)).items()
    }
    assert tuple(rates) == ATTACKERS
    assert rates["adaptive"] > 0.8
    assert max(rates["l1"], rates["fisherface"]) < 0.55


def test_the_bootstrap_is_over_people_and_not_over_questions():
    persons = np.repeat(np.arange(10), 100)
    hits = (persons < 5).astype(float)
    sd, low, high = bootstrap(hits, persons, np.random.default_rng(7), samples=4000)
    assert sd == pytest.approx(0.5 / np.sqrt(10), rel=0.05)  # of 1,000 questions it would be 0.016
    assert low < 0.5 < high


@pytest.fixture(scope="module")
def study():
    """Eight people asked about, and ten the attackers know, with two scans each."""

    def faces(method, numbers):
        depths, people, sessions = [], [], []
        for number in numbers:
            for visit in (1, 2):
                head = apply_method(method, framed(number, visit), average=AVERAGE, gamma=None)
                depths.append(measure_face(head, yaws=(0.0,), blurred=method == "blurred"))
                people.append(f"p{number}")
                sessions.append(str(visit))
        return Faces(np.stack(depths), tuple(people), tuple(sessions))

    methods = ("original", "blurred", FLOOR)
    asked = {method: faces(method, range(8)) for method in methods}
    known = {method: faces(method, range(20, 30)) for method in methods}
    return ask(asked, known, questions=80, candidates=5, samples=200, seed=1)


def test_the_same_scan_is_always_found_in_the_original(study):
    same = study[(study["method"] == "original") & (study["query"] == "same-scan")]
    assert (same["rate"] == 100).all()
    assert (same["sd"] == 0).all()


def test_the_brain_alone_tells_l1_less_than_the_face(study):
    rates = study.set_index(["method", "view", "query", "attacker"])["rate"]
    assert rates["watershed", "photo", "other-visit", "l1"] < rates["original", "photo", "other-visit", "l1"]
    assert len(study) == 3 * 2 * 2 * 3
    assert study["rate"].between(0, 100).all()
    assert (study["people"] == 8).all()


def test_each_persons_first_scan_is_shown_and_a_second_query_needs_as_many_people_as_candidates():
    """Sessions are in the order of the config and not of the alphabet; b has the later one alone."""
    scans = [("a", "pre"), ("a", "late"), ("b", "late"), ("c", "pre"), ("c", "late")]
    people, sessions = zip(*scans, strict=True)
    depths = np.random.default_rng(8).uniform(0, 8, (5, 1, 8, 8)).astype(np.float32)
    faces = {"original": Faces(depths, people, sessions)}
    given = {"questions": 6, "samples": 10, "seed": 1}
    two, three = (ask(faces, faces, candidates=n, **given) for n in (2, 3))
    assert dict(two.groupby("query")["people"].first()) == {"other-visit": 2, "same-scan": 3}
    assert set(three["query"]) == {"same-scan"}
    assert (three["candidates"] == 3).all()
    same = three[three["query"] == "same-scan"]
    assert (same["rate"] == 100).all()


def test_faces_of_other_scans_are_not_compared():
    depths = np.zeros((3, 1, 8, 8), np.float32)
    scans = {"original": ("aab", "121"), "deface": ("abb", "112")}
    faces = {method: Faces(depths, tuple(who), tuple(when)) for method, (who, when) in scans.items()}
    with pytest.raises(ValueError, match="same scans in the same order"):
        ask(faces, faces, questions=5, candidates=2, samples=10, seed=1)


def test_too_few_people_to_ask_about_or_to_learn_from_are_refused():
    def faces(people, sessions):
        return {"original": Faces(np.zeros((len(people), 1, 8, 8), np.float32), people, sessions)}

    few, single = faces(("a", "b"), ("1", "1")), faces(tuple("abcde"), ("1",) * 5)
    given = {"questions": 5, "candidates": 5, "samples": 10, "seed": 1}
    with pytest.raises(CohortError, match="2 people, fewer than the 5 candidates"):
        ask(few, single, **given)
    with pytest.raises(CohortError, match="one scan a person"):
        ask(single, single, **given)


def test_faces_are_read_as_they_were_written(tmp_path):
    faces = Faces(np.zeros((2, 1, 4, 4), np.float32), ("p1", "007"), ("1", "2"))
    faces.save(tmp_path / "faces.npz")
    again = Faces.load(tmp_path / "faces.npz")
    assert (again.people, again.sessions) == (faces.people, faces.sessions)
