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
from pathlib import Path

import torch
from critic_steps import (
    PATCH,
    REFERENCE,
    ROUTES,
    Step,
    book_keeping,
    opacus_fast_gradient_clipping,
    opacus_hooks,
    torch_func,
)

SIZES = [(16, 32), (32, 32), (64, 32), (32, 128), (96, 32)]  # critic width, batch


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
