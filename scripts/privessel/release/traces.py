"""Traces of people, places and secrets in texts: what must not be in a release, and the search for it.

A text is searched as it is, in plain spelling (`spelling`), without escapes, and as whatever may be base64 or
hexadecimal in it. Where an id is found depends on how likely it occurs by chance:

- **five or more, letters and digits**, seven digits, or six letters that are in no word of a release's texts
  (P0042, sub-001, 20456789, Schmidt): anywhere, in any case, with any separators or none, with anything glued
  to it but a digit to a digit;
- **four or more**, and names of people, machines and cohorts: as a word, in any case, with any separators;
- **fewer** (a1): as a word, exactly as it is;
- **short numbers** (001): in prose only behind a quotation mark or a word such as 'patient', in metadata as a
  word; ids that are ordinary words of the release's texts (image): only behind a word such as 'patient'.
"""

import base64
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from privessel.release import patterns
from privessel.release.checks import files, head_files
from privessel.release.needles import Needles
from privessel.release.spelling import decode, inflate, make_plain, read_printable, respell

# Files that the release itself numbers: such a number is no patient's id.
COUNTED = re.compile(r"\b(?:image|label)-\d{5}\.png\b|\bcase_\d{5}(?:_0000)?(?:\.png)?\b")
# A digest or signature holds nothing to read, yet ids occur in it by chance. Digests are looked for apart.
DIGEST = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64,}(?![0-9A-Fa-f])")
APART = b"\xff\xff\xff\xff"
DEPTH = 3  # encodings inside of each other that are taken off


@dataclass(frozen=True)
class Forbidden:
    """What must not leave a site: ids of patients, names, paths, digests, seeds, keys."""

    patients: Collection[str]
    names: Collection[str] = ()  # of users, hosts and cohorts
    paths: Collection[str] = ()
    digests: Collection[str] = ()  # of ledgers, patients, scans and runs, in hexadecimal
    seeds: Collection[int] = ()
    keys: Collection[bytes] = field(default=(), repr=False)
    contacts: Collection[str] = ()  # e-mail addresses that may leave


class Traces:
    """A search for what is forbidden: in prose, in metadata (texts without sentences), and in bytes."""

    def __init__(self, forbidden: Forbidden) -> None:
        given = _spell_ids(forbidden.patients)
        ids = {one for one in given if not _is_unclear(one)}
        unclear = set(map(make_plain, given - ids))
        plain = {make_plain(one) for one in ids if patterns.count_letters(one) >= patterns.SHORTEST}
        glued = {one for one in plain if patterns.is_glued(one) or _is_rare(one)}
        names = {name for name in forbidden.names if patterns.count_letters(name) >= patterns.SHORTEST}
        # Wherever it stands, also in what is decoded, where only long traces mean anything.
        sure = [
            ("patient id", patterns.anywhere(glued)),
            ("patient id", patterns.spelled(plain)),
            ("patient id", patterns.marked(unclear)),
            ("name", patterns.spelled(map(make_plain, names))),
            ("path", patterns.written_paths(set(map(make_plain, forbidden.paths)))),
            ("path", patterns.ROOTED),
            ("date", patterns.DATE),
            ("time", patterns.TIME),
            ("DICOM UID", patterns.UID),
        ]
        self._decoded = _compile([*sure, ("e-mail address", patterns.SURE_ADDRESS)])
        self._plain = _compile(
            [
                *sure,
                ("path", patterns.HOME),
                ("path", patterns.PATH),
                ("name", patterns.PERSON),
                ("e-mail address", patterns.ADDRESS),
                *(("seed", patterns.seed(number)) for number in forbidden.seeds),
            ]
        )
        short = {one for one in ids if patterns.count_letters(one) < patterns.SHORTEST}
        self._exact = _compile(
            [("patient id", patterns.words(short)), ("name", patterns.words(set(forbidden.names) - names))]
        )
        spare = set(map(make_plain, forbidden.patients)) - ordinary_words()
        self._metadata = _compile([("patient id", patterns.words(spare))])
        folded = patterns.anywhere(one.translate(patterns.FOLD) for one in glued)
        self._folded = _compile([("patient id", folded)])
        self._contacts = set(map(make_plain, forbidden.contacts))
        self._digests = Needles([part.encode() for one in forbidden.digests for part in (one, one[:12])])
        self._secrets = {
            form: ("key", "a key or secret of the site") for key in forbidden.keys for form in _written(key)
        }
        wide = [seed for seed in forbidden.seeds if seed >= 1 << 32]
        for order in ("little", "big"):
            self._secrets |= {seed.to_bytes(8, order): ("seed", "as bytes") for seed in wide}
        self._secret_bytes = Needles(self._secrets)
        # Without their numbers, nearly all names of files are the same few texts.
        self._find_once = lru_cache(maxsize=256)(self._find)

    def find(self, text: str, *, prose: bool) -> set[tuple[str, str]]:
        """Return (kind, what was found) for each trace in a text; of a key only that it is there."""
        return set(self._find_once(COUNTED.sub("", text), prose))

    def find_keys(self, content: bytes) -> set[tuple[str, str]]:
        """Return a finding, without the secret, where bytes hold a key or a derived seed, raw or as text."""
        return {self._secrets[found] for found in self._secret_bytes.find(content)}

    def _find(self, text: str, prose: bool) -> frozenset[tuple[str, str]]:
        found = self.find_keys(text.encode("utf-8", "surrogateescape"))
        for spelling in [text, *respell(text)]:
            readable = DIGEST.sub(" ", spelling)
            plain = make_plain(readable)
            found |= self._match(self._plain, plain) | self._match(self._exact, readable)
            if not any(kind == "patient id" for kind, _ in found):
                found |= self._match(self._folded, plain.translate(patterns.FOLD))
            found |= self._find_digests(make_plain(spelling)) | set(self._find_encoded(spelling, DEPTH))
            if not prose:
                found |= self._match(self._metadata, plain)
        return frozenset(found)

    def _find_encoded(self, text: str, depth: int) -> Iterator[tuple[str, str]]:
        """Yield each trace in what a text may hold in base64 or hexadecimal, compressed or not, and so on."""
        for encoding, parts in decode(text).items():
            parts += [inner for part in parts for inner in inflate(part)]
            readable = " \n ".join(filter(None, map(read_printable, parts)))
            found = self.find_keys(APART.join(parts)) | self._find_digests(" ".join(map(bytes.hex, parts)))
            for spelling in [readable, *respell(readable)]:
                found |= self._match(self._decoded, make_plain(spelling))
            yield from ((kind, f"{what}, in {encoding}") for kind, what in found)
            if readable and depth > 1:
                yield from self._find_encoded(readable, depth - 1)

    def _find_digests(self, text: str) -> set[tuple[str, str]]:
        return {("digest", found.decode()) for found in self._digests.find(text.encode("utf-8", "replace"))}

    def _match(self, compiled: list[tuple[str, re.Pattern]], text: str) -> set[tuple[str, str]]:
        found = {(kind, match[0].strip()) for kind, pattern in compiled for match in pattern.finditer(text)}
        return found - {("e-mail address", contact) for contact in self._contacts}


# Modules of this package whose texts never get into a release.
WITHOUT_TEXTS = {
    "allowed", "archive", "bundle", "export", "forbidden", "formats", "needles", "patterns", "png", "readers",
    "scanner", "schema", "spelling", "traces", "unpacking",
}  # fmt: skip


@cache
def ordinary_words() -> set[str]:
    """Return the words, and their parts, of a release's programs and fixed texts, in lower case.

    A patient's id that is also such a word is searched for only behind a word such as 'patient'.
    The name of a person, machine or cohort that is also such a word is not searched for.
    """
    here = Path(__file__).parent
    sources = {path for path in here.rglob("*.py") if path.stem not in WITHOUT_TEXTS}
    programs = files.PROGRAMS | head_files.PROGRAMS
    sources |= {here.parent / program for program in programs.values()}
    texts = [source.read_text(encoding="utf-8").lower() for source in sources]
    return {word for text in texts for form in (r"[\w.-]+", r"[^\W_]+") for word in re.findall(form, text)}


def is_said(name: str, text: str) -> bool:
    """Whether a text holds a name, in any case and with any separators."""
    pattern = patterns.spelled([make_plain(name)])
    return bool(pattern and re.search(pattern, make_plain(text)))


def _compile(given: Iterable[tuple[str, str | None]]) -> list[tuple[str, re.Pattern]]:
    return [(kind, re.compile(pattern)) for kind, pattern in given if pattern]


def _spell_ids(patients: Iterable[str]) -> set[str]:
    """Return ids, and those with BIDS' prefix also without it."""
    return {form for one in patients for form in (one, patterns.BIDS.sub("", one.lower(), count=1)) if form}


def _is_unclear(patient: str) -> bool:
    """Whether an id also is a number of something else, or an ordinary word of the texts around it."""
    return (patient.isdigit() and len(patient) < patterns.LONG_ID) or patient.lower() in ordinary_words()


def _is_rare(patient: str) -> bool:
    """Whether an id without digits (plain) is long, and no part of an ordinary word."""
    return (
        patient.isalpha()
        and len(patient) >= patterns.GLUED_WORD
        and not any(patient in word for word in ordinary_words())
    )


def _written(key: bytes) -> list[bytes]:
    """Return the forms a key may have in a file: raw, in hexadecimal, in base64 (with either alphabet)."""
    return [
        key,
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key).rstrip(b"="),
        base64.urlsafe_b64encode(key).rstrip(b"="),
    ]
