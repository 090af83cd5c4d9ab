"""What the name of a file says: scan, vessel mask or brain mask, and of which patient.

Words in the name itself count first, then those of its folders from the innermost outwards; what is left of
the name is the patient.
"""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from privessel.cohort.rows import is_name

IMAGE, VESSELS, BRAIN, MASK, OTHER = "image", "vessels", "brain", "mask", "other"
_WORDS = {
    VESSELS: "vessel vessels label labels labelstr labelsts seg segmentation segmentations dseg gt "
    "groundtruth artery arteries annotation annotations manual vasculature",
    BRAIN: "brain brains brainmask brainmasks bet icv",
    MASK: "mask masks",
    OTHER: "lesion lesions aneurysm aneurysms t1 t1w t2 t2w flair swi dwi dti bold pd pdw ct cta normed roi "
    "minip mip mips prediction predictions",
    IMAGE: "img image images imagestr imagests tof mra angio volume volumes 0000",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}
# Words that are part of neither a role nor a patient, at the ends of names and as folders.
_NEUTRAL = frozenset(
    ["topcow", "mr", "whole", "pred", "bin", "mul", "cow", "desc"]  # ends of names
    + [
        "derivatives",
        "anat",
        "data",
        "nifti",
        "sourcedata",
        "rawdata",
        "raw",
        "scans",
        "mri",
        "files",
    ]  # folders
)
_BIDS = re.compile(
    r"sub-(?P<patient>[A-Za-z0-9]+)(?:_ses-(?P<session>[A-Za-z0-9]+))?(?P<rest>(?:_[a-z]+-[A-Za-z0-9+]+)*)"
    r"_(?P<suffix>[A-Za-z0-9]+)"
)
_SERIES = re.compile(r"anat\d+")
FIELDS = ("session", "series", "folder")  # what else may differ between patients, columns of the table


@dataclass(frozen=True)
class Found:
    """One file: what it is, whose, its path as a template, and the values of the template's other fields."""

    path: str
    role: str
    patient: str
    template: str
    fields: dict[str, str] = field(default_factory=dict)


def read_name(path: str) -> Found:
    """Return what a file's name says of it.

    >>> read_name("labels/017_label.nii.gz").template
    'labels/{patient}_label.nii.gz'
    """
    file = PurePosixPath(path)
    stem = re.sub(r"\.nii(\.gz)?$", "", file.name)
    folders = list(file.parts[:-1])
    bids = _BIDS.fullmatch(stem)
    if bids:
        before, patient, after = "sub-", bids["patient"], stem[bids.end("patient") :]
        session, words = bids["session"], f"{bids['rest']}_{bids['suffix']}"
    else:
        before, patient, after = _parts(stem, folders)
        session, words = None, f"{before} {after}"
    role = _role(words, folders)
    fields = {"session": session} if session else {}
    parts = []
    for folder in folders:
        name = re.sub(rf"^(sub-)?{re.escape(patient)}(?=[_-]|$)", r"\1{patient}", escape(folder))
        if session:
            name = re.sub(rf"(^|ses-|[_-]){re.escape(session)}$", r"\1{session}", name)
        if name == folder and _SERIES.fullmatch(folder):
            fields["series"], name = folder, "{series}"
        elif name == folder and "folder" not in fields and _is_unknown(folder):
            fields["folder"], name = folder, "{folder}"
        parts.append(name)
    name = "{patient}" if before + after != stem else ""
    behind = escape(after)
    behind = behind.replace(f"_ses-{session}", "_ses-{session}", 1) if session else behind
    template = "/".join([*parts, escape(before) + name + behind + file.name[len(stem) :]])
    usable = is_name(patient) and "{patient}" in template
    return Found(path, role if usable else OTHER, patient, template, fields)


def _words(name: str) -> list[str]:
    """Return a name's words in lower case; `mask2` counts as `mask`, a number as itself."""
    parts = re.split(r"[^A-Za-z0-9]+", name.lower())
    return [part if part.isdigit() or part in _ROLES else part.rstrip("0123456789") for part in parts if part]


def _role(words: str, folders: list[str]) -> str:
    """Return the role that a name says; then what its folders say; an image's own word comes last."""
    own = {_ROLES[word] for word in _words(words) if word in _ROLES}
    for role in (VESSELS, BRAIN, OTHER, MASK):
        if role in own:
            return role
    for folder in reversed(folders):
        theirs = {_ROLES[word] for word in _words(folder) if word in _ROLES}
        for role in (OTHER, VESSELS, BRAIN, MASK, IMAGE):
            if role in theirs:
                return role
    return IMAGE if IMAGE in own else OTHER


def _parts(stem: str, folders: list[str]) -> tuple[str, str, str]:
    """Return what stands before a patient in a file's name, the patient, and what stands behind.

    The words of a role at both ends are no part of the patient. Where nothing else is there, the patient is
    the innermost folder that says nothing of a role, and the whole name stands before it.
    """
    tokens = re.split(r"([_ -]+|(?<!\d)\.)", stem)
    first, last = 0, len(tokens)
    while first < last and _is_known(tokens[first]) and not tokens[first].isdigit():
        first += 2
    while last - first > 1 and _is_known(tokens[last - 1]):
        last -= 2
    if first < last:
        return "".join(tokens[:first]), "".join(tokens[first:last]), "".join(tokens[last:])
    own = [folder for folder in reversed(folders) if _is_unknown(folder)]
    return (stem, own[0], "") if own else ("", stem, "")


def _is_known(token: str) -> bool:
    word = token.lower() if token.isdigit() else token.lower().rstrip("0123456789")
    return token.lower() in _ROLES or word in _ROLES or word in _NEUTRAL


def _is_unknown(folder: str) -> bool:
    """Whether a folder's name says nothing of a role, so that it may be a patient's or a site's."""
    return not any(word in _ROLES or word in _NEUTRAL for word in _words(folder))


def escape(name: str) -> str:
    """Return a name as a template holds it."""
    return name.replace("{", "{{").replace("}", "}}")
