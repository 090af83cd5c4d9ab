from dataclasses import replace

import numpy as np
import pytest
import torch
from deid.small_heads import make_heads

from privessel.deid.training_heads import LEFT_RIGHT, make_gamma, move
from privessel.errors import CohortError

HEADS = make_heads()


def rng(seed=0):
    return np.random.default_rng(seed)


def test_gamma_holds_hull_brain_mask_and_the_image_inside_it_alone():
    image, hull, brain = HEADS.images[0], HEADS.hulls[0], HEADS.brains[0]
    scaled, gamma = make_gamma(image, hull, brain)
    assert torch.equal(scaled[0], torch.from_numpy(2 * image - 1))
    assert np.array_equal(gamma[0], hull)
    assert np.array_equal(gamma[1], brain)
    assert np.array_equal(gamma[2], np.where(brain, 2 * image - 1, 0))


def test_another_face_around_the_same_brain_has_the_same_gamma():
    image, hull, brain = HEADS.images[0], HEADS.hulls[0], HEADS.brains[0]
    other = np.where(brain, image, rng().random(image.shape, np.float32))
    assert torch.equal(make_gamma(other, hull, brain)[1], make_gamma(image, hull, brain)[1])


def test_drawn_heads_are_heads_of_the_set_with_their_own_gamma():
    images, gamma = HEADS.draw(40, rng=rng(), flip=False, shift=0)
    known = [make_gamma(*rows) for rows in zip(HEADS.images, HEADS.hulls, HEADS.brains, strict=True)]
    found = set()
    for image, told in zip(images, gamma, strict=True):
        match = [
            k for k, (one, own) in enumerate(known) if torch.equal(one, image) and torch.equal(own, told)
        ]
        assert len(match) == 1
        found |= set(match)
    assert found == set(range(len(HEADS)))


def test_heads_are_mirrored_left_to_right_in_half_of_the_draws():
    one = replace(HEADS, **{name: getattr(HEADS, name)[:1] for name in ("images", "hulls", "brains")})
    image = make_gamma(one.images[0], one.hulls[0], one.brains[0])[0]
    mirrored = 0
    for seed in range(60):
        drawn, gamma = one.draw(1, rng=rng(seed), flip=True, shift=0)
        turned = torch.equal(drawn[0], image.flip(1 + LEFT_RIGHT))
        assert turned or torch.equal(drawn[0], image)
        assert torch.equal(gamma[0, 2] != 0, gamma[0, 1] == 1)  # image and mask are mirrored together
        mirrored += turned
    assert 15 < mirrored < 45


def test_moved_heads_lie_at_the_offset_and_repeat_the_border():
    volume = torch.arange(5.0).expand(1, 1, 5, 5, 5)
    assert move(volume, [0, 0, 2])[0, 0, 0, 0].tolist() == [0, 0, 0, 1, 2]
    assert move(volume, [1, -2, -1])[0, 0, 0, 0].tolist() == [1, 2, 3, 4, 4]
    cube = torch.randn(2, 3, 6, 6, 6, generator=torch.Generator().manual_seed(0))
    moved = move(cube, [1, -2, 0])
    assert torch.equal(moved[:, :, 1:, :4], cube[:, :, :-1, 2:])
    assert torch.equal(move(cube, [0, 0, 0]), cube)


def test_offsets_reach_the_whole_shift_and_no_farther():
    volumes = np.zeros((2, 8, 8, 8), np.float32)
    volumes[:, 4, 4, 4] = 1
    point = replace(HEADS, images=volumes, hulls=volumes > 0, brains=volumes > 0, people=["a", "b"])
    places = {
        tuple((point.draw(1, rng=rng(seed), flip=False, shift=1)[0][0, 0] == 1).nonzero()[0].tolist())
        for seed in range(300)
    }
    assert places == {(x, y, z) for x in (3, 4, 5) for y in (3, 4, 5) for z in (3, 4, 5)}


def test_the_mean_head_is_the_mean_within_the_hulls_and_symmetric_if_heads_are_mirrored():
    outside = replace(HEADS, images=np.where(HEADS.hulls, HEADS.images, 0.9).astype(np.float32))
    mean = outside.mean_head(flip=False)
    expected = 2 * np.where(HEADS.hulls, HEADS.images, 0).mean(0) - 1
    assert np.allclose(mean, expected, atol=1e-6)
    both = outside.mean_head(flip=True)
    assert torch.equal(both, both.flip(LEFT_RIGHT))
    assert np.allclose(both, (expected + expected[::-1]) / 2, atol=1e-6)


def changed(row=2, **volumes):
    copies = {name: getattr(HEADS, name).copy() for name in volumes}
    for name, change in volumes.items():
        copies[name][row] = change(copies[name][row])
    return replace(HEADS, **copies)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (changed(images=lambda x: x * np.nan), "not finite.*Remedy"),
        (changed(images=lambda x: x * 300), r"run from 0 to 2\d\d.*Remedy: scale"),
        (changed(images=lambda x: x - 0.5), "run from -0.5"),
        (changed(images=lambda x: 0 * x), "constant"),
        (changed(brains=lambda x: x & False), "brain mask is empty"),
        (changed(hulls=lambda x: np.roll(x, 4, 0)), r"hull covers \d+% of its brain mask"),
        (changed(hulls=lambda x: x & HEADS.brains[2]), "nothing but brain"),
    ],
)
def test_a_head_that_cannot_be_trained_on_is_refused_by_row_and_person(heads, message):
    HEADS.check(8)
    with pytest.raises(CohortError, match=rf"head 2 \(person p2\): .*{message}"):
        heads.check(8)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (replace(HEADS, images=HEADS.images.astype(np.float64)), "images must be .* float32.*float64"),
        (replace(HEADS, hulls=HEADS.hulls.astype(np.uint8)), "hulls must be .* bool.*uint8"),
        (replace(HEADS, brains=HEADS.brains[:3]), "brains must be"),
        (replace(HEADS, people=HEADS.people[:3]), "images must be"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(heads, message):
    with pytest.raises(ValueError, match=message):
        heads.check(8)


def test_heads_of_another_size_than_the_networks_are_refused():
    with pytest.raises(ValueError, match=r"\(5, 16, 16, 16\)"):
        HEADS.check(16)


def test_many_visits_of_one_person_are_no_training_set():
    with pytest.raises(CohortError, match="1 person to train on.*Remedy"):
        replace(HEADS, people=["a"] * 5).check(8)


def test_the_digest_follows_every_value_and_person():
    others = [
        changed(images=lambda x: np.nextafter(x, np.float32(1))),
        changed(hulls=lambda x: ~x),
        changed(brains=lambda x: ~x),
        replace(HEADS, people=["q", *HEADS.people[1:]]),
    ]
    assert len({heads.digest() for heads in [HEADS, *others]}) == 5
    assert make_heads().digest() == HEADS.digest()
