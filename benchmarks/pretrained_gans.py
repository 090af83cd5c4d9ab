"""Private GANs that begin with public phantoms, beside votes and private U-Nets: DSC at equal eps.

    python benchmarks/pretrained_gans.py --table gans.csv --minutes 8    # again, until the table is full

A GAN may fail on few patients because it learns everything from noisy gradients. So here critic and generator
are first trained on public phantoms (family `wide`) without noise, and go on with the patients' patches and
noise: as the demo's private GAN does, with large batches, and with many critic steps for each step of the
generator (Bie et al. 2023, "Private GANs, Revisited", TMLR). The noise is calibrated to the same eps of a
patch for all. All rows give 8,000 pairs to the same U-Net, which segments whole volumes of the demo's test
patients; private U-Nets go on from the one of `phantom-wide`, and have no pairs. Every finished cell is kept
in the CSV file, and pre-trained nets in files beside it.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import demo_rows as demo  # noqa: E402
from gan_plans import NETS, Plan  # noqa: E402
from private_unet_rows import PrivateUNets  # noqa: E402
from scored_rows import Cells, Row, Score, fill, tabulate, trained_lines  # noqa: E402
from votes import PAIRS  # noqa: E402

from privessel.files import checkpoint  # noqa: E402
from privessel.gan.files import keep_generator  # noqa: E402
from privessel.gan.pairs import Pairs  # noqa: E402
from privessel.gan.step import Gan  # noqa: E402
from privessel.gan.synthesis import synthesise  # noqa: E402
from privessel.privacy.keys import Stream  # noqa: E402

LEVELS = ("eps-1", "eps-8")  # of a patch
THRESHOLD = 0.0  # of the label channel, as in the demo
PRETRAINED = "GAN pre-trained on phantom-wide, no patients"


@dataclass(frozen=True)
class Way:
    """A way to train a GAN on patients: keys of `gan` that differ from the demo's at private levels."""

    name: str
    pretrained: bool
    keys: Mapping[str, object]


# Fixed before the table was filled; docs/vote.md says how.
ONCE = {"epochs": 1, "kept_epochs": [1]}
WAYS = (
    Way("GAN pre-trained, then noise", True, ONCE | {"steps_per_epoch": 100}),
    Way("GAN pre-trained, then noise in large batches", True, ONCE | {"steps_per_epoch": 40, "batch": 2048}),
    Way(
        "GAN pre-trained, then noise, more critic steps",
        True,
        ONCE | {"steps_per_epoch": 40, "critic_steps": 6},
    ),
    Way("GAN from scratch, as in the demo", False, {}),
)


@dataclass
class Gans:
    """The GANs of the table, and the pre-trained nets that some of them begin with."""

    cohort: demo.DemoCohort
    starts: Path  # folder of the pre-trained nets
    _patches: dict[str, tuple[Pairs, int]] = field(default_factory=dict)

    def patches(self, cohort: str, count: int) -> tuple[Pairs, int]:
        """Return the patches of a cohort's first patients, and how many show one place at most."""
        if cohort not in self._patches:
            training = Plan.read("inf", {}, patients=count).training
            found = self.cohort.patches(cohort, count, each=training.units // count)
            pairs = Pairs(
                found.images, found.labels,
                patients=found.owners, device="cpu", background=training.label_background,
            )  # fmt: skip
            self._patches[cohort] = pairs, found.region
        return self._patches[cohort]

    def start(self, seed: int) -> dict[str, dict]:
        """Return nets that were trained on public phantoms without noise, and on no patient."""
        path, plan = self.starts / f"start-{seed}.pt", Plan.read("inf", {}, patients=demo.PHANTOMS)
        if not path.exists():
            data, _ = self.patches("phantom-wide", demo.PHANTOMS)
            gan = plan.train(data, name=f"phantom-wide/run-{seed}", start=None)
            path.parent.mkdir(parents=True, exist_ok=True)
            nets = {net: getattr(gan, net).state_dict() for net in NETS}
            checkpoint.save(path, nets | {"plan": repr(plan)})
        start = checkpoint.load(path)
        if start["plan"] != repr(plan):
            raise ValueError(f"{path} was trained with other settings. Remedy: remove it")
        return start

    def score_start(self, seed: int) -> Score:
        """Return the score of pairs from pre-trained nets as they are."""
        plan = Plan.read("inf", {}, patients=demo.PHANTOMS)
        gan = Gan(plan.shape, plan.training, stream=Stream(bytes(32), threads=1), device="cpu")
        gan.kept.load_state_dict(self.start(seed)["kept"])
        return self._score(gan, seed)

    def score_way(self, way: Way, level: str, seed: int) -> Score:
        """Return the score of a GAN with noise, with its eps and what it was trained with."""
        data, region = self.patches("phantom-a", demo.PATIENTS)
        plan = Plan.read(level, way.keys, patients=demo.PATIENTS, region=region)
        start = self.start(seed) if way.pretrained else None
        gan = plan.train(data, name=f"{way.name}/{level}/run-{seed}", start=start)
        training = plan.training
        told = f"noise {training.noise_multiplier:.3g}, batch {training.batch}, "
        told += f"{training.steps} x {training.critic_steps} critic steps"
        return Score(self._score(gan, seed).dsc, {"epsilon": plan.epsilon, "remark": told})

    def _score(self, gan: Gan, seed: int) -> Score:
        with TemporaryDirectory() as folder:
            keep_generator(Path(folder), gan, 1)
            pairs = synthesise(
                Path(folder) / "generator-epoch-1.pt",
                n=PAIRS, seed=seed, label_threshold=THRESHOLD, batch=500, device="cpu",
            )  # fmt: skip
        return self.cohort.score(pairs, seed)

    def rows(self, *, seeds: Sequence[int]) -> list[Row]:
        """Return all rows: of the pre-trained nets, then each way at each level."""
        design = self.cohort.design
        rows = [Row(PRETRAINED, self.score_start, seeds, design)]
        for way in WAYS:
            told = ", ".join([design, *(f"{key} {value}" for key, value in way.keys.items())])
            for level in LEVELS:
                rows.append(Row(f"{way.name}, {level}", partial(self.score_way, way, level), seeds, told))
        return rows


def main() -> None:
    """Fill the table as far as the time allows, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="CSV file of the finished cells")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no cell after these")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=6, help="of the vote; the demo has 6")
    parser.add_argument("--steps", type=int, default=400, help="of each U-Net")
    asked = parser.parse_args()
    torch.set_num_threads(1)

    seeds = range(1, asked.seeds + 1)
    cohort = demo.DemoCohort(asked.steps)
    cells = Cells(asked.table)
    references = demo.reference_rows(cohort, seeds=seeds)
    candidates = demo.candidate_rows(cohort, candidates=asked.candidates, seeds=seeds)
    gans = Gans(cohort, asked.table.with_suffix(".starts")).rows(seeds=seeds)
    until = time.monotonic() + 60 * asked.minutes
    last = len(LEVELS) * sum(not way.pretrained for way in WAYS)  # GANs from scratch take longest
    unets = PrivateUNets(cohort).rows(seeds=seeds)
    groups = [[*references, *gans[:-last], *unets], candidates, gans[-last:]]
    fill(groups, cells, until=until)
    lines = demo.reference_lines(references, cells)
    lines += [*demo.vote_lines(candidates, cells), *trained_lines([*unets, *gans], cells)]
    print(tabulate([line for line in lines if line.dsc], reference=demo.REAL))


if __name__ == "__main__":
    main()
