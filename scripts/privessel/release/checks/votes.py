"""The words of a release that patients have voted for, beside those that all releases share.

`numbers` is privacy.json; its part `vote` is None for the data of a GAN.
"""

import math

from privessel.limits import readable

VOTE_NOT_COVERED = (
    "Patients whose scans judged models (validation and test patients): they cast no vote.",
    "Settings that people tuned while they looked at patients of the site.",
    "The numbers of patients, of candidates and of the patches by which a patient judges them, and the "
    "spacing of the scans: they count as public.",
    "What the time of the draw tells, and weaknesses of the generator of its random bits.",
    "What others publish about the same patients, and whatever the site releases of them later: both add up.",
)


def tell_bits(numbers: dict) -> str:
    """Return the short statement: what the patients have told at all, and how little each of them."""
    candidates = numbers["vote"]["candidates"]
    draws = numbers["run"]["steps"]  # more than one where a vote was lost and held again
    bits = math.ceil(10 * draws * math.log2(candidates)) / 10
    told = "have told one thing" if draws == 1 else f"have told one thing, and were asked {draws} times"
    source = "a published seed" if numbers["public_key"] else "a secret of the site, which is not published"
    change = (
        "if the draw were secret, no patient would change" if numbers["public_key"] else "no patient changes"
    )
    return (
        f"The patients {told}: which of {candidates} public sets this is. That is at most "
        f"{bits:g} bits, and {change} the odds of any of them by more than "
        f"e^{readable(numbers['epsilon'])}. The random bits of the draw came from {source}. The most that "
        f"the site allows by all private runs together is {readable(numbers['epsilon_limit'])} for one "
        "patient."
    )


def tell_mechanism(numbers: dict) -> str:
    """Return how the data were made and chosen."""
    vote = numbers["vote"]
    return (
        f"{vote['candidates']} candidates were made without any patient. Each is a set of labelled patches "
        f"from {vote['phantoms']} simulated scans of one setting, with a U-Net trained on them. Each of the "
        f"{numbers['patients']} patients ranked the candidates by how well their U-Nets found the vessels "
        f"in {vote['patches']:,} patches of the patient's own scan, from 0 for the worst to 1 for the best. "
        "One candidate was drawn, with a probability proportional to exp(eps x the sum of its ranks) (the "
        "exponential mechanism), by whole numbers alone. One patient more or less moves each sum by 0 to 1, "
        "all of them in the same direction, so that no probability changes by more than a factor of e^eps. "
        "Ranks and sums stay at the site. The data of this release are those of the drawn candidate, as "
        f"they were voted on. Its setting, from the family '{vote['family']}', is in privacy.json: "
        f"{len(vote['setting'])} numbers."
    )


def tell_zero_delta() -> str:
    """Say that the bound needs no delta."""
    return (
        "**delta** is what other methods add to such a bound. Here it is 0, whatever delta the table was "
        "made at: the bound on the odds holds without exception. It is about a patient who voted or did "
        "not. For one patient in the place of another, and for what changes inside of a patient, it is "
        "twice eps."
    )


def tell_origin(numbers: dict, kind: str) -> str:
    """Return the card's half sentence on where the images come from; `kind`: what is said of the scans."""
    if numbers["vote"]:
        return (
            f"simulated scans show them, of a setting that patients chose by a private vote on their {kind}"
        )
    return f"a generator drew them. It was trained with differential privacy on {kind}"


def tell_cohort(numbers: dict) -> str:
    """Return the card's words on the patients."""
    if numbers["vote"]:
        return (
            f"{numbers['patients']} patients voted. Nothing more is published about them, and no image of "
            "theirs was used to make the data."
        )
    return (
        f"The generator was trained on {numbers['patches']:,} axial patches of {numbers['patients']} "
        "patients, half of them centred on a vessel, half anywhere in the brain. Nothing more is "
        "published about the patients."
    )


def tell_making(numbers: dict) -> str:
    """Return the card's words on how the data were made."""
    scaled = "Each image is scaled to 0..255 on its own, so grey values of two images cannot be compared."
    if numbers["vote"]:
        return (
            f"privessel simulated {numbers['vote']['candidates']} sets of labelled patches from public "
            "settings and trained a U-Net on each. Every patient ranked the U-Nets by the patient's own "
            "scan, and one set was drawn with a probability that grows with its ranks. "
            f"{scaled} Labels are the simulated vessels."
        )
    return (
        f"privessel (architecture {numbers['data']['architecture']}) trained a generator and a critic; the "
        f"critic's gradients on patients were bounded, and noise was added to them. {scaled} Labels are the "
        "generator's second channel, cut at a threshold."
    )


def tell_limit(numbers: dict) -> str:
    """Return the first of the card's limits."""
    if numbers["vote"]:
        return (
            "- The scans are simulated: those of patients are more varied, and what is learned from these "
            "is at best as good as the best of the candidates."
        )
    return (
        "- Noise costs anatomy: vessels may end, branch or be missing where no patient's would, and "
        "a label may miss what its image shows."
    )


def tell_model(numbers: dict) -> tuple[str, str]:
    """Return path and content of the model for the card's table of files."""
    if numbers["vote"]:
        return (
            "`model/unet.pt`",
            "a U-Net trained on these data, by which the patients voted: `shape`, `weights`, `patch_size`, "
            "and `mean` and `sd` of its inputs; read by torch with weights_only",
        )
    return "`model/generator.pt`", "the generator: `shape` and `weights`, read by torch with weights_only"
