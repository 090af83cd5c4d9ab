"""Where networks run, and which machine computes the same bits again."""

import hashlib
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from privessel.errors import ConfigError

# Shapes of the self-test. Libraries choose their kernels by shape, so common and odd sizes are both tried.
# Convolutions: batch, channels in, channels out, side of the image, side of the kernel, stride.
CONVOLUTIONS = ((4, 2, 32, 24, 4, 2), (5, 3, 7, 17, 3, 1), (3, 32, 64, 12, 4, 2), (2, 64, 1, 6, 3, 1))
PRODUCTS = ((3, 1031, 5), (64, 64, 64), (33, 129, 65), (257, 96, 31))  # matrices (n, k) times (k, m)


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is CUDA where there is a GPU, else the CPU.

    Raises ConfigError where `cuda` is asked for and torch has none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        seen = "sees no GPU here" if built else "was built for the CPU alone"
        other = "run this job where a GPU is" if built else "install another build (docs/install.md)"
        raise ConfigError(
            f"config: device is cuda, but torch {torch.__version__} {seen}. Remedy: write `device: auto` or "
            f"`cpu` in the section of this step, or {other}."
        )
    return torch.device(name)


def replaying_machine(device: str) -> str | None:
    """Name what computes the same bits again with as many threads: a CPU by its model; None for a GPU.

    The name holds the build of torch, because builds of one version differ in their kernels. It also holds
    the digest of a self-test (`kernel_digest`), because environment variables such as MKL_CBWR,
    ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY, and updates of the system, change kernels and with them the
    bits.
    """
    if device != "cpu":
        return None
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor()
    build = hashlib.sha256(torch.__config__.show().encode()).hexdigest()[:12]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} {capability} {model} torch {build} kernels {kernel_digest()[:24]}"


def kernel_digest() -> str:
    """Return a digest of the bits that this process computes on the CPU, with its number of threads.

    A fixed computation, a tenth of a second long, runs through the kinds of operation that a private step
    and its noise consist of: convolutions forward and backward, matrix products, norms, normalisation,
    activations, an optimiser's square roots, and normal random numbers. The same digest twice means that
    these operations took the same kernels; it does not prove that all others do.
    """
    digest = hashlib.sha256()
    for value in _computed():
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _computed() -> Iterator[Tensor | np.ndarray]:
    """Yield the results of the self-test."""
    for batch, before, after, side, kernel, stride in CONVOLUTIONS:
        images = _numbers(batch, before, side, side).requires_grad_()
        weights = _numbers(after, before, kernel, kernel).requires_grad_()
        made = functional.conv2d(images, weights, stride=stride, padding=1)
        back = functional.conv_transpose2d(made, weights, stride=stride, padding=1)
        yield from (made, back)
        yield functional.instance_norm(back)
        yield functional.batch_norm(back, None, None, training=True)
        score = (
            functional.leaky_relu(functional.instance_norm(made), 0.2).sum()
            + torch.tanh(back).square().mean()
        )
        yield from torch.autograd.grad(score, (images, weights))
    for rows, inner, columns in PRODUCTS:
        for kind in (torch.float32, torch.float64):
            left, right = _numbers(rows, inner, kind=kind), _numbers(inner, columns, kind=kind)
            yield left @ right
            yield torch.einsum("ni,im,n->im", left, right, left[:, 0])
            yield torch.stack([left.norm(), left.sum(), left.norm(dim=1).sum(), (left * left).mean()])
            yield torch.sigmoid(left) / (left.abs().sqrt() + 1e-8) + torch.exp(left)
    values = _numbers(4099).double().numpy()
    yield np.exp(values) + np.log1p(np.abs(values)) + np.sqrt(np.abs(values)) + np.sin(values)
    yield np.exp(values.astype(np.float32)) + np.sin(values.astype(np.float32))
    yield np.random.default_rng(0).standard_normal(20_000)


def _numbers(*shape: int, kind: torch.dtype = torch.float32) -> Tensor:
    """Return fixed numbers in [-1, 1), multiples of 2^-16, made by integer arithmetic alone."""
    count = torch.arange(int(np.prod(shape)), dtype=torch.int64)
    return ((count * 40503 + 12345) % 131072 - 65536).to(kind).div(65536).reshape(shape)
