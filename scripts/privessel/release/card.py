"""The data set's card (README.md) and its LICENSE: what it is, how it was made, what it is for."""

from collections.abc import Mapping

from privessel.release.statement import name_of_eps, warn
from privessel.release.terms import Terms
from privessel.release.wording import tell_promises

PAPER = "Kossen et al. 2022, Front. Artif. Intell. 5:813842, https://doi.org/10.3389/frai.2022.813842"


def write_card(numbers: Mapping, *, terms: Terms, arch: str, pairs: int, size: int, dataset: str) -> str:
    """Return README.md. `numbers` is privacy.json, `dataset` the name of the nnU-Net folder."""
    unit = numbers["unit"]
    files = [
        (
            "`data/pairs.npz`",
            f"arrays `image` ({pairs}, {size}, {size}) uint8 and `label` of that shape, bool",
        ),
        (
            "`data/png/`",
            "the same as PNG: image-00000.png, label-00000.png (vessel 255) and so on; pairs.csv",
        ),
        (f"`data/nnunet/{dataset}/`", "the same as a raw dataset of nnU-Net v2 (vessel 1)"),
        ("`model/generator.pt`", "the generator: `shape` and `weights`, read by torch with weights_only"),
        ("`PRIVACY.md`, `privacy.json`", "what the data tell about patients, in words and in numbers"),
        ("`croissant.json`", "metadata for machines (MLCommons Croissant 1.0)"),
        (
            "`MANIFEST.sha256`, `verify.py`",
            "digests of all files; `python verify.py` checks them and the eps",
        ),
    ]
    if not terms.weights:
        del files[3]
    kind = "simulated or public " if numbers["public_key"] else ""
    parts = [
        f"# {terms.name}",
        *warn(numbers),
        f"{pairs:,} synthetic patches of brain vessels with their segmentation, {size} x {size} pixels. No "
        f"image was taken from a patient. A generator drew them, which learned from {kind}TOF-MRA scans "
        "(time-of-flight magnetic resonance angiography) under differential privacy.",
        "## The cohort",
        terms.description,
        f"The generator was trained on {numbers['patches']:,} axial patches of {numbers['patients']} "
        "patients, half of them centred on a vessel, half anywhere in the brain. No more is said about "
        "them.",
        "## Files",
        "\n".join(
            ["| file | content |", "|---|---|", *(f"| {name} | {content} |" for name, content in files)]
        ),
        "## How it was made",
        f"privessel (architecture {arch}) trained a generator and a critic; the critic's gradients on "
        "patients were bounded and noise was added to them. Each image is scaled by itself to 0..255: grey "
        "values of two images cannot be compared. Labels are the generator's second channel, cut at a "
        "threshold.",
        "## Privacy",
        f"By the run that made the data ({name_of_eps(numbers)}):",
        "\n".join(f"- {sentence}" for sentence in tell_promises(numbers)),
        f"By all that the site has computed in this way from the same patients, one {unit}: eps "
        f"{numbers['epsilon_composed']:.3g} at delta {numbers['delta']:.3g}. `PRIVACY.md` says what that "
        f"means.",
        "## Intended use",
        "To try, pre-train and teach methods that segment brain vessels in patches. Do not use it to "
        "diagnose, to say anything about a person, or to look for the patients behind it.",
        "## Limits",
        "\n".join(
            [
                "- Noise costs anatomy: vessels may end, branch or be absent where no patient's would, and "
                "a label may miss what its image shows.",
                "- Patches are single slices; there are no volumes, and neighbouring patches do not belong "
                "together.",
                "- It shows the scanners and patients of one site, and rare findings less than they occur, "
                "or not at all.",
                "- Judge a model on scans of patients before any use. Scores on this site's patients are "
                "left out on purpose: they are not covered by the guarantee.",
            ]
        ),
        "## Licence and citation",
        f"By {', '.join(terms.creators)}. {terms.licence}, {terms.licence_url}. Please cite {PAPER}",
    ]
    return "\n\n".join(parts) + "\n"


def write_licence(terms: Terms) -> str:
    """Return LICENSE: whose the data are, and the licence's name and address."""
    return (
        f"{terms.name}\nBy {', '.join(terms.creators)}\n\nThe files of this folder may be used under "
        f"{terms.licence}:\n{terms.licence_url}\n\nverify.py is part of privessel and may be used under the "
        "MIT licence:\nhttps://spdx.org/licenses/MIT.html\n"
    )
