"""How ids, names, paths, dates and addresses may stand in a text in plain spelling (`spelling`)."""

import re
from collections.abc import Iterable

BETWEEN = r"[\W_]{0,3}"  # between the letters and the digits of an id, whatever stands there in its own form
SHORTEST = 4  # letters and digits of an id or a name that is found in another case or with other separators
GLUED = 5  # the same of an id that is found inside other words
GLUED_NUMBER = 3  # digits of a number that is found right behind a word such as 'patient'
# Digits of a number that is searched for without a word such as 'patient' or 'seed' before it.
LONG_ID, LONG_SEED = 7, 5
GLUED_WORD = 6  # letters of an id without digits that is found inside other words
MARKS = (
    r"(?:sub|subj|pat|patients?|participants?|subjects?|probands?|case|id|mrn)(?:[ _]?(?:no|nr|number)\b\.?)?"
)
BIDS = re.compile(r"(?:sub|subj|subject|pat|patient|participant)[-_ ]?(?=\w*\d)")
FOLD = str.maketrans("oil", "011")  # letters that are taken for digits

_DAY, _MONTH, _YEAR = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])", r"(?:19|20)\d\d"
_SHORT_DAY, _SHORT_MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_NAMED = r"(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*"
_TIME = r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
DATE = "|".join(
    [
        # 2026-01-31, 20260131 (DICOM's DA) and 20260131235959 (DT); no decimals, no nightly builds.
        rf"(?<!\d)(?<!\d\.)(?<!\.dev){_YEAR}[-/._]{_MONTH}[-/._]{_DAY}(?!\d)",
        rf"(?<!\d)(?<!\d\.)(?<!\.dev){_YEAR}{_MONTH}{_DAY}(?:{_TIME}|\d{{4}})?(?!\d)",
        rf"(?<![\d.]){_SHORT_DAY}(?:-{_SHORT_MONTH}-|/{_SHORT_MONTH}/|\.\s?{_SHORT_MONTH}\.\s?){_YEAR}(?!\d)",
        rf"(?<![\d.]){_SHORT_MONTH}(?:-{_SHORT_DAY}-|/{_SHORT_DAY}/){_YEAR}(?!\d)",
        rf"(?<![\d./]){_DAY}(?:/{_MONTH}/|\.{_MONTH}\.)\d\d(?![\d./])|(?<![\d/]){_MONTH}/{_DAY}/\d\d(?![\d/])",
        rf"(?<!\d){_SHORT_DAY}(?:st|nd|rd|th)?[\W_]{{0,3}}(?:of )?{_NAMED}[\W_]{{0,3}}{_YEAR}(?!\d)",
        rf"(?<![a-z]){_NAMED}[\W_]{{0,3}}{_SHORT_DAY}(?:st|nd|rd|th)?[\W_]{{1,3}}{_YEAR}(?!\d)",
    ]
)
TIME = "|".join(
    [
        r"(?<![\d.:])\d{1,2}:\d\d:\d\d(?![\d:])|\d{4}-\d\d-\d\d[t ]\d\d:\d\d",
        # Seconds or milliseconds since 1970.
        r"(?<![\w.])1[5-9]\d{8}(?:\d{3})?(?:\.\d+)?(?![\w.])",
        # DICOM's TM, 235959.123456; no value of a key in JSON.
        rf"(?<![\d.])(?<!\": )(?<!\": -){_TIME}\.\d{{1,6}}(?!\d)",
        rf"(?:time|tm)[\W_]{{0,5}}{_TIME}(?!\d)|(?<![a-z\d])t{_TIME}(?!\d)",
    ]
)
ADDRESS = r"[\w.+%-]+(?:@| ?[\[({<] ?at ?[\])}>] ?)[a-z0-9-]+(?:\.[a-z0-9-]+)*"
SURE_ADDRESS = r"[a-z0-9._%+-]{3,}@[a-z0-9-]{3,}(?:\.[a-z0-9-]{2,})+"
PERSON = r"[a-z]{2,}\^[a-z]{2,}"  # DICOM's form of a name
UID = r"(?<![\w.])[0-2](?:\.(?:0|[1-9]\d*)){6,}(?![\w.])"  # DICOM's names of studies, series and images
ROOTS = (
    r"home|users|root|srv|mnt|media|var|tmp|opt|scratch|gpfs|lustre|nfs|export|volumes|usr|etc|proc|private"
)
ROOTED = rf"(?<!\w)[/\\]+(?:{ROOTS})[/\\]+\w"
HOME = r"(?<![\w~/.])~[a-z_][\w-]+|~/[\w.]|\$home\b|\$user\b|%user\w+%|%home\w+%"
PATH = (
    # No base64, which is longer without a slash than a name, or ends with an equals sign.
    r"(?<![\w.:/<)\]*-])/[a-z_][\w.+@-]{0,63}(?:/[\w.+@-]{1,64})*(?![\w.+@=/-])|(?<!\w)[a-z]:\\+\w+|(?<!\w)[a-z]:/\w"
    r"|\\\\\w+\\+\w+|file:/"
)


def any_of(texts: Iterable[str]) -> str | None:
    """Return a pattern for any of several, longer ones first; None without any."""
    return "|".join(sorted(set(texts), key=len, reverse=True)) or None


def words(texts: Iterable[str]) -> str | None:
    """Return a pattern for texts that stand by themselves: no letter or digit before or behind them."""
    found = any_of(map(re.escape, texts))
    return found and rf"(?<![A-Za-z0-9])(?:{found})(?![A-Za-z0-9])"


def count_letters(text: str) -> int:
    """Return how many letters and digits a text has."""
    return sum(map(str.isalnum, text))


def is_glued(patient: str) -> bool:
    """Whether an id (in plain spelling) is found inside of other words, too: it is long, and has digits."""
    size, digits = count_letters(patient), sum(map(str.isdigit, patient))
    return digits > 0 and (size >= LONG_ID if digits == size else size >= GLUED)


def spell_id(parts: list[str]) -> str:
    """Return a pattern for the parts of an id with any separators between them, and some between digits."""
    # Dots only where the whole id is a number: `p = 0.042` is not P0042.
    inside = "[ ._/-]?" if all(map(str.isdigit, parts)) else "[ _-]?"
    return BETWEEN.join(inside.join(part) if part.isdigit() else re.escape(part) for part in parts)


def anywhere(patients: Iterable[str]) -> str | None:
    """Return a pattern for ids (plain) with any separators, in any word, but in no longer number."""
    return any_of(
        rf"{'(?<![0-9])' if one[0][0].isdigit() else ''}{spell_id(one)}"
        rf"{'(?![0-9])' if one[-1][-1].isdigit() else ''}"
        for one in map(_split, patients)
        if one
    )


def spelled(texts: Iterable[str]) -> str | None:
    """Return a pattern for texts (plain) that stand by themselves, with any separators inside."""
    found = any_of(BETWEEN.join(map(re.escape, parts)) for parts in map(_split, texts) if parts)
    return found and rf"(?<![a-z0-9])(?:{found})(?![a-z0-9])"


def marked(patients: Iterable[str]) -> str | None:
    """Return a pattern for ids behind a word such as 'patient'; numbers also glued to it, or quoted."""
    numbers = [one for one in patients if one.isdigit()]
    found, quoted = any_of(map(re.escape, patients)), any_of(one for one in numbers if len(one) > 1)
    glued = any_of(one for one in numbers if len(one) >= GLUED_NUMBER)
    parts = [
        found and rf"{MARKS}(?:[\s_:=#-]{{1,3}}|[./\\|+~])(?:{found})(?!\.?[a-z0-9])",
        quoted and rf"[\"'](?:{quoted})(?!\.?[a-z0-9])",
        glued and rf"(?:sub|subj|pat|patient|participant|subject|(?<![a-z.])pt)[_-]?(?:{glued})(?!\.?[0-9])",
    ]
    return any_of(filter(None, parts))


def written_paths(paths: Iterable[str]) -> str | None:
    """Return a pattern for paths (plain), with slashes of either kind.

    A path of one part, such as /data, counts only where no other path goes before it.
    """
    found = any_of(re.escape(path).replace("/", r"[/\\]+") for path in paths if path.rfind("/") > 0)
    short = any_of(re.escape(path) for path in paths if path.rfind("/") <= 0)
    return any_of(filter(None, [found, short and rf"(?<![\w.)-])(?:{short})(?![\w-])"]))


def seed(number: int) -> str | None:
    """Return a pattern for a seed; a short one counts only behind the word 'seed'."""
    return words([str(number)]) if len(str(number)) >= LONG_SEED else rf"seed\W{{0,5}}{number}(?!\d)"


def _split(text: str) -> list[str]:
    """Return the runs of letters and of digits in a text."""
    return re.findall(r"[^\W\d_]+|\d+", text)
