"""The page of the target `intake`: every patient of a study with what was found, and a picture."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from privessel.cohort.geometry import say_sides
from privessel.cohort.rows import SPLITS
from privessel.cohort.table import who
from privessel.report.template import fill


def render_intake(
    *, study: str, public: bool, outcomes: Sequence[Mapping], pictures: Sequence[Path], notices: Sequence[str]
) -> str:
    """Return the page as HTML that needs nothing beside it; the same inputs give the same text.

    public: the scans are nobody's, or anyone may see them. outcomes: of `cohort.outcome.check`, one for each
    patient; pictures: their PNGs, in the same order. notices: sentences about the study as a whole. Patients
    that cannot be used come first, then those with warnings.
    """
    rows = [_row(outcome, picture) for outcome, picture in zip(outcomes, pictures, strict=True)]
    counts = Counter(row["state"] for row in rows)
    return fill(
        "intake.html.j2",
        study=study,
        public=public,
        counts={state: counts[state] for state in ("failed", "warned", "fine")},
        cohorts=[_cohort(name, outcomes) for name in dict.fromkeys(row["cohort"] for row in rows)],
        notices=notices,
        rows=sorted(rows, key=lambda row: ("failed", "warned", "fine").index(row["state"])),
    )


def summarise_intake(outcomes: Sequence[Mapping]) -> str:
    """Return in one sentence how many patients were checked, and how many of them have warnings."""
    warned = sum(bool(outcome["warnings"]) for outcome in outcomes)
    usable = sum(not outcome["problems"] for outcome in outcomes)
    return f"{len(outcomes)} patients checked: {usable} can be used, {warned} with warnings"


def _row(outcome: Mapping, picture: Path) -> dict[str, object]:
    start = who(outcome["patient"], outcome["cohort"])
    row = {key: [line.removeprefix(start) for line in outcome[key]] for key in ("problems", "warnings")} | {
        key: outcome[key] for key in ("patient", "cohort", "split")
    }
    row["state"] = "failed" if outcome["problems"] else "warned" if outcome["warnings"] else "fine"
    row["facts"] = _facts(outcome) if "shape" in outcome else {}
    row["picture"] = base64.b64encode(Path(picture).read_bytes()).decode("ascii")
    return row


def _facts(outcome: Mapping) -> dict[str, str]:
    facts = {
        "shape": say_sides(outcome["shape"], sign="×"),
        "spacing": f"{_spacing(outcome['spacing_mm'])} mm",
        "stored as": outcome["orientation"],
        "vessels": f"{outcome['vessel_fraction']:.2%} of the brain",
        "brain": f"{outcome['brain_fraction']:.0%} of the volume",
    }
    if "prepared" in outcome:
        prepared = outcome["prepared"]
        shape = say_sides(prepared["shape"], sign="×")
        facts["prepared"] = (
            f"{shape} of {_spacing(prepared['spacing_mm'])} mm, bias {prepared['bias_correction']}"
        )
    return facts


def _cohort(name: str, outcomes: Sequence[Mapping]) -> dict[str, object]:
    """Count a cohort's patients per split, and those that share a spacing and an orientation."""
    own = [outcome for outcome in outcomes if outcome["cohort"] == name]
    measured = [outcome for outcome in own if "shape" in outcome]
    splits = Counter(outcome["split"] for outcome in own)
    return {
        "name": name,
        "splits": [splits[split] for split in SPLITS],
        "spacings": Counter(f"{_spacing(outcome['spacing_mm'])} mm" for outcome in measured).most_common(),
        "orientations": Counter(outcome["orientation"] for outcome in measured).most_common(),
    }


def _spacing(sides: Sequence[float]) -> str:
    return say_sides(sides, digits=3, sign="×")
