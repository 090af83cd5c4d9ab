"""What the numbers of a release mean, and how its data were made, in words that need no formula."""

import math
from collections.abc import Mapping

# Tiers of Ponomareva et al. 2023, How to DP-fy ML, J. Artif. Intell. Res. 77, section 5.2.
TIERS = {1.0: "a strong guarantee", 10.0: "a usual one for trained networks, and no strong one"}


def tell_promises(numbers: Mapping) -> list[str]:
    """Return what is promised to a whole patient, a region and a patch, in this order, each with its unit."""
    return [numbers[name]["sentence"] for name in ("patient", "region", "patch")]


def odds(epsilon: float) -> str:
    """Say by how much eps lets the odds change, as a factor.

    >>> odds(1.0), odds(9.07)
    ('2.7', '8,700')
    """
    factor = math.exp(min(epsilon, 300.0))
    if factor >= 1e6:
        return f"10^{math.floor(math.log10(factor))}"
    return f"{float(f'{factor:.2g}'):,.{0 if factor >= 10 else 1}f}"


def explain_meaning(numbers: Mapping) -> list[str]:
    """Return paragraphs on what a patient, a place and a unit are promised, and what eps and delta mean."""
    unit, spent = numbers["unit"], numbers["epsilon_composed"]
    tier = next(
        (told for most, told in TIERS.items() if spent <= most), "too large to promise much by itself"
    )
    sure = 1 / (1 + math.exp(-spent))
    secret = "If the noise were secret: " if numbers["public_key"] else ""
    change = (
        f"{secret}**eps** bounds what these data, and everything else that the site computed with the same "
        f"method, can tell about one {unit}. Whoever has them, whatever else they know, may find the odds "
        f"that a given {unit} was used changed by at most a factor of {odds(spent)}. Who held it for even "
        f"odds before may be {_percent(sure)} sure afterwards, in the worst case. It is a bound, not what "
        f"is expected. An eps of {spent:.3g} is {tier} (Ponomareva et al. 2023)."
    )
    chance = (
        f"**delta**, 1 in {1 / numbers['delta']:,.0f}, is added to the bound: no outcome is more likely than "
        f"e^eps times its probability with an empty one in place of that {unit}, plus delta. It is not the "
        f"chance "
        "that the bound on the odds is broken: that is P[privacy loss > eps], here "
        f"{numbers['loss_above_epsilon_composed']:.2g}, "
        f"{numbers['loss_above_epsilon_composed'] / numbers['delta']:.1f} times delta, for all runs together."
    )
    if unit == "patient":
        whole = (
            "**A whole patient** is what is hidden: the bound is about everything that one patient gave, "
            "every "
            "place and every patch."
        )
    else:
        whole = (
            f"**A whole patient** gave {numbers['patches_per_patient']:,} patches, and **a place on a "
            f"vessel** lies "
            f"in up to {numbers['region']['patches']:,} of them; both are protected less than one patch. By "
            f"the run "
            f"that made these data: {' '.join(tell_promises(numbers))}"
        )
        if len(numbers["composed"]) > 1:
            whole += (
                " For all runs together, the table counts as many patches of a patient and a place in the "
                "other "
                "runs as in this one."
            )
    planned = numbers["planned"]
    stated = (
        f"**At another delta** the same run has another eps: it was planned at delta "
        f"{planned['delta']:.3g}, where "
        f"its eps is {planned['epsilon']:.3g}."
    )
    return [whole, change, chance, *([stated] if planned["delta"] != numbers["delta"] else [])]


def explain_mechanism(numbers: Mapping) -> list[str]:
    """Return paragraphs on how the data were made, and all private runs that compose on one patient."""
    unit = numbers["unit"]
    how = (
        "A generator of images was trained against a critic. Only the critic saw patients. In each of its "
        f"steps it took a fresh random sample ({numbers['sampler'].split(',')[0].title()} sampling: every "
        f"{unit} by a coin of its own), bounded what each {unit} could change (norm at most C = "
        f"{numbers['clipping_norm']:g}), and added normal noise of the noise multiplier times C to the sum. "
        "The generator learned from the critic alone, and these data were drawn from the generator. Every "
        "critic step is charged once."
    )
    rows = ["| noise multiplier | sampling rate | charged steps |", "|---|---|---|"]
    rows += [
        f"| {c['noise_multiplier']:.6g} | {c['sampling_rate']:.6g} | {c['steps']:,} |"
        for c in numbers["composed"]
    ]
    versions = ", ".join(f"{name} {number}" for name, number in numbers["accountant"]["versions"].items())
    return [
        how,
        "All private runs on the patient whose eps is largest, the run of these data among them; a run "
        "counts whether its data left or not, and with every step that was repeated:",
        "\n".join(rows),
        f"Accountant: {numbers['accountant']['method']}, an upper bound, for neighbours of "
        f"{numbers['neighbours']}; {versions}.",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.9995 else "more than 99.9 %"
