"""What a release may hold, stated for each of its files: whatever is not named here is refused.

| file | what it may hold |
|---|---|
| names | exactly those that follow from the number of pairs; nothing else, in one order |
| pictures | PNG of 8-bit grey pixels, IHDR, IDAT, IEND: the pixels of that pair in pairs.npz |
| pairs.npz | `image` uint8, `label` of 0 and 1; a zip file without times, comments, further fields or gaps |
| generator.pt, unet.pt | to the byte what torch writes of a generator's or a U-Net's shape and weights |
| privacy.json | what the recipient's check and `schema` allow: keys, types, sentences; numbers that agree |
| other texts | to the byte what templates make of privacy.json, the number of pairs, the site's words |
| verify.py, checks/ | to the byte the recipient's check, as it is in this package |
| MANIFEST.sha256 | the digests of these files |
| site.pub, MANIFEST.sha256.sig | the site's public key and its signature of the manifest |

The site's words (`release.name`, `description`, `creators`, `override`) are the only free text. The search
for traces (`traces`) is a second net below this one, and the only one for these words.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import PrivacyError
from privessel.privacy.signing import Signer
from privessel.release.checks.card import name_dataset
from privessel.release.checks.croissant import DESCRIBED, describe_dataset
from privessel.release.checks.exports import describe_nnunet, find_odd_png, list_pairs
from privessel.release.checks.files import PROGRAMS, TEXTS, has_unet, list_expected, name_model
from privessel.release.checks.licences import LICENCES
from privessel.release.checks.manifest import MANIFEST, PUBLIC_KEY, SIGNATURE
from privessel.release.checks.numbers import check_numbers
from privessel.release.formats import find_odd_arrays
from privessel.release.schema import find_odd_words
from privessel.release.statement import describe_data
from privessel.release.terms import Terms
from privessel.release.weights import check_generator, check_unet
from privessel.study.names import ARCHITECTURE

CROISSANT, ARRAYS = "croissant.json", "data/pairs.npz"
# Where the recipient's check imports from in the library; in a release all of it lies in `checks`.
LIBRARY = re.compile(r"privessel(?:\.release\.checks|\.privacy)?(?=\.\w+ import )")
UNKNOWN = "a release with these pairs has no such file"
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


@dataclass(frozen=True)
class Outline:
    """All that a release's texts and the names of its files are made of."""

    numbers: Mapping  # privacy.json without its part `data`
    terms: Terms
    arch: str
    pairs: int
    size: int  # pixels along a side
    model: bool  # whether the generator, or a U-Net, leaves, too
    signer: Signer | None = None  # whose signature it has

    @property
    def privacy(self) -> dict[str, object]:
        """The whole of privacy.json."""
        data = describe_data(
            self.terms,
            architecture=self.arch,
            pairs=self.pairs,
            size=self.size,
            weights=self.model,
            signed=self.signer is not None,
        )
        return {**self.numbers, "data": data}

    @property
    def nnunet(self) -> str:
        """The folder of nnU-Net's raw dataset."""
        return f"data/nnunet/{name_dataset(self.terms.name)}"

    @property
    def pictures(self) -> dict[str, tuple[str, int, int]]:
        """Every picture by its path: the array it shows, the number of its pair, and what a 1 is drawn as."""
        found: dict[str, tuple[str, int, int]] = {}
        for number in range(self.pairs):
            found[f"data/png/image-{number:05d}.png"] = ("image", number, 1)
            found[f"data/png/label-{number:05d}.png"] = ("label", number, 255)
            found[f"{self.nnunet}/imagesTr/case_{number:05d}_0000.png"] = ("image", number, 1)
            found[f"{self.nnunet}/labelsTr/case_{number:05d}.png"] = ("label", number, 1)
        return found


def write_texts(outline: Outline) -> dict[str, str]:
    """Return each text of a release by its path, but for those that hold digests of other files."""
    numbers, library = outline.privacy, Path(__file__).parents[1]
    programs = {name: (library / path).read_text(encoding="utf-8") for name, path in PROGRAMS.items()}
    signed = {PUBLIC_KEY: outline.signer.public_key.decode()} if outline.signer else {}
    lists = {
        "data/png/pairs.csv": list_pairs(outline.pairs),
        f"{outline.nnunet}/dataset.json": describe_nnunet(outline.pairs),
    }
    return {
        **{name: write(numbers) for name, write in TEXTS.items()},
        **{name: LIBRARY.sub("checks", text) for name, text in programs.items()},
        **signed,
        "privacy.json": _json(numbers),
        **(lists if outline.pairs else {}),
    }


def write_croissant(digests: Mapping[str, str], outline: Outline) -> str:
    """Return croissant.json; `digests` are SHA-256 by path."""
    return _json(describe_dataset(outline.privacy, {name: digests[name] for name in DESCRIBED}))


def write_manifest(digests: Mapping[str, str]) -> str:
    """Return MANIFEST.sha256: a line for every file but itself and its signature, folder by folder."""
    names = sorted(set(digests) - {MANIFEST, SIGNATURE}, key=lambda name: name.split("/"))
    return "".join(f"{digests[name]}  {name}\n" for name in names)


def require_outline(outline: Outline) -> None:
    """Raise PrivacyError where a release would hold words or numbers that it has no place for.

    Also where its recipient's own check would refuse its numbers.
    """
    stated = json.loads(_json(outline.privacy))
    _, odd = check_numbers(stated)
    odd = odd or find_odd_words(stated, terms=outline.terms)
    if not re.fullmatch(ARCHITECTURE, outline.arch):
        odd.append("the architecture is not a name of one")
    if not re.fullmatch(NAME, outline.terms.name) or outline.terms.licence not in LICENCES:
        odd.append("name or licence is not one that a release may have")
    if odd:
        raise PrivacyError(
            f"{outline.terms.name} was not released: privacy.json would hold what it may not, and whoever "
            f"checks the release would be told not to rely on it: {'; '.join(odd)}. Remedy: cut as many "
            "patches of every training patient, where their numbers differ; anything else is a defect of "
            "privessel"
        )


class Inspection:
    """Compares the files of one release, each given once, with what they may hold."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._pictures = outline.pictures
        self._texts = {name: text.encode() for name, text in write_texts(outline).items()}
        self._given: dict[str, bytes] = {}  # texts that are compared when all digests are known
        self._odd_pictures: dict[str, list[str]] = {}  # by digest: pairs of files are the same bytes
        self._privacy = outline.privacy
        self._names = list_expected(self._privacy)
        self.digests: dict[str, str] = {}

    def look_at(self, name: str, content: bytes) -> list[str]:
        """Return what a file, by its path in the release, holds beside what it may."""
        twice = ["occurs twice"] if name in self.digests else []
        self.digests[name] = sha256(content).hexdigest()
        if name not in self._names:
            return [*twice, UNKNOWN]
        if name in self._pictures:
            digest = self.digests[name]
            if digest not in self._odd_pictures:
                self._odd_pictures[digest] = find_odd_png(content, self._outline.size)
            return twice + self._odd_pictures[digest]
        if name == ARRAYS:
            shape = (self._outline.pairs, self._outline.size, self._outline.size)
            return twice + find_odd_arrays(
                content, {"image": (np.dtype(np.uint8), shape), "label": (np.dtype(bool), shape)}
            )
        if name == name_model(self._privacy):
            return twice + (check_unet if has_unet(self._privacy) else check_generator)(content)
        if name in self._texts:
            return twice + _compare(content, self._texts[name])
        self._given[name] = content
        return twice

    def finish(self) -> list[tuple[str, str]]:
        """Return (file, what is odd) of what shows only when every file has been given."""
        found = [(name, "is missing") for name in sorted(self._names - set(self.digests))]
        listed = list(self.digests)
        if listed != sorted(listed, key=lambda name: name.split("/")):
            found.append((listed[0], "files in another order"))
        described = self._outline.pairs > 0  # a model has no data that could be described
        if not described or set(DESCRIBED) <= set(self.digests):
            expected = {MANIFEST: write_manifest(self.digests).encode()}
            if described:
                expected[CROISSANT] = write_croissant(self.digests, self._outline).encode()
            if self._outline.signer:
                expected[SIGNATURE] = self._outline.signer.sign(expected[MANIFEST])
            for name, content in self._given.items():
                found += [(name, odd) for odd in _compare(content, expected[name])]
        return found

    def compare_pixels(
        self, pixels: Mapping[str, bytes], images: NDArray[np.uint8], labels: NDArray[np.bool_]
    ) -> Iterator[tuple[str, str]]:
        """Yield (picture, what is odd) where a picture does not show its pair (n, s, s) of pairs.npz.

        `pixels` are the SHA-256 of each picture's pixels, by its path.
        """
        shown = {("image", 1): images, ("label", 1): labels.view(np.uint8)}
        shown["label", 255] = shown["label", 1] * np.uint8(255)
        known = {key: [sha256(one).digest() for one in stack] for key, stack in shown.items()}
        for name, digest in pixels.items():
            array, number, value = self._pictures.get(name, ("", 0, 0))
            if (array, value) in known and known[array, value][number : number + 1] != [digest]:
                yield name, "shows other pixels than its pair in pairs.npz"


def _compare(content: bytes, expected: bytes) -> list[str]:
    if content == expected:
        return []
    lines, others = content.split(b"\n"), expected.split(b"\n")
    differ = (n for n, (one, other) in enumerate(zip(lines, others, strict=False), 1) if one != other)
    first = next(differ, min(len(lines), len(others)) + 1)
    return [f"is not what its template gives, from line {first} on"]


def _json(content: Mapping) -> str:
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
