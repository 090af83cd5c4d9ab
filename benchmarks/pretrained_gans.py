"""Private GANs that begin with public phantoms, beside the vote: DSC at equal eps, on the demo's cohort.

    python benchmarks/pretrained_gans.py --table gans.csv --minutes 8    # again, until the table is full

A GAN may fail on few patients because it learns everything from noisy gradients. So here critic and generator
are first trained on public phantoms (family `wide`) without noise, and go on with the patients' patches and
noise: as the demo's private GAN does, with large batches, and with many critic steps for each step of the
generator (Bie et al. 2023, "Private GANs, Revisited", TMLR). The noise is calibrated to the same eps of a
patch for all. All rows give 8,000 pairs to the same U-Net, which segments whole volumes of the demo's test
patients. Every finished cell is kept in the CSV file, and pre-trained nets in files beside it.
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
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import demo_rows as demo  # noqa: E402
from scored_rows import FREE, Cells, Line, Row, Score, fill, tabulate  # noqa: E402
from votes import PAIRS, SEED  # noqa: E402

from privessel.files import checkpoint  # noqa: E402
from privessel.gan.files import keep_generator  # noqa: E402
from privessel.gan.job import Settings  # noqa: E402
from privessel.gan.nets import GanShape  # noqa: E402
from privessel.gan.pairs import Pairs  # noqa: E402
from privessel.gan.run import GanRun  # noqa: E402
from privessel.gan.step import Gan  # noqa: E402
from privessel.gan.synthesis import synthesise  # noqa: E402
from privessel.gan.training import GanTraining  # noqa: E402
from privessel.privacy.accounting import Charge  # noqa: E402
from privessel.privacy.keys import Stream, public_key  # noqa: E402
from privessel.privacy.promises import Sizes, state_promises  # noqa: E402

LEVELS = ("eps-1", "eps-8")  # of a patch
NETS = ("generator", "kept", "critic")  # what a start consists of; optimisers begin anew
SAY_SECONDS = 30.0
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


@dataclass(frozen=True)
class Plan:
    """What a GAN is trained with."""

    shape: GanShape
    training: GanTraining

    @classmethod
    def read(
        cls, level: str, keys: Mapping[str, object], *, patients: int, region: int | None = None
    ) -> "Plan":
        """Return the plan of a GAN of the demo at a level; `keys` of the section `gan` win over the demo's.

        The noise of a level such as eps-8 is calibrated to all its steps on patches of so many patients.
        """
        paper, study = (
            yaml.safe_load(path.read_text(encoding="utf-8"))
            for path in (ROOT / "config.yaml", ROOT / "profiles" / "demo" / "study.yaml")
        )
        gan = paper["gan"] | study["gan"]
        noisy = gan.pop("private")
        gan.pop("architectures")
        # A start must fit, so that also a GAN without noise has the shape of those with noise.
        gan |= {"critic_width": noisy["critic_width"]} if level == "inf" else noisy
        promise = paper["privacy"] | study["privacy"]
        kept = ("unit", "patient_patches", "grid_bits", "delta", "patient_delta")
        settings = Settings.from_config(
            gan | keys | {"device": "cpu", "threads": 1},
            {name: promise[name] for name in kept}
            | {"patients": patients, "max_overlap": None}
            | {"patches_per_patient": study["patches"]["per_patient"]},
            patch=study["patches"]["size"],
        )
        run = GanRun("wgan", level, 1, "phantom-a")
        return cls(settings.shape, run.planned_training(region=region, **settings.training))

    @property
    def epsilon(self) -> dict[str, float]:
        """The valid eps of a patient, a region and a patch."""
        training = self.training
        steps = training.steps * training.critic_steps
        charge = Charge(training.noise_multiplier, training.sampling_rate, steps)
        promises = state_promises(
            [charge],
            unit="patch",
            sizes=Sizes(demo.PATIENTS, training.units // demo.PATIENTS, training.region_patches),
            delta=training.delta,
            patient_delta=training.patient_delta,
        )
        return {unit: promise["epsilon"] for unit, promise in promises.items()}

    def train(self, data: Pairs, *, name: str, start: Mapping[str, dict] | None) -> Gan:
        """Return a GAN after all its steps, begun with the weights of a `start` where there is one.

        All random numbers, noise included, follow from the published seed and `name`: nobody was scanned.
        """
        stream = Stream(public_key(seed=SEED, name=name), threads=1)
        gan = Gan(self.shape, self.training, stream=stream, device="cpu")
        for net in NETS if start else ():
            getattr(gan, net).load_state_dict(start[net])
        steps, began = self.training.steps, time.monotonic()
        said = began
        while gan.step < steps:
            gan.advance(data)
            now = time.monotonic()
            if now - said > SAY_SECONDS:
                rate = gan.step / (now - began)
                left = (steps - gan.step) / rate
                say(f"  {name}: step {gan.step} of {steps}, {rate:.2f} steps/s, {left:.0f} s left")
                said = now
        return gan


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
            each, background = training.units // count, training.label_background
            self._patches[cohort] = self.cohort.cut(cohort, count, each=each, background=background)
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


def gan_lines(rows: Sequence[Row], cells: Cells) -> list[Line]:
    """Return the lines of the rows that have a score."""
    lines = []
    for row in rows:
        if scores := cells.scores(row):
            more = scores[0].more or {"epsilon": FREE, "remark": ""}
            lines.append(Line(row.name, more["epsilon"], [one.dsc for one in scores], more["remark"]))
    return lines


def say(text: str) -> None:
    """Tell whoever waits how far it is; the table alone goes to the standard output."""
    print(text, file=sys.stderr, flush=True)


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
    groups = [[*references, *gans[:-last]], candidates, gans[-last:]]
    fill(groups, cells, until=until, say=say)
    lines = demo.reference_lines(references, cells)
    lines += [*demo.vote_lines(candidates, cells), *gan_lines(gans, cells)]
    print(tabulate([line for line in lines if line.dsc], reference=demo.REAL))


if __name__ == "__main__":
    main()
