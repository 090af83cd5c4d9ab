"""Transfer learning: U-Nets that go on with few patients of the second cohort (Kossen et al. 2021)."""

from dataclasses import dataclass
from functools import cached_property

from privessel.seeds import derive, draw
from privessel.study.config import StudyConfig
from privessel.study.sources import SourcePlan

SCRATCH = "scratch"


@dataclass(frozen=True)
class TransferPlan:
    """Which U-Nets go on with which patients, and where the results lie."""

    config: StudyConfig
    sources: SourcePlan

    @cached_property
    def starts(self) -> list[str]:
        """The pairs whose chosen U-Nets go on with patients of the second cohort."""
        split = [source.split("/") for source in self.config.transfer.sources]
        return [self.sources.gans.first_pairs(arch, level) for arch, level in split]

    @cached_property
    def trainings(self) -> list[str]:
        """Every training of transfer learning: start, number of patients, draw of them."""
        transfer = self.config.transfer
        return [
            f"transfer/{start}/patients-{k}/draw-{number}"
            for start in [SCRATCH, *self.starts]
            for k in transfer.patients
            for number in range(1, transfer.draws + 1)
        ]

    def table(self, training: str) -> str:
        """The metrics of one training of transfer learning."""
        start, _, number = training.rpartition("/")
        return self.sources.metric_table(start, number, self.config.second_cohort)

    def chosen_patients(self, k: str, number: str) -> list[str]:
        """The k patients of one draw, the same for every start."""
        cohort = self.config.second_cohort
        seed = derive(self.config.seed, "transfer", cohort, k, number)
        return draw(self.sources.cohorts.ids(cohort, "train"), int(k), seed=seed)
