"""The config of a study, typed: every key with its bounds, what it means, its unit and its source.

`config.yaml` holds the values, this package what may stand there. The schema that editors complete from and
docs/configuration.md are made from it (`make config-docs`).
"""

from pydantic import model_validator

from privessel.study.config.data import Checks, Cohort, Layout, Patches
from privessel.study.config.deid import Deid, check_heads
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
from privessel.study.config.gan import EpochStudy, Gan, Synthesis, check_bounded
from privessel.study.config.privacy import Audit, Privacy, Release
from privessel.study.config.vote import Vote
from privessel.study.names import Level, vote_name
from privessel.study.obstacles import private_obstacles


class StudyConfig(Section):
    """Every key of config.yaml."""

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

    def gan_keys(self, level: str, arch: str | None = None) -> dict[str, object]:
        """Return a GAN's keys: an architecture's win over the common ones, those of `private` over both."""
        return self.gan.keys_of(arch or self.arch, private=Level.parse(level).private)

    @model_validator(mode="after")
    def _fits_together(self) -> "StudyConfig":
        faults = [
            fault
            for check in (
                _cohort_faults,
                _level_faults,
                _critic_faults,
                _patch_faults,
                _vote_faults,
                _epoch_faults,
                _head_faults,
            )
            for fault in check(self)
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


# Names of sources, sets and baselines in paths and tables, which no cohort may share.
RESERVED = {"real", "scratch", "threshold", "frangi", "inf", "private", "next", "vote"}


def _cohort_faults(config: StudyConfig) -> list[str]:
    faults = [
        f"cohorts has {name}, which is the name of something else in paths and tables: choose another"
        for name in sorted(RESERVED & set(config.cohorts))
    ]
    faults += [
        f"cohort {name} is used but not described under `cohorts`, which has {', '.join(config.cohorts)}"
        for name in config.used_cohorts
        if name not in config.cohorts
    ]
    if set(config.public_baselines) & {config.train_cohort, *config.test_cohorts}:
        faults.append(
            "public_baselines has a cohort of the study itself; a model at eps = 0 must not know its patients"
        )
    private = [
        name for name in config.public_baselines if name in config.cohorts and not config.cohorts[name].public
    ]
    if private:
        faults.append(
            f"public_baselines has {', '.join(private)}, not marked `public: true`: such a U-Net costs eps"
        )
    return faults


def _level_faults(config: StudyConfig) -> list[str]:
    faults = [
        f"gan.kept_epochs has {epoch}, but level {level} trains {config.gan_keys(level)['epochs']} epochs"
        for level in config.levels
        for epoch in config.gan_keys(level)["kept_epochs"]
        if epoch > config.gan_keys(level)["epochs"]
    ]
    return faults + [
        f"shuffled has {level}, which is not in levels"
        for level in config.shuffled
        if level not in config.levels
    ]


def _critic_faults(config: StudyConfig) -> list[str]:
    """What would stop a training at its first step."""
    faults = []
    if config.private_levels:
        keys = config.gan_keys(config.private_levels[0])
        parts = ("critic_norm", "spectral_norm", "loss", "gradient_penalty")
        faults += [
            f"arch {config.arch} can't be trained at a private level: {reason}"
            for reason in private_obstacles(**{part: keys[part] for part in parts})
        ]
    for level in config.levels:
        faults += check_bounded(config.gan_keys(level), f"{config.arch} at level {level}")
    for arch in config.compared_architectures:
        faults += check_bounded(config.gan_keys("inf", arch), f"{arch} at level inf")
    return faults


def _patch_faults(config: StudyConfig) -> list[str]:
    size, halvings = config.patches.size, len(config.unet.filters) - 1
    faults = []
    if size % 2**halvings:
        faults.append(
            f"patches.size {size} can't be halved {halvings} times, once for every level of unet.filters"
        )
    if config.prediction.stride > size:
        faults.append(
            f"prediction.stride {config.prediction.stride} leaves gaps between patches of {size} pixels"
        )
    if config.privacy.unit == "patient" and config.privacy.patient_patches > config.patches.per_patient:
        faults.append("privacy.patient_patches is more than patches.per_patient")
    if config.quality.perplexity >= 2 * config.quality.tsne_images:
        faults.append(
            "quality.perplexity must be below the images in the embedding, at least 2 x quality.tsne_images"
        )
    return faults


def _vote_faults(config: StudyConfig) -> list[str]:
    size, halvings = config.patches.size, len(config.vote.unet.filters) - 1
    if not config.vote.levels or size % 2**halvings == 0:
        return []
    return [
        f"patches.size {size} can't be halved {halvings} times, once for every level of vote.unet.filters"
    ]


def _epoch_faults(config: StudyConfig) -> list[str]:
    study = config.epoch_study
    if not study.epochs:
        return []
    faults = [
        f"epoch_study.levels has {level}, which is not in levels"
        for level in study.levels
        if level not in config.levels
    ]
    return faults + [
        f"epoch_study.epochs has {epoch}, but level {level} trains {config.gan_keys(level)['epochs']} epochs"
        for level in study.levels
        for epoch in study.epochs
        if epoch > config.gan_keys(level)["epochs"]
    ]


def _head_faults(config: StudyConfig) -> list[str]:
    return check_heads(config.deid, config.cohorts)
