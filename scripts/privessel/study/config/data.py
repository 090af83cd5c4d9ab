"""Cohorts, where their files lie, and the patches that are cut from them."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from privessel.study.config.fields import (
    Count,
    Location,
    NotNegative,
    OptionalTemplate,
    Positive,
    Section,
    Template,
    Whole,
    key,
)


class PhantomPatients(Section):
    """How many patients of each split are simulated."""

    train: Count = key("Patients whose patches train generators and U-Nets.")
    validation: Count = key("Patients who choose settings, runs and cut-offs.")
    test: Count = key("Patients on whom results are reported.")


class Phantom(Section):
    """A simulated cohort."""

    parameters: Literal["a", "b", "one", "random", "wide"] = key(
        "Parameter set of scripts/privessel/phantom: `a` and `b` are two scanners, `one` another fixed set. "
        "Two families draw every patient's own: `random` from ranges around two scanners of 3 T, `wide` from "
        "those of scanners of 1.5 to 7 T, with large arteries up to 8 times as bright as brain."
    )
    shape: tuple[Whole, Whole, Whole] = key(
        "Size of a scan: left-right, posterior-anterior, inferior-superior.", unit="voxels"
    )
    spacing: tuple[Positive, Positive, Positive] = key("Size of a voxel along the same axes.", unit="mm")
    patients: PhantomPatients = key("How many patients each split has.")

    @model_validator(mode="after")
    def _is_large_enough(self) -> "Phantom":
        if min(self.shape) < 16:
            raise ValueError(f"shape {list(self.shape)} has a side below 16 voxels, too few for a head")
        return self


class Cohort(Section):
    """A folder of scans (`root`) or a simulated cohort (`phantom`); exactly one of the two."""

    public: bool = key(
        "Whether these are nobody's scans, or scans that anyone may have; a fixed seed may draw the noise "
        "of private levels, and privacy.json says so."
    )
    root: Location | None = key("Folder of a cohort of your own.", default=None)
    phantom: Phantom | None = key("A simulated cohort instead of a folder.", default=None)
    participants: Location | None = key("Overrides `layout.participants` for this cohort.", default=None)
    image: Template | None = key("Overrides `layout.image` for this cohort.", default=None)
    vessels: Template | None = key("Overrides `layout.vessels` for this cohort.", default=None)
    brain: OptionalTemplate | None = key("Overrides `layout.brain` for this cohort.", default=None)
    resample_mm: tuple[Positive, Positive, Positive] | None = key(
        "Voxel size that scans are brought to before patches and prediction; predictions go back to the "
        "scan's own grid. Absent: scans stay as they are.",
        unit="mm",
        default=None,
    )
    bias_correction: Literal["n4", "none"] = key(
        "Whether slow changes of brightness are taken out of the images.",
        source="N4, Tustison et al. 2010",
        default="none",
    )

    @model_validator(mode="after")
    def _has_one_origin(self) -> "Cohort":
        if (self.root is None) == (self.phantom is None):
            raise ValueError("a cohort has either `root`, a folder of yours, or `phantom`, a simulation")
        return self


class Layout(Section):
    """Where a cohort's files lie under its root, unless the cohort says otherwise with a key of that name."""

    participants: Location = key(
        "Tab-separated table with the columns participant_id and split (train, validation, test)."
    )
    image: Template = key(
        "TOF-MRA of a patient; {patient} is participant_id without `sub-`, and any other column of the table "
        "may be used too, such as {session}."
    )
    vessels: Template = key("Vessel mask of a patient.")
    brain: OptionalTemplate = key('Brain mask of a patient; "" takes the non-zero voxels of the image.')


Chance = Annotated[float, Field(ge=0, le=1)]


_ONLY_WARNED = {"vessel_share", "most_empty", "most_saturated", "least_contrast", "mirror_gain"}


class Checks(Section):
    """What a scan and its masks may be; what is refused stops a study before anything is trained."""

    voxel_mm: tuple[Positive, Positive] = key(
        "Least and largest side of a voxel; others are refused, as they mean a wrong unit in the header.",
        unit="mm",
    )
    extent_mm: tuple[Positive, Positive] = key(
        "Least and largest length of a volume's longest side; others are refused.", unit="mm"
    )
    vessel_share: tuple[Chance, Chance] = key(
        "Share of the brain that is vessel; patients below or above are warned of.",
        source="vessels are 1 to 3 % of a brain in TOF-MRA; 60 phantoms: 0.2 to 1.5 %",
    )
    most_vessels: Chance = key("Share of the brain above which a vessel mask is refused.")
    most_outside: Chance = key("Share of the vessel mask outside the brain mask above which it is refused.")
    most_negative: Chance = key(
        "Share of the brain below 0 above which an image is refused: outside the brain it is set to 0, which "
        "must be dark."
    )
    most_empty: Chance = key("Share of the brain mask where the image is 0 above which it is warned of.")
    most_saturated: Chance = key(
        "Share of the vessel voxels with the image's largest intensity above which it is warned of.",
        source="60 phantoms: up to 1.1 %",
    )
    least_contrast: Chance = key(
        "Chance that a vessel voxel is brighter than a voxel of the brain near it, below which it is "
        "warned of; 0.5 is no difference.",
        source="60 phantoms: 0.88 to 1",
    )
    mirror_gain: NotNegative = key(
        "Warned of where vessels are brighter by more than this chance once their mask is mirrored.",
        source="60 phantoms: -0.08 at most, because mirrored vessels are darker",
    )

    def refused(self) -> dict[str, Any]:
        """The limits beyond which a scan is refused, as `cohort.plausibility.Limits` takes them."""
        return self.model_dump(exclude=_ONLY_WARNED)

    def warned(self) -> dict[str, Any]:
        """The limits beyond which a scan is only warned of, as `cohort.unusual.Usual` takes them."""
        return self.model_dump(include=_ONLY_WARNED)

    @model_validator(mode="after")
    def _ranges_rise(self) -> "Checks":
        for name in ("voxel_mm", "extent_mm", "vessel_share"):
            least, most = getattr(self, name)
            if least >= most:
                raise ValueError(f"{name} is [{least:g}, {most:g}]: the first must be less than the second")
        return self


class Patches(Section):
    """What is cut from the scans."""

    size: Literal[24, 32, 48, 64, 96, 128] = key(
        "Side of the axial, square patches.", unit="pixels", source="Kossen et al. 2022, section 3.1: 96"
    )
    per_patient: Whole = key(
        "Patches of each patient: half centred on a vessel voxel, half anywhere in the brain mask.",
        source="Kossen et al. 2022, section 3.1: 1,000",
        multiple_of=2,
    )
    max_overlap: Whole | None = key(
        "Most patches of a patient that may cover any one voxel; null: no bound. Patches that share a "
        "place on "
        "a vessel show it together, so this bounds what the eps of a region may be (docs/privacy.md).",
        source="Kossen et al. 2022: no bound",
    )
