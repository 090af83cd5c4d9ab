"""Traces of people, places and secrets in texts: what must not be in a release, and the search for it."""

import base64
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from privessel.release.needles import Needles

PATH = re.compile(
    r"(?<![\w.:/<)\]*-])/[A-Za-z_][\w.+@-]*(?:/[\w.+@-]+)*|(?<!\w)[A-Za-z]:\\\w+|\\\\\w+\\\w+|file:/"
)
# Times to the minute or finer, also as seconds since 1970. A date alone is allowed.
TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d|(?<![\d.:])\d{1,2}:\d\d:\d\d(?![\d:])"
    r"|(?<![\w.])1[5-9]\d{8}(?:\.\d+)?(?![\w.])"
)
# Files that the release itself numbers: such a number is no patient's id.
COUNTED = re.compile(r"\b(?:image|label)-\d{5}\.png\b|\bcase_\d{5}(?:_0000)?(?:\.png)?\b")
# A number of at least so many digits is searched for wherever it stands. A shorter one, which may also be a
# number of something else, counts only behind a word such as 'patient' or 'seed'.
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
    """A search for what is forbidden: in prose, in metadata (texts without sentences), and in bytes."""

    def __init__(self, forbidden: Forbidden) -> None:
        unclear = {patient for patient in forbidden.patients if _is_unclear(patient)}
        common = [
            ("name", _words(forbidden.names)),
            ("path", _any(map(re.escape, forbidden.paths))),
            ("seed", _any(map(_seed_pattern, forbidden.seeds))),
            ("path", PATH.pattern),
            ("time", TIME.pattern),
        ]
        clear = set(forbidden.patients) - unclear
        self._prose = _compile(
            [("patient id", _words(clear)), ("patient id", _marked_words(unclear)), *common]
        )
        self._metadata = _compile([("patient id", _words(forbidden.patients)), *common])
        self._digests = Needles([part.encode() for one in forbidden.digests for part in (one, one[:12])])
        self._secrets = {
            form: ("key", "a key or secret of the site") for key in forbidden.keys for form in _written(key)
        }
        wide = [seed for seed in forbidden.seeds if seed >= 1 << 32]
        for order in ("little", "big"):
            self._secrets |= {seed.to_bytes(8, order): ("seed", "as bytes") for seed in wide}
        self._secret_bytes = Needles(self._secrets)
        # Without their numbers, nearly all names of files are the same few texts.
        self._find_words_once = lru_cache(maxsize=256)(self._find_words)

    def find(self, text: str, *, prose: bool) -> set[tuple[str, str]]:
        """Return (kind, what was found) for each trace in a text.

        In prose a patient's id of few digits counts only behind a word such as 'patient', because any number
        may look like it. In metadata it counts wherever it stands by itself.
        """
        return self._find_words_once(COUNTED.sub("", text), prose) | self.find_keys(text.encode())

    def find_keys(self, content: bytes) -> set[tuple[str, str]]:
        """Return a finding, without the secret, where bytes hold a key or a derived seed, raw or as text."""
        return {self._secrets[found] for found in self._secret_bytes.find(content)}

    def _find_words(self, text: str, prose: bool) -> frozenset[tuple[str, str]]:
        """Return (kind, what was found) for each trace except keys and derived seeds."""
        patterns = self._prose if prose else self._metadata
        return frozenset(
            (kind, match[0].strip()) for kind, pattern in patterns for match in pattern.finditer(text)
        ) | {("digest", found.decode()) for found in self._digests.find(text.encode())}


# Modules of this package whose texts never get into a release.
WITHOUT_TEXTS = {"archive", "export", "needles", "png"}


@cache
def ordinary_words() -> set[str]:
    """Return all words of the modules whose fixed texts a release holds.

    In prose, a patient's id that is also such a word is searched for only behind a word such as 'patient'.
    The name of a person, machine or cohort that is also such a word is not searched for.
    """
    files = [path for path in sorted(Path(__file__).parent.rglob("*.py")) if path.stem not in WITHOUT_TEXTS]
    return {word for file in files for word in re.findall(r"[\w.-]+", file.read_text(encoding="utf-8"))}


def _compile(patterns: Iterable[tuple[str, str | None]]) -> list[tuple[str, re.Pattern]]:
    return [(kind, re.compile(pattern)) for kind, pattern in patterns if pattern]


def _any(patterns: Iterable[str]) -> str | None:
    """Return a pattern for any of several, longer ones first; None without any."""
    return "|".join(sorted(set(patterns), key=len, reverse=True)) or None


def _words(texts: Iterable[str]) -> str | None:
    """Return a pattern for texts that stand by themselves: no letter or digit before or behind them."""
    texts = _any(map(re.escape, texts))
    return texts and rf"(?<![A-Za-z0-9])(?:{texts})(?![A-Za-z0-9])"


def _marked_words(patients: Iterable[str]) -> str | None:
    """Return a pattern for ids behind a quotation mark or a word such as 'patient'."""
    ids = _any(map(re.escape, patients))
    before = r"(?i:sub|patients?|participants?|subjects?|case|id)[\s_:=#-]{1,3}"
    return ids and rf"(?:{before}|[\"'])(?:{ids})(?!\.?[A-Za-z0-9])"


def _is_unclear(patient: str) -> bool:
    """Whether an id also is a number of something else, or an ordinary word of the texts around it."""
    return (patient.isdigit() and len(patient) < LONG_ID) or patient in ordinary_words()


def _seed_pattern(seed: int) -> str:
    return _words([str(seed)]) if len(str(seed)) >= LONG_SEED else rf"(?i:seed)\W{{0,5}}{seed}(?!\d)"


def _written(key: bytes) -> list[bytes]:
    """Return the forms a key may have in a file: raw, in hexadecimal, in base64 (with either alphabet)."""
    return [
        key,
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key).rstrip(b"="),
        base64.urlsafe_b64encode(key).rstrip(b"="),
    ]
