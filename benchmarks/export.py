"""How long exports and a release take, stage by stage; against another checkout, with the files' digests.

    python benchmarks/export.py                               # 2,000 pairs of 96 x 96, 4 x 250 real patches
    git worktree add ../before 9efa9a0 && python benchmarks/export.py --against ../before

Each stage does what its step of the workflow does; in 9efa9a0 an export also reads itself back. The other
checkout has today's layout or that of 9efa9a0. Every run is a process of its own, and the checkouts take
turns. Times are of the processor, all threads together, and by the wall clock. Both are medians over the
rounds, and so are their ratios. Set TMPDIR to a folder in memory where other programs keep the disk busy. The
words of a release come from the checkout's tests, its pixels are smooth random images.
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
    import numpy as np
    import tiny_release
    import torch

    from privessel.release import bundle
    from privessel.release.scanner import scan

    torch.set_num_threads(1)
    pairs = draw_pairs(asked.pairs, seed=0)
    origin = np.zeros((asked.patches, 3), np.int64)
    real = [
        type(tiny_release.REAL)(image.astype(np.float32), label, origin, origin[:, 0], ("a",), (0,))
        for image, label in (draw_pairs(asked.patches, seed) for seed in range(1, asked.patients + 1))
    ]
    numbers, terms = tiny_release.public_numbers(), tiny_release.TERMS
    release, packed = folder / terms.name, folder / "packed.tar.gz"
    release.mkdir()
    if (checkout / "scripts/privessel/release/archive.py").exists():
        from privessel.release.archive import pack
        from privessel.release.export import NnunetTarget, write_exports

        def export_nnunet() -> None:
            write_exports(*pairs, nnunet=NnunetTarget(folder / "nnunet", 7, "a"), threads=asked.threads)

        def export_png() -> None:
            write_exports(*pairs, png=folder / "png", threads=asked.threads)

        def write_release() -> None:
            content = bundle.Content(*pairs, numbers, terms, "wgan", None)
            bundle.write_files(release, content, threads=asked.threads)
    else:  # before threads: each picture by itself, and read back
        from privessel import export
        from privessel.release.bundle import pack

        def export_nnunet() -> None:
            dataset = export.write_nnunet(*pairs, folder / "nnunet", dataset_id=7, name="a")
            export.require_same(pairs, export.read_nnunet(dataset), folder=dataset)

        def export_png() -> None:
            export.write_png_pairs(*pairs, folder / "png")
            export.require_same(pairs, export.read_png_pairs(folder / "png"), folder=folder)

        def write_release() -> None:
            bundle.write_files(release, *pairs, numbers=numbers, terms=terms, arch="wgan", generator=None)

    if (checkout / "scripts/privessel/release/allowed.py").exists():
        outline = bundle.Content(*pairs, numbers, terms, "wgan", None).outline
        shape = {"outline": outline}
        if not (checkout / "scripts/privessel/release/checks").exists():  # where copies were a finding
            shape["real"] = real

        def check_parts() -> None:
            bundle.require_parts(outline, release)
    else:  # before a release was compared with what it may hold
        shape = {"size": SIDE, "real": real}

        def check_parts() -> None:
            pass

    def search() -> None:
        found = scan(packed, forbidden=forbid(), **shape)
        assert not found, found[:3]

    stages = {
        "export for nnU-Net": export_nnunet,
        "export as PNG": export_png,
        "release: files": write_release,
        "release: allowed parts": check_parts,
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
    sizes = ("pairs", "patients", "patches", "threads")
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
    parser.add_argument("--patients", type=int, default=4)
    parser.add_argument("--patches", type=int, default=250, help="real ones of each patient")
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
