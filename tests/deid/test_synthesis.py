import csv

import numpy as np
import pytest
import torch
from deid.small_heads import SHAPES, TRAINING, make_heads

from privessel.deid.folds import assign_folds, outside_fold
from privessel.deid.run import train_to_files
from privessel.deid.synthesis import make_head
from privessel.deid.trained import TrainedHeadGan
from privessel.deid.training_heads import TrainingHeads
from privessel.errors import DamagedError, PrivacyError
from privessel.files import checkpoint

CPU = torch.device("cpu")


def train(folder, name="plain with place", *, held_out=("p0",)):
    shape = SHAPES[name]
    heads = make_heads(size=shape.size)
    kept = [k for k, person in enumerate(heads.people) if person not in held_out]
    train_to_files(
        TrainingHeads(
            heads.images[kept], heads.hulls[kept], heads.brains[kept], [heads.people[k] for k in kept]
        ),
        held_out=held_out,
        shape=shape,
        training=TRAINING,
        seed=3,
        weights=folder / "generator.pt",
        history_csv=folder / "history.csv",
    )
    return TrainedHeadGan.load(folder / "generator.pt")


@pytest.fixture(scope="module", params=SHAPES)
def trained(request, tmp_path_factory):
    return train(tmp_path_factory.mktemp("gan"), request.param)


def made(trained, *, person="p0", seed=5, **changes):
    heads = make_heads(size=trained.shape.size)
    rows = {"image": heads.images[0], "hull": heads.hulls[0], "brain": heads.brains[0]}
    return make_head(trained, person=person, **{**rows, **changes}, seed=seed, device=CPU)


def test_the_brain_is_the_inputs_bit_for_bit_and_nothing_is_outside_the_hull(trained):
    heads = make_heads(size=trained.shape.size)
    image, hull, brain = heads.images[0], heads.hulls[0], heads.brains[0]
    head = made(trained)
    assert head.dtype == np.float32
    assert np.array_equal(head[brain].view(np.uint32), image[brain].view(np.uint32))
    assert (head[~hull & ~brain] == 0).all()
    assert 0 <= head.min() <= head.max() <= 1
    assert (head[hull & ~brain] != image[hull & ~brain]).all()


def test_a_head_follows_from_gamma_and_the_seed_alone(trained):
    torch.manual_seed(1)
    first = made(trained)
    torch.manual_seed(2)
    assert np.array_equal(made(trained), first)
    assert not np.array_equal(made(trained, seed=6), first)


def test_another_face_around_the_same_brain_gives_the_same_head_bit_for_bit(trained):
    heads = make_heads(size=trained.shape.size)
    face = np.random.default_rng(9).uniform(0, 1, heads.images[0].shape).astype(np.float32)
    face[0] = np.nan
    other = np.where(heads.brains[0], heads.images[0], face)
    assert np.array_equal(made(trained, image=other), made(trained))


def test_another_hull_or_brain_gives_another_head(trained):
    heads = make_heads(size=trained.shape.size)
    assert not np.array_equal(made(trained, hull=np.roll(heads.hulls[0], 1, 0)), made(trained))
    brighter = np.where(heads.brains[0], heads.images[0] / 2, heads.images[0])
    outside = heads.hulls[0] & ~heads.brains[0]
    assert not np.array_equal(made(trained, image=brighter)[outside], made(trained)[outside])


def test_a_person_whom_the_gan_has_seen_is_refused(trained):
    assert [trained.saw(f"p{k}") for k in range(5)] == [False, True, True, True, True]
    with pytest.raises(PrivacyError, match="person p3.*own fold"):
        made(trained, person="p3")


def test_names_of_people_are_not_in_the_files(tmp_path):
    train(tmp_path)
    assert not any(b"p3" in path.read_bytes() for path in tmp_path.glob("*.csv"))
    saved = checkpoint.load(tmp_path / "generator.pt")
    assert not {f"p{k}" for k in range(5)} & set(saved["seen"])


def test_every_fold_makes_heads_of_its_own_people_and_of_no_others(tmp_path):
    people = make_heads().people
    assigned = assign_folds(people, folds=2, seed=1)
    for fold in (0, 1):
        inside = ~outside_fold(people, fold=fold, assigned=assigned)
        held_out = [person for person, held in zip(people, inside, strict=True) if held]
        gan = train(tmp_path / str(fold), held_out=held_out)
        assert [not gan.saw(person) for person in people] == inside.tolist()


def test_training_on_a_person_that_is_held_out_is_refused(tmp_path):
    with pytest.raises(PrivacyError, match="^p1, p4: .*Remedy"):
        train_to_files(
            make_heads(), held_out=["p4", "p1", "other"], shape=SHAPES["plain with place"], training=TRAINING,
            seed=3, weights=tmp_path / "generator.pt", history_csv=tmp_path / "history.csv",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_finished_run_leaves_weights_and_history_and_no_state(tmp_path):
    train(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "generator.pt", "history.csv"}
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert [row["step"] for row in rows] == ["2", "6"]
    assert rows[0]["gap"] == ""
    assert float(rows[1]["loss_generator"]) > 0


def test_a_saved_gan_makes_the_same_heads_again(tmp_path):
    gan = train(tmp_path)
    gan.save(tmp_path / "copy.pt")
    assert np.array_equal(made(TrainedHeadGan.load(tmp_path / "copy.pt")), made(gan))


def test_another_file_is_no_gan(tmp_path):
    checkpoint.save(tmp_path / "other.pt", {"weights": {}})
    with pytest.raises(DamagedError, match=r"other\.pt is not a C-DeID-GAN"):
        TrainedHeadGan.load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((4, 4, 4), np.float32)}, "image must be"),
        ({"hull": np.zeros((8, 8, 8), np.uint8)}, "hull must be"),
        ({"brain": np.zeros((8, 8, 8), bool)}, "brain mask is empty"),
        ({"image": np.full((8, 8, 8), 300, np.float32)}, "finite and in"),
        ({"image": np.full((8, 8, 8), np.nan, np.float32)}, "finite and in"),
    ],
)
def test_arrays_that_gamma_cannot_be_made_of_are_refused(tmp_path_factory, change, message):
    gan = train(tmp_path_factory.mktemp("gan"))
    with pytest.raises(ValueError, match=message):
        made(gan, **change)
