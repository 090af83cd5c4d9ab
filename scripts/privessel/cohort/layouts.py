"""Which files of an unknown folder belong together: a template for each role, and the patients they fit.

Known layouts: BIDS; IXI (`IXI002-Guys-0828-MRA.nii.gz`); TopCoW (`imagesTr/topcow_mr_001_0000.nii.gz`,
`cow_seg_labelsTr/topcow_mr_001.nii.gz`); OASIS-3
(`OAS30001_MR_d0757/anat5/sub-OAS30001_ses-d0757_acq-TOF_angio.nii.gz`); COSTA and others made for nnU-Net
(`imagesTr/NAME.nii.gz`, `labelsTr/NAME.nii.gz`); and plain names such as `017_img.nii.gz`,
`017_label.nii.gz`.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from privessel.cohort.naming import BRAIN, FIELDS, IMAGE, MASK, VESSELS, Found, escape, read_name


@dataclass(frozen=True)
class Layout:
    """What a folder holds: a template for each role (None: not found), and the patients with their fields."""

    kind: str
    templates: dict[str, str | None]
    patients: dict[str, dict[str, str]]
    remarks: list[str]


def list_scans(root: Path) -> list[str]:
    """Return all NIfTI files below `root`, relative to it; hidden files and folders are left out."""
    found = []
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        found += [
            str(here / name)
            for name in sorted(files)
            if name.endswith((".nii", ".nii.gz")) and not name.startswith(".")
        ]
    return found


def recognise(paths: Iterable[str]) -> Layout | None:
    """Return the layout of these files, paths relative to a cohort's root; None where no image is found."""
    found = [read_name(path) for path in paths]
    images = _by_template(found, IMAGE)
    if not images:
        return None
    vessels = _by_template(found, VESSELS)
    remarks, masks = [], _by_template(found, MASK)
    only_masks = bool(masks) and not vessels
    if only_masks:
        vessels, masks = masks, {}
    brains = _by_template(found, BRAIN) or masks
    image = max(images, key=lambda name: (_shared(images[name], vessels), len(images[name])))
    chosen = {patient: _first(files, vessels) for patient, files in images[image].items()}
    several = sum(len(files) > 1 for files in images[image].values())
    if several:
        remarks.append(
            f"{several} patients have more than one scan: the first of each that has a mask is taken"
        )
    vessel, chosen = _match(chosen, vessels, "vessel mask", remarks)
    if vessel and only_masks:
        remarks.append("files named `mask` are taken for vessel masks, because no others were found")
    brain, chosen = _match(chosen, brains, "brain mask", remarks)
    left = sorted(set(images) - {image})
    if left:
        remarks.append(f"other images are left out: {', '.join(left[:4])}{', ...' if len(left) > 4 else ''}")
    templates = {IMAGE: image, VESSELS: vessel, BRAIN: brain}
    return Layout(_kind(found), *_fix_constant_fields(templates, chosen), remarks)


def _by_template(found: Iterable[Found], role: str) -> dict[str, dict[str, list[Found]]]:
    """Return the files of a role: template -> patient -> files."""
    grouped: dict[str, dict[str, list[Found]]] = defaultdict(lambda: defaultdict(list))
    for file in found:
        if file.role == role:
            grouped[file.template][file.patient].append(file)
    return {template: dict(patients) for template, patients in grouped.items()}


def _shared(patients: Mapping[str, object], others: Mapping[str, Mapping]) -> int:
    """Return how many patients have a file of another role, whatever its template."""
    return len(set(patients) & {patient for found in others.values() for patient in found})


def _first(files: list[Found], masks: Mapping[str, Mapping[str, list[Found]]]) -> Found:
    """Return a patient's first scan that has a mask, or the first of all."""

    def order(file: Found) -> tuple[bool, list[str]]:
        masked = any(_belongs(file, found.get(file.patient, [])) for found in masks.values())
        return not masked, [file.fields.get(name, "") for name in FIELDS]

    return min(files, key=order)


def _match(
    chosen: dict[str, Found],
    candidates: Mapping[str, Mapping[str, list[Found]]],
    role: str,
    remarks: list[str],
) -> tuple[str | None, dict[str, Found]]:
    """Return the template that fits most of the chosen scans, and these scans; remark on the others."""
    fitting = {
        template: [patient for patient, image in chosen.items() if _belongs(image, found.get(patient, []))]
        for template, found in candidates.items()
    }
    # Of two that fit as many, binary masks come before masks that number the vessels.
    best = max(fitting, key=lambda name: (len(fitting[name]), "bin" in name), default=None)
    if best is None or not fitting[best]:
        return None, chosen
    missing = sorted(set(chosen) - set(fitting[best]))
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        remarks.append(f"no {role} of {best} for {len(missing)} of {len(chosen)} patients, left out: {shown}")
    others = sorted(name for name, patients in fitting.items() if patients and name != best)
    if others:
        remarks.append(f"{role}s were found as {', '.join(others)}, too; {best} is taken")
    return best, {patient: chosen[patient] for patient in fitting[best]}


def _belongs(image: Found, files: Iterable[Found]) -> bool:
    """Whether one of a patient's files has the image's values in all fields that it has itself."""
    return any(all(image.fields.get(name) == value for name, value in file.fields.items()) for file in files)


def _fix_constant_fields(
    templates: Mapping[str, str | None], chosen: Mapping[str, Found]
) -> tuple[dict[str, str | None], dict[str, dict[str, str]]]:
    """Write fields that are the same for all patients into the templates; the others become columns."""
    values = {name: {file.fields.get(name) for file in chosen.values()} - {None} for name in FIELDS}
    fixed = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    written = {}
    for role, template in templates.items():
        for name, value in fixed.items():
            template = template and template.replace(f"{{{name}}}", escape(value))
        written[role] = template
    patients = {
        patient: {name: value for name, value in file.fields.items() if name not in fixed}
        for patient, file in sorted(chosen.items())
    }
    return written, patients


def _kind(found: Iterable[Found]) -> str:
    """Name the layout, for what there is to say about it."""
    paths = [file.path for file in found]
    for kind, pattern in (
        ("TopCoW", r"topcow_"),
        ("COSTA", r"(^|/)(ADAM|ICBM|LocH\d|IXI-(HH|Guys|IOP))[^/]*/|COSTA"),
        ("IXI", r"(^|/)IXI\d{3}-"),
        ("OASIS-3", r"OAS3\d{4}"),
        ("BIDS", r"(^|/)sub-"),
        ("nnU-Net", r"(^|/)imagesTr/"),
    ):
        if any(re.search(pattern, path) for path in paths):
            return kind
    return "plain"
