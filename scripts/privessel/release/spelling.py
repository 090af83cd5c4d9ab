"""Other spellings of a text, made plain again: look-alike letters, escapes, base64, hexadecimal, zlib."""

import binascii
import html
import re
import unicodedata
import urllib.parse
import zlib
from collections.abc import Iterator
from contextlib import suppress

# Letters of other alphabets that look like Latin ones, lower case.
LOOK_ALIKES = dict(zip("авсԁеһіјкӏмнорԛѕтуԝхαβεικνορτυχ", "abcdehijklmhopqstywxabeiknoptux", strict=True))
SPECIAL = {"\0": "", "\N{MINUS SIGN}": "-", "\N{HYPHEN BULLET}": "-", "\N{MACRON}": "-"}
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|=([0-9A-F]{2})")
SPACED = re.compile(r"(?<!\w)\w([ ._,;:/|-])(?:\w\1){3,}\w(?!\w)")  # such as P 0 0 4 2
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}(?:\r?\n[A-Za-z0-9+/_-]+)*")
HEXADECIMAL = re.compile(r"(?:[0-9a-fA-F]{2}[ :.-]?){4,}")
PRINTABLE = re.compile(rb"[\t\r\n\x20-\x7e]{4,}")  # shorter runs occur by chance
INFLATED = 1 << 20  # bytes of a compressed text that are read


class _Plain(dict):
    """What each character is replaced by, worked out when it first occurs."""

    def __missing__(self, code: int) -> str:
        one = chr(code)
        kind = unicodedata.category(one)
        if one in SPECIAL:
            found = SPECIAL[one]
        elif kind in ("Mn", "Me", "Cf"):  # accents, and what cannot be seen
            found = ""
        elif kind == "Nd":
            found = str(unicodedata.digit(one))
        else:
            found = {"Pd": "-", "Pc": "_", "Zs": " "}.get(kind) or LOOK_ALIKES.get(one, one)
        self[code] = found
        return found


_PLAIN = _Plain()


def make_plain(text: str) -> str:
    """Return a text in lower case, without accents, its letters, digits and hyphens those of ASCII.

    >>> make_plain("Sub‐００１ Пётр Müller")
    'sub-001 пetp muller'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return text.lower().translate(_PLAIN)


def respell(text: str) -> Iterator[str]:
    """Yield a text without the escapes of URLs, HTML, JSON and e-mails, and what is spaced out in it."""
    plain = html.unescape(urllib.parse.unquote(ESCAPE.sub(_unescape, text), errors="replace"))
    if "%" in plain:  # escaped twice
        plain = urllib.parse.unquote(plain, errors="replace")
    if plain != text:
        yield plain
    for match in SPACED.finditer(plain):
        yield match[0].replace(match[1], "")


def decode(text: str) -> dict[str, list[bytes]]:
    """Return by the encoding's name whatever may be base64 or hexadecimal in a text, wherever it begins."""
    found: dict[str, list[bytes]] = {"base64": [], "hexadecimal": []}
    for match in BASE64.finditer(text):
        letters = re.sub(r"\s", "", match[0]).replace("-", "+").replace("_", "/")
        for start in range(4):
            part = letters[start:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            found["base64"].append(binascii.a2b_base64(part + "=" * (-len(part) % 4)))
    for match in HEXADECIMAL.finditer(text):
        digits = re.sub(r"[ :.-]", "", match[0])
        for start in range(2):
            part = digits[start:]
            found["hexadecimal"].append(bytes.fromhex(part[: len(part) // 2 * 2]))
    return {encoding: parts for encoding, parts in found.items() if parts}


def inflate(content: bytes) -> Iterator[bytes]:
    """Yield whatever stands compressed in a few bytes, by zlib or gzip, wherever it begins."""
    for start in (b"\x78", b"\x1f\x8b"):
        at = content.find(start)
        while at >= 0:
            with suppress(zlib.error):
                if found := zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content[at:], INFLATED):
                    yield found
            at = content.find(start, at + 1)


def read_printable(content: bytes) -> str:
    """Return what can be read in bytes: runs of ASCII, also where zeros stand in between (UTF-16)."""
    runs = PRINTABLE.findall(content)
    if b"\0" in content:
        runs += PRINTABLE.findall(content.replace(b"\0", b""))
    return b"\n".join(runs).decode("ascii")


def _unescape(match: re.Match) -> str:
    return chr(int(match[1] or match[2] or match[3], 16))
