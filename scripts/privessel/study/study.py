"""One study: all that the rules ask for, worked out from its config before any job runs."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from privessel.study import names
from privessel.study.audit_resources import AuditResources
from privessel.study.audits import AuditPlan
from privessel.study.checks import check_study
from privessel.study.clock import check_clock
from privessel.study.code import Library
from privessel.study.cohorts import Cohorts
from privessel.study.config.reading import read_config
from privessel.study.deid import DeidPlan
from privessel.study.deid_gan import HeadGanPlan
from privessel.study.deid_release import DeidReleasePlan
from privessel.study.deid_utility import HeadUtilityPlan
from privessel.study.gans import ANY_PRIVATE, GanPlan
from privessel.study.names import Level
from privessel.study.products import Entry, Products
from privessel.study.releases import ReleasePlan
from privessel.study.resources import Resources
from privessel.study.site import SitePlan
from privessel.study.sizes import find_small
from privessel.study.sources import TRAINED, VOTED, SourcePlan
from privessel.study.transfers import SCRATCH, TransferPlan
from privessel.study.vote_resources import VoteResources

log = logging.getLogger("privessel")
_PLACES = ("state", "anchor")  # keys of privacy that the report must not show


class Study:
    """A study's folders, cohorts, GANs, sources, costs and products; `config` is the typed config.

    values: the config as YAML gives it. figures: the registry of figures by name. scripts: the folder of the
    scripts, the library in it. redraw: figures alone are drawn again, so cohorts may be absent. dry_run: no
    job will run. Raises ConfigError and CohortError that list what is wrong, before any job.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        figures: Mapping[str, Entry],
        scripts: Path,
        redraw: bool = False,
        dry_run: bool = False,
    ) -> None:
        config = self.config = read_config(values)
        self._values = values
        self.results, self.data, self.logs = (
            f"{kind}/{config.study}" for kind in ("results", "data", "logs")
        )
        outputs = tuple(map(Path, (self.results, self.data, self.logs)))
        self.cohorts = Cohorts(config, Path(self.data), outputs, absent_allowed=redraw)
        self.gans = GanPlan(config)
        self.sources = SourcePlan(config, self.cohorts, self.gans, self.results)
        self.transfers = TransferPlan(config, self.sources)
        self.site = SitePlan(config, self.cohorts, dry_run)
        self.audit = AuditPlan(config, self.sources, self.site)
        self.deid = DeidPlan(config, self.data, self.results, self.logs, absent_allowed=redraw)
        self.head_gans = HeadGanPlan(self.deid)
        self.head_uses = HeadUtilityPlan(self.deid, self.head_gans)
        self.head_release = DeidReleasePlan(self.deid, self.site)
        self.release = ReleasePlan(config, self.gans, self.site, self.results)
        self.products = Products(config, self.cohorts, self.gans, self.sources, self.transfers, figures)
        self.cost = Resources(config, self.cohorts, self.sources)
        self.audit_cost, self.vote_cost = AuditResources(self.cost), VoteResources(self.cost)
        self.code = Library(scripts)
        self.notices: list[str] = []  # what is too small for what is asked; to be said once
        if not self.cohorts.absent:
            check_study(config, self.cohorts, self.transfers, self.site)
            self.notices = find_small(config, self.cohorts, self.site)

    def checked_splits(self) -> list[str]:
        """The lists of checked patients of every split that has any."""
        return [path for name in self.cohorts.names for path in self.sources.scan_lists(name)]

    def planned_mechanism(self) -> dict[str, object]:
        """What the private levels will do, as `planner.plan_levels` takes it: all steps of a run."""
        keys, unit = self.config.gan_keys(ANY_PRIVATE), self.config.privacy.unit
        return {
            "sampling_rate": keys["batch"] / self.site.units,
            "steps": keys["epochs"] * keys["steps_per_epoch"] * keys["critic_steps"],
            "critic_steps": keys["critic_steps"],
            "delta": self.site.delta if unit == "patch" else self.site.patient_delta,
            "unit": unit,
            "patients": self.site.training_patients,
            "patches_per_patient": self.config.patches.per_patient,
            "max_overlap": self.config.patches.max_overlap,
            "release_delta": self.release.unit_delta,
        }

    def private_unet_training(self) -> dict[str, object]:
        """What private U-Nets are trained with, as `private_unet.run.train_private_unet` takes it."""
        asked, unet = self.config.private_unet, self.config.unet
        return self.site.promise() | {
            "learning_rate": asked.learning_rate,
            "batch": asked.batch,
            "steps": asked.steps,
            "clipping_norm": asked.clip_norm,
            "micro_batch": unet.batch,  # as many patches at a time as in any U-Net's training
            "device": unet.device,
            "threads": unet.threads,
            "checkpoint_seconds": unet.checkpoint_seconds,
        }

    def private_unet_runs(self) -> dict[str, int]:
        """How many private U-Nets each of their levels has."""
        asked = self.config.private_unet
        count = asked.runs if isinstance(asked.runs, int) else len(asked.runs)
        return dict.fromkeys(asked.levels, count)

    def planned_private_unet(self) -> dict[str, object]:
        """What private U-Nets will do, as `planner.plan_private_unets` takes it."""
        asked = self.config.private_unet
        rate = {"sampling_rate": asked.batch / self.site.units, "steps": asked.steps, "critic_steps": 1}
        return self.planned_mechanism() | rate

    def training_digest(self, script: str, level: str) -> str:
        """Return a digest of the code behind a training: an edit trains again.

        On patients no edit starts a private run again, so there it is empty (docs/mechanism.md, rule 11).
        """
        paid = Level.parse(level).private and not self.site.public
        return "" if paid else self.code.digest(script)

    def voting_digest(self, script: str) -> str:
        """Return a digest of the code behind candidates and votes: an edit makes them anew.

        On patients no edit does, because a vote among other candidates than those that it was held on is
        refused once it is paid for (rule 11).
        """
        return self.code.digest(script) if self.site.public else ""

    def vote_design(self) -> dict[str, object]:
        """What the candidates of the votes have in common, as `vote.candidates.Design` takes it."""
        asked = self.config.vote.model_dump(
            mode="json", include={"families", "phantoms", "shape", "spacing", "pairs"}
        )
        return asked | {"size": self.config.patches.size}

    def candidate_training(self) -> dict[str, object]:
        """The settings of the candidates' U-Nets: those of the study's, and their own in their place."""
        common = self.config.unet.model_dump(mode="json", exclude={"grid"})
        return common | self.config.vote.unet.model_dump(mode="json")

    def shown_config(self) -> dict[str, Any]:
        """The config as used, without the places where the site keeps its secret and the ledgers' heads."""
        privacy = {key: value for key, value in self._values["privacy"].items() if key not in _PLACES}
        return dict(self._values) | {"privacy": privacy}

    def wildcard_constraints(self) -> dict[str, str]:
        """A pattern for every wildcard of the rules, from the config's names."""
        config = self.config
        cohorts, baselines = one_of(self.cohorts.names), one_of(["threshold", "frangi"])
        return {
            "cohort": cohorts,
            "patient": names.PATIENT,
            "arch": one_of({config.arch, *config.compared_architectures}),
            "level": names.LEVEL,
            "run": r"\d+",
            "epoch": r"\d+",
            "setting": f"lr-[^/]+|{VOTED}|{TRAINED}",
            "source": f"real|{cohorts}|{names.PAIRS_NAME}(?:-shuffled)?|{names.VOTE_NAME}"
            f"|{names.PRIVATE_UNET_NAME}",
            "candidate": one_of(self.sources.candidates),
            "baseline": baselines,
            "split": "train|validation|test",
            "start": one_of([SCRATCH, *self.transfers.starts]),
            "k": r"\d+",
            "draw": r"\d+",
            "heads": one_of(self.deid.names),
            "scan": names.PATIENT,
            "person": "[A-Za-z0-9]+",
            "session": "[A-Za-z0-9]+",
            "hull": one_of(self.deid.shielded),
            "method": one_of(self.deid.methods),
        }

    def tell_notices(self) -> None:
        """Say what is too small for what the study asks, a line each."""
        for notice in self.notices:
            log.warning("Note: %s", notice)

    def warn_of_triggers(self, triggers: Iterable[str]) -> None:
        """Warn where Snakemake is told not to compare params, which hold what scans contain."""
        own = [name for name in self.cohorts.names if not self.cohorts.is_phantom(name)]
        own += self.config.deid.roots
        if own and "params" not in {trigger.lower() for trigger in triggers}:
            log.warning(
                "--rerun-triggers has no `params`: changed scans of %s will not be noticed. "
                "Remedy: leave it out.",
                ", ".join(own),
            )

    def check_clock(self) -> None:
        """Raise ConfigError where results are dated in the future."""
        check_clock([Path(self.results), Path(self.data)])


def one_of(options: Iterable[object]) -> str:
    """Return a pattern of these names; of no name one that nothing matches."""
    return "|".join(re.escape(str(option)) for option in options) or "(?!)"
