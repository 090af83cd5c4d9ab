"""Words that several texts of a release share, written from the numbers of its privacy.json."""

import math

from privessel.limits import MOST_PATIENT_DELTA, VACUOUS, readable

SELECTION = "selection: Files of the study do not show that its choice looked at no training patients."
COUNTS = (
    "counts: Ledgers of an older version do not say how many patches of a patient and of a place their runs "
    "used; the largest number that is known of any run stands in for them."
)
LEVELS = ("patient", "region", "patch")
# What no private training covers, in whatever form its result is released.
TRAINING_NOT_COVERED = (
    "Settings that people tuned while they looked at patients of the site.",
    "The numbers of patients, of patches a patient and a place, of steps, the expected batch and the noise: "
    "they count as public.",
    "Weaknesses of the generator of random numbers, and what the time of a step tells: the noise is taken to "
    "be normal up to the grid that it and the sums lie on.",
    "What others publish about the same patients, and whatever the site releases of them later: both add up.",
)
MODEL = "private-unet"  # the architecture of a release that is a model and has no data
_OF_DATA = {"set": "data set", "the": "the data", "these": "these data", "tell": "tell", "were": "were"}
_OF_MODEL = {"set": "model", "the": "the model", "these": "this model", "tell": "tells", "were": "was"}


def is_model(numbers: dict) -> bool:
    """Whether a release is a model and has no data."""
    return numbers["data"]["architecture"] == MODEL


def call(numbers: dict) -> dict[str, str]:
    """Return how the texts call what is released, and the verbs that go with it."""
    return _OF_MODEL if is_model(numbers) else _OF_DATA


def name_neighbours(unit: str) -> str:
    """Say in what neighbours differ."""
    return f"one {unit} replaced by an empty one"


def name_sampler(vote: dict | None, *, model: bool) -> str:
    """Say which patients take part in a step; `model`: of a private U-Net."""
    if vote:
        return "every patient votes"
    return f"poisson, a fresh sample every {'step' if model else 'critic step'}"


def odds(epsilon: float) -> str:
    """Say by how much eps lets the odds change, as a factor with two digits."""
    factor = math.exp(min(epsilon, 300.0))
    if factor >= 1e6:
        return f"{10:d}^{math.floor(math.log10(factor))}"
    return f"{float(f'{factor:.2g}'):,.{0 if factor >= 10 else 1}f}"


def count_units(numbers: dict) -> int:
    """Return of how many units the noise hides one."""
    return numbers["patients"] if numbers["unit"] == "patient" else numbers["patches"]


def name_of_eps(numbers: dict) -> str:
    """Say what an eps of the release is worth: valid, or in name only."""
    return "eps in name only" if numbers["public_key"] else "valid eps"


def tell_choices(
    sets: int, runs: int | None = None, models: int | None = None, *, model: bool = False
) -> list[str]:
    """Return the sentences of which one says how the release was chosen among so many private sets.

    runs: private runs and audits on its patients in the site's ledgers; models: those without noise; None: no
    ledgers. model: the release is a private U-Net, and the other candidates may be sets.
    """
    one, several = ("private model", "private sets and models") if model else ("private set", "private sets")
    told = [
        f"The validation patients chose it among the study's {sets} {several}.",
        f"It is one of the study's {sets} {several}; no file shows what chose it.",
    ]
    if sets == 1:
        told = [
            f"It was the only {one} of its study" + ("." if runs and runs > 1 else "; nothing was chosen.")
        ]
    ledgers = ""
    if runs is not None:
        ledgers = (
            f" The site's ledgers have {_count(runs, 'private run')} on its patients, audits included; eps "
            "counts them all."
        )
    if models:
        ledgers += (
            f" {_count(models, 'model')} without noise had been trained on them. No eps covers what anyone "
            "learned from those and chose by it."
        )
    return [sentence + ledgers for sentence in told]


def _count(number, noun, plural="s"):
    return f"{number:,} {noun}{plural if number != 1 else ''}"


def tell_promises(numbers: dict) -> list[str]:
    """Return what the run that made the data promises to a whole patient, a region and a patch."""
    return [f"{name.capitalize()} level: {_promise(numbers, name)}" for name in LEVELS]


def _promise(numbers, name):
    if numbers["unit"] == "patient" and name != "patient":
        return (
            f"covered by the whole patient; at most eps {readable(numbers[name]['epsilon'])} at delta "
            f"{numbers[name]['delta']:.3g} where it changes inside of a patient who stays."
        )
    promise, patches = numbers[name], numbers["region_patches"]
    what = {
        "patient": "the patient is the privacy unit"
        if numbers["unit"] == "patient"
        else f"one patient gave {numbers['patches_per_patient']:,} patches",
        "region": f"one place on a vessel lies in up to {_count(patches, 'patch', 'es')} of a patient",
        "patch": "one patch of one patient",
    }[name]
    told = f"eps {readable(promise['epsilon'])} at delta {promise['delta']:.3g} ({what})."
    if promise["epsilon"] is None or promise["epsilon"] > VACUOUS:
        hidden = {"patient": "patient", "region": "place of a patient", "patch": "patch"}[name]
        told += f" That is vacuous: it keeps nobody from being sure that a given {hidden} was used."
    return told


def tell_epsilon(*, epsilon: float, unit: str, delta: float, limit: float, adaptive: bool) -> str:
    """Say that the composed eps of one `unit`, patch or patient, is above the site's limit.

    `adaptive`: it is that of runs chosen one by one.
    """
    how = ", as if each had been chosen after a look at the ones before" if adaptive else ""
    spent = f"{epsilon:.4g}" if math.isfinite(epsilon) else "not finite"
    return (
        f"Composed over all runs on a patient{how}, the eps of one {unit} is {spent} at delta {delta:.3g}, "
        f"above the {limit:.4g} that the site had set."
    )


def tell_adaptive(numbers: dict) -> list[str]:
    """Return a sentence on what composed numbers assume and what holds otherwise; none for one run."""
    if not numbers["adaptive"]:
        return []
    return [
        "The numbers for all runs together hold if noise and steps of all runs were fixed before the first "
        f"of them; if they were chosen as one went, the eps of one {numbers['unit']} is "
        f"{readable(numbers['adaptive']['epsilon'])} at delta {numbers['delta']:.3g} (by a Renyi filter, "
        "with the budget fixed beforehand)."
    ]


def tell_delta(*, delta: float, units: int, noun: str) -> str:
    """Say that a delta of patches or patients is too large."""
    if noun == "patients" and delta > MOST_PATIENT_DELTA:
        return f"delta {delta:.3g} of patients is above {MOST_PATIENT_DELTA:g}, however few they are."
    return (
        f"delta {delta:.3g} of {units:,} {noun} is not below 1 / (10 x {units:,}) = {1 / (10 * units):.3g}."
    )


def is_delta_too_large(*, delta: float, units: int, noun: str) -> bool:
    """Whether the rules refuse a delta: 1 / (10 units) and more, and above 1e-5 for patients."""
    return not delta < 1 / (10 * units) or (noun == "patients" and delta > MOST_PATIENT_DELTA)


def tell_refusals(numbers: dict) -> list[str]:
    """Return what the rules refuse by the numbers alone, as privacy.json lists it under `override`."""
    found = []
    spent, limit = numbers["epsilon_composed"], numbers["epsilon_limit"]
    other = (numbers["adaptive"] or {"epsilon": 0.0})["epsilon"]
    other = math.inf if other is None else other
    if max(spent, other) > limit:
        given = {"epsilon": max(spent, other), "unit": numbers["unit"], "delta": numbers["delta"]}
        found.append(f"epsilon: {tell_epsilon(**given, limit=limit, adaptive=other > spent)}")
    stated = [(numbers["patient"]["delta"], numbers["patients"], "patients")]
    if numbers["unit"] == "patch":
        stated.insert(0, (numbers["delta"], numbers["patches"], "patches"))
    for delta, units, noun in stated:
        given = {"delta": delta, "units": units, "noun": noun}
        if is_delta_too_large(**given):
            found.append(f"delta: {tell_delta(**given)}")
    if not is_counted(numbers):
        found.append(COUNTS)
    return found


def is_counted(numbers: dict) -> bool:
    """Whether it is known of every run how many patches of a patient it used, where that decides eps."""
    together = [one for level in LEVELS for one in numbers[level]["composed"]]
    return numbers["unit"] == "patient" or all(one["counted"] for one in together)


def tell_runs(numbers: dict) -> list[str]:
    """Return a table of runs for each patient who is worst off at some level; often it is one patient."""
    levels = {}
    for level in LEVELS:
        levels.setdefault(str(numbers[level]["composed"]), []).append(level)
    parts = []
    for same in levels.values():
        of = "" if len(levels) == 1 else f" of {' and '.join(f'one {level}' for level in same)}"
        parts.append(f"These are all private runs on the patient whose eps{of} is largest:")
        rows = [
            "| noise multiplier | sampling rate | charged steps | patches of a patient | of a place |",
            "|---|---|---|---|---|",
            *map(_row, numbers[same[0]]["composed"]),
        ]
        parts.append("\n".join(rows))
    counted = (
        f"The run of {call(numbers)['these']} is one of them. A run counts whether "
        f"{'what it made was' if is_model(numbers) else 'its data were'} released or not, with "
    )
    counted += "every step that was repeated."
    if not is_counted(numbers):
        counted += f" {COUNTS.partition(': ')[2]} Such numbers are marked as assumed."
    return [*parts, counted]


def _row(one):
    known = "" if one["counted"] else " (assumed)"
    pure = one["pure_epsilon"]
    noise = f"none: a vote, pure eps {pure:g}" if pure else f"{one['noise_multiplier']:.6g}"
    return (
        f"| {noise} | {one['sampling_rate']:.6g} | {one['steps']:,} "
        f"| {one['patches_per_patient']:,}{known} | {one['region_patches']:,}{known} |"
    )
