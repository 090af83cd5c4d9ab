"""What privacy costs a critic step: time and memory of every route, as ratios to the step without privacy.

    python benchmarks/clipping.py                  # the table of the README, about 20 minutes on two cores
    python benchmarks/clipping.py --device cuda

A step samples, bounds the gradients of real patches and fakes, adds noise, moves the optimiser and clips the
weights; fakes are given. The step without privacy is the same without bounds and noise: net, batch,
optimiser. Times are medians of ratios within a round, in which all routes take turns. Memory is the peak of
a process of its own (CUDA: of the allocator) over what it held before the nets were made. Every route's
bounded sum is compared with torch.func's.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from torch.func import functional_call, grad, vmap

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.gans import Critic, GanShape
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import (
    CLIPPING,
    Mechanism,
    mean_gradient,
    poisson_sample,
    private_gradient,
)
from privessel.wgan import plain_gradient, shuffled_batch

SIZES = [(16, 32), (32, 32), (64, 32), (32, 128), (96, 32)]  # critic width, batch
POPULATION = 41_000
PATCH = 96
NORM, NOISE, WEIGHT_CLIP = 1.0, 1.0, 0.01
REFERENCE = "not private"


class Step:
    """A critic with its optimiser and patches, and one step on them by each route."""

    def __init__(self, width: int, batch: int, device: str) -> None:
        torch.manual_seed(0)
        shape = GanShape(PATCH, 128, 1, width, "batch", "instance", "nearest", noise_map=False)
        layout = torch.channels_last if device == "cpu" else torch.preserve_format  # as in training
        self.critic = Critic(shape).to(device, memory_format=layout)
        self.optimiser = torch.optim.RMSprop(self.critic.parameters(), lr=5e-5)
        self.batch, self.device, self.number = batch, device, 0
        self.stream = Stream(bytes(32), threads=torch.get_num_threads())
        self.patches = torch.rand(2 * batch, 2, PATCH, PATCH, device=device)
        self.fakes = torch.rand(batch, 2, PATCH, PATCH, device=device)
        self.mechanism = Mechanism(
            noise_multiplier=NOISE, clipping_norm=NORM, batch=batch, patches_per_unit=1,
            generator_batch=batch, fakes="per-sample", micro_batch=4 * batch,
        )  # fmt: skip
        self.engines = {}

    def sample(self) -> torch.Tensor:
        """Draw a Poisson sample of the population; as many patches stand for it, always the expected number.

        The draw's own size varies by 18 % at batch 32, which would only blur the ratios.
        """
        poisson_sample(self.stream, step=self.number, population=POPULATION, rate=self.batch / POPULATION)
        return self.patches[: self.batch]

    def take(self, route: str) -> None:
        """Take one whole step."""
        self.number += 1
        if route == REFERENCE:
            shuffled_batch(self.stream, step=self.number, population=POPULATION, batch=self.batch)
            real = self.patches[: self.batch]
            gradient, _ = plain_gradient(self.critic, real, self.fakes, micro_batch=4 * self.batch)
        elif route in OURS:
            if "engine" not in self.engines:
                self.engines["engine"] = CLIPPING["book-keeping"](self.critic)
            gradient = private_gradient(
                self.engines["engine"], self.sample(), self.fakes, stream=self.stream, step=self.number,
                mechanism=replace(self.mechanism, fakes=OURS[route]),
            )  # fmt: skip
        else:
            summed, both = OTHERS[route]
            real = self.sample()
            sums = summed(self, real, -1.0)
            if both:
                fakes = summed(self, self.fakes, 1.0)
                fakes = [each / self.batch for each in fakes]
            else:
                for module in self.engines.values():
                    module.disable_hooks()
                fakes, _ = mean_gradient(self.critic, self.fakes, micro_batch=4 * self.batch)
            sizes = [each.numel() for each in sums]
            noise = torch.from_numpy(self.stream.normal("noise", self.number, sum(sizes))).to(self.device)
            gradient = [
                (each + NOISE * NORM * part.view_as(each)) / self.batch + fake
                for each, part, fake in zip(sums, noise.split(sizes), fakes, strict=True)
            ]
        for parameter, each in zip(self.critic.parameters(), gradient, strict=True):
            parameter.grad = each
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            for parameter in self.critic.parameters():
                parameter.clamp_(-WEIGHT_CLIP, WEIGHT_CLIP)


def opacus_hooks(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by Opacus' per-sample gradients, its hooks left in place between steps."""
    from opacus.grad_sample import GradSampleModule

    if "hooks" not in step.engines:
        step.critic.to(memory_format=torch.contiguous_format)  # else its gradients are wrong (Opacus 1.6)
        step.engines["hooks"] = GradSampleModule(step.critic, loss_reduction="sum")
    step.engines["hooks"].enable_hooks()
    (sign * step.engines["hooks"](pairs)).sum().backward()
    samples = [parameter.grad_sample for parameter in step.critic.parameters()]
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
    factors = (NORM / (norms + 1e-6)).clamp(max=1.0)
    sums = [torch.tensordot(factors, each, dims=1) for each in samples]
    for parameter in step.critic.parameters():
        parameter.grad = parameter.grad_sample = None
    return sums


def opacus_fast_gradient_clipping(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by Opacus' two backward passes: norms first, then the weighted loss."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    if "fast" not in step.engines:
        step.critic.to(memory_format=torch.contiguous_format)
        step.engines["fast"] = GradSampleModuleFastGradientClipping(
            step.critic, loss_reduction="sum", max_grad_norm=NORM, use_ghost_clipping=True
        )
    module = step.engines["fast"]
    module.enable_hooks()
    scores = sign * module(pairs)
    scores.sum().backward(retain_graph=True)
    factors = module.get_clipping_coef().detach()
    for parameter in step.critic.parameters():
        parameter.grad = None
    module.disable_hooks()
    (factors * scores).sum().backward()
    sums = [parameter.grad for parameter in step.critic.parameters()]
    for parameter in step.critic.parameters():
        parameter.grad = None
    return sums


def torch_func(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by torch.func: vmap over the gradient of one sample."""
    parameters = {name: each.detach() for name, each in step.critic.named_parameters()}

    def score(weights: dict, pair: torch.Tensor) -> torch.Tensor:
        return sign * functional_call(step.critic, weights, (pair[None],))[0]

    samples = list(vmap(grad(score), in_dims=(None, 0))(parameters, pairs).values())
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
    factors = (NORM / (norms + 1e-6)).clamp(max=1.0)
    return [torch.tensordot(factors, each, dims=1) for each in samples]


def book_keeping(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by the engine that training uses."""
    signs = pairs.new_full((len(pairs),), sign)
    return CLIPPING["book-keeping"](step.critic).sums(pairs, signs, clipping_norm=NORM)


OURS = {
    "book-keeping, real and fake clipped": "per-sample",
    "book-keeping, one factor for the fakes": "common",
    "book-keeping, around the fakes' centre": "centre",
}
OTHERS = {
    "Opacus hooks, real and fake": (opacus_hooks, True),
    "Opacus hooks, real only": (opacus_hooks, False),
    "Opacus fast gradient clipping, real and fake": (opacus_fast_gradient_clipping, True),
    "vmap(grad), real only": (torch_func, False),
}
ROUTES = [REFERENCE, *OTHERS, *OURS]


def timed(step: Step, route: str) -> float:
    """Return the seconds of one step."""
    if step.device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step.take(route)
    if step.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure_times(width: int, batch: int, *, device: str, rounds: int) -> dict[str, dict]:
    """Return, per route, the median ratio to the reference within a round, and the spread of the ratios."""
    steps = {route: Step(width, batch, device) for route in ROUTES}
    for route, step in steps.items():
        step.take(route)
    ratios, seconds = {route: [] for route in ROUTES}, []
    for number in range(rounds):
        print(f"{width}/{batch}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        spent = {route: timed(step, route) for route, step in steps.items()}
        # Once more at the round's end, so that a machine that drifts shows on both sides.
        reference = (spent[REFERENCE] + timed(steps[REFERENCE], REFERENCE)) / 2
        seconds.append(reference)
        for route in ROUTES:
            ratios[route].append(spent[route] / reference)
    return {
        route: {"ratio": statistics.median(found), "low": min(found), "high": max(found)}
        for route, found in ratios.items()
    } | {"steps per second": 1 / statistics.median(seconds)}


def agreement(width: int, batch: int, device: str) -> dict[str, float]:
    """Return each route's largest relative distance from torch.func's bounded sum in float64."""
    found = {}
    step = Step(width, min(batch, 8), device)
    pairs = step.patches[: min(batch, 8)]
    step.critic.double()
    oracle = torch.cat([each.flatten() for each in torch_func(step, pairs.double(), -1.0)])
    for name, summed in {
        "Opacus hooks": opacus_hooks,
        "Opacus fast gradient clipping": opacus_fast_gradient_clipping,
        "vmap(grad)": torch_func,
        "book-keeping": book_keeping,
    }.items():
        mine = torch.cat([each.flatten() for each in summed(Step(width, min(batch, 8), device), pairs, -1.0)])
        found[name] = float((mine.double() - oracle).norm() / oracle.norm())
    return found


def peak_memory(width: int, batch: int, route: str, device: str) -> float:
    """Return the peak of one route in MB, measured here: to be called in a process of its own."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        step = Step(width, batch, device)
        for _ in range(3):
            step.take(route)
        return torch.cuda.max_memory_allocated() / 1e6
    # Libraries load on first use; a small step beside it loads them without filling memory.
    small = Step(1, 2, device)
    small.take(route)
    del small
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    step = Step(width, batch, device)
    for _ in range(3):
        step.take(route)
    return (_status("VmHWM") - before) / 1e3


def _status(key: str) -> int:
    """Return a line of /proc/self/status in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise KeyError(key)


def in_own_process(width: int, batch: int, route: str, device: str) -> float:
    """Return `peak_memory` of a fresh process; not a number where it ran out of memory."""
    command = [sys.executable, __file__, "--device", device, "--peak", json.dumps([width, batch, route])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else float("nan")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=json.loads, default=SIZES, help="[[width, batch], ...]")
    parser.add_argument("--peak", type=json.loads, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print(peak_memory(*asked.peak, asked.device))
        return
    where = torch.cuda.get_device_name() if asked.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {asked.device} ({where}, {platform.machine()}), {PATCH} px patches")
    print(
        f"time and peak memory of a critic step as ratios to the one without privacy, {asked.rounds} rounds\n"
    )
    table, reference = {route: [] for route in ROUTES}, []
    for width, batch in asked.sizes:
        times = measure_times(width, batch, device=asked.device, rounds=asked.rounds)
        peaks = {route: in_own_process(width, batch, route, asked.device) for route in ROUTES}
        reference.append(f"{times['steps per second']:.2f} steps/s, {peaks[REFERENCE]:.0f} MB")
        for route in ROUTES:
            ratio = times[route]
            memory = peaks[route] / peaks[REFERENCE]
            table[route].append(
                f"{ratio['ratio']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f}), {memory:.2f}"
            )
            print(f"{width}/{batch} {route}: {table[route][-1]}", file=sys.stderr, flush=True)
    heads = [f"{width}/{batch}" for width, batch in asked.sizes]
    print("| route, width/batch: time (range), memory | " + " | ".join(heads) + " |")
    print("|---|" + "---|" * len(heads))
    for route in ROUTES:
        print(f"| {route} | " + " | ".join(table[route]) + " |")
    print("| absolute, not private | " + " | ".join(reference) + " |")
    print("\ndistance from torch.func in float64, of the bounded sum's norm (width 32, 8 patches):")
    for name, distance in agreement(32, 32, asked.device).items():
        print(f"  {name}: {distance:.1e}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="Full backward hook is firing")  # Opacus, on every pass
    main()
