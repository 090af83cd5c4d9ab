"""The names that a study gives to levels, GANs and U-Net settings, parsed and printed in one place."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import PurePath

from privessel.study.hulls import parse_hull as parse_hull

_NUMBER = r"(?:0|[1-9]\d*)(?:\.\d*[1-9])?"
_PRIVATE_LEVEL = rf"(?:noise|eps)-(?!0(?![.\d])){_NUMBER}"
# Patterns for Snakemake's wildcard constraints, for the config's schema and for paths; none has a group.
PRIVATE_LEVEL = _PRIVATE_LEVEL
LEVEL = rf"(?:inf|{_PRIVATE_LEVEL})"
ARCHITECTURE = r"[a-z]+(?:-[a-z]+)*"
RUN_NAME = rf"{ARCHITECTURE}/{LEVEL}/run-[1-9]\d*"
PAIRS_NAME = rf"{RUN_NAME}/epoch-[1-9]\d*"
# A vote of patients among public sets: its level is the eps of a whole patient.
VOTE_LEVEL = rf"eps-(?!0(?![.\d])){_NUMBER}"
VOTE_NAME = rf"vote/{VOTE_LEVEL}/run-[1-9]\d*"
# A public U-Net that is trained further on patients, by noisy gradients.
PRIVATE_UNET_NAME = rf"private-unet/{_PRIVATE_LEVEL}/run-[1-9]\d*"
# The hull around a head, and how it is shielded (docs/deid.md).
HULL = rf"(?:paper|brain|k-same-(?:[2-9]|[1-9]\d+)|local-dp-(?!0(?![.\d])){_NUMBER})"
# Where a simulated head lies in its cohort's folder, as BIDS has it.
_HEAD = "sub-{patient}/ses-{session}/anat/sub-{patient}_ses-{session}"
HEAD_IMAGE, HEAD_BRAIN = f"{_HEAD}_T1w.nii.gz", f"derivatives/brain/{_HEAD}_desc-brain_mask.nii.gz"
# What is attacked beside the hulls and the removals: the head as it is, and pictures of it, blurred.
ORIGINAL, BLURRED = "original", "blurred"
HULL_METHOD, GAN_METHOD = (
    "hull-",
    "gan-",
)  # before a kind of hull: the hull filled evenly, and a GAN's head in it
COARSEST = 4  # voxels a side of a GAN's coarsest head (C-DeID-GAN, section 3.2)
SETTING = r"lr-[^/_]+_dropout-[^/_]+_augment-(?:on|off)"
# Of files and folders, so without separators; one letter or digit first, so that none is hidden or an option.
STUDY = r"[A-Za-z0-9][A-Za-z0-9_-]*"
PATIENT = r"[A-Za-z0-9][A-Za-z0-9._-]*"
# Cohort names begin with a letter so that no path of theirs can be read as an option or as a number.
COHORT = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"

# What a source of labelled pairs, or a way to segment, is. Rows of every table carry one of these.
REAL, PHANTOM, BASELINE = "real", "phantom", "baseline"
PLAIN_GAN, PRIVATE_GAN, COMPARED_GAN, CONTROL = "inf", "private", "compared", "control"
VOTE, PRIVATE_UNET = "vote", "private-unet"
HULL_DRAW = "deid"  # in ledgers: the draw of a person's hull, which is no source
GAN_KINDS = (PLAIN_GAN, PRIVATE_GAN)  # the levels of a study
LEVEL_KINDS = (*GAN_KINDS, VOTE, PRIVATE_UNET)  # all that has an eps of its own
RUN_KINDS = (*GAN_KINDS, PRIVATE_UNET)  # of these a level may have several runs
FREE_KINDS = (PHANTOM, BASELINE)  # what costs no patient any privacy: eps = 0


@dataclass(frozen=True)
class Level:
    """A privacy level: no noise (`inf`), a noise multiplier (`noise-0.65`) or a target eps (`eps-5`).

    >>> Level.parse("noise-0.65")
    Level(kind='noise', value=0.65)
    >>> str(Level("eps", 5.0)), str(Level.parse("inf"))
    ('eps-5', 'inf')
    """

    kind: str  # inf | noise | eps
    value: float  # the noise multiplier, or the eps; math.inf for `inf`

    @classmethod
    def parse(cls, name: str) -> "Level":
        """Read a level's name. Raises ValueError for any other text, `noise-1.50` and `noise-0` included."""
        if not re.fullmatch(LEVEL, name):
            raise ValueError(
                f"level {name!r}: a level is inf, noise-x or eps-x, with x above 0 and without trailing zeros"
            )
        if name == "inf":
            return cls("inf", math.inf)
        kind, _, value = name.partition("-")
        return cls(kind, float(value))

    @property
    def private(self) -> bool:
        """Whether noise protects anybody at this level."""
        return self.kind != "inf"

    def __str__(self) -> str:
        return self.kind if self.kind == "inf" else f"{self.kind}-{self.value:.15g}"


@dataclass(frozen=True)
class GanName:
    """One GAN, or the pairs of one of its kept epochs, or these pairs with their labels shuffled.

    >>> name = GanName.parse("wgan/noise-0.65/run-2/epoch-50-shuffled")
    >>> name.level, name.run, name.epoch, name.shuffled
    ('noise-0.65', 2, 50, True)
    >>> str(name.run_name), str(name.pairs)
    ('wgan/noise-0.65/run-2', 'wgan/noise-0.65/run-2/epoch-50')
    """

    arch: str
    level: str
    run: int
    epoch: int | None = None  # None: the run itself
    shuffled: bool = False

    @classmethod
    def parse(cls, name: str) -> "GanName":
        """Read `{arch}/{level}/run-{run}[/epoch-{epoch}[-shuffled]]`; ValueError for any other text."""
        found = re.fullmatch(
            rf"({ARCHITECTURE})/({LEVEL})/run-([1-9]\d*)(?:/epoch-([1-9]\d*)(-shuffled)?)?", name
        )
        if not found:
            raise ValueError(
                f"{name!r} names no GAN: it must look like wgan/noise-0.65/run-1 or "
                "wgan/noise-0.65/run-1/epoch-50"
            )
        arch, level, run, epoch, shuffled = found.groups()
        return cls(arch, level, int(run), int(epoch) if epoch else None, bool(shuffled))

    @classmethod
    def is_one(cls, name: str) -> bool:
        """Whether `name` is that of a GAN or of its pairs, and not of a cohort or a baseline."""
        try:
            cls.parse(name)
        except ValueError:
            return False
        return True

    @property
    def private(self) -> bool:
        """Whether the GAN was trained with noise."""
        return Level.parse(self.level).private

    @property
    def run_name(self) -> "GanName":
        """The run behind these pairs."""
        return GanName(self.arch, self.level, self.run)

    @property
    def pairs(self) -> "GanName":
        """The pairs as the generator made them, where this is their shuffled control."""
        return replace(self, shuffled=False)

    @property
    def model(self) -> str:
        """The name without its run: what several runs of one level and epoch share."""
        return str(self).replace(f"/run-{self.run}", "", 1)

    def __str__(self) -> str:
        name = f"{self.arch}/{self.level}/run-{self.run}"
        if self.epoch is not None:
            name += f"/epoch-{self.epoch}"
        return f"{name}-shuffled" if self.shuffled else name


def vote_name(epsilon: float, run: int) -> str:
    """Return the name of a vote, which is that of its source.

    >>> vote_name(1.0, 1), vote_name(0.25, 2)
    ('vote/eps-1/run-1', 'vote/eps-0.25/run-2')
    """
    return f"{VOTE}/{Level('eps', epsilon)}/run-{run}"


def private_unet_name(level: str, run: int) -> str:
    """Return the name of a private U-Net, which is that of its source.

    >>> private_unet_name("eps-8", 1)
    'private-unet/eps-8/run-1'
    """
    return f"{PRIVATE_UNET}/{level}/run-{run}"


def model_name(source: str) -> str:
    """Return a source's name without the number of its run: its own name where it is no GAN.

    >>> model_name("wgan/inf/run-3/epoch-5"), model_name("phantom-one"), model_name("vote/eps-1/run-2")
    ('wgan/inf/epoch-5', 'phantom-one', 'vote/eps-1')
    """
    return GanName.parse(source).model if GanName.is_one(source) else source


def setting_name(*, learning_rate: float, dropout: float, augment: bool) -> str:
    """Return the name of a U-Net's setting, a folder's name.

    >>> setting_name(learning_rate=1e-4, dropout=0.1, augment=True)
    'lr-0.0001_dropout-0.1_augment-on'
    """
    return f"lr-{learning_rate:g}_dropout-{dropout:g}_augment-{'on' if augment else 'off'}"


def metrics_origin(path: PurePath) -> dict[str, str]:
    """Return what a table `.../metrics/{source}/{setting}/{cohort}.csv` is about.

    >>> metrics_origin(PurePath("results/demo/metrics/wgan/inf/run-1/epoch-5/selected/phantom-b.csv"))
    {'source': 'wgan/inf/run-1/epoch-5', 'setting': 'selected', 'cohort': 'phantom-b'}
    """
    parts = path.parts
    source = "/".join(parts[parts.index("metrics") + 1 : -2])
    return {"source": source, "setting": parts[-2], "cohort": path.stem}
