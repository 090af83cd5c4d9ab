"""Whole heads: whose scans, what is kept of them, how the hull is shielded, and how all of it is attacked."""

from collections.abc import Collection
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from privessel.limits import MOST_PATIENT_DELTA
from privessel.study.config.deid_gan import PAPER, HeadGanKeys, check_head_gan
from privessel.study.config.deid_release import DeidRelease
from privessel.study.config.deid_utility import AgeKeys, ScalingKeys
from privessel.study.config.fields import (
    CohortName,
    Count,
    HullName,
    Location,
    Positive,
    Section,
    Share,
    Template,
    Whole,
    distinct,
    key,
    texts,
)
from privessel.study.config.preprocessing import BrainTool, HeadPreprocessing

_KNOWN = {"patient", "session"}  # what templates of paths may name
Session = texts(r"[A-Za-z0-9]+", "letters and digits")
Delta = Annotated[float, Field(gt=0, le=MOST_PATIENT_DELTA)]
# The last three are tools of others, which must be installed; the others are a few lines in their manner.
Removal = Literal[
    *("blurred", "face-mask", "deface", "quickshear", "watershed", "reface"),
    *("quickshear-tool", "niimath-deface", "niimath-reface"),
]


class HeadPhantom(Section):
    """Simulated people."""

    people: Whole = key("How many people are simulated.")
    visits: Literal[1, 2] = key("Scans of each; the second stands for another visit.")
    side: Literal[16, 32, 64, 128, 256] = key("Side of a scan, a cube of 256 mm.", unit="voxels")


class HeadCohort(Section):
    """T1w scans of heads: a folder of yours (`root`) or a simulation (`phantom`), the other one null."""

    name: CohortName = key("Name of the cohort in paths and tables.")
    public: bool = key("Whether these are nobody's scans, or scans that anyone may have.")
    root: Location | None = key("Folder of a cohort of your own.")
    phantom: HeadPhantom | None = key("A simulated cohort instead of a folder.")

    @model_validator(mode="after")
    def _has_one_origin(self) -> "HeadCohort":
        if (self.root is None) == (self.phantom is None):
            raise ValueError(
                "a cohort has either `root`, a folder of yours, or `phantom`, a simulation; the "
                "other one is null"
            )
        return self


class HullCode(Section):
    """What a shield describes a hull by, given the brain."""

    rank: Annotated[int, Field(ge=1, le=32)] = key("Axes along which hulls differ, fitted on public heads.")
    clip: Positive = key("Largest L2 norm of a code under local privacy.", unit="SDs of public people")


class HeadAttack(Section):
    """The identification study."""

    questions: Whole = key("Questions of each kind, each about one person.", source=f"{PAPER}: 800 a dataset")
    candidates: Annotated[int, Field(ge=2)] = key("Heads to choose among.", source=f"{PAPER}: 5")
    yaws: distinct(float) = key("Sides from which attackers see a head.", unit="degrees", min_length=1)
    bootstrap: Whole = key("Resamples of the people asked about.", source=f"{PAPER}: 1,000")


class Deid(Section):
    """Whole heads de-identified: hulls, shields, rivals and attacks (docs/deid.md)."""

    enabled: bool = key("Whether the study has this part at all; its target is `deid`.")
    heads: HeadCohort = key("Whose heads are de-identified and asked about.")
    public_heads: HeadCohort = key(
        "Public heads that everything public is fitted on, and whom attackers know; no person of `heads`."
    )
    participants: Location = key(
        "Tab-separated table of a cohort, with the column participant_id; age and sex if they are known."
    )
    image: Template = key(
        "T1w scan of a person; {patient} is participant_id without `sub-`, {session} one of `sessions`."
    )
    brain: Template = key("Brain mask of a T1w scan, on its own grid; read where `brain_tool` is `file`.")
    brain_tool: BrainTool = key(
        "What makes the brain masks of a cohort of your own: `file` = they are there; `deepbet`, `robex` = "
        "these tools.",
        source=f"{PAPER}: ROBEX",
    )
    preprocessing: HeadPreprocessing = key("What is corrected in a scan before it is used.")
    sessions: distinct(Session) = key(
        "Sessions that are looked for, each person's first one first; a person may lack some.", min_length=1
    )
    size: Literal[16, 32, 64, 128] = key(
        "Side of the common cube that heads are brought into.", unit="voxels", source=f"{PAPER}: 128"
    )
    field_of_view: Positive = key("Side of that cube.", unit="mm")
    voxel_mm: Positive = key("Largest side of a scan's voxel; coarser scans are refused.", unit="mm")
    threshold: Share = key(
        "Brightness from which on a voxel is head and not air, where the brain's brightest is 0.85 (delta)."
    )
    rotations: Whole = key("Random rotations of the ray surface (K).", source=f"{PAPER} does not say")
    planes: Whole = key("Random facets that make the hull.", source=f"{PAPER}: 100")
    hulls: distinct(HullName) = key(
        "Hulls that are made and attacked: `paper` is the person's own; `k-same-N` shares the mean of N "
        "people; "
        "`local-dp-E` has noise for an eps of E, charged to each person once; `brain` follows from the brain "
        "alone.",
        min_length=1,
    )
    delta: Delta = key("Delta of a person under `local-dp-E`.")
    draw: Whole = key("Number of the draws of `local-dp-E`; another one is charged in addition.")
    code: HullCode = key("What a shield describes a hull by.")
    gan: HeadGanKeys = key("The GAN that makes heads in these hulls.")
    methods: distinct(Removal) = key("What else is done to faces and attacked, beside the hulls.")
    attack: HeadAttack = key("The identification study.")
    age: AgeKeys = key("The age network, whose ages are compared before and after each method.")
    scaling: ScalingKeys = key("Gammas made larger and smaller.")
    shown: Count = key("Which person of `heads` figures 1 and 5 show, counted from 0.")
    release: DeidRelease = key("Which heads may leave the building.")

    @property
    def roots(self) -> dict[str, str]:
        """The folders of scans of your own by cohort; none where this part is off."""
        cohorts = [self.heads, self.public_heads] if self.enabled else []
        return {cohort.name: cohort.root for cohort in cohorts if cohort.root}


def _template_faults(template: str) -> list[str]:
    try:
        fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
    except ValueError as problem:
        return [f"is malformed ({problem})"]
    return [f"names {{{field}}}, but knows only {{patient}} and {{session}}" for field in fields - _KNOWN]


def check_heads(deid: Deid, taken_names: Collection[str], *, release: str) -> list[str]:
    """Return what does not fit together, in sentences; nothing where this part is off.

    taken_names: of other cohorts. release: the name of the other release.
    """
    if not deid.enabled:
        return []
    faults = []
    cohorts = [deid.heads.name, deid.public_heads.name]
    if not deid.public_heads.public:
        faults.append(
            "deid.public_heads is not `public: true`, but what is fitted on it is published with every head"
        )
    taken = sorted({name for name in cohorts if name in taken_names or cohorts.count(name) > 1})
    if taken:
        faults.append(
            f"deid.heads and deid.public_heads need names of their own; {', '.join(taken)} is taken"
        )
    templates = {"deid.image": deid.image}
    if deid.brain_tool == "file":
        templates["deid.brain"] = deid.brain
    without = [name for name, template in templates.items() if "{session}" not in template]
    if len(deid.sessions) > 1 and 0 < len(without) < len(templates):
        faults.append(f"deid.sessions has several, but {without[0]} has no {{session}} in it")
    faults += [f"{name} {fault}" for name in templates for fault in _template_faults(templates[name])]
    if deid.release.name == release:
        faults.append(
            f"deid.release.name and release.name are both {release}, so one would replace the other"
        )
    phantoms = [cohort.phantom for cohort in (deid.heads, deid.public_heads) if cohort.phantom]
    if any(phantom.visits > len(deid.sessions) for phantom in phantoms):
        faults.append("deid.sessions has fewer sessions than a simulated cohort has visits")
    return faults + check_head_gan(deid.gan, hulls=deid.hulls, size=deid.size)
