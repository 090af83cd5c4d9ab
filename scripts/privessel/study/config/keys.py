"""Every key of the config, and what follows from a few of them."""

from privessel.study.config.data import Checks, Cohort, Layout, Patches
from privessel.study.config.deid import Deid
from privessel.study.config.evaluation import Baselines, Prediction, Quality, Transfer, UNet
from privessel.study.config.fields import (
    Architecture,
    CohortName,
    Count,
    LevelName,
    PairsName,
    Section,
    StudyName,
    Whole,
    distinct,
    key,
)
from privessel.study.config.gan import EpochStudy, Gan, Synthesis
from privessel.study.config.privacy import Audit, Privacy, Release
from privessel.study.config.private_unet import PrivateUNet
from privessel.study.config.vote import Vote
from privessel.study.names import Level, private_unet_name, vote_name


class StudyKeys(Section):
    """Every key of config.yaml, each checked by itself."""

    study: StudyName = key(
        "Name of the study: results/{study}/, data/{study}/ and logs/{study}/ are its own."
    )
    seed: Count = key(
        "Public seed of phantoms, patch positions, U-Nets, GANs of level `inf` and GANs on public cohorts; "
        "never of noise on patients."
    )
    cohorts: dict[CohortName, Cohort] = key("Cohorts by name.", min_length=1)
    train_cohort: CohortName = key(
        "Its train patients make the GANs, its validation patients choose, its test patients judge."
    )
    test_cohorts: distinct(CohortName) = key(
        "Cohorts whose test patients judge: first the train cohort's own, then another.",
        min_length=1,
    )
    public_baselines: distinct(CohortName) = key(
        "Public cohorts that a U-Net is trained on directly: what eps = 0 buys."
    )
    layout: Layout = key("Where a cohort's files lie.")
    checks: Checks = key("What a scan and its masks may be.")
    patches: Patches = key("What is cut from the scans.")
    arch: Architecture = key("GAN of all levels.", source="Kossen et al. 2022: wgan")
    compared_architectures: distinct(Architecture) = key(
        "Further GANs, one run each without privacy, beside level inf.", source="Kossen et al. 2021"
    )
    levels: distinct(LevelName) = key(
        "Privacy levels: inf is no privacy, noise-x a noise multiplier of x, eps-x the least noise whose "
        "valid eps after the whole run is at most x.",
        min_length=1,
    )
    runs: Whole | distinct(Whole) = key(
        "GANs of each private level: how many, or a list of their numbers; level inf has one.",
        source="Kossen et al. 2022: 5",
    )
    shuffled: distinct(LevelName) = key(
        "Levels with a control: the first run once more, its labels permuted among its images."
    )
    gan: Gan = key("The GANs.")
    epoch_study: EpochStudy = key("Which epoch is best.")
    privacy: Privacy = key("The promise of private levels.")
    vote: Vote = key("A vote of patients among public sets of labelled patches.")
    private_unet: PrivateUNet = key("A public U-Net that learns from patients by noisy gradients.")
    synthesis: Synthesis = key("What is drawn from every kept generator.")
    quality: Quality = key("Image quality.")
    unet: UNet = key("The U-Net.")
    transfer: Transfer = key("Transfer learning to the second cohort.")
    prediction: Prediction = key("Whole-volume prediction.")
    baselines: Baselines = key("Filters without training.")
    export: distinct(PairsName) = key("Sets of pairs that target `export` writes for nnU-Net and as PNG.")
    release: Release = key("What may leave the building.")
    audit: Audit = key("The promise attacked.")
    deid: Deid = key("Whole heads, de-identified.")

    @property
    def run_numbers(self) -> tuple[int, ...]:
        """The numbers of the runs of a private level."""
        return tuple(range(1, self.runs + 1)) if isinstance(self.runs, int) else self.runs

    @property
    def second_cohort(self) -> str | None:
        """The test cohort of another scanner, where the study has one."""
        return self.test_cohorts[1] if len(self.test_cohorts) > 1 else None

    @property
    def used_cohorts(self) -> tuple[str, ...]:
        """The cohorts that the study uses, each once."""
        return tuple(dict.fromkeys([self.train_cohort, *self.test_cohorts, *self.public_baselines]))

    @property
    def private_levels(self) -> list[str]:
        """The levels with noise."""
        return [level for level in self.levels if Level.parse(level).private]

    @property
    def votes(self) -> list[str]:
        """The names of the study's votes, one a level."""
        return [vote_name(level, self.vote.run) for level in self.vote.levels]

    @property
    def private_unets(self) -> list[str]:
        """The names of the study's private U-Nets, one a level and run."""
        runs = self.private_unet.runs
        numbers = range(1, runs + 1) if isinstance(runs, int) else runs
        return [private_unet_name(level, run) for level in self.private_unet.levels for run in numbers]

    def gan_keys(self, level: str, arch: str | None = None) -> dict[str, object]:
        """Return a GAN's keys: an architecture's win over the common ones, those of `private` over both."""
        return self.gan.keys_of(arch or self.arch, private=Level.parse(level).private)
