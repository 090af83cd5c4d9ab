"""What a release says about privacy, in numbers (privacy.json); `checks/` writes words from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from privessel.release.checks.shape import FORMAT
from privessel.release.checks.statement import METHOD, list_not_covered
from privessel.release.checks.words import name_neighbours, name_sampler
from privessel.release.guarantee import Guarantee
from privessel.release.refusals import Refusal
from privessel.release.selection import Choice
from privessel.release.terms import Terms


def summarise_numbers(
    guarantee: Guarantee,
    *,
    choice: Choice,
    terms: Terms,
    outweighed: Sequence[Refusal],
    setting: Mapping | None = None,
) -> dict:
    """Return privacy.json without its part `data`: what a program needs to compute every eps again.

    It names nobody. Whatever is not in it follows from it: a recipient's check computes every eps again, and
    writes PRIVACY.md, the card and the metadata again (`checks/`). setting: of the candidate that a vote
    has chosen (`vote.candidates.Design.describe`); needed for a vote.
    """
    promises, together, trainings = guarantee.promises, guarantee.promises_composed, guarantee.trainings
    vote = None if guarantee.vote is None else {**guarantee.vote, **_setting(setting or {})}
    of_region = any(one.answer == "region_reason" for one in outweighed)
    limits = {
        "epsilon_limit": terms.max_region_epsilon,
        "reason": terms.region_reason if of_region else None,
    }
    model = guarantee.model
    return {
        "format": FORMAT,
        "protects": not guarantee.public_key,
        "public_key": guarantee.public_key,
        "public_cohort": guarantee.cohort.public,
        "unit": guarantee.unit,
        "neighbours": name_neighbours(guarantee.unit),
        "vote": vote,
        "patients": guarantee.cohort.patients,
        "patches": guarantee.cohort.patches,
        "patches_per_patient": guarantee.cohort.patches_per_patient,
        "region_patches": guarantee.cohort.region_patches,
        "sampler": name_sampler(vote, model=model),
        "clipping_norm": guarantee.clipping_norm,
        "run": asdict(guarantee.run),
        "patient": _promise(promises["patient"], together["patient"]),
        "region": _promise(promises["region"], together["region"]) | limits,
        "patch": _promise(promises["patch"], together["patch"]),
        "delta": guarantee.delta,
        "epsilon": guarantee.epsilon,
        "epsilon_composed": guarantee.epsilon_composed,
        "adaptive": _adaptive(guarantee.adaptive),
        "epsilon_limit": terms.epsilon,
        "planned": {"delta": guarantee.study_delta, "epsilon": guarantee.study_epsilon},
        "accountant": {"method": METHOD, "versions": dict(guarantee.versions)},
        "choice": {
            "private_sets": choice.candidates,
            "runs": trainings.runs if trainings else None,
            "models_without_noise": trainings.models if trainings else None,
            "told": choice.told,
        },
        # The last line of the site's ledgers at this moment, so that the site cannot lose charges unseen.
        "register": guarantee.register,
        "override": _override(terms, outweighed),
        "not_covered": list_not_covered(vote, model=model),
    }


def describe_data(
    terms: Terms, *, architecture: str, pairs: int, size: int, weights: bool, signed: bool
) -> dict[str, object]:
    """Return the part `data` of privacy.json: what the release holds, and what its card says."""
    return {
        "name": terms.name,
        "description": terms.description,
        "creators": list(terms.creators),
        "licence": terms.licence,
        "architecture": architecture,
        "pairs": pairs,
        "size": size,
        "weights": weights,
        "signed": signed,
    }


def _promise(alone: Mapping, together: Mapping) -> dict[str, object]:
    """Return one promise: by the run that made the data, and by all runs; None: not finite, or not known.

    `composed` are all runs on the patient whose eps at this level is largest.
    """
    return {
        "delta": together["delta"],  # a pure eps has none of its own
        "epsilon": _finite(alone["epsilon"]),
        "epsilon_composed": _finite(together["epsilon"]),
        "loss_above_epsilon": alone["loss_above_epsilon"],
        "loss_above_epsilon_composed": together["loss_above_epsilon"],
        "composed": [part.numbers for part in together["composed"]],
    }


def _adaptive(found: Mapping | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "epsilon": _finite(found["epsilon"]),
        "composed": [part.numbers for part in found["composed"]],
    }


def _setting(chosen: Mapping) -> dict[str, object]:
    """Return family and setting of a vote's candidate, each knob by the name of its part and its own."""
    parts = chosen["setting"].items()
    knobs = {f"{part}.{name}": value for part, inner in parts for name, value in inner.items()}
    return {"family": chosen["family"], "phantoms": chosen["phantoms"], "setting": knobs}


def _finite(epsilon: float) -> float | None:
    return epsilon if math.isfinite(epsilon) else None


def _override(terms: Terms, outweighed: Sequence[Refusal]) -> dict | None:
    refused = [f"{one.subject}: {one.told}" for one in outweighed if one.answer == "override"]
    return {"reason": terms.override, "refused": refused} if refused else None
