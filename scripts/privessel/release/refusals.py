"""Why a release is refused, with the remedy for each reason; and which refusals a site may override.

Some refusals cannot be overridden, because no reason would make the promise true: training without noise,
noise that anyone can subtract, a ledger that is missing, incomplete or edited, a delta so large that one unit
could be published whole, an eps that is not finite, and whatever the search of the archive finds. All others
are judgements, which a site may make in another way and give its reason in release.override.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from privessel.errors import PrivacyError
from privessel.limits import MOST_PATIENT_DELTA, readable
from privessel.privacy.accounting import check_delta
from privessel.release.checks.words import COUNTS, SELECTION, is_delta_too_large, tell_delta, tell_epsilon
from privessel.release.guarantee import Guarantee, is_finite
from privessel.release.selection import Choice
from privessel.release.terms import Terms

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """One reason not to release: `subject` is a word, `told` a sentence that may be published.

    `detail` names files and patients; it is shown at the site and never published. `answer` is the key
    under `release` whose written reason outweighs it.
    """

    subject: str
    told: str
    remedy: str
    detail: str = ""
    answer: str = "override"

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.told}{detail} Remedy: {self.remedy}."


def require_protected(record: Mapping, *, public: bool) -> None:
    """Raise PrivacyError for a run without noise, or on patients with noise that anyone could subtract.

    Also for a run that was charged to patients and whose cohort is now called public: as such it would be
    released without its other runs.

    `record` is the run's privacy.json. `public`: its cohort's scans are simulated or public.
    """
    name = f"{record['arch']}/{record['level']}/run-{record['run']}"
    if record["noise_multiplier"] is None and not record.get("pure_epsilon"):
        raise PrivacyError(
            f"{name} was trained without noise, so nothing protects its patients, and release.override does "
            "not change that. Remedy: set release.pairs to a set of a private level, such as noise-1 or eps-5"
        )
    if record["public_key"] and not public:
        raise PrivacyError(
            f"{name}: the noise on patients of {record['cohort']} came from a published seed, so that "
            "anyone can subtract it. Remedy: leave the cohort at `public: false`, set privacy.state, and "
            "train another run"
        )
    if public and (not record["public_key"] or record.get("ledger")):
        raise PrivacyError(
            f"{name} was trained with secret noise and charged to patients of {record['cohort']}, which is "
            "now marked as public: its release would leave out what else was charged to them. Remedy: set "
            "`public: false` for the cohort again"
        )


def find_refusals(guarantee: Guarantee, *, terms: Terms, choice: Choice) -> list[Refusal]:
    """Return the refusals that a site may override; PrivacyError for those that it may not."""
    for delta, units, _, _ in _deltas(guarantee):
        check_delta(delta=delta, units=units, release=False)
    if not is_finite(guarantee):
        raise PrivacyError(
            f"no finite eps can be shown at delta {guarantee.delta:.3g}, or at {guarantee.study_delta:.3g}, "
            "which the run was planned with. Remedy: set release.delta higher, still below 1 / (10 x the "
            "number of units), or train another run with more noise or a larger privacy.delta"
        )
    found = []
    spent = {
        "epsilon": guarantee.limited_epsilon,
        "unit": guarantee.unit,
        "delta": guarantee.delta,
        "limit": terms.epsilon,
        "adaptive": guarantee.limited_epsilon > guarantee.epsilon_composed,
    }
    if guarantee.limited_epsilon > terms.epsilon:
        remedy = (
            "release a run with more noise or fewer steps, on patients whom fewer runs have used; or raise "
            "release.epsilon if what the patients agreed to covers it"
        )
        found.append(Refusal("epsilon", tell_epsilon(**spent), remedy))
    found += _dilution(guarantee, terms=terms)
    for delta, units, key, noun in _deltas(guarantee):
        given = {"delta": delta, "units": units, "noun": noun}
        if is_delta_too_large(**given):
            least = f"below {1 / (10 * units):.3g}"
            if noun == "patients" and delta > MOST_PATIENT_DELTA:
                least = f"to {MOST_PATIENT_DELTA:g} or less"
            remedy = f"set release.{key} {least}; nothing is trained again"
            found.append(Refusal("delta", tell_delta(**given), remedy))
    if guarantee.unit == "patch" and not guarantee.counted:
        remedy = (
            "find out from the studies of the older runs how many patches of a patient and of a place they "
            "used, and write it into the reason"
        )
        subject, _, told = COUNTS.partition(": ")
        found.append(Refusal(subject, told, remedy))
    if choice.faults:
        remedy = "release the set that validation patients chose, or a run of a study of its own"
        subject, _, told = SELECTION.partition(": ")
        found.append(Refusal(subject, told, remedy, "; ".join(choice.faults)))
    return found


def require_allowed(
    refusals: Sequence[Refusal], *, name: str, override: str | None, region_reason: str | None = None
) -> None:
    """Raise PrivacyError with every refusal and its remedy, unless the site has given a reason for each."""
    reasons = {"override": override, "region_reason": region_reason}
    for key, reason in reasons.items():
        if reason and not any(one.answer == key for one in refusals):
            log.info("%s: nothing that release.%s answers is refused, so it stays here", name, key)
    unanswered = [one for one in refusals if not reasons[one.answer]]
    if unanswered:
        told = " ".join(map(str, unanswered))
        keys = " and ".join(dict.fromkeys(f"release.{one.answer}" for one in unanswered))
        raise PrivacyError(
            f"{name} is not released: {told} Or take responsibility for it: write your reason "
            f"into {keys}, which is published with the data"
        )
    for one in refusals:
        log.warning(
            "%s is released AGAINST the rules: %s The written reason: %s", name, one, reasons[one.answer]
        )


def _dilution(guarantee: Guarantee, *, terms: Terms) -> list[Refusal]:
    """Refuse an eps of a patch that many overlapping patches bought; nobody is behind a public cohort."""
    region = guarantee.promises_composed["region"]
    if (
        guarantee.cohort.public
        or guarantee.unit == "patient"
        or region["epsilon"] <= terms.max_region_epsilon
    ):
        return []
    return [
        Refusal(
            "region",
            f"One place on a vessel lies in up to {region['patches']:,} patches of a patient, and together "
            f"their eps is {readable(region['epsilon'])} at delta {region['delta']:.3g}, above the "
            f"{terms.max_region_epsilon:.4g} that the site had set: the eps of one patch, "
            f"{readable(guarantee.epsilon_composed)}, says little about a place in a patient.",
            "bound the overlap (patches.max_overlap), train with more noise, or protect patients "
            "(privacy.unit); each is another run. Or raise release.max_region_epsilon",
            answer="region_reason",
        )
    ]


def _deltas(guarantee: Guarantee) -> list[tuple[float, int, str, str]]:
    """Return each delta: its value, the number of units, its key under `release`, and the units' name."""
    cohort = guarantee.cohort
    stated = [(guarantee.promises_composed["patient"]["delta"], cohort.patients, "patient_delta", "patients")]
    if guarantee.unit == "patch":
        stated.insert(0, (guarantee.delta, cohort.patches, "delta", "patches"))
    return stated
