"""Whom the noise protects, what patients may spend, what may leave, and how the promise is attacked."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from privessel.study.config.fields import (
    Count,
    Delta,
    LevelName,
    OptionalLocation,
    PatientDelta,
    Positive,
    ReleasedName,
    Section,
    Text,
    Whole,
    distinct,
    key,
    texts,
)

ReleaseName = texts(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "up to 64 letters, digits, hyphens and underscores, the first a letter or digit",
)
Reason = Annotated[str, StringConstraints(min_length=20)]  # a written one, which leaves with the data
LICENCES = Literal["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0"]


class Budget(Section):
    """What all private runs together may cost any patient; checked before each run."""

    epsilon: Positive = key("Largest eps of a patient's patch over all runs, at this delta.")
    delta: Delta = key("Delta at which that eps is stated.")


class Privacy(Section):
    """The promise of private levels, and where the site keeps its secret."""

    unit: Literal["patch", "patient"] = key(
        "Whom the noise hides: one patch, or one patient; then `gan.batch` counts patients.",
        source="Kossen et al. 2022: patch",
    )
    patient_patches: Whole = key(
        "With the patient as unit: patches that a sampled patient gives to a step; their mean gradient is "
        "clipped once."
    )
    delta: Delta = key(
        "Delta of a patch: a number, `1/units` or `1/(10 units)`.",
        source="Kossen et al. 2022: 1/41,000; a release needs less than 1/(10 units), such as 1/(20 units)",
    )
    patient_delta: Delta = key(
        "Delta of every statement about whole patients; a release needs at most 1e-5, and less than "
        "1/(10 patients)."
    )
    grid_bits: int = key(
        "Sum and noise of a private step are whole multiples of `gan.clipping_norm` / 2^grid_bits. A finer "
        "grid costs less: the noise is wider by the root of the critic's weights times 2^-grid_bits, with 20 "
        "by 0.01 % at 11,000 weights and 0.5 % at 25 million. A coarser one asks less of the generator of "
        "random numbers, whose numbers are 2^-52 apart.",
        ge=10,
        le=30,
    )
    state: OptionalLocation = key(
        "Folder of the site's master secret and ledgers, the same for all its studies, outside results/ and "
        "everything shared, in every backup except `*.nonce`; `snakemake secret` makes it. Unused on public "
        "cohorts."
    )
    anchor: OptionalLocation | None = key(
        "File outside `state` that remembers how far the ledgers have come, so that none can lose its last "
        "lines unseen; best where it can be appended to but not rewritten. null: none."
    )
    budget: Budget = key("What all private runs together may cost any patient.")


class Release(Section):
    """Target `release`, the only way by which anything should leave."""

    pairs: ReleasedName | None = key(
        "What leaves: a vote, such as vote/eps-1/run-1, a GAN's set, such as "
        "wgan/noise-0.65/run-1/epoch-50, or a private U-Net, such as private-unet/eps-8/run-1, which has no "
        "data; null: none."
    )
    name: ReleaseName = key("Name of folder and archive.")
    description: str = key("The only words about the cohort that leave; needed for a release.")
    creators: tuple[Text, ...] = key("Who stands for the release; needed for one.")
    licence: LICENCES = key("Licence of the data.")
    weights: bool = key(
        "Whether the generator, or the U-Net of a voted set, leaves too; eps covers it as the pairs. A "
        "private U-Net needs true."
    )
    epsilon: Positive = key("Most that all private runs on a patient may have cost, at the delta below.")
    delta: Delta = key("Delta of a patch at which a release states its eps, below 1/(10 units).")
    patient_delta: PatientDelta = key(
        "Delta of a patient at which a release states its eps: at most 1e-5, and below 1/(10 units)."
    )
    max_region_epsilon: Positive = key(
        "Most that the eps of a region may be, over all private runs on a patient: of all patches that show "
        "one place on a vessel. Not asked of public cohorts."
    )
    region_reason: Reason | None = key("A written reason to release against that limit; it leaves too.")
    override: Reason | None = key(
        "A written reason to release against epsilon, delta or the choice of the set; it leaves too."
    )


class Audit(Section):
    """Target `audit`, the promise attacked: levels trained once more with canaries, then attacked."""

    levels: distinct(LevelName) = key("Levels that are audited, those of them that the study has.")
    run: Whole = key("Number of the audit; another one is another audit, charged in addition on patients.")
    canaries: int = key(
        "Patches of the last of `public_baselines` with each other's labels; half of them get in.", ge=2
    )
    guesses_in: Count = key("Canaries of the highest scores, guessed to be in; fixed before training.")
    guesses_out: Count = key("Canaries of the lowest scores, guessed to be out.")
    confidence: float = key("Confidence that the lower bounds of all scores hold together.", gt=0.5, lt=1)
    score_every: Whole = key(
        "Critic steps between two whose gradients are scored: 1 shows most, and costs a gradient for every "
        "canary and step."
    )
    step_guesses: Whole = key(
        "Guesses on single private steps, 100 a step; 50,000 tell 5 % too little noise from enough."
    )
    attacker_pairs: Annotated[int, Field(ge=2)] = key("Synthetic pairs that an attacker has.")
    patches: Whole = key("Patches of every training, validation and test patient, for membership inference.")
    neighbours: Whole = key("The density at a patch is that of its n-th nearest neighbour.")
