"""The texts of a release of heads, each written from its privacy.json: statement, card, description."""

from privessel.limits import readable
from privessel.release.checks.licences import LICENCES, write_licence
from privessel.study.hulls import parse_hull

_SHIELDED = {
    "local-dp": "drawn with noise around the person's own (local differential privacy)",
    "k-same": "shared with other people of similar brains",
    "brain": "drawn from the brain and public random numbers alone",
}

_CODES = {
    False: "whose is whose is known at the site alone",
    True: "they follow from a published seed, so whoever guesses an id can tell whose a code is",
}


def write_statement(numbers: dict) -> str:
    """Return PRIVACY.md; `numbers` is privacy.json."""
    kind, _ = parse_hull(numbers["hull"])
    parts = [
        f"# What the heads {numbers['data']['name']} tell about the people who were scanned",
        "For whoever answers for data protection. `privacy.json` holds the same numbers for programs, and "
        "`verify.py` computes them again.",
        *_warnings(numbers),
        "## What was done",
        "Everything around the brain was replaced: the shape of the head by a hull that was "
        f"{_SHIELDED[kind]}, and what is in it by a head that a network (C-DeID-GAN) made from the brain "
        "and that hull. The network has learned from public heads alone. Every file was composed from empty "
        "voxels, written, read back, and compared with its source before it got its name.",
        "## What is promised",
        numbers["promise"],
        *_spending(numbers),
        "## What is not covered",
        "\n".join(f"- {line}" for line in numbers["not_covered"]),
        "## How it was chosen what leaves",
        _selection(numbers),
        "## What you can check, and what you must take on trust",
        "`python verify.py` checks that no file was changed, that headers and names hold nothing beside what "
        "is needed, and that every eps is what the stated noise gives. With `--key` it also checks whose "
        "release it is. No check can show that the noise was drawn as stated, that the brain is the "
        "source's, or that the brain mask holds no skin: that is what the site answers for.",
    ]
    return "\n\n".join(parts) + "\n"


def write_card(numbers: dict) -> str:
    """Return README.md: what the release is, its files, and what it is for."""
    data = numbers["data"]
    rows = [
        (
            "`sub-*/ses-*/anat/*_T1w.nii.gz`",
            "T1-weighted scans, on the scanner's grid, another's face around the brain",
        ),
        ("`*_T1w.json`", "a few settings of the scanner"),
        ("`*_mod-T1w_defacemask.nii.gz`", "1 where voxels were replaced, 0 in the brain"),
        (
            "`participants.tsv`",
            "the people, by codes of this release; " + _CODES[numbers["public_cohort"]],
        ),
        ("`PRIVACY.md`, `privacy.json`", "what the heads tell about people, in words and in numbers"),
        ("`MANIFEST.sha256`, `verify.py`, `checks/`", "digests of all files; `python verify.py` checks them"),
    ]
    if data["signed"]:
        rows.append(("`MANIFEST.sha256.sig`, `site.pub`", "the site's signature of the digests, and its key"))
    parts = [
        f"# {data['name']}",
        *_warnings(numbers),
        data["description"],
        f"{numbers['scans']:,} scans of {numbers['people']:,} people, as a BIDS data set. The brain is the "
        "source's, voxel by voxel; the rest of each head was generated, and is nobody's. Measure brains in "
        "it, and nothing else: thickness of skull or skin, eyes, sinuses and neck are made up.",
        "| file | what it is |\n|---|---|\n" + "\n".join(f"| {file} | {what} |" for file, what in rows),
        "Do not try to find out who these people are.",
        f"By {', '.join(data['creators'])}. {data['licence']}, {LICENCES[data['licence']]}. Made with "
        "privessel. The method follows C-DeID-GAN, 'Adversarial Privacy Preservation in MRI Scans of the "
        "Brain', whose hull was replaced.",
    ]
    return "\n\n".join(parts) + "\n"


def describe_dataset(numbers: dict) -> dict[str, object]:
    """Return dataset_description.json of BIDS."""
    data = numbers["data"]
    return {
        "Name": data["name"],
        "BIDSVersion": "1.9.0",
        "DatasetType": "raw",
        "License": data["licence"],
        "Authors": data["creators"],
        "GeneratedBy": [{"Name": "privessel", "Description": "everything around the brain was replaced"}],
    }


def _warnings(numbers):
    if not numbers["protects"]:
        return [
            "**THIS PROTECTS NOBODY.** The scans are simulated or public, and the noise comes from a "
            "published seed: eps is in name only."
        ]
    if numbers["override"]:
        return [
            f"**RELEASED AGAINST THE RULES.** {numbers['override']['refused']} The site's reason: "
            f"{numbers['override']['reason']}"
        ]
    return []


def _spending(numbers):
    uncounted = "No ledger is kept of public scans, so other draws of the same people are not counted."
    if not numbers["composed"]:
        none = "No draw of a person's hull has been made at the site, so nothing adds to this."
        return [uncounted if numbers["public_cohort"] else none]
    delta = f"{numbers['delta']:.3g} (1 in {1 / numbers['delta']:,.0f})"
    own = [f"| this draw | {readable(numbers['epsilon'])} |"] if numbers["epsilon"] is not None else []
    rows = [
        "| | eps of a person |",
        "|---|---|",
        *own,
        f"| all draws of the worst-off person ({len(numbers['composed'])}), fixed beforehand "
        f"| {readable(numbers['epsilon_composed'])} |",
        f"| the same, each chosen after a look at those before | {readable(numbers['epsilon_adaptive'])} |",
    ]
    return [
        f"At delta {delta}, of one person's face in the place of another's, around the same brain:",
        "\n".join(rows),
        f"The site had set a limit of {readable(numbers['epsilon_limit'])} for the last line.",
        *([uncounted] if numbers["public_cohort"] else []),
    ]


def _selection(numbers):
    left = numbers["left_out"]
    told = f"{left} scan{'s' if left != 1 else ''} of these people's cohort did not leave. " if left else ""
    if numbers["other_runs"] is None:
        return f"{told}No ledger is kept of public scans."
    return (
        f"{told}The same people took part in {numbers['other_runs']} private runs of other kinds, whose eps "
        f"stand in their own releases and add to this one, and in {numbers['models_without_noise']} models "
        "without noise, which never leave, and which no eps covers what was chosen by."
    )


TEXTS = {"PRIVACY.md": write_statement, "README.md": write_card, "LICENSE": write_licence}
