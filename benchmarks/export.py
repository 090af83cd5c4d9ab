"""How long exports and a release take, stage by stage; against another checkout, with the files' digests.

    python benchmarks/export.py                               # 2,000 pairs of 96 x 96
    git worktree add ../before HEAD~1 && python benchmarks/export.py --against ../before

Each stage does what its step of the workflow does. The other checkout has the same functions. Every run is a
process of its own, and the checkouts take turns. Times are of the processor, all threads together, and by the
wall clock. Both are medians over the rounds, and so are their ratios. Set TMPDIR to a folder in memory where
other programs keep the disk busy. The words of a release come from the checkout's tests, its pixels are
smooth random images.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
SIDE = 96


def draw_pairs(count: int, seed: int) -> tuple:
    """Return smooth random images (n, 96, 96) uint8, and as labels their brightest pixels."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    rough = np.random.default_rng(seed).random((count, SIDE, SIDE), dtype=np.float32)
    smooth = gaussian_filter(rough, (0, 2, 2))
    low, high = (part(smooth, axis=(1, 2), keepdims=True) for part in (np.min, np.max))
    images = np.rint(255 * (smooth - low) / (high - low)).astype(np.uint8)
    return images, images > 200


def forbid() -> object:
    """Return as much as a site of some size must keep: 66 patients, 270 digests, 40 keys."""
    from privessel.release.traces import Forbidden

    return Forbidden(
        patients=[f"{number:04d}" for number in range(33)] + [f"P-{number:03d}x" for number in range(33)],
        names=["jdoe", "ward7", "ward7.example.org", "clinic-north", "clinic-south"],
        paths=["/srv/clinic/one", "/srv/clinic/two", "/home/jdoe", "/srv/state", "results/clinic"],
        digests=[sha256(str(number).encode()).hexdigest() for number in range(270)],
        seeds=[2022, 6_200_300_400_500_600_700],
        keys=[sha256(bytes([number])).digest() for number in range(40)],
    )


def measure(checkout: Path, asked: argparse.Namespace, folder: Path) -> dict:
    """Run all stages with the code of a checkout; return each one's seconds, and the digests of its files."""
    sys.path[:0] = [str(checkout / "scripts"), str(checkout / "tests")]
    import tiny_release
    import torch

    from privessel.release.archive import pack
    from privessel.release.bundle import Content, write_files
    from privessel.release.export import NnunetTarget, write_exports
    from privessel.release.scanner import scan

    torch.set_num_threads(1)
    pairs, terms, threads = draw_pairs(asked.pairs, seed=0), tiny_release.TERMS, asked.threads
    content = Content(*pairs, tiny_release.public_numbers(), terms, "wgan", None)
    release, packed = folder / terms.name, folder / "packed.tar.gz"
    release.mkdir()
    nnunet = NnunetTarget(folder / "nnunet", 7, "a")

    def search() -> None:
        found = scan(packed, outline=content.outline, forbidden=forbid())
        assert not found, found[:3]

    stages = {
        "export for nnU-Net": lambda: write_exports(*pairs, nnunet=nnunet, threads=threads),
        "export as PNG": lambda: write_exports(*pairs, png=folder / "png", threads=threads),
        "release: files": lambda: write_files(release, content, threads=threads),
        "release: archive": lambda: pack(release, packed),
        "release: search": search,
    }
    seconds = {name: clock(stage) for name, stage in stages.items()}
    # The whole archive holds words, which change with every version; its pixels should not.
    pack(release / "data", folder / "data.tar.gz")
    packed.unlink()
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    digests = {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}
    return {"seconds": seconds, "digests": digests}


def clock(stage: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of the processor and of the wall clock that a stage takes."""
    wall, processor = time.perf_counter(), time.process_time()
    stage()
    return time.process_time() - processor, time.perf_counter() - wall


def run_apart(checkout: Path, asked: argparse.Namespace) -> dict:
    """Return `measure` of a process of its own."""
    sizes = ("pairs", "threads")
    command = [sys.executable, __file__, "--measure", str(checkout)]
    command += [text for name in sizes for text in (f"--{name}", str(getattr(asked, name)))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def print_times(runs: dict[Path, list[dict]]) -> None:
    """Print a table of the stages, with ratios where there are two checkouts."""
    here, *others = runs
    print("| stage | CPU s | wall s |" + " before: CPU s | wall s | times faster: CPU | wall |" * len(others))
    print("|---|---|---|" + "---|---|---|---|" * len(others))
    seconds = {
        checkout: [
            {**one["seconds"], "all": [*map(sum, zip(*one["seconds"].values(), strict=True))]} for one in done
        ]
        for checkout, done in runs.items()
    }
    for stage in seconds[here][0]:
        cells = [f"{_median(one[stage][clock] for one in seconds[here]):.2f}" for clock in (0, 1)]
        for other in others:
            cells += [f"{_median(one[stage][clock] for one in seconds[other]):.2f}" for clock in (0, 1)]
            turns = list(zip(seconds[here], seconds[other], strict=True))
            cells += [
                f"{_median(b[stage][clock] / a[stage][clock] for a, b in turns):.1f}" for clock in (0, 1)
            ]
        print(f"| {stage} | {' | '.join(cells)} |")


def print_differences(here: dict[str, str], there: dict[str, str]) -> None:
    """Print how many files have the same bytes in both checkouts, and which have not."""
    same = {name for name in here if there.get(name) == here[name]}
    other = sorted((set(here) | set(there)) - same)
    print(f"\n{len(same)} files have the same bytes, and {len(other)} have not: {', '.join(other)}")


def _median(values: object) -> float:
    return statistics.median(values)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout of privessel")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(asked.measure.resolve(), asked, Path(folder))))
        return
    checkouts = [HERE, *([asked.against.resolve()] if asked.against else [])]
    runs = {checkout: [] for checkout in checkouts}
    for number in range(asked.rounds):
        for checkout in checkouts:
            print(f"round {number + 1} of {asked.rounds}: {checkout}", file=sys.stderr, flush=True)
            runs[checkout].append(run_apart(checkout, asked))
    print_times(runs)
    if asked.against:
        print_differences(*(runs[checkout][0]["digests"] for checkout in checkouts))


if __name__ == "__main__":
    main()
