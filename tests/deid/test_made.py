"""Heads that the GANs of a study make: what they may know of whom."""

from pathlib import Path

import numpy as np
import pytest
from deid.small_study import frame_scans, make_cohort, plan_study, release, train_gan

from privessel.deid.gamma import Gamma
from privessel.deid.promise import say_made, say_promise
from privessel.deid.run import note_people
from privessel.deid.shielding import Shield, fit_public
from privessel.errors import PrivacyError
from privessel.privacy.keys import create_master
from privessel.privacy.site import SECRET, Site

FIRST = "made/{}/heads/h001_1.npz"  # of the own person whose face is exchanged


def same_heads(folder, monkeypatch, hull, **gan):
    """Whether each head is the same, bit for bit, with another face around the brain of an own person."""
    study = plan_study(**gan)
    made = []
    for name, other_face in (("own", None), ("other", 0)):
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        made.append(release(study, hull, other_face))
    before, after = made
    assert len(before) == 3 + 5 * 2
    return {
        path: np.array_equal(head.view(np.uint32), after[path].view(np.uint32))
        for path, head in before.items()
    }


def test_another_face_around_any_own_brain_changes_no_head_of_anybody(tmp_path, monkeypatch):
    """GANs learn from public people, hulls follow from the brain: so the whole release keeps its promise."""
    assert all(same_heads(tmp_path, monkeypatch, "brain").values())


def test_in_the_papers_hulls_it_changes_the_own_head_alone(tmp_path, monkeypatch):
    same = same_heads(tmp_path, monkeypatch, "paper")
    assert [path for path, equal in same.items() if not equal] == [
        f"results/few-heads/deid/{FIRST.format('paper')}"
    ]


def test_gans_that_learn_from_everyone_show_it_in_heads_of_others(tmp_path, monkeypatch):
    """Why `learns_from: everyone` has no promise: the two tests above would fail."""
    same = same_heads(tmp_path, monkeypatch, "brain", learns_from="everyone")
    others = [path for path, equal in same.items() if not equal and not path.endswith(FIRST.format("brain"))]
    assert any("/heads/" in path for path in others)


def same_under_other_ids(study, kind, archive):
    """Whether the shielded hulls of the public people are the same where everybody has another id."""
    names = [one.name for one in study.deid.scans("heads-public")]
    gammas = dict(zip(names, map(Path, study.deid.files("gamma", "heads-public")), strict=True))
    people = {one.name: one.person for one in study.deid.scans("heads-public")}
    found = []
    for renamed in (people, {name: f"z{9 - int(person[-1])}" for name, person in people.items()}):
        model, _ = fit_public(
            *([*map(Path, study.deid.files(one, "heads-public"))] for one in ("frame", "gamma")), rank=2
        )
        shield = Shield(
            cohort="clinic", kind=kind, seed=1, delta=1e-5, clip=2.5, number=1, site=None,
            results=archive, draws=archive / f"draws-{len(found)}", code_files=(), model_digest="model",
        )  # fmt: skip
        found.append(shield.make(model, gammas, renamed, dict.fromkeys(names, "0" * 64)))
    return all(np.array_equal(found[0][name], found[1][name]) for name in names)


@pytest.mark.parametrize("kind", ["brain", "k-same-2", "local-dp-4"])
def test_no_hull_depends_on_an_id_because_ids_can_be_guessed(study, tmp_path, monkeypatch, kind):
    """Seen before: of 10,000 guessed ids, the right one was among the first three by the hull alone."""
    # The noise of patients follows from the site's secret; here it is the same for all.
    monkeypatch.setattr("privessel.deid.draws.add_noise", lambda whole, *_: whole / 2**18)
    assert same_under_other_ids(study, kind, tmp_path)


def test_no_head_depends_on_an_id_and_visits_of_a_person_share_their_random_numbers(study, monkeypatch):
    drawn = []

    def note(*_, seed, **__):
        drawn.append(seed)
        return np.zeros((16,) * 3, np.float32)

    monkeypatch.setattr("privessel.deid.made.make_head", note)
    make_cohort(study, "paper", "heads-public")
    assert len(set(drawn)) == 5
    assert len(drawn) == 10
    records = [
        one | {"known_as": f"clinic/{one['person']}-b"} for one in study.head_gans.records("heads-public")
    ]
    monkeypatch.setattr(type(study.head_gans), "records", lambda *_: records)
    make_cohort(study, "paper", "heads-public")
    assert drawn[:10] == drawn[10:]


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = plan_study()
    frame_scans(study)
    for fold in (0, 1):
        train_gan(study, fold)
    return study


def test_a_head_has_its_persons_brain_and_ends_at_its_hull(study):
    made = make_cohort(study, "paper", "heads-public")
    for head, path in zip(made.values(), study.deid.files("gamma", "heads-public"), strict=True):
        gamma = Gamma.load(path)
        assert (head.shape, head.dtype) == ((16, 16, 16), np.float32)
        np.testing.assert_array_equal(head[gamma.brain], gamma.masked_brain[gamma.brain])
        assert (head[~gamma.hull] == 0).all()


def test_a_head_is_never_made_by_a_gan_that_has_seen_the_person(study):
    """The generators of the two folds exchanged, as a wrong plan would do it."""
    folder = study.deid.folder
    first, second = (Path(folder, f"gan/fold-{fold}/generator.pt") for fold in (0, 1))
    first.rename("kept.pt")
    second.rename(first)
    Path("kept.pt").rename(second)
    with pytest.raises(PrivacyError, match="trained on this person"):
        make_cohort(study, "paper", "heads-public")


def test_the_statement_beside_heads_promises_nothing_where_gans_learned_from_everyone():
    given = {"delta": 1e-5, "public": False}
    for hull in ("k-same-4", "local-dp-4", "brain"):
        promise = say_promise(hull, **given)
        assert promise in say_made(hull, **given, learns_from="public")
        said = say_made(hull, **given, learns_from="everyone")
        assert said.startswith("No promise is made for these heads.")
        assert promise not in said
        assert "differentially private" not in said
        assert "of all other heads that leave, was not trained on this person's scans" in promise


SCANS = {"clinic/x1_1": "x1", "clinic/x1_2": "x1", "clinic/y2_1": "y2"}
DIGESTS = {name: 64 * mark for name, mark in zip(SCANS, "abc", strict=True)} | {"heads-public/p_1": 64 * "d"}


def test_the_site_remembers_whose_faces_a_gan_has_learned(tmp_path):
    """Each person by the id, and by every scan that was learned from."""
    site = Site(tmp_path, 10.0, 1e-5)
    create_master(tmp_path / SECRET)
    note_people(site, SCANS, name="deid/gan/fold-0", digests=DIGESTS)
    entries = site.entries()
    assert entries.count_models(site.digests({"x1": "another scan"})) == 1
    assert entries.count_models(site.digests({"another-id": 64 * "b"})) == 1
    assert entries.count_models(site.digests({"stranger": "another scan"})) == 0


def test_without_books_a_gan_on_people_is_warned_of(tmp_path, caplog):
    note_people(Site(tmp_path, 10.0, 1e-5), SCANS, name="deid/gan/fold-0", digests=DIGESTS)
    assert "trained on people's heads without noise" in caplog.text
    assert "x1" not in caplog.text
    assert not list(tmp_path.iterdir())
