"""PRIVACY.md: what a release tells about patients, for readers who answer for data protection."""

import math

from privessel.limits import VACUOUS, readable
from privessel.release.checks.cautions import warn
from privessel.release.checks.models import MODEL_NOT_COVERED, tell_training
from privessel.release.checks.votes import (
    VOTE_NOT_COVERED,
    tell_bits,
    tell_mechanism,
    tell_zero_delta,
)
from privessel.release.checks.words import (
    LEVELS,
    TRAINING_NOT_COVERED,
    call,
    count_units,
    is_model,
    name_of_eps,
    odds,
    tell_adaptive,
    tell_promises,
    tell_runs,
)

METHOD = "privacy loss distributions"
# Tiers of Ponomareva et al. 2023, How to DP-fy ML, J. Artif. Intell. Res. 77, section 5.2.
TIERS = {1.0: "a strong guarantee", 10.0: "usual for trained networks, and no strong guarantee"}
NOT_COVERED = (
    "Patients whose scans chose or judged models (validation and test patients): no model learned from "
    "them, but settings were compared on them.",
    *TRAINING_NOT_COVERED,
    "Look-alikes: the data may show anatomy that is common to many people. That tells nothing about one of "
    "them.",
)


def list_not_covered(vote: dict | None, *, model: bool) -> list[str]:
    """Return what the guarantee does not cover; `vote`: that part of privacy.json; `model`: of a U-Net."""
    return list(VOTE_NOT_COVERED if vote else MODEL_NOT_COVERED if model else NOT_COVERED)


def write_statement(numbers: dict) -> str:
    """Return PRIVACY.md; `numbers` is privacy.json."""
    called = call(numbers)
    parts = [
        f"# What the {called['set']} {numbers['data']['name']} tells about patients",
        "For whoever answers for data protection. `privacy.json` holds the same numbers for programs, and "
        "`verify.py` computes them again.",
        *warn(numbers),
        "## In short",
        _short(numbers),
        "## What the numbers mean",
        *_meaning(numbers),
        f"## How {called['the']} {called['were']} made",
        *_mechanism(numbers),
        f"## How this {'model' if is_model(numbers) else 'set'} was chosen",
        numbers["choice"]["told"],
        "## What is not covered",
        "\n".join(f"- {line}" for line in numbers["not_covered"]),
        "## What you can check, and what you must take on trust",
        *_trust(numbers),
    ]
    return "\n\n".join(parts) + "\n"


def _short(numbers):
    unit, places = numbers["unit"], f" (up to {numbers['region_patches']:,} patches)"
    names = {
        "patient": "a whole patient",
        "region": f"a place on a vessel{'' if unit == 'patient' else places}",
        "patch": "one patch",
    }
    runs = " or ".join(map(str, sorted({len(numbers[level]["composed"]) for level in LEVELS})))
    rows = [
        f"| {name_of_eps(numbers)} of | by the run that made {call(numbers)['the']} | by all private runs on "
        f"one patient ({runs}) | delta |",
        "|---|---|---|---|",
        *(
            f"| {name} | {_spent(numbers[key]['epsilon'])} | {_spent(numbers[key]['epsilon_composed'])} "
            f"| {numbers[key]['delta']:.3g}, 1 in {1 / numbers[key]['delta']:,.0f} |"
            for key, name in names.items()
        ),
    ]
    if numbers["vote"]:
        told = [_headline(numbers), "\n".join(rows), *tell_adaptive(numbers), tell_bits(numbers)]
        return "\n\n".join(told)
    noise = (
        "was drawn from a published seed"
        if numbers["public_key"]
        else "was drawn from a secret of the site, which is not published"
    )
    told = (
        f"The noise was chosen to hide one {unit} of {count_units(numbers):,}. It {noise}. An eps above "
        f"{VACUOUS:g} promises next to nothing ('vacuous'). The most that the site allows by all private "
        f"runs together is {readable(numbers['epsilon_limit'])} for one {unit}{_limit_of_places(numbers)}."
    )
    return "\n\n".join([_headline(numbers), "\n".join(rows), *tell_adaptive(numbers), told])


def _headline(numbers):
    """Return the one sentence about whole patients that a reader must not miss."""
    spent = numbers["patient"]["epsilon_composed"]
    if numbers["public_key"]:
        return f"Nobody is protected by {call(numbers)['these']}, and nobody is meant to be."
    if spent is None or spent > VACUOUS:
        hides = (
            "The noise hides single patches of a patient, not the patient"
            if numbers["unit"] == "patch"
            else "There is too little noise"
        )
        return (
            f"**A whole patient is not protected.** {hides}: over all private runs a patient's eps is "
            f"{readable(spent)}, which promises nothing."
        )
    return f"**A whole patient is protected at eps {readable(spent)}**, over all private runs of the site."


def _limit_of_places(numbers):
    if numbers["unit"] == "patient":
        return ""
    limit = f" and {readable(numbers['region']['epsilon_limit'])} for a place on a vessel"
    return limit + (", which is not applied to simulated or public scans" if numbers["public_cohort"] else "")


def _meaning(numbers):
    unit, spent, called = numbers["unit"], numbers["epsilon_composed"], call(numbers)
    tier = next(
        (told for most, told in TIERS.items() if spent <= most), "too large to promise much by itself"
    )
    random = "draw" if numbers["vote"] else "noise"
    secret = f"If the {random} were secret: " if numbers["public_key"] else ""
    change = (
        f"{secret}**eps** bounds what {called['these']} {called['tell']} about one {unit}, together with "
        "everything else that the site computed by this method from the same patients. Whoever wonders "
        f"whether a given {unit} "
        "was used finds the odds changed by at most a factor of "
        f"{odds(spent)}, whatever else they know. Somebody who thought it as likely as not may be "
        f"{_percent(1 / (1 + math.exp(-spent)))} sure afterwards, at worst. This is a bound, not what is "
        f"expected. An eps of {spent:.3g} is {tier} (Ponomareva et al. 2023)."
    )
    above = numbers[unit]["loss_above_epsilon_composed"]
    chance = (
        f"**delta**, 1 in {1 / numbers['delta']:,.0f}, is added to the bound: no outcome is more likely than "
        f"e^eps times its probability with an empty {unit} in place of that one, plus delta. Delta is not "
        f"the probability that the bound on the odds is exceeded. That probability is {above:.2g}, "
        f"{above / numbers['delta']:.1f} times delta, for all runs together."
    )
    chance = tell_zero_delta() if numbers["vote"] and above == 0 else chance
    if unit == "patient":
        whole = (
            f"**A whole patient** is what the {random} hides: the bound is "
            "about everything that one patient gave, every place and every patch."
        )
    else:
        whole = (
            f"**A whole patient** gave {numbers['patches_per_patient']:,} patches, and **a place on a "
            f"vessel** lies in up to {numbers['region_patches']:,} of them. Both are protected less than one "
            f"patch. The run that made {called['these']} promises:\n\n"
        )
        whole += "\n".join(f"- {sentence}" for sentence in tell_promises(numbers))
        if any(len(numbers[level]["composed"]) > 1 for level in LEVELS):
            whole += (
                "\n\nFor all runs together, the table above counts in each run as many patches of a patient "
                "and of a place as that run used; they are listed below."
            )
    planned = numbers["planned"]
    stated = (
        f"**At another delta** the same run has another eps. It was planned at delta {planned['delta']:.3g}, "
        f"where its eps of one {unit} is {planned['epsilon']:.3g}."
    )
    return [whole, change, chance, *([stated] if planned["delta"] != numbers["delta"] else [])]


def _training(numbers):
    unit = numbers["unit"]
    return (
        "A generator of images was trained against a critic. Only the critic saw patients. In each of its "
        f"steps it took a fresh random sample, in which every {unit} was or was not by a coin of its own "
        f"(Poisson sampling); it bounded what each {unit} could change (norm at most C = "
        f"{numbers['clipping_norm']:g}), and added normal noise to the sum, as wide as the noise multiplier "
        "times what one could change in it. "
        "The generator learned from the critic alone, and these data were drawn from the generator. Every "
        "step of the critic counts in eps."
    )


def _mechanism(numbers):
    unit = numbers["unit"]
    training = tell_training if is_model(numbers) else _training
    how = tell_mechanism(numbers) if numbers["vote"] else training(numbers)
    versions = ", ".join(f"{name} {number}" for name, number in numbers["accountant"]["versions"].items())
    groups = (
        ""
        if unit == "patient"
        else " Several patches of one patient together: mixtures of Gaussians (Ganesh 2024), or a bound."
    )
    return [
        how,
        *tell_runs(numbers),
        f"Accountant: {numbers['accountant']['method']}, an upper bound, for neighbours that differ in "
        f"{numbers['neighbours']}.{groups} {versions}.",
    ]


def _trust(numbers):
    name = call(numbers)["set"]
    texts = "card and the licence" if is_model(numbers) else "card, the licence and the Croissant metadata"
    check = (
        "`python verify.py` needs Python and the package dp-accounting. It compares every file with its "
        "digest, computes every eps of this page again from the mechanisms above, and writes this page, the "
        f"{texts} again; it reports every difference. A forgery can pass "
        "all that: whoever changes the files can change digests, numbers and `verify.py`, too."
    )
    if numbers["data"]["signed"]:
        maker = (
            f"The {name} is signed (Ed25519). `python verify.py --key FINGERPRINT`, which needs the package "
            "cryptography as well, shows whether the site made these files and nobody has changed them. Take "
            "the fingerprint from the site itself and `verify.py` from the source code of privessel, not "
            "from this folder."
        )
    else:
        maker = f"The {name} is not signed, so no check can show who made it or whether somebody changed it."
    register = (
        f" The site's register of runs ended with `{numbers['register']}` at that time; a later release "
        "of the site must know that line."
        if numbers["register"]
        else ""
    )
    site = (
        "Nobody outside the site can check that these mechanisms are all that were run on the patients, and "
        f"that they were run as described. The site's ledger says so, which stays there.{register}"
    )
    return [check, maker, site]


def _spent(epsilon):
    return readable(epsilon) + ("; vacuous" if epsilon is not None and epsilon > VACUOUS else "")


def _percent(share):
    return f"{100 * share:.1f} %" if share < 0.9995 else "more than 99.9 %"
