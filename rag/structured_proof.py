"""Whether a value of an extraction stands in a sentence: as the same words, number or date.

A number may be grouped or scaled (1,200 and 1.200 and 1.2 thousand), a date written out in English, German,
French or Spanish. What a sentence only implies does not stand in it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

Value = str | int | float | bool

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero",
            "february feb februar fevrier febrero",
            "march mar marz mars marzo",
            "april apr avril abril",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet julio",
            "august aug aout agosto",
            "september sep sept septembre septiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez decembre diciembre",
        ),
        start=1,
    )
    for name in names.split()
}
_SCALES = {
    **dict.fromkeys("k thousand tausend tsd mille mil".split(), 1e3),
    **dict.fromkeys("m mn mio million millions millionen millones".split(), 1e6),
    **dict.fromkeys("bn billion billions mrd milliarde milliarden milliard milliards".split(), 1e9),
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_SCALE = "|".join(sorted(_SCALES, key=len, reverse=True))
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d\d)(?:-(\d\d))?(?:t[\d:.]+(?:z|[+-]\d\d:?\d\d)?)?")
_BY_DIGITS = re.compile(r"(?<!\d)(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?!\d)")
_DAY_FIRST = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|er|o|a|\.)?\s+(?:de\s+|of\s+)?({_MONTH})\b\.?,?\s+(?:de[l]?\s+)?(\d{{4}})(?!\d)"
)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\b\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})(?!\d)")
_MONTH_ONLY = re.compile(rf"\b({_MONTH})\b\.?,?\s+(?:de[l]?\s+|of\s+)?(\d{{4}})(?!\d)")
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-(]?)(?P<digits>\d{1,3}(?:(?P<group>[ ',.])\d{3}(?:(?P=group)\d{3})*)(?:[.,]\d+)?"
    r"|\d+(?:[.,]\d+)?)(?!\d|[.,]\d)(?P<close>\)?)\s?(?P<scale>%|(?:" + _SCALE + r")\b)?"
)
_LOOKALIKES = str.maketrans("‘’‚‛“”„‟‐‑‒–—−«»\u00ad", '\'\'\'\'""""------""-')

Date = tuple[int, int, int]
"""Year, month, day; day 0 where only the month is said."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence as it is compared: its words in one spelling, its numbers, its dates."""

    words: str
    numbers: frozenset[float]
    dates: frozenset[Date]


def said(sentence: str) -> Said:
    """What `sentence` says, read once for all values that are looked for in it."""
    words = _words(sentence)
    return Said(words, frozenset(_numbers(words)), frozenset(_dates(_unaccented(words))))


def stands_in(value: Value, sentence: Said) -> bool:
    """Whether `value` stands in `sentence`; a truth value never does, being a judgement."""
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return (
            _date_stands(value, sentence) or _words_stand(value, sentence) or _digits_stand(value, sentence)
        )
    return any(math.isclose(value, number, rel_tol=1e-9) for number in sentence.numbers)


def is_telling(value: Value) -> bool:
    """Whether a value is long enough that standing in one sentence alone is no accident."""
    return not isinstance(value, bool) and len(str(value).strip()) > 1


def _words_stand(value: str, sentence: Said) -> bool:
    wanted = _words(value).rstrip(".,;:")
    if not wanted or wanted not in sentence.words:
        return False
    before = r"(?<!\w)(?<!\d[.,])" if wanted[0].isalnum() else ""
    after = r"(?!\w|[.,]\d)" if wanted[-1].isalnum() else ""
    return re.search(before + re.escape(wanted) + after, sentence.words) is not None


def _digits_stand(value: str, sentence: Said) -> bool:
    """A number that the schema wants as a string, grouped otherwise than in the sentence."""
    match = _NUMBER.fullmatch(_words(value))
    return match is not None and bool(set(_readings(match)) & sentence.numbers)


def _date_stands(value: str, sentence: Said) -> bool:
    match = _ISO.fullmatch(_words(value))
    if not match:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3] or 0)
    return any((y, m) == (year, month) and (not day or d == day) for y, m, d in sentence.dates)


def _numbers(words: str) -> Iterator[float]:
    for match in _NUMBER.finditer(words):
        yield from _readings(match)


def _readings(match: re.Match[str]) -> Iterator[float]:
    """Every number that the digits can mean: 1,234 is read by both conventions."""
    bracketed = match["sign"] == "(" and match["close"] == ")"  # an accountant's minus, or just an aside
    factor = 0.01 if match["scale"] == "%" else _SCALES.get(match["scale"] or "", 1.0)
    for number in _values(match["digits"], match["group"]):
        if match["sign"] != "-":
            yield from (number, number * factor)
        if match["sign"] == "-" or bracketed:
            yield from (-number, -number * factor)


def _values(digits: str, group: str | None) -> Iterator[float]:
    if group:
        whole, decimals = digits, ""
        if point := re.search(rf"[.,](?<!{re.escape(group)})\d+$", digits):
            whole, decimals = digits[: point.start()], digits[point.start() + 1 :]
        yield float(whole.replace(group, "") + (f".{decimals}" if decimals else ""))
        if group in ",." and digits.count(group) == 1 and not decimals:
            yield float(digits.replace(group, "."))
    else:
        yield float(digits.replace(",", "."))


def _dates(words: str) -> Iterator[Date]:
    for match in _ISO.finditer(words):
        yield int(match[1]), int(match[2]), int(match[3] or 0)
    for match in _BY_DIGITS.finditer(words):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        yield year, second, first
        if match[2] == "/":  # American dates have slashes and the month first
            yield year, first, second
    for match in _DAY_FIRST.finditer(words):
        yield int(match[3]), _MONTHS[match[2]], int(match[1])
    for match in _MONTH_FIRST.finditer(words):
        yield int(match[3]), _MONTHS[match[1]], int(match[2])
    for match in _MONTH_ONLY.finditer(words):
        yield int(match[2]), _MONTHS[match[1]], 0


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).translate(_LOOKALIKES).casefold().split())


def _unaccented(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))
