"""One row of a cohort's table, and what the path templates ask of it: values, and what is wrong with them.

Like `table`, which puts the rows together, it needs only the standard library.
"""

import re
import string
from collections.abc import Mapping

from privessel.study.names import PATIENT

SPLITS = ("train", "validation", "test")


def template_fields(templates: Mapping[str, str], known: set[str]) -> tuple[set[str], list[str]]:
    """Return the columns that the templates name, and the problems of the templates."""
    fields, problems = set(), []
    for role, template in templates.items():
        try:
            named = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
        except ValueError as problem:
            problems.append(
                f"template {role} '{template}' is malformed ({problem}): correct it in the config"
            )
            continue
        problems += [
            f"template {role} '{template}' names the unknown column '{field}' "
            f"(known: {', '.join(sorted(known))}): correct it in the config or add the column"
            for field in sorted(named - known)
        ]
        fields |= named & known
    return fields, problems


def row_values(row: Mapping[str, str | None], fields: set[str]) -> tuple[dict[str, str], list[str]]:
    """Return one row's id, split and the columns in `fields`, and the problems of these values."""
    values = {name: (value or "").strip() for name, value in row.items() if name is not None}
    values["patient"] = values["participant_id"].removeprefix("sub-")
    values["session"] = (values.get("session") or values.get("session_id") or "").removeprefix("ses-")
    faults = []
    if not is_name(values["patient"]):
        faults.append(
            f"participant_id '{values['participant_id']}' cannot be a file name: use only letters, digits "
            "and . _ -, without '..' and beginning with a letter or digit"
        )
    if values["split"] not in SPLITS:
        faults.append(
            f"patient {values['patient']} has split '{values['split']}': use one of {', '.join(SPLITS)}"
        )
    faults += [
        f"patient {values['patient']} has {field} '{values[field]}', which cannot be part of a path: "
        "use letters, digits and . _ - only"
        for field in sorted(fields - {"patient", "participant_id", "split"})
        if not is_name(values[field])
    ]
    return values, faults


def is_name(value: str) -> bool:
    """Return whether a value is safe as part of a file name."""
    return re.fullmatch(PATIENT, value) is not None and ".." not in value
