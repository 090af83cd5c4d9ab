"""What a release says about privacy: numbers for programs (privacy.json), words for people (PRIVACY.md)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from privessel.privacy.promises import readable
from privessel.release.guarantee import Guarantee
from privessel.release.refusals import Refusal
from privessel.release.selection import Choice
from privessel.release.terms import Terms
from privessel.release.wording import explain_meaning, explain_mechanism
from privessel.study.names import VACUOUS

FORMAT = "privessel release 1"
SAMPLER = "poisson, a fresh sample every critic step"
NOT_COVERED = (
    "Patients whose scans chose or judged models (validation and test patients): no model learned from "
    "them, but settings were compared on them.",
    "Settings that people tuned while they looked at patients of the site.",
    "The numbers of patients, of patches a patient and a place, and of steps, the expected batch and the "
    "noise: "
    "they count as public.",
    "The generator of random numbers and the time that a step takes: the noise is taken to be normal up to "
    "the grid that it and the sums lie on.",
    "What others publish about the same patients, and whatever the site releases of them later: both add up.",
    "Look-alikes: the data may show anatomy that is common to many people. That is no statement about one.",
)


def summarise_numbers(
    guarantee: Guarantee, *, choice: Choice, terms: Terms, outweighed: Sequence[Refusal]
) -> dict:
    """Return privacy.json: all that a program needs to compute eps again, and nothing that names anybody."""
    promises, together = guarantee.promises, guarantee.promises_composed
    return {
        "format": FORMAT,
        "protects": not guarantee.public_key,
        "public_key": guarantee.public_key,
        "unit": guarantee.unit,
        "neighbours": f"one {guarantee.unit} replaced by an empty one",
        "patients": guarantee.cohort.patients,
        "patches": guarantee.cohort.patches,
        "patches_per_patient": guarantee.cohort.patches_per_patient,
        "region_patches": guarantee.cohort.region_patches,
        "sampler": SAMPLER,
        "clipping_norm": guarantee.clipping_norm,
        "run": asdict(guarantee.run),
        "composed": [asdict(charge) for charge in guarantee.composed],
        "patient": _promise(promises["patient"], together["patient"]),
        "region": _promise(promises["region"], together["region"])
        | {
            "patches": guarantee.cohort.region_patches,
            "epsilon_limit": terms.max_region_epsilon,
            "reason": terms.region_reason
            if any(one.answer == "region_reason" for one in outweighed)
            else None,
        },
        "patch": _promise(promises["patch"], together["patch"]),
        "delta": guarantee.delta,
        "epsilon": guarantee.epsilon,
        "epsilon_composed": guarantee.epsilon_composed,
        "epsilon_limit": terms.epsilon,
        "loss_above_epsilon": promises[guarantee.unit]["loss_above_epsilon"],
        "loss_above_epsilon_composed": together[guarantee.unit]["loss_above_epsilon"],
        "planned": {"delta": guarantee.study_delta, "epsilon": guarantee.study_epsilon},
        "accountant": {"method": "privacy loss distributions", "versions": dict(guarantee.versions)},
        "choice": {"private_sets": choice.candidates, "told": choice.told},
        # The last line of the site's ledgers at this moment, so that the site cannot lose charges unseen.
        "register": guarantee.register,
        "override": _override(terms, outweighed),
        "not_covered": list(NOT_COVERED),
    }


def _promise(alone: Mapping, together: Mapping) -> dict[str, object]:
    """Return one promise for programs: by the run that made the data, and by all runs; None: not finite."""
    spent = {"epsilon": alone["epsilon"], "epsilon_composed": together["epsilon"]}
    return (
        {"delta": alone["delta"]}
        | {name: eps if math.isfinite(eps) else None for name, eps in spent.items()}
        | {"loss_above_epsilon": alone["loss_above_epsilon"], "method": alone["method"]}
        | {"sentence": alone["sentence"]}
    )


def write_statement(numbers: Mapping, *, terms: Terms) -> str:
    """Return PRIVACY.md, for readers who answer for data protection and need no formula."""
    parts = [
        f"# What the data set {terms.name} tells about patients",
        "For whoever answers for data protection. The same in numbers: `privacy.json`. To check them: "
        "`python verify.py`, which needs Python and the package dp-accounting.",
        *warn(numbers),
        "## In short",
        _short(numbers),
        "## What the numbers mean",
        *explain_meaning(numbers),
        "## How it was made",
        *explain_mechanism(numbers),
        "## What chose this set",
        numbers["choice"]["told"],
        "## What is not covered",
        "\n".join(f"- {line}" for line in numbers["not_covered"]),
        "## What you can check, and what you must take on trust",
        "`verify.py` checks that no file was changed, and computes eps again from the mechanisms in "
        "`privacy.json`. That these mechanisms are all that were run on the patients, and that they were "
        "run as described, is in the site's ledger, which stays there with its secret.",
    ]
    return "\n\n".join(parts) + "\n"


def warn(numbers: Mapping) -> list[str]:
    """Return what must be read before anything else; nothing for a release that keeps all rules."""
    found = []
    if numbers["public_key"]:
        found.append(
            "**This data set protects nobody.** Its noise comes from a published seed, so anyone can draw "
            "the same noise and take it off. That is right for simulated or public scans, which it was "
            "made from, and for nothing else. Every eps here is in name only: what the same mechanism "
            "would be worth with a secret."
        )
    if numbers["override"]:
        refused = "\n".join(f"- {line}" for line in numbers["override"]["refused"])
        found.append(
            "**The rules of privessel refuse this release.** Its site released it all the "
            f"same.\n\n{refused}\n\nThe site's reason: {numbers['override']['reason']}"
        )
    region = numbers["region"]
    if region["reason"]:
        found.append(
            f"**A place on a vessel is protected less than the site's limit allows.** It lies in up to "
            f"{region['patches']:,} patches of a patient, whose eps together is "
            f"{readable(region['epsilon_composed'])}, above the limit of {region['epsilon_limit']:g}. The "
            f"site's "
            f"reason to release all the same: {region['reason']}"
        )
    return found


def name_of_eps(numbers: Mapping) -> str:
    """Say what an eps of the release is worth: valid, or in name only."""
    return "eps in name only" if numbers["public_key"] else "valid eps"


def _short(numbers: Mapping) -> str:
    unit, region = numbers["unit"], numbers["region"]
    places = "" if unit == "patient" else f" (up to {region['patches']:,} patches)"
    names = {"patient": "a whole patient", "region": f"a place on a vessel{places}", "patch": "one patch"}
    runs = len(numbers["composed"])
    rows = [
        f"| {name_of_eps(numbers)} of | by the run that made the data | by all private runs on one patient "
        f"({runs}) "
        "| delta |",
        "|---|---|---|---|",
        *(
            f"| {name} | {_spent(numbers[key]['epsilon'])} | {_spent(numbers[key]['epsilon_composed'])} "
            f"| {numbers[key]['delta']:.3g}, 1 in {1 / numbers[key]['delta']:,.0f} |"
            for key, name in names.items()
        ),
    ]
    noise = "from a published seed" if numbers["public_key"] else "from a secret that stays at the site"
    told = (
        f"The noise was set to hide one {unit} of {_units(numbers):,}, and comes {noise}. An eps above "
        f"{VACUOUS:g} promises next to nothing."
    )
    return "\n".join(rows) + "\n\n" + told


def _spent(epsilon: float | None) -> str:
    if epsilon is None:
        return "not finite"
    return readable(epsilon) + ("; vacuous" if epsilon > VACUOUS else "")


def _units(numbers: Mapping) -> int:
    return numbers["patients"] if numbers["unit"] == "patient" else numbers["patches"]


def _reason_for_region(terms: Terms, outweighed: Sequence[Refusal]) -> str | None:
    return terms.region_reason if any(one.answer == "region_reason" for one in outweighed) else None


def _override(terms: Terms, outweighed: Sequence[Refusal]) -> dict | None:
    refused = [f"{one.subject}: {one.told}" for one in outweighed if one.answer == "override"]
    return {"reason": terms.override, "refused": refused} if refused else None
