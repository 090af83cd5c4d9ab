"""What a GAN of the demo is trained with at a level, and its training, with a few keys changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import demo_rows as demo
import yaml
from scored_rows import say
from votes import SEED

from privessel.gan.job import Settings
from privessel.gan.nets import GanShape
from privessel.gan.pairs import Pairs
from privessel.gan.run import GanRun
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.keys import Stream, public_key

ROOT = Path(__file__).resolve().parents[1]
NETS = ("generator", "kept", "critic")  # what a start consists of; optimisers begin anew
SAY_SECONDS = 30.0


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
        return demo.state_epsilon(training, steps=steps, each=training.units // demo.PATIENTS)

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
