"""What the keys of a config are made of: types with bounds, and a description with unit and source each."""

import os
import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from privessel.limits import MOST_PATIENT_DELTA, SMALLEST_DELTA
from privessel.study import names

# `1e-5` is text in YAML 1.1, and `--config` hands on all values inside of braces as text.
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


class Section(BaseModel):
    """A section of the config: every key is needed, unknown ones are refused, no text is a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def key(description: str, *, unit: str = "", source: str = "", **bounds: Any) -> Any:
    """Describe a key of the config: a sentence, its unit and source, and bounds as pydantic has them."""
    extra = {name: text for name, text in (("unit", unit), ("source", source)) if text}
    return Field(description=description, json_schema_extra=extra or None, **bounds)


def texts(pattern: str, form: str) -> Any:
    """Return the type of a text of some `pattern`; `form` says in words what is allowed."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(form)
        return text

    # An extra of `Field` would be lost where a key has one of its own.
    schema = WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})
    return Annotated[str, AfterValidator(check), schema]


def _distinct(values: tuple) -> tuple:
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} is listed more than once; list each value once")
    return values


def distinct(kind: Any) -> Any:
    """Return the type of a list of different values; a tuple, so that no reader changes it."""
    return Annotated[
        tuple[kind, ...], AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True})
    ]


Text = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Whole = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Architecture = Literal["wgan", "dcgan", "wgan-gp", "wgan-gp-sn"]
Device = Literal["auto", "cpu", "cuda"]
CohortName = texts(
    names.COHORT,
    "lower-case letters, digits and single hyphens, beginning with a letter, such as my-hospital",
)
LevelName = texts(
    names.LEVEL, "inf, noise-x or eps-x, x above 0 and without trailing zeros, such as noise-0.65"
)
PrivateLevelName = texts(
    names.PRIVATE_LEVEL, "noise-x or eps-x, x above 0 and without trailing zeros, such as eps-8"
)
# Every run of a level, such as wgan/noise-0.65.
GanLevel = texts(f"{names.ARCHITECTURE}/{names.LEVEL}", "architecture/level, such as wgan/noise-0.65")
ReleasedName = texts(
    f"{names.PAIRS_NAME}|{names.VOTE_NAME}|{names.PRIVATE_UNET_NAME}",
    "architecture/level/run/epoch, such as wgan/noise-0.65/run-1/epoch-50, or vote/level/run, such as "
    "vote/eps-1/run-1, or private-unet/level/run, such as private-unet/eps-8/run-1",
)
HullName = texts(
    names.HULL,
    "paper, brain, k-same-N or local-dp-E, such as k-same-10 or local-dp-4, N from 2 and E above 0",
)
PairsName = texts(names.PAIRS_NAME, "architecture/level/run/epoch, such as wgan/noise-0.65/run-1/epoch-50")
# `~` is the home of whoever runs the workflow, in every path of a config alike.
_HOME = AfterValidator(os.path.expanduser)
Location = Annotated[str, StringConstraints(min_length=1), _HOME]
OptionalLocation = Annotated[str, _HOME]
Template = Annotated[texts(r".*\{patient\}.*", "a path with {patient} in it"), _HOME]
OptionalTemplate = Annotated[texts(r"|.*\{patient\}.*", 'a path with {patient} in it, or ""'), _HOME]
StudyName = texts(names.STUDY, "letters, digits, - and _, beginning with a letter or a digit")


def _is_delta(delta: float | str) -> float | str:
    if isinstance(delta, str) and NUMBER.fullmatch(delta):
        delta = float(delta)
    shares = isinstance(delta, str) and re.fullmatch(_SHARE_OF_UNITS, delta)
    if not shares and (isinstance(delta, str) or not SMALLEST_DELTA <= delta < 1):
        raise ValueError(f"a number from {SMALLEST_DELTA:g} to below 1, or 1/units, 1/(10 units)")
    return delta


def _is_patient_delta(delta: float | str) -> float | str:
    if not isinstance(delta, str) and delta > MOST_PATIENT_DELTA:
        raise ValueError(
            f"at most {MOST_PATIENT_DELTA:g}, however few the patients are: outcomes of that probability "
            "may tell everything about a patient"
        )
    return delta


_SHARE_OF_UNITS = r"1/(?:units|\([1-9]\d* units\))"
# A number, or a share of the public number of privacy units.
Delta = Annotated[float | str, AfterValidator(_is_delta)]

PatientDelta = Annotated[float | str, AfterValidator(_is_delta), AfterValidator(_is_patient_delta)]


def resolve_delta(delta: float | str, *, units: int) -> float:
    """Return a delta as a number; `units` is how many patches, or patients, the noise hides one of.

    >>> resolve_delta("1/(10 units)", units=1000)
    0.0001
    """
    if not isinstance(delta, str):
        return delta
    times = delta.removeprefix("1/").strip("()").removesuffix("units").strip()
    return float(Fraction(1, int(times or 1) * units))
