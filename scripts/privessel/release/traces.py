"""Traces of people, places and secrets in texts: what must not be in a release, and the search for it."""

import base64
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PATH = re.compile(
    r"(?<![\w.:/<)\]*-])/[A-Za-z_][\w.+@-]*(?:/[\w.+@-]+)*|(?<!\w)[A-Za-z]:\\\w+|\\\\\w+\\\w+|file:/"
)
# To the minute or finer, also as seconds since 1970; a date alone is no finer than a day.
TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d|(?<![\d.:])\d{1,2}:\d\d:\d\d(?![\d:])"
    r"|(?<![\w.])1[5-9]\d{8}(?:\.\d+)?(?![\w.])"
)
# Names that the bundle counts up itself: an id of digits is no trace there.
COUNTED = re.compile(r"\b(?:image|label)-\d{5}\.png\b|\bcase_\d{5}(?:_0000)?(?:\.png)?\b")
# a number with at least so many digits is searched for without a word such as 'patient' before it
LONG_ID, LONG_SEED = 7, 5


@dataclass(frozen=True)
class Forbidden:
    """What must not leave a site: ids of patients, names, paths, digests, seeds, keys."""

    patients: Collection[str]
    names: Collection[str] = ()  # of users, hosts and cohorts
    paths: Collection[str] = ()
    digests: Collection[str] = ()  # of ledgers, patients, scans and runs, in hexadecimal
    seeds: Collection[int] = ()
    keys: Collection[bytes] = field(default=(), repr=False)


class Traces:
    """A search for what is forbidden: in prose, in metadata (which has no words of its own), in bytes."""

    def __init__(self, forbidden: Forbidden) -> None:
        common = [
            ("name", _any(map(_word, forbidden.names))),
            ("path", _any(map(re.escape, forbidden.paths))),
            ("digest", _any(re.escape(part) for one in forbidden.digests for part in (one, one[:12]))),
            ("seed", _any(map(_seed_pattern, forbidden.seeds))),
            ("path", PATH),
            ("time", TIME),
        ]
        self._prose = [("patient id", _any(map(_id_pattern, forbidden.patients))), *common]
        self._metadata = [("patient id", _any(map(_word, forbidden.patients))), *common]
        self._keys = [form for key in forbidden.keys for form in _written(key)]
        wide = [seed for seed in forbidden.seeds if seed >= 1 << 32]
        self._seeds = [seed.to_bytes(8, order) for seed in wide for order in ("little", "big")]

    def find(self, text: str, *, prose: bool) -> set[tuple[str, str]]:
        """Return (kind, what was found) for each trace in a text.

        In prose an id of few digits counts only beside a word such as 'patient', because it also is a number
        of something else; anywhere else it counts wherever it stands by itself.
        """
        searched = COUNTED.sub("", text)
        patterns = self._prose if prose else self._metadata
        return {
            (kind, match[0].strip())
            for kind, pattern in patterns
            if pattern
            for match in pattern.finditer(searched)
        } | self.find_keys(text.encode())

    def find_keys(self, content: bytes) -> set[tuple[str, str]]:
        """Return a finding where bytes hold a key or a derived seed, raw or written out, not itself."""
        found = (
            {("key", "a key or secret of the site")} if any(key in content for key in self._keys) else set()
        )
        return found | ({("seed", "as bytes")} if any(seed in content for seed in self._seeds) else set())


# Modules of this package that write no text of their own into a release.
WITHOUT_TEXTS = {"archive", "export", "png"}


@cache
def ordinary_words() -> set[str]:
    """Return all words of the modules whose fixed texts a release holds.

    A patient's id or a name that is also such a word cannot be told apart from the text around it, so it is
    looked for only where the text says that a patient or a name follows.
    """
    files = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem not in WITHOUT_TEXTS]
    return {word for file in files for word in re.findall(r"[\w.-]+", file.read_text(encoding="utf-8"))}


def _any(patterns: Iterable[str]) -> re.Pattern | None:
    given = sorted(set(patterns), key=len, reverse=True)
    return re.compile("|".join(given)) if given else None


def _word(text: str) -> str:
    return rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])"


def _id_pattern(patient: str) -> str:
    if (patient.isdigit() and len(patient) < LONG_ID) or patient in ordinary_words():
        before = r"(?i:sub|patients?|participants?|subjects?|case|id)[\s_:=#-]{1,3}"
        return rf"(?:{before}|[\"']){re.escape(patient)}(?!\.?[A-Za-z0-9])"
    return _word(patient)


def _seed_pattern(seed: int) -> str:
    return _word(str(seed)) if len(str(seed)) >= LONG_SEED else rf"(?i:seed)\W{{0,5}}{seed}(?!\d)"


def _written(key: bytes) -> list[bytes]:
    """Return a key as it may stand in a file: raw, in hexadecimal, in base64 (with either alphabet)."""
    return [
        key,
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key).rstrip(b"="),
        base64.urlsafe_b64encode(key).rstrip(b"="),
    ]
