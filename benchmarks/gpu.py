"""All that is not known before the first GPU, in one command that keeps to its time.

    python benchmarks/gpu.py --minutes 8
    python benchmarks/gpu.py --device cpu --tiny --minutes 0.3     # what the test runs

In this order, each part within its share of the time: the device; how far one private step is from a float64
oracle on the CPU; whether kernels repeat bit for bit; time and memory of the paper's critic step with and
without privacy; of a training step of GAN and U-Net; whole-volume prediction in batches against one patch at
a time; and from these the hours of a GAN and of the whole study. The JSON is written anew after each part, so
that an abort keeps what was measured. Exit status 1: a part failed, or disagrees; 2: no such device.

The parts of the GAN run with the kernels that privessel.gan.loop asks for (no TF32, the same kernels at every
call); U-Net and prediction run with torch's defaults, because their code asks for nothing.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import gpu_agreement as checks
import gpu_parts as parts
from schedule import hours_by_kind, pack, span, study_trainings

from privessel.files.atomic import atomic_path

ROOT = Path(__file__).parents[1]

# Shares of the time that is left when a part begins: whatever one leaves over, the next ones have.
SHARES = {"agreement": 0.1, "repetition": 0.1, "critic steps": 0.35, "training": 0.3, "U-Net": 0.3}
SHARES |= {"prediction": 1.0}
GAN_PARTS = ("agreement", "repetition", "critic steps", "training")
RATIOS = {"ratio": "x the time without privacy", "times as fast": "x as fast as one at a time"}
TINY = {
    "gan": {"latent": 8, "generator_width": 4, "critic_width": 4, "batch": 8, "generator_batch": 8},
    "unet": {"filters": [4, 8], "batch": 4},
    "size": 24,
    "batches": [8, 16],
    "shape": (60, 72, 4),
    "threads": 1,
    "repeats": 3,
}
GPUS = (1, 4, 16, 64)
SKIPPED = "skipped: no time left"


def read_sizes(*, tiny: bool) -> dict:
    """Return the config's keys of GAN and U-Net, patch size, batches and volume; small ones for a test."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["gan"] |= {key: config["privacy"][key] for key in ("unit", "patient_patches", "grid_bits")}
    config["gan"] |= {"delta": 1e-5, "patient_delta": 1e-5, "region_patches": 1}
    shape = config["cohorts"]["phantom-a"]["phantom"]["shape"]
    sizes = {
        "config": config,
        "gan": config["gan"],
        "unet": config["unet"],
        "size": config["patches"]["size"],
    }
    sizes |= {"batches": [32, 128, 512], "shape": tuple(shape)}
    # The CPU makes the noise, so its threads decide the time of a private step: those that training has.
    sizes |= {"threads": config["gan"]["threads"], "repeats": 20}
    if tiny:
        sizes |= {key: TINY[key] for key in ("size", "batches", "shape", "threads", "repeats")}
        sizes |= {key: config[key] | TINY[key] for key in ("gan", "unet")}
    return sizes


def describe_device(device: str) -> dict:
    """Return what the numbers were measured on."""
    facts = {"torch": torch.__version__, "machine": platform.machine(), "device": device}
    facts |= {"threads": torch.get_num_threads()}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts |= {"name": properties.name, "memory GB": properties.total_memory / 1e9}
        facts |= {"CUDA": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()}
        facts |= {"driver": _driver_version()}
    else:
        facts |= {"name": platform.processor() or platform.machine()}
    return facts


def _driver_version() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown: nvidia-smi did not answer"


def plan_parts(sizes: Mapping) -> dict[str, Callable[[parts.Clock], dict]]:
    """Return every part by its name, in the order they run."""
    gan, unet, size = sizes["gan"], sizes["unet"], sizes["size"]
    predicted = [sizes["config"]["prediction"]["batch"], 256]
    return {
        "agreement": lambda clock: checks.measure_agreement(clock, gan, size=size),
        "repetition": lambda clock: checks.measure_repetition(clock, gan, size=size),
        "critic steps": lambda clock: parts.measure_critic_steps(
            clock, gan, size=size, batches=sizes["batches"]
        ),
        "training": lambda clock: parts.measure_training(clock, gan, size=size),
        "U-Net": lambda clock: parts.measure_unet(
            clock, unet, size=size, pairs=sizes["config"]["synthesis"]["pairs"]
        ),
        "prediction": lambda clock: parts.measure_prediction(
            clock, unet, size=size, shape=sizes["shape"], batches=predicted
        ),
    }


def estimate_study(measured: Mapping, config: Mapping) -> dict:
    """Return hours of a GAN, of a U-Net and of the study; nothing where a step was not measured."""
    rows = {**measured.get("training", {}), **measured.get("U-Net", {})}
    seconds = {name: rows.get(name, {}).get("seconds") for name in ("plain GAN", "private GAN", "U-Net")}
    if not all(seconds.values()):
        return {"result": "a step was not measured, so there is no estimate"}
    gan, unet = config["gan"], config["unet"]
    gan_steps = gan["epochs"] * gan["steps_per_epoch"]
    unet_steps = unet["epochs"] * (
        int(unet["factor_train_samples"] * config["synthesis"]["pairs"]) // unet["batch"]
    )
    plain, private = (gan_steps * seconds[name] / 3600 for name in ("plain GAN", "private GAN"))
    one_unet = unet_steps * seconds["U-Net"] / 3600
    # The compared architectures count as GANs without privacy, though some take more work and some less.
    by_kind = hours_by_kind(config, plain=plain, private=private, unet=one_unet)
    trainings = study_trainings(config, hours=by_kind)
    hours = {"a GAN without privacy": plain, "a private GAN": private, "a U-Net": one_unet}
    hours["the study"] = sum(training.hours for training in trainings)
    for count in GPUS:
        hours[f"the study on {count} GPU{'s' * (count > 1)}"] = span(pack(trainings, gpus=count))
    return {"trainings": len(trainings), "hours": hours}


def run(sizes: Mapping, *, device: str, minutes: float, output: Path) -> dict:
    """Run all parts within `minutes`; write `output` after each, and return what it holds."""
    ends = time.monotonic() + 60 * minutes
    torch.set_num_threads(sizes["threads"])
    report: dict = {"device": describe_device(device), "minutes": minutes}
    for name, measure in plan_parts(sizes).items():
        left = ends - time.monotonic()
        if left <= 0:
            report[name] = {"result": SKIPPED}
        else:
            print(f"{name}: at most {SHARES[name] * left:.0f} s", file=sys.stderr, flush=True)
            clock = parts.Clock(device, time.monotonic() + SHARES[name] * left, repeats=sizes["repeats"])
            # No reduced precision where norms are bounded, and the same kernels at every call.
            exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
            try:
                with exact if name in GAN_PARTS else nullcontext():
                    report[name] = measure(clock)
            except parts.OutOfTimeError:
                report[name] = {"result": SKIPPED}
            except Exception as problem:
                report[name] = {"error": f"{type(problem).__name__}: {problem}"}
                traceback.print_exc()
        _write(report, output)
    report["estimate"] = estimate_study(report, sizes["config"])
    _write(report, output)
    return report


def failed(report: Mapping) -> list[str]:
    """Return the parts that failed, in whole or in a row, or whose result is wrong."""
    wrong = []
    for name, part in report.items():
        rows = [part, *part.values()] if isinstance(part, dict) else []
        if any(isinstance(row, dict) and "error" in row for row in rows):
            wrong.append(name)
    return wrong + (["agreement"] if report.get("agreement", {}).get("agrees") is False else [])


def format_report(report: Mapping) -> str:
    """Return the table, a line a number; ratios are marked with a star, layers are in the JSON alone."""
    lines = [", ".join(f"{name} {_format_value(value)}" for name, value in report["device"].items()), ""]
    for part, rows in report.items():
        if part in ("device", "minutes"):
            continue
        lines.append(f"{part} (hours)" if "hours" in rows else part)
        lines += [f"  {name:<40} {_format_value(row)}" for name, row in rows.items() if name != "hours"]
        lines += [f"  {name:<40} {_format_value(value)}" for name, value in rows.get("hours", {}).items()]
    return "\n".join(lines)


def _format_value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"* {inner:.2f} {RATIOS[name]}" if name in RATIOS else f"{name} {_format_value(inner)}"
            for name, inner in value.items()
            if name != "layers"
        )
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)


def _write(report: Mapping, output: Path) -> None:
    with atomic_path(output) as partial:
        partial.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Measure, write the JSON and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small sizes, for a test of this program")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "gpu.json")
    asked = parser.parse_args(arguments)
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(
            f"error: torch {torch.__version__} sees no CUDA device here. Remedy: run it where there is one, "
            "with a build for CUDA (docs/install.md), or try the program with --device cpu --tiny",
            file=sys.stderr,
        )
        return 2
    report = run(read_sizes(tiny=asked.tiny), device=asked.device, minutes=asked.minutes, output=asked.output)
    print(format_report(report))
    wrong = failed(report)
    if wrong:
        print(f"failed: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
