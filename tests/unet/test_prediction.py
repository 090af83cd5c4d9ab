import numpy as np
import pytest
import torch

from privessel.cohort.patches import cut
from privessel.unet.net import TrainedUNet, UNet, UNetShape
from privessel.unet.prediction import THRESHOLD, brain_tiles, predict_probability

SIZE = 8


def ball(shape, radius):
    grid = np.indices(shape)
    return sum(((g - s / 2 + 0.5) / r) ** 2 for g, s, r in zip(grid, shape, radius, strict=True)) < 1


def trained(*filters, patch_size=SIZE, mean=100.0, sd=50.0, seed=0):
    network = UNet(UNetShape(filters, 0.0), generator=torch.Generator().manual_seed(seed))
    return TrainedUNet(network.state_dict(), network.shape, patch_size, mean, sd, {})


def threshold_net(*, level, patch_size=SIZE, mean=100.0, sd=50.0):
    """A U-Net of one level that marks 0..255 intensities above `level`: p = sigmoid(3 (x - level) / sd)."""
    network = UNet(UNetShape((2,), 0.0), generator=torch.Generator())
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        first, second, last = network.down[0].first, network.down[0].second, network.last
        first.weight[:, 0, 1, 1] = torch.tensor([1.0, -1.0])  # a ReLU for either sign
        second.weight[[0, 1], [0, 1], 1, 1] = 1.0
        last.weight[0, :, 0, 0] = torch.tensor([3.0, -3.0])
        last.bias[:] = -3 * (level - mean) / sd
    return TrainedUNet(network.state_dict(), network.shape, patch_size, mean, sd, {})


def full_range_volume(shape, seed=0):
    """Random intensities with a 0 and a 255 in every 4 x 4 block, so that scaling a patch does nothing."""
    volume = np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)
    volume[::4, ::4], volume[1::4, 1::4] = 0, 255
    return volume


def predict(model, image, brain, *, stride=SIZE, batch=5):
    return predict_probability(model, image, brain, stride=stride, batch=batch, device="cpu")


@pytest.mark.parametrize("stride", [8, 5, 4, 1])
def test_stitched_pointwise_prediction_equals_the_direct_one(stride):
    image, brain = full_range_volume((30, 26, 3)), ball((30, 26, 3), (12, 11, 9))
    direct = 1 / (1 + np.exp(-3 * (image.astype(float) - 140) / 50))
    stitched = predict(threshold_net(level=140), image, brain, stride=stride)
    np.testing.assert_allclose(stitched, direct * brain, atol=1e-5)
    np.testing.assert_array_equal(stitched > THRESHOLD, (image > 140) & brain)


def test_each_patch_is_scaled_by_itself():
    image = np.zeros((16, 8, 1), np.float32)
    image[:8] = np.random.default_rng(0).uniform(0, 1, (8, 8, 1))
    image[8:] = 1000 * image[:8] + 500  # the same patch, a thousand times brighter
    brain = np.ones(image.shape, bool)
    probability = predict(trained(4, 4), image, brain)
    np.testing.assert_allclose(probability[:8], probability[8:], atol=1e-4)
    assert probability.std() > 0


def test_one_tile_is_what_the_network_says_of_the_standardised_patch():
    image = np.random.default_rng(0).integers(0, 900, (SIZE, SIZE, 1)).astype(np.float32)
    model = trained(3, 4, 5)
    scaled = 255 * (image - image.min()) / (image.max() - image.min())
    with torch.no_grad():
        said = model.network(torch.device("cpu"))(torch.tensor((scaled[None, None, :, :, 0] - 100) / 50))
    np.testing.assert_allclose(
        predict(model, image, np.ones(image.shape, bool))[:, :, 0], said[0, 0].numpy(), atol=1e-6
    )


def test_overlapping_tiles_are_averaged():
    image = np.random.default_rng(0).uniform(0, 255, (12, SIZE, 1)).astype(np.float32)
    model = trained(3, 3)
    brain = np.ones(image.shape, bool)
    left = predict(model, image[:8], brain[:8])
    right = predict(model, image[4:], brain[4:])
    both = predict(model, image, brain, stride=4)
    np.testing.assert_allclose(both[:4], left[:4], atol=1e-6)
    np.testing.assert_allclose(both[4:8], (left[4:] + right[:4]) / 2, atol=1e-6)
    np.testing.assert_allclose(both[8:], right[4:], atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_the_batch_does_not_matter(batch):
    image, brain = full_range_volume((20, 20, 2)), ball((20, 20, 2), (9, 8, 9))
    by_batch, by_four = (predict(trained(3, 3), image, brain, batch=n) for n in (batch, 4))
    np.testing.assert_allclose(by_batch, by_four, atol=1e-6)


def test_nothing_is_predicted_outside_the_brain():
    image, brain = full_range_volume((24, 24, 3)), ball((24, 24, 3), (7, 9, 1))
    probability = predict(threshold_net(level=-1e3), image, brain)
    np.testing.assert_array_equal(probability > 0.5, brain)
    assert (probability[~brain] == 0).all()
    assert probability.dtype == np.float32


@pytest.mark.parametrize("stride", [8, 6, 4, 3])
def test_tiles_cover_every_brain_voxel_and_none_is_empty(stride):
    rng = np.random.default_rng(0)
    for shape in [(8, 8, 2), (23, 17, 4), (40, 9, 1), (31, 33, 3)]:
        brain = rng.random(shape) < 0.02
        brain[:, :, 0] |= ball((*shape[:2], 1), (shape[0] / 2, shape[1] / 3, 1))[:, :, 0]
        tiles = brain_tiles(brain, size=SIZE, stride=stride)
        covered = np.zeros(shape, bool)
        for x, y, z in tiles - [SIZE // 2, SIZE // 2, 0]:
            assert 0 <= x <= shape[0] - SIZE
            assert 0 <= y <= shape[1] - SIZE
            covered[x : x + SIZE, y : y + SIZE, z] = True
            assert brain[x : x + SIZE, y : y + SIZE, z].any()
        assert covered[brain].all()
        assert len(np.unique(tiles, axis=0)) == len(tiles)


def test_slices_without_brain_and_corners_are_left_out():
    brain = np.zeros((40, 40, 5), bool)
    brain[:8, :8, 3] = brain[32:, 32:, 3] = True  # a box of 25 tiles, two of them with brain
    tiles = brain_tiles(brain, size=SIZE, stride=SIZE)
    np.testing.assert_array_equal(tiles, [[4, 4, 3], [36, 36, 3]])
    assert cut(brain, tiles, SIZE).all()


def test_each_slice_has_its_own_box():
    brain = np.zeros((40, 40, 2), bool)
    brain[3:11, 5:13, 0] = True
    brain[20:28, 30:38, 1] = True
    np.testing.assert_array_equal(brain_tiles(brain, size=SIZE, stride=SIZE), [[7, 9, 0], [24, 34, 1]])


def test_an_empty_brain_or_a_small_volume_is_refused():
    image = np.ones((20, 20, 1), np.float32)
    with pytest.raises(ValueError, match="empty"):
        predict(trained(2), image, np.zeros(image.shape, bool))
    with pytest.raises(ValueError, match="size <= limit"):
        predict(trained(2), image[:6], np.ones((6, 20, 1), bool))
    with pytest.raises(ValueError, match="stride"):
        predict(trained(2), image, np.ones(image.shape, bool), stride=9)
