"""What must be read of a release before anything else, written from the numbers of its privacy.json."""

from privessel.limits import readable
from privessel.release.checks.words import call


def is_region_too_large(numbers: dict) -> bool:
    """Whether a place on a vessel of a patient is protected less than the site's limit allows."""
    if numbers["public_cohort"] or numbers["unit"] == "patient":
        return False
    spent = numbers["region"]["epsilon_composed"]
    return spent is None or spent > numbers["region"]["epsilon_limit"]


def warn(numbers: dict) -> list[str]:
    """Return what must be read before anything else; nothing for a release that keeps all rules."""
    found = []
    seeded = (
        "Its noise was drawn from a published seed, so anyone can draw the same noise and subtract it."
        if numbers["vote"] is None
        else "It was drawn with a published seed, so that nothing hides what each patient has added."
    )
    if numbers["public_key"]:
        found.append(
            f"**This {call(numbers)['set']} protects nobody.** {seeded} That is right for the simulated or "
            "public scans that it was made from, and for no others. Every eps here is in name only: it says "
            "what the same "
            f"mechanism would be worth if the {'draw' if numbers['vote'] else 'noise'} were secret."
        )
    if numbers["override"]:
        refused = "\n".join(f"- {line}" for line in numbers["override"]["refused"])
        found.append(
            "**The rules of privessel, which made this release, refuse it.** The site has released it all "
            f"the same.\n\n{refused}\n\nThe site's reason: {numbers['override']['reason']}"
        )
    region = numbers["region"]
    if region["reason"]:
        found.append(
            "**A place on a vessel is protected less than the site's own limit demands.** One place lies in "
            f"up to {numbers['region_patches']:,} patches of a patient, and their eps together is "
            f"{readable(region['epsilon_composed'])}; the limit is {region['epsilon_limit']:g}. The site's "
            f"reason to release all the same: {region['reason']}"
        )
    return found
