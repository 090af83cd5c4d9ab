"""What U-Nets are trained on and how they are judged: sources of pairs, settings, and their files."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

from privessel.study import names
from privessel.study.cohorts import SPLITS, Cohorts
from privessel.study.config import StudyConfig
from privessel.study.gans import GanPlan
from privessel.study.names import GanName, setting_name

BASELINES = ("threshold", "frangi")
VOTED = "voted"  # in place of a setting: a vote's own U-Net, by which the patients have voted
TRAINED = "trained"  # in place of a setting: a private U-Net, which is a U-Net itself
SELECTED = "selected"  # in place of a setting: the one that validation patients have chosen


@dataclass(frozen=True)
class SourcePlan:
    """Sources of labelled pairs, the settings each is tried with, and where their results lie."""

    config: StudyConfig
    cohorts: Cohorts
    gans: GanPlan
    results: str

    # --- Settings and sources ---

    @cached_property
    def settings(self) -> dict[str, dict[str, object]]:
        """Every setting that is tried, by its name."""
        grid = self.config.unet.grid
        combined = product(grid.learning_rate, grid.dropout, grid.augment)
        keyed = [
            dict(zip(("learning_rate", "dropout", "augment"), values, strict=True)) for values in combined
        ]
        return {setting_name(**setting): setting for setting in keyed}

    def settings_of(self, source: str) -> list[str]:
        """The settings that validation patients choose from; of a vote also its own U-Net.

        A private U-Net is trained once, so there is nothing to choose.
        """
        if source in self.config.private_unets:
            return [TRAINED]
        return [*self.settings, *([VOTED] if source in self.config.votes else [])]

    def weights_of(self, source: str) -> list[str]:
        """The weights of a source's U-Nets in each of these settings."""
        folder = f"{self.results}/unet/{source}"
        return [f"{folder}/{setting}/weights.pt" for setting in self.settings_of(source)]

    @cached_property
    def study_setting(self) -> str:
        """The setting of the epoch study."""
        return setting_name(**self.config.epoch_study.setting.model_dump())

    def setting(self, name: str) -> dict[str, object]:
        """Return a setting by its name."""
        asked = [self.config.epoch_study.setting, self.config.private_unet.setting]
        named = {setting_name(**setting.model_dump()): setting.model_dump() for setting in asked}
        return {**self.settings, **named}[name]

    @cached_property
    def trained_on(self) -> list[str]:
        """Everything a U-Net is trained on: real patches, public cohorts, and the pairs of GANs."""
        return [
            "real",
            *self.config.public_baselines,
            *self.level_sets,
            *self.gans.compared,
            *self.gans.controls,
        ]

    @cached_property
    def levels(self) -> list[str]:
        """Everything that has an eps of its own: these sets, and the private U-Nets."""
        return [*self.level_sets, *self.config.private_unets]

    @cached_property
    def level_sets(self) -> list[str]:
        """The sets that have an eps of their own: the pairs of GANs, and what patients voted for."""
        return [*self.gans.pairs, *self.config.votes]

    @cached_property
    def privacy_records(self) -> list[str]:
        """The privacy.json of every GAN, vote and private U-Net."""
        gans = [f"{self.results}/gan/{gan}/privacy.json" for gan in self.gans.all_runs]
        return gans + [f"{self.results}/{name}/privacy.json" for name in self._own_folders]

    @property
    def _own_folders(self) -> list[str]:
        return [*self.config.votes, *self.config.private_unets]

    @cached_property
    def tested(self) -> list[str]:
        """Everything whose segmentations are judged."""
        return [*self.trained_on, *self.config.private_unets, *BASELINES]

    @cached_property
    def image_sets(self) -> list[str]:
        """Sets whose images are compared; a control's are those of the pairs it shuffles."""
        return ["real", *self.config.public_baselines, *self.level_sets, *self.gans.compared]

    @cached_property
    def embedded(self) -> list[str]:
        """Sets that may be shown in the t-SNE."""
        return ["real", *self.config.public_baselines, *self.level_sets]

    @cached_property
    def free(self) -> list[str]:
        """What needs no patient's privacy: public cohorts and filters."""
        return [*self.config.public_baselines, *BASELINES]

    @cached_property
    def records(self) -> dict[str, dict[str, object]]:
        """What every tested source is: its kind and, of GANs, architecture, level, run and epoch."""
        kinds = {"real": names.REAL}
        kinds |= dict.fromkeys(self.config.public_baselines, names.PHANTOM)
        kinds |= {pairs: self._level_kind(pairs) for pairs in self.gans.pairs}
        kinds |= dict.fromkeys(self.config.votes, names.VOTE)
        kinds |= dict.fromkeys(self.config.private_unets, names.PRIVATE_UNET)
        kinds |= dict.fromkeys(self.gans.compared, names.COMPARED_GAN)
        kinds |= dict.fromkeys(self.gans.controls, names.CONTROL)
        kinds |= dict.fromkeys(BASELINES, names.BASELINE)
        return {source: {"kind": kind} | _gan_record(source) for source, kind in kinds.items()}

    def studied_records(self) -> dict[str, dict[str, object]]:
        """The same of the epoch study's generators."""
        studied = self.gans.studied_pairs
        return {pairs: {"kind": self._level_kind(pairs)} | _gan_record(pairs) for pairs in studied}

    def _level_kind(self, pairs: str) -> str:
        return names.PRIVATE_GAN if GanName.parse(pairs).private else names.PLAIN_GAN

    # --- Files ---

    def scans(self, cohort: str, split: str) -> str:
        """The list of a split's checked patients with digests of their files, in place of their scans."""
        return f"{self.results}/cohort/{cohort}/{split}.csv"

    def scans_with(self, cohort: str, patient: str) -> str:
        """The list of checked patients that one patient is in."""
        return self.scans(cohort, self.cohorts.record(cohort, patient)["split"])

    def outcomes(self, cohort: str, split: str) -> list[str]:
        """The outcome of the check of every patient of a split."""
        return [
            f"{self.results}/cohort/{cohort}/{patient}.json" for patient in self.cohorts.ids(cohort, split)
        ]

    def all_outcomes(self) -> list[str]:
        """The outcome of the check of every patient of the study."""
        return [
            path for name in self.cohorts.names for split in SPLITS for path in self.outcomes(name, split)
        ]

    def earlier_outcomes(self, cohort: str, split: str) -> list[str]:
        """The outcomes of the splits that those of a split are compared with."""
        return [
            path
            for name, other in self.cohorts.splits_before(cohort, split)
            for path in self.outcomes(name, other)
        ]

    def scan_lists(self, cohort: str) -> list[str]:
        """These lists of all splits of a cohort that have patients."""
        return [self.scans(cohort, split) for split in SPLITS if self.cohorts.ids(cohort, split)]

    def patches(self, cohort: str, split: str = "train") -> list[str]:
        """Patches of the patients of a split."""
        return [
            f"{self.results}/patches/{cohort}/{patient}.npz" for patient in self.cohorts.ids(cohort, split)
        ]

    def pairs_of(self, source: str) -> list[str]:
        """The labelled images of a source: patches of patients or phantoms, or one set of synthetic pairs."""
        if source == "real":
            return self.patches(self.config.train_cohort)
        if source in self.config.public_baselines:
            return self.patches(source)
        if source in self.config.votes:
            return [f"{self.results}/{source}/pairs.npz"]
        return [f"{self.results}/synthetic/{source.removesuffix('-shuffled')}.npz"]

    def metric_files(self, source: str, setting: str, cohort: str, split: str) -> list[str]:
        """The metrics of every patient of a split, a file each."""
        folder = f"{self.results}/metrics/{source}/{setting}/{cohort}"
        return [f"{folder}/{patient}.csv" for patient in self.cohorts.ids(cohort, split)]

    def metric_table(self, source: str, setting: str, cohort: str) -> str:
        """The metrics of all patients of an evaluation in one file, for whoever needs all of them."""
        return f"{self.results}/metrics/{source}/{setting}/{cohort}.csv"

    def predictions(self, source: str, cohort: str) -> list[str]:
        """The predicted masks of a cohort's test patients."""
        folder = f"{self.results}/prediction/{source}/{cohort}"
        return [f"{folder}/{patient}.nii.gz" for patient in self.cohorts.ids(cohort, "test")]

    def image_count(self, source: str) -> tuple[int, int]:
        """How many labelled images a source has, and their bytes a pixel: 5 of patches, 2 of pairs."""
        cohort = self.config.train_cohort if source == "real" else source
        if cohort in self.cohorts.names:
            return self.config.patches.per_patient * self.cohorts.count(cohort, "train"), 5
        if source in self.config.votes:
            return self.config.vote.pairs, 2
        return self.config.synthesis.pairs, 2

    # --- Private U-Nets ---

    @property
    def start_weights(self) -> str:
        """The U-Net that private ones start from."""
        asked = self.config.private_unet
        return f"{self.results}/unet/{asked.start}/{setting_name(**asked.setting.model_dump())}/weights.pt"

    # --- Votes ---

    @property
    def candidates(self) -> range:
        """The numbers of the votes' candidates, counted from 1."""
        return range(1, self.config.vote.candidates + 1)

    def candidate_files(self, name: str) -> list[str]:
        """The file `name` of every candidate of the votes."""
        return [f"{self.results}/vote/candidates/{number}/{name}" for number in self.candidates]

    def candidate_tables(self) -> list[str]:
        """The test metrics of every candidate's own U-Net."""
        cohort = self.config.train_cohort
        return [self.metric_table(f"vote/candidate-{number}", "own", cohort) for number in self.candidates]

    def ballots(self) -> list[str]:
        """The ballot of every training patient. They look at patients, and stay inside."""
        cohort = self.config.train_cohort
        folder = f"{self.results}/vote/ballots-inside-only/{cohort}"
        return [f"{folder}/{patient}.json" for patient in self.cohorts.ids(cohort, "train")]


def _gan_record(source: str) -> dict[str, object]:
    if not GanName.is_one(source):
        return {}
    gan = GanName.parse(source)
    return {"arch": gan.arch, "level": gan.level, "run": gan.run, "epoch": gan.epoch}
