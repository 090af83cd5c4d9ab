"""Which figures and tables a study has, and what its report says of the study itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from privessel.study.cohorts import Cohorts
from privessel.study.config import StudyConfig
from privessel.study.gans import GanPlan
from privessel.study.sources import SourcePlan
from privessel.study.transfers import TransferPlan

# Conditions that an entry of the figures' registry may name.
PRIVATE, SECOND_COHORT, COMPARED = "private", "second cohort", "compared"
TRANSFER, EPOCHS, AUDIT = "transfer", "epochs", "audit"


class Entry(Protocol):
    """What the registry of figures says of one: see figures/registry.py."""

    title: str
    table: str | None
    listed: int
    needs: frozenset[str]
    data_file: str
    module: str


@dataclass(frozen=True)
class Products:
    """The figures of one study, its tables, and its description."""

    config: StudyConfig
    cohorts: Cohorts
    gans: GanPlan
    sources: SourcePlan
    transfers: TransferPlan
    registry: Mapping[str, Entry]

    @cached_property
    def _conditions(self) -> set[str]:
        met = {
            PRIVATE: self.gans.private_pairs,
            SECOND_COHORT: self.config.second_cohort,
            COMPARED: self.gans.compared,
            TRANSFER: self.transfers.trainings,
            EPOCHS: self.gans.studied_pairs,
        }
        return {name for name, there in met.items() if there}

    @cached_property
    def figures(self) -> list[str]:
        """The figures of the study itself, in the order in which the summary lists them."""
        there = [name for name, entry in self.registry.items() if entry.needs <= self._conditions]
        return sorted(there, key=lambda name: self.registry[name].listed)

    @cached_property
    def audit_figures(self) -> list[str]:
        """The figures of target `audit`, which are no part of the study."""
        audited = bool(self.config.audit.levels)
        return [name for name, entry in self.registry.items() if audited and AUDIT in entry.needs]

    @cached_property
    def tabulated(self) -> dict[str, str]:
        """The figures that are tabulated from one long table: figure -> table."""
        entries = {name: self.registry[name] for name in self.figures}
        return {name: entry.table for name, entry in entries.items() if entry.table}

    def figure_data(self, figure: str) -> str:
        """What is drawn: a CSV of numbers, or an npz where pixels are shown."""
        return f"{self.sources.results}/figures/{self.registry[figure].data_file}"

    def module(self, figure: str) -> str:
        """The module with a figure's functions, which scripts load by name."""
        return f"figures/{self.registry[figure].module}"

    @cached_property
    def reported(self) -> dict[str, str]:
        """The figures of the report with their headings, in the registry's order."""
        return {name: entry.title for name, entry in self.registry.items() if name in self.figures}

    @cached_property
    def tables(self) -> dict[str, str]:
        """The tables of the report: title -> file."""
        folder = self.sources.results
        tables = {
            "Scores of every test patient": f"{folder}/tables/scores.csv",
            "Image quality": f"{folder}/tables/quality.csv",
            "Paired tests, and mean and SD over runs": f"{folder}/figures/statistics.csv",
        }
        if self.transfers.trainings:
            tables["Transfer learning, every test patient"] = f"{folder}/tables/transfer.csv"
        if self.gans.studied_pairs:
            tables["Epoch study"] = f"{folder}/tables/epochs.csv"
        return tables

    def overview(self) -> dict[str, Any]:
        """What the study was, in the report's first section."""
        config, cohorts = self.config, self.cohorts
        roles = {config.train_cohort: "trains, chooses and tests"}
        roles |= {name: "tests" for name in config.test_cohorts if name not in roles}
        roles |= dict.fromkeys(config.public_baselines, "public baseline at eps = 0")
        splits = ("train", "validation", "test")
        size = config.patches.size
        return {
            "public": all(cohorts.is_public(name) for name in roles),
            "scale": "" if config.study == "paper" else "A study of its own size, not the paper's.",
            "cohorts": [
                {"name": name, "role": role} | {split: cohorts.count(name, split) for split in splits}
                for name, role in roles.items()
            ],
            "facts": {
                "GAN": ", ".join([config.arch, *config.compared_architectures]),
                "levels": ", ".join(config.levels),
                "runs of a private level": len(config.run_numbers),
                "privacy unit": config.privacy.unit,
                "patches a patient": config.patches.per_patient,
                "pixels of a patch": f"{size} x {size}",
                "synthetic pairs of a generator": config.synthesis.pairs,
                "settings of a U-Net": len(self.sources.settings),
            },
        }
