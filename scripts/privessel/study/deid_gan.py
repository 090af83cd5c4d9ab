"""The C-DeID-GANs of a study: whom each learns from, whose heads each makes, and what a training costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from privessel.errors import ConfigError
from privessel.study.config.deid_gan import HeadGanKeys
from privessel.study.deid import DeidPlan
from privessel.study.head_folds import assign_folds
from privessel.study.names import GAN_METHOD
from privessel.study.resources import GPU_TERA, THREAD_TERA

FEWEST_LEARNED = 2  # people that a GAN learns from


@dataclass(frozen=True)
class HeadGanPlan:
    """One GAN a fold of people, and the heads that they make; read only where the part is enabled.

    People of both cohorts are named `{cohort}/{person}` here, because their ids may be the same.
    """

    heads: DeidPlan

    @property
    def keys(self) -> HeadGanKeys:
        """The config's `deid.gan`."""
        return self.heads.config.deid.gan

    @property
    def learned_cohorts(self) -> list[str]:
        """The cohorts that GANs are trained on."""
        everyone = self.keys.learns_from == "everyone"
        return [self.heads.own, self.heads.known] if everyone else [self.heads.known]

    @property
    def learns_from_own(self) -> bool:
        """Whether people whose heads are de-identified take part in trainings."""
        return self.heads.own in self.learned_cohorts

    @cached_property
    def folds(self) -> dict[str, int]:
        """The fold of everyone whom some GAN is trained on; CohortError where they are too few."""
        people = [
            _name(cohort, person) for cohort in self.learned_cohorts for person in self.heads.people(cohort)
        ]
        return assign_folds(people, folds=self.keys.folds, seed=self.heads.config.seed)

    def check(self) -> None:
        """Raise ConfigError where there are too few people for the folds; CohortError as `DeidPlan.check`."""
        if not self.heads.names or not self.keys.hulls:
            return
        people = sum(len(self.heads.people(cohort)) for cohort in self.learned_cohorts)
        largest_fold = -(-people // self.keys.folds)
        if people < self.keys.folds or people - largest_fold < FEWEST_LEARNED:
            raise ConfigError(
                f"config: deid.gan.folds is {self.keys.folds}, but there are {people} people to learn from, "
                f"and each GAN needs {FEWEST_LEARNED} outside of its fold. Remedy: fewer folds, or "
                "more people in deid.public_heads"
            )

    def fold(self, cohort: str, person: str) -> int:
        """The fold whose GAN makes a person's heads: their own, or 0 where no GAN has seen them."""
        return self.folds.get(_name(cohort, person), 0)

    def learned(self, fold: int) -> list[tuple[str, str, str]]:
        """Cohort, name in paths and person's name of each scan that the GAN of a fold is trained on."""
        return [
            (cohort, scan.name, person)
            for cohort in self.learned_cohorts
            for scan in self.heads.scans(cohort)
            if self.folds[person := _name(cohort, scan.person)] != fold
        ]

    def learned_files(self, kind: str, fold: int) -> list[str]:
        """Their files: `frame` or `gamma`."""
        return [f"{self.heads.folder}/{kind}/{cohort}/{name}.npz" for cohort, name, _ in self.learned(fold)]

    def learned_people(self, fold: int) -> list[str]:
        """Whose each of these scans is."""
        return [person for _, _, person in self.learned(fold)]

    def learned_patients(self, fold: int) -> dict[str, str]:
        """The person of each of these scans that is not public, by `{cohort}/{scan}`."""
        if self.heads.cohorts[self.heads.own].public:
            return {}
        return {
            f"{cohort}/{scan.name}": scan.person
            for cohort in self.learned_cohorts
            for scan in self.heads.scans(cohort)
            if cohort == self.heads.own and self.fold(cohort, scan.person) != fold
        }

    def held_out(self, fold: int) -> list[str]:
        """The people of a fold, whom its GAN must not see."""
        return sorted(person for person, own in self.folds.items() if own == fold)

    def settings(self) -> dict[str, object]:
        """What `deid.training.read_settings` takes: networks and training."""
        return self.keys.model_dump(exclude={"hulls", "folds", "learns_from"})

    def needed(self, cohort: str) -> list[int]:
        """The folds whose GANs make the heads of a cohort."""
        return sorted({self.fold(cohort, person) for person in self.heads.people(cohort)})

    def generators(self, cohort: str) -> list[str]:
        """The generators of these folds."""
        return [f"{self.heads.folder}/gan/fold-{fold}/generator.pt" for fold in self.needed(cohort)]

    def records(self, cohort: str) -> list[dict[str, object]]:
        """The scans of a cohort as plain data, with the fold that makes each head and the person's name."""
        return [
            record
            | {
                "fold": self.fold(cohort, record["person"]),
                "known_as": _name(cohort, record["person"]),
            }
            for record in self.heads.records(cohort)
        ]

    def made(self, hull: str, cohort: str, *, wildcard: bool = False) -> list[str]:
        """The heads that GANs make of a cohort in one kind of hull.

        wildcard: the cohort's name in them is Snakemake's wildcard `heads`, as a rule's outputs need it.
        """
        folder = f"{self.heads.folder}/made/{hull}/{'{heads}' if wildcard else cohort}"
        return [f"{folder}/{scan.name}.npz" for scan in self.heads.scans(cohort)]

    def made_of(self, method: str, cohort: str) -> list[str]:
        """The heads that a method `gan-{hull}` has; none of another method."""
        hull = method.removeprefix(GAN_METHOD)
        return self.made(hull, cohort) if method.startswith(GAN_METHOD) else []

    def promise(self, cohort: str) -> dict[str, object]:
        """What the statement beside a cohort's heads depends on, as `deid.promise.say_made` takes it."""
        return {
            "delta": self.heads.config.deid.delta,
            "public": self.heads.cohorts[cohort].public,
            "learns_from": self.keys.learns_from,
        }

    # --- What it costs ---

    def megabytes(self, wildcards: Mapping[str, str]) -> float:
        """Heads and hulls of a fold while they are joined, and the activations of one step."""
        scans = len(self.learned(int(wildcards.fold)))
        return 1100 + 12 * scans * self.heads.config.deid.size**3 / 1e6 + self.keys.batch * self._sample_mb()

    def minutes(self) -> int:
        """All steps on an old GPU, or on the threads of a CPU where the config asks for one."""
        tera = THREAD_TERA * self.keys.threads if self.keys.device == "cpu" else GPU_TERA
        return int(30 + self.keys.steps * (self.keys.batch * self._step_tera() / tera + 0.1) / 60)

    def made_megabytes(self) -> float:
        """The activations of one head without gradients, and its volumes."""
        return 1100 + self._sample_mb() / 2 + 40 * self.heads.config.deid.size**3 / 1e6

    def made_minutes(self, cohort: str) -> int:
        """A forward pass for each scan on CPU threads, reading and writing."""
        seconds = 2 + self._step_tera() / 10 / (THREAD_TERA * self.keys.threads)
        return int(15 + len(self.heads.scans(cohort)) * seconds / 60)

    def _widths(self) -> list[tuple[int, int]]:
        """Voxels and channels of both networks together at each scale."""
        pairs = zip(self.keys.generator_widths, self.keys.discriminator_widths, strict=True)
        return [((4 * 2**k) ** 3, made + judged) for k, (made, judged) in enumerate(pairs)]

    def _sample_mb(self) -> float:
        """MB that a step keeps of one head."""
        return 4 * 20 * sum(voxels * width for voxels, width in self._widths()) / 1e6

    def _step_tera(self) -> float:
        """Operations (1e12) of a step for one head: 150 to 200 a voxel and half squared width by torch."""
        return 250 * sum(voxels * width**2 / 2 for voxels, width in self._widths()) / 1e12


def _name(cohort: str, person: str) -> str:
    return f"{cohort}/{person}"
