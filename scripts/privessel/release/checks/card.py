"""The data set's card (README.md) and its LICENSE: what it is, how it was made, what it is for."""

from privessel.limits import readable
from privessel.release.checks.cautions import warn
from privessel.release.checks.licences import LICENCES
from privessel.release.checks.models import tell_inputs, tell_training
from privessel.release.checks.votes import tell_cohort, tell_limit, tell_making, tell_model, tell_origin
from privessel.release.checks.words import is_model, name_of_eps, tell_adaptive, tell_promises

DATASET_NUMBER = 501  # nnU-Net's: up to 500 are its own
PAPER = "Kossen et al. 2022, Front. Artif. Intell. 5:813842, https://doi.org/10.3389/frai.2022.813842"


def name_dataset(name: str) -> str:
    """Return the name of the release's folder for nnU-Net."""
    return f"Dataset{DATASET_NUMBER}_{name}"


def write_card(numbers: dict) -> str:
    """Return README.md; `numbers` is privacy.json."""
    if is_model(numbers):
        return _write_model_card(numbers)
    data, unit = numbers["data"], numbers["unit"]
    pairs, size = data["pairs"], data["size"]
    files = [
        (
            "`data/pairs.npz`",
            f"arrays `image` ({pairs}, {size}, {size}) uint8 and `label` of that shape, bool",
        ),
        (
            "`data/png/`",
            "the same as PNG: image-00000.png, label-00000.png (vessel 255) and so on; pairs.csv",
        ),
        (
            f"`data/nnunet/{name_dataset(data['name'])}/`",
            "the same as a raw dataset of nnU-Net v2 (vessel 1)",
        ),
        tell_model(numbers),
        ("`PRIVACY.md`, `privacy.json`", "what the data tell about patients, in words and in numbers"),
        ("`croissant.json`", "metadata for machines (MLCommons Croissant 1.0)"),
        (
            "`MANIFEST.sha256`, `verify.py`, `checks/`",
            "digests of all files; `python verify.py` checks them, every eps and every text",
        ),
    ]
    if not data["weights"]:
        del files[3]
    if data["signed"]:
        files.append(
            ("`MANIFEST.sha256.sig`, `site.pub`", "the site's signature of the digests, and its key")
        )
    kind = "simulated or public " if numbers["public_cohort"] else ""
    parts = [
        f"# {data['name']}",
        *warn(numbers),
        f"{pairs:,} synthetic patches of brain vessels with their segmentation, {size} x {size} pixels. They "
        f"are not images of patients: {tell_origin(numbers, kind)}TOF-MRA scans (time-of-flight magnetic "
        "resonance angiography).",
        "## The cohort",
        data["description"],
        tell_cohort(numbers),
        "## Files",
        "\n".join(
            ["| file | content |", "|---|---|", *(f"| {name} | {content} |" for name, content in files)]
        ),
        "## How it was made",
        tell_making(numbers),
        "## Privacy",
        f"By the run that made the data ({name_of_eps(numbers)}):",
        "\n".join(f"- {sentence}" for sentence in tell_promises(numbers)),
        f"By all private runs of the site on the same patients together, for one {unit}: eps "
        + " ".join(
            [
                f"{readable(numbers['epsilon_composed'])} at delta {numbers['delta']:.3g}.",
                *tell_adaptive(numbers),
                "`PRIVACY.md` says what that means.",
            ]
        ),
        "## Intended use",
        "To try, pre-train and teach methods that segment brain vessels in patches. Do not use it to "
        "diagnose, to say anything about a person, or to look for the patients behind it.",
        "## Limits",
        "\n".join(
            [
                tell_limit(numbers),
                "- Patches are single slices; there are no volumes, and neighbouring patches do not belong "
                "together.",
                "- The data resemble the scanners and patients of one site. Rare findings are rarer in them "
                "than in patients, or missing.",
                "- Judge a model on scans of patients before any use. Scores on this site's patients are "
                "left out on purpose: they are not covered by the guarantee.",
            ]
        ),
        "## Licence and citation",
        f"By {', '.join(data['creators'])}. {data['licence']}, {LICENCES[data['licence']]}. Please cite "
        f"{PAPER}",
    ]
    return "\n\n".join(parts) + "\n"


def _write_model_card(numbers: dict) -> str:
    """Return README.md of a release that is a model and has no data."""
    data, unit = numbers["data"], numbers["unit"]
    files = [
        (
            "`model/unet.pt`",
            "`shape`, `weights`, `patch_size`, and `mean` and `sd` of its inputs; read by torch with "
            "weights_only",
        ),
        ("`PRIVACY.md`, `privacy.json`", "what the model tells about patients, in words and in numbers"),
        (
            "`MANIFEST.sha256`, `verify.py`, `checks/`",
            "digests of all files; `python verify.py` checks them, every eps and every text",
        ),
    ]
    if data["signed"]:
        files.append(
            ("`MANIFEST.sha256.sig`, `site.pub`", "the site's signature of the digests, and its key")
        )
    kind = "simulated or public " if numbers["public_cohort"] else ""
    together = (
        f"By all private runs of the site on the same patients together, for one {unit}: eps "
        f"{readable(numbers['epsilon_composed'])} at delta {numbers['delta']:.3g}."
    )
    parts = [
        f"# {data['name']}",
        *warn(numbers),
        f"A U-Net that marks brain vessels in patches of {data['size']} x {data['size']} pixels of TOF-MRA "
        f"scans, trained with differential privacy on {kind}scans. It comes without data.",
        "## The cohort",
        data["description"],
        f"The model was trained further on {numbers['patches']:,} axial patches of {numbers['patients']} "
        "patients, half of them centred on a vessel, half anywhere in the brain. Nothing more is published "
        "about the patients.",
        "## Files",
        "\n".join(
            ["| file | content |", "|---|---|", *(f"| {name} | {content} |" for name, content in files)]
        ),
        "## How it was made",
        tell_training(numbers),
        "## How it is used",
        tell_inputs(numbers),
        "## Privacy",
        f"By the run that made the model ({name_of_eps(numbers)}):",
        "\n".join(f"- {sentence}" for sentence in tell_promises(numbers)),
        " ".join([together, *tell_adaptive(numbers), "`PRIVACY.md` says what that means."]),
        "## Intended use",
        "To segment brain vessels in research, and as a start for training on other scans. Do not use it to "
        "diagnose, to say anything about a person, or to look for the patients behind it.",
        "## Limits",
        "\n".join(
            [
                "- It does this one task. Who needs another net, or wants to look at images, needs data.",
                "- It resembles the scanners and patients of one site.",
                "- Judge it on scans of patients before any use. Scores on this site's patients are left out "
                "on purpose: they are not covered by the guarantee.",
            ]
        ),
        "## Licence and citation",
        f"By {', '.join(data['creators'])}. {data['licence']}, {LICENCES[data['licence']]}. Please cite "
        f"{PAPER}",
    ]
    return "\n\n".join(parts) + "\n"
