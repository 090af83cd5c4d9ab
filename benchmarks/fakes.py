"""What each treatment of the fakes' gradients does to the demo's private GAN: DSC of the validation patients.

    python benchmarks/fakes.py --runs 2              # about 20 minutes on two cores

Trains the demo's private level with `gan.fake_clipping` per-sample, common and centre, all else equal, and a
U-Net on the pairs of each; writes results/fakes-*/. No test patient is looked at.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREATMENTS = ("per-sample", "common", "centre")


def train(treatment: str, *, runs: int, cores: int) -> list[float]:
    """Run the workflow up to the validation of every run's U-Net; return their mean DSC."""
    study = f"fakes-{treatment}"
    pairs = [f"wgan/noise-0.65/run-{run}/epoch-3" for run in range(1, runs + 1)]
    targets = [f"results/{study}/selection/{each}.json" for each in pairs]
    config = [f"study={study}", f"runs={runs}", "levels=['noise-0.65']", "shuffled=[]"]
    config.append(json.dumps({"private": {"fake_clipping": treatment}}).join(["gan=", ""]))
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/demo", "--cores", str(cores)]
    subprocess.run([*command, "--config", *config, "--", *targets], cwd=ROOT, check=True)
    return [json.loads((ROOT / target).read_text())["validation_dsc"] for target in targets]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    asked = parser.parse_args()
    found = {name: train(name, runs=asked.runs, cores=asked.cores) for name in TREATMENTS}
    print("\n| gan.fake_clipping | mean validation DSC | of each run |\n|---|---|---|")
    for name, scores in found.items():
        print(f"| {name} | {sum(scores) / len(scores):.2f} | {', '.join(f'{one:.2f}' for one in scores)} |")


if __name__ == "__main__":
    main()
