import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from deid.small_heads import SHAPES, TRAINING, make_heads

from privessel.deid.frame import Framed, Place
from privessel.deid.gamma import Gamma
from privessel.deid.run import load_heads, train_to_files
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


def gamma_of(trained, **changes):
    heads = make_heads(size=trained.shape.size)
    masked = np.where(heads.brains[0], heads.images[0], 0).astype(np.float32)
    return Gamma(**{"hull": heads.hulls[0], "brain": heads.brains[0], "masked_brain": masked, **changes})


def made(trained, gamma=None, *, person="p0", seed=5):
    return make_head(trained, gamma or gamma_of(trained), person=person, seed=seed, device=CPU)


def test_the_brain_is_the_inputs_bit_for_bit_and_nothing_is_outside_the_hull(trained):
    gamma, head = gamma_of(trained), made(trained)
    assert head.dtype == np.float32
    assert np.array_equal(head[gamma.brain].view(np.uint32), gamma.masked_brain[gamma.brain].view(np.uint32))
    assert (head[~gamma.hull] == 0).all()
    assert 0 <= head.min() <= head.max() <= 1
    assert head[gamma.hull & ~gamma.brain].std() > 0.01


def test_a_brain_that_sticks_out_of_its_hull_is_kept_whole(trained):
    gamma = gamma_of(trained)
    hull = gamma.hull.copy()
    hull[: trained.shape.size // 2] = False
    head = made(trained, replace(gamma, hull=hull))
    assert np.array_equal(head[gamma.brain], gamma.masked_brain[gamma.brain])
    assert (head[~hull & ~gamma.brain] == 0).all()


def test_a_head_follows_from_gamma_and_the_seed_alone(trained):
    torch.manual_seed(1)
    first = made(trained)
    torch.manual_seed(2)
    assert np.array_equal(made(trained), first)
    assert not np.array_equal(made(trained, seed=6), first)


def test_what_lies_outside_the_brain_mask_is_not_looked_at(trained):
    """A masked brain is 0 there; were it the whole scan by mistake, no face would show in the head."""
    gamma = gamma_of(trained)
    face = np.random.default_rng(9).uniform(0, 1, gamma.hull.shape).astype(np.float32)
    face[0] = np.nan
    scan = np.where(gamma.brain, gamma.masked_brain, face)
    assert np.array_equal(made(trained, replace(gamma, masked_brain=scan)), made(trained))


def test_another_hull_or_brain_gives_another_head(trained):
    gamma = gamma_of(trained)
    outside = gamma.hull & ~gamma.brain
    assert not np.array_equal(made(trained, replace(gamma, hull=np.roll(gamma.hull, 1, 0))), made(trained))
    darker = made(trained, replace(gamma, masked_brain=gamma.masked_brain / 2))
    assert not np.array_equal(darker[outside], made(trained)[outside])


def test_a_person_whom_the_gan_has_seen_is_refused(trained):
    assert [trained.saw(f"p{k}") for k in range(5)] == [False, True, True, True, True]
    with pytest.raises(PrivacyError, match="person p3.*own fold"):
        made(trained, person="p3")


def test_names_of_people_are_not_in_the_files(tmp_path):
    train(tmp_path)
    assert not any(b"p3" in path.read_bytes() for path in tmp_path.glob("*.csv"))
    saved = checkpoint.load(tmp_path / "generator.pt")
    assert not {f"p{k}" for k in range(5)} & set(saved["seen"])


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


def save_heads(folder, heads):
    """Write frames and gammas as the workflow does; return their files."""
    frames, gammas = [], []
    for k, (image, hull, brain) in enumerate(zip(heads.images, heads.hulls, heads.brains, strict=True)):
        frames.append(folder / f"frame-{k}.npz")
        gammas.append(folder / f"gamma-{k}.npz")
        Framed(image, brain, Place(len(image), np.eye(4), 1.0)).save(frames[-1])
        Gamma(hull, brain, np.where(brain, image, 0).astype(np.float32)).save(gammas[-1])
    return frames, gammas


def test_heads_are_read_from_the_files_of_frames_and_gammas(tmp_path):
    heads = make_heads()
    loaded = load_heads(*save_heads(tmp_path, heads), heads.people)
    loaded.check(8)
    assert loaded.digest() == heads.digest()


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    frames, gammas = save_heads(tmp_path, make_heads())
    with pytest.raises(ValueError, match="5 frames, 4 gammas and 5 people"):
        load_heads(frames, gammas[1:], make_heads().people)


def test_another_file_is_no_gan(tmp_path):
    checkpoint.save(tmp_path / "other.pt", {"weights": {}})
    with pytest.raises(DamagedError, match=r"other\.pt is not a C-DeID-GAN"):
        TrainedHeadGan.load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict.fromkeys(("hull", "brain", "masked_brain"), np.zeros((4, 4, 4), bool)), "hull must be"),
        ({"masked_brain": np.zeros((8, 8, 8))}, "masked_brain must be .* float32.*float64"),
        ({"brain": np.zeros((8, 8, 8), np.uint8)}, "brain must be"),
        ({"brain": np.zeros((8, 8, 8), bool)}, "brain mask is empty"),
        ({"masked_brain": np.full((8, 8, 8), 300, np.float32)}, "finite and in"),
        ({"masked_brain": np.full((8, 8, 8), np.nan, np.float32)}, "finite and in"),
    ],
)
def test_a_gamma_that_no_head_can_be_made_of_is_refused(tmp_path_factory, change, message):
    gan = train(tmp_path_factory.mktemp("gan"))
    with pytest.raises(ValueError, match=message):
        made(gan, gamma_of(gan, **change))
