import json

import pytest
import torch

from privessel.device import pick_device
from privessel.errors import DamagedError
from privessel.unet.net import (
    SATURATION_WEIGHT,
    TrainedUNet,
    UNet,
    UNetShape,
    find_chosen,
    saturation_penalty,
    soft_dice_loss,
)

PAPER = UNetShape((32, 64, 128, 256, 512), 0.1)


def unet(*filters, dropout=0.0, seed=0):
    return UNet(UNetShape(filters, dropout), generator=torch.Generator().manual_seed(seed))


def images(n, size, seed=0):
    return torch.randn(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


def weights_of_half_unet(filters):
    """Weights and biases counted by hand from figure 2 of Livne et al. 2019."""

    def block(channels, width):
        return 9 * channels * width + width + 9 * width * width + width

    down = sum(block(a, b) for a, b in zip((1, *filters), filters, strict=False))
    up = sum(block(b + a, a) for a, b in zip(filters, filters[1:], strict=False))
    return down + up + filters[0] + 1


@pytest.mark.parametrize("filters", [(4,), (3, 5), (2, 4, 8), (32, 64, 128, 256, 512)])
def test_weights_are_those_of_the_half_unet(filters):
    assert sum(weight.numel() for weight in unet(*filters).parameters()) == weights_of_half_unet(filters)


@pytest.mark.parametrize(
    ("filters", "size"), [((2,), 7), ((2, 3), 10), ((2, 3, 4), 36), ((2, 3, 4, 5, 6), 96)]
)
def test_every_pixel_gets_a_probability(filters, size):
    probabilities = unet(*filters)(images(2, size))
    assert probabilities.shape == (2, 1, size, size)
    assert probabilities.min() > 0
    assert probabilities.max() < 1


def test_a_patch_that_cannot_be_halved_is_refused_with_the_divisor():
    with pytest.raises(ValueError, match=r"patch size 40 is not a multiple of 16.*5 levels"):
        unet(2, 2, 2, 2, 2)(images(1, 40))
    PAPER.check_patch(96)


@pytest.mark.parametrize(("filters", "dropout"), [((), 0.0), ((8, 0), 0.0), ((8,), 1.0), ((8,), -0.1)])
def test_an_impossible_shape_is_refused(filters, dropout):
    with pytest.raises(ValueError, match="filters|dropout"):
        UNetShape(filters, dropout)


@pytest.mark.parametrize(("filters", "reach"), [((2,), 2), ((2, 2), 9), ((2, 2, 2), 23)])
def test_a_pixel_sees_as_far_as_its_convolutions_and_poolings_reach(filters, reach):
    # By hand: the two 3 x 3 convolutions of a block reach 2 pixels of their level, 2^l wide at level l;
    # pooling and upsampling add the rest of a pixel, up to 2^l - 1: two levels give 2 + 2 * 2 + 1 + 2 = 9.
    size, centre = 64, 32
    image = images(1, size).requires_grad_()
    unet(*filters)(image)[0, 0, centre, centre].backward()
    seen = image.grad[0, 0].nonzero()
    distance = (seen - centre).abs().max().item()
    assert distance <= reach
    assert distance >= reach - 2 ** (len(filters) - 1)  # ReLUs may hide the last pixels


def test_coarse_levels_reach_the_output():
    network = unet(4, 4, 4)
    before = network(images(1, 16))
    with torch.no_grad():
        network.down[2].second.bias += 1
    assert not torch.equal(before, network(images(1, 16)))


def test_dropout_needs_a_generator_and_repeats_with_it():
    network = unet(4, 4, dropout=0.5)
    image = images(1, 8)
    draws = [network(image, dropout=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(network(image), network(image))


def test_dropout_leaves_the_mean_of_a_unit_unchanged():
    network = unet(1, dropout=0.3)
    block = network.down[0]
    with torch.no_grad():
        block.first.weight.zero_(), block.first.bias.fill_(1.0)
        block.second.weight.zero_(), block.second.bias.zero_()
        block.second.weight[0, 0, 1, 1] = 1.0
        units = block(torch.zeros(1, 1, 200, 200), 0.3, torch.Generator().manual_seed(0))
    kept = units > 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.01)  # SD 0.0023
    assert torch.allclose(units[kept], torch.tensor(1 / 0.7))


def test_the_seed_alone_decides_the_first_weights():
    torch.manual_seed(1)
    first = unet(2, 3, seed=5).state_dict()
    torch.manual_seed(2)
    again, other = unet(2, 3, seed=5).state_dict(), unet(2, 3, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["last.weight"], other["last.weight"])


def test_first_weights_are_he_uniform():
    weight = unet(64, 128).down[1].second.weight
    bound = (6 / (9 * 128)) ** 0.5
    assert weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


@pytest.mark.parametrize(("share", "expected"), [(0.04, 0.04), (0.5, 0.5), (0.0, 1e-4), (1.0, 1 - 1e-4)])
def test_an_untrained_network_takes_so_many_pixels_for_vessel_as_it_was_told(share, expected):
    network = unet(2, 3)
    network.expect(share)
    # Of an image that is 0 all features are 0: only the last bias speaks.
    assert network(torch.zeros(1, 1, 8, 8)).detach().numpy() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("overlap", "predicted", "marked"), [(0, 10, 20), (5, 10, 20), (10, 10, 10), (0, 0, 0)]
)
def test_soft_dice_of_masks_is_one_minus_dice_up_to_the_smoothing(overlap, predicted, marked):
    p, l = torch.zeros(2, 1, 16, 16), torch.zeros(2, 1, 16, 16)
    p.view(-1)[:predicted] = 1
    l.view(-1)[predicted - overlap : predicted - overlap + marked] = 1
    expected = 1 - (2 * overlap + 1) / (predicted + marked + 1)
    assert soft_dice_loss(p, l).item() == pytest.approx(expected, abs=1e-6)


def test_soft_dice_of_a_constant_probability():
    p, l = torch.full((1, 1, 10, 10), 0.25), torch.zeros(1, 1, 10, 10)
    l[0, 0, :4] = 1
    assert soft_dice_loss(p, l).item() == pytest.approx(1 - (2 * 10 + 1) / (25 + 40 + 1))


def test_soft_dice_pools_the_batch():
    p, l = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    p[0], l[0] = 1, 1  # a perfect patch, and one that is empty in both: no loss at all
    assert soft_dice_loss(p, l).item() == pytest.approx(0)


def test_only_saturated_logits_are_penalised_and_each_excess_alike():
    logits = torch.tensor([-3.0, 8.0, -8.0, 12.0, -1e4], requires_grad=True)
    penalty = saturation_penalty(logits)
    assert penalty.item() == pytest.approx(SATURATION_WEIGHT * (4 + 1e4 - 8) / 5)
    penalty.backward()
    assert logits.grad.tolist() == pytest.approx([0, 0, 0, SATURATION_WEIGHT / 5, -SATURATION_WEIGHT / 5])


def test_where_soft_dice_has_lost_its_gradient_the_penalty_leads_back():
    labels = torch.zeros(4, 1, 8, 8)
    labels[:, :, :2] = 1
    logits = torch.full(labels.shape, -120.0, requires_grad=True)
    soft_dice_loss(torch.sigmoid(logits), labels).backward()
    assert not logits.grad.any()  # it marks nothing, and nothing tells it so
    for _ in range(400):
        logits.grad = None
        (soft_dice_loss(torch.sigmoid(logits), labels) + saturation_penalty(logits)).backward()
        with torch.no_grad():
            logits -= 0.7 * logits.grad.sign()  # Adam's step has the gradient's sign, whatever its size
    assert torch.equal(logits > 0, labels > 0)


def trained():
    network = unet(2, 3)
    return TrainedUNet(network.state_dict(), network.shape, 8, 100.0, 20.0, {"seed": 0})


def test_a_saved_unet_predicts_the_same(tmp_path):
    path = tmp_path / "weights.pt"
    trained().save(path)
    loaded = TrainedUNet.load(path)
    assert (loaded.shape, loaded.patch_size, loaded.mean, loaded.sd, loaded.identity) == (
        UNetShape((2, 3), 0.0), 8, 100.0, 20.0, {"seed": 0},
    )  # fmt: skip
    cpu = torch.device("cpu")
    image = images(3, 8)
    assert torch.equal(loaded.network(cpu)(image), trained().network(cpu)(image))


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused_by_name_with_a_remedy(tmp_path, share):
    path = tmp_path / "weights.pt"
    trained().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"weights\.pt.*run"):
        TrainedUNet.load(path)


def test_a_file_of_something_else_is_refused_by_name(tmp_path):
    path = tmp_path / "generator.pt"
    torch.save({"weights": {}, "epoch": 3}, path)
    with pytest.raises(ValueError, match=r"generator\.pt.*not a U-Net"):
        TrainedUNet.load(path)


def test_the_device_is_the_named_one():
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_chosen_setting_s_weights_are_found_by_their_folder(tmp_path):
    weights = [f"unet/real/{setting}/weights.pt" for setting in ("lr-1", "lr-10")]
    (tmp_path / "real.json").write_text(json.dumps({"setting": "lr-10"}))
    assert str(find_chosen(weights, selection=tmp_path / "real.json")) == weights[1]
    (tmp_path / "real.json").write_text(json.dumps({"setting": "lr-2"}))
    with pytest.raises(DamagedError, match=r"real\.json.*lr-2.*Remedy"):
        find_chosen(weights, selection=tmp_path / "real.json")
