"""Facts that a sentence states in so many signs: numbers, months, quantities, identifiers, names.

What is written in different ways is one fact: 1,000 and 'one thousand', 14th and 14, '5 years' and
'60 months', 2024-03-14 and 'March 14th, 2024'. Number words are known in English, German and Spanish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

Unit = tuple[str, float]
"""What is measured and how many of its smallest unit this one holds."""
Quantity = tuple[str, float]
"""A measure and how much of it in the measure's smallest unit: ('time', 60.0) is a minute."""

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen|null ein zwei drei vier fünf sechs sieben acht neun zehn elf "
    "zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn|cero uno dos tres cuatro "
    "cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho "
    "diecinueve"
)
_TENS = (
    "twenty thirty forty fifty sixty seventy eighty ninety|zwanzig dreißig vierzig fünfzig sechzig siebzig "
    "achtzig neunzig|veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa"
)
_ORDINALS = "second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_WORDS = (
    {word: float(i) for words in _ONES.split("|") for i, word in enumerate(words.split())}
    | {word: 20.0 + 10 * i for words in _TENS.split("|") for i, word in enumerate(words.split())}
    | {word: 2.0 + i for i, word in enumerate(_ORDINALS.split())}
    | {"dozen": 12.0, "twice": 2.0, "half": 0.5, "both": 2.0}
)
_SCALES = {
    "hundred": 100.0,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "hundert": 100.0,
    "tausend": 1e3,
}
_SUFFIXES = {"k": 1e3}
_A = frozenset("a an per each every / ein eine pro un una cada".split())
_UNREMARKABLE = {"one", "ein", "uno", "once", "half", "both", "twice"}
"""Number words that are mostly pronouns and figures of speech: they prove a number but claim none."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar enero",
            "february feb februar febrero",
            "march mar märz marzo",
            "april apr abril",
            "may mai mayo",
            "june jun juni junio",
            "july jul juli julio",
            "august aug agosto",
            "september sep sept septiembre",
            "october oct oktober octubre",
            "november nov noviembre",
            "december dec dezember diciembre",
        ),
        start=1,
    )
    for name in names.split()
}
_AMBIGUOUS_MONTHS = {"may", "march", "mar", "mai"}
_CURRENCIES = {"euros", "dollars", "pounds sterling"}

_UNITS: dict[str, Unit] = {}
for _measure, _factor, _spellings in (
    ("time", 0.001, "millisecond ms"),
    ("time", 1, "sec secs sekunde"),
    ("time", 60, "minute min minuto"),
    ("time", 3600, "hour hr stunde hora"),
    ("time", 86400, "day tag día"),
    ("time", 604800, "week woche semana"),
    ("calendar", 1, "month monat mes"),
    ("calendar", 3, "quarter quartal trimestre"),
    ("calendar", 12, "year jahr año"),
    ("bytes", 1e3, "kb kib kilobyte"),
    ("bytes", 1e6, "mb mib megabyte"),
    ("bytes", 1e9, "gb gib gigabyte"),
    ("bytes", 1e12, "tb tib terabyte"),
    ("euros", 1, "eur euro €"),
    ("dollars", 1, "usd dollar $"),
    ("pounds sterling", 1, "gbp £"),
    ("cents", 1, "cent cts"),
    ("percent", 1, "percent % prozent percentage"),
    ("mass", 0.001, "mg milligram"),
    ("mass", 1, "g gram gramm gramo"),
    ("mass", 1000, "kg kilogram"),
    ("length", 0.001, "mm millimetre millimeter"),
    ("length", 0.01, "cm centimetre centimeter"),
    ("length", 0.0254, 'inch inches " ″'),
    ("length", 1, "metre meter"),
    ("length", 1000, "km kilometre kilometer"),
    ("length", 1609.344, "mile"),
    ("degrees Celsius", 1, "°c celsius"),
    ("degrees Fahrenheit", 1, "°f fahrenheit"),
):
    for _word in _spellings.split():
        _UNITS[_word] = (_measure, float(_factor))
for _word, _base in {
    "hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "yearly": "year",
    "annually": "year", "annual": "year", "täglich": "day", "monatlich": "month", "jährlich": "year",
    "seconds": "sec", "sekunden": "sec", "segundos": "sec", "meses": "month",
    "jahre": "year", "jahren": "year", "monate": "month", "monaten": "month", "tage": "day", "tagen": "day",
    "stunden": "hour", "wochen": "week",
}.items():  # fmt: skip
    _UNITS[_word] = _UNITS[_base]

_PIECE = re.compile(
    r"(?P<iso>\b\d{4}-\d\d-\d\d\b)|(?P<clock>\b\d{1,2}:\d\d\b)|(?P<version>(?<![\w.,])\d+(?:\.\d+){2,})"
    r"|(?P<number>(?<![\w.])\d+(?:[.,]\d+)*)(?P<ordinal>st|nd|rd|th)?(?P<scale>[kK]\b)?"
    r"|(?P<word>[^\W\d_]+)|(?P<sign>°\s?[CF]\b|[%€$£/]|(?<=\d)[\"″])"
)
_IDENTIFIER = re.compile(
    r"(?<![\w-])--?[a-zA-Z][\w-]*"  # an option
    r"|(?<![\w.<])~?(?:/[\w.*+<>{}$-]*\w[\w.*+<>{}$-]*)+/?"  # a path
    r"|%\w\b|(?<![\w.])\d+(?:\.\d+){2,}\b"
    r"|\b[a-z0-9]+(?:_[a-z0-9]+)+/?|\b[A-Z0-9]+(?:_[A-Z0-9]+)+\b"
    r"|\b(?=[\w.-]*[A-Za-z])(?=[\w.-]*\d)[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*\b"  # letters and digits mixed
    r"|\b[a-z]+[A-Z]\w*\b"
    r"|\b[\w-]+\.(?:conf|cfg|txt|json|ya?ml|toml|sh|py|log|ini|md|html|service|history)\b"
)
_QUOTED = re.compile(r"`([^`\n]{1,60})`|“([^”\n]{1,60})”|\"([^\"\n]{1,60})\"|(?<!\w)'([^'\n]{1,60})'(?!\w)")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states in signs. Each dict maps a fact to its spelling in the text."""

    numbers: dict[float, str]
    claimed_numbers: dict[float, str]
    months: dict[int, str]
    clocks: dict[str, str]
    quantities: dict[Quantity, str]
    units: dict[Unit, str]
    measured: dict[tuple[float, Unit], str]
    identifiers: dict[str, str]


@lru_cache(maxsize=4096)
def facts(text: str) -> Facts:
    """The facts of `text`."""
    text = re.sub(r"(?<=-)\s+(?=[A-Za-z0-9])", "", text)  # a name that a line break of a PDF has split
    found = Facts({}, {}, {}, {}, {}, {}, {}, {})
    pieces = list(_pieces(text))
    for i, piece in enumerate(pieces):
        _note(found, pieces, i, piece)
    for match in _QUOTED.finditer(text):
        quoted = next(group for group in match.groups() if group is not None)
        found.identifiers.setdefault(_plain(quoted), quoted)
    for match in _IDENTIFIER.finditer(text):
        word = match.group()
        if not re.fullmatch(r"\d+(?:st|nd|rd|th|[kK])|\d+-[a-z]+", word):
            found.identifiers.setdefault(_plain(word), word)
    return found


def missing_facts(claim: Facts, cited: Facts, cited_text: str) -> Iterator[tuple[str, str]]:
    """What `claim` states and `cited` does not, as (kind, the reason in plain words)."""
    for number, spelling in claim.claimed_numbers.items():
        if number not in cited.numbers and not _same_quantity(claim, cited, spelling):
            yield "number", f"the number {spelling} is not in the cited text"
    for month, spelling in claim.months.items():
        if month not in cited.months:
            yield "number", f"the month {spelling} is not in the cited text"
    for clock in claim.clocks:
        if clock not in cited.clocks and not _ratio_in(clock, cited):
            yield "number", f"{clock} is not in the cited text"
    for unit, spelling in claim.units.items():
        if unit not in cited.units and not any(
            q in cited.quantities for q, s in claim.quantities.items() if s.endswith(spelling)
        ):
            other = next((s for (measure, _), s in cited.units.items() if measure == unit[0]), None)
            instead = f", which says {other}" if other else ""
            yield "unit", f"the unit {spelling} is not in the cited text{instead}"
    for (number, unit), spelling in claim.measured.items():
        others = [s for (n, u), s in cited.measured.items() if n == number and u != unit]
        same = (number, unit) in cited.measured or (unit[0], number * unit[1]) in cited.quantities
        if others and unit in cited.units and not same:
            yield "unit", f"the cited text says {others[0]}, not {spelling}"
    plain = _plain(re.sub(r"(?<=-)\s+(?=[A-Za-z0-9])", "", cited_text))
    for identifier, spelling in claim.identifiers.items():
        if not re.search(rf"(?<!\w){re.escape(identifier)}(?!\w)", plain) and not _numbers_say(
            identifier, cited
        ):
            yield "identifier", f"{spelling} is not in the cited text"


def _numbers_say(identifier: str, cited: Facts) -> bool:
    """Whether an identifier is just a number and its unit written together, like 15min."""
    own = facts(identifier)
    match = re.fullmatch(r"\d+(?:[.,]\d+)?[ -]?([a-z°%]+)", identifier)
    return bool(match and unit_of(match.group(1)) and all(n in cited.numbers for n in own.numbers))


def _ratio_in(clock: str, cited: Facts) -> bool:
    left, right = clock.split(":")
    return len(right) < 2 and float(left) in cited.numbers and float(right) in cited.numbers


def _same_quantity(claim: Facts, cited: Facts, spelling: str) -> bool:
    return any(
        said.startswith(spelling + " ") and quantity in cited.quantities
        for quantity, said in claim.quantities.items()
    )


def _note(found: Facts, pieces: list[_Piece], i: int, piece: _Piece) -> None:
    after = pieces[i + 1] if i + 1 < len(pieces) else None
    before = pieces[i - 1] if i else None
    if piece.value is not None:
        found.numbers.setdefault(piece.value, piece.text)
        unit = _unit_after(pieces, i)
        between = piece.text == "two" and before and before.text.lower() == "between"
        if unit or not (between or piece.text.lower() in _UNREMARKABLE):
            found.claimed_numbers.setdefault(piece.value, piece.text)
        if unit:
            _quantity(found, piece.value, unit, piece.text)
        elif before and before.value is None and (known := unit_of(before.text)) and known[0] in _CURRENCIES:
            _quantity(found, piece.value, before.text, piece.text)
    elif piece.month and _is_month(piece, before, after):
        found.months.setdefault(piece.month, piece.text)
    elif piece.clock:
        found.clocks.setdefault(piece.clock, piece.text)
    elif before and before.value is None and before.text.lower() in _A and (known := unit_of(piece.text)):
        found.units.setdefault(known, piece.text)
        share = _share(pieces, i - 2) if before.text.lower() in ("a", "an") else 1.0
        found.quantities.setdefault((known[0], share * known[1]), f"{before.text} {piece.text}")
    elif piece.text.lower().endswith(("ly", "lich")) and (known := unit_of(piece.text)):
        found.units.setdefault(known, piece.text)


def _quantity(found: Facts, value: float, unit: str, spelling: str) -> None:
    known = unit_of(unit)
    if known:
        measure, factor = known
        found.units.setdefault(known, unit)
        found.measured.setdefault((value, known), f"{spelling} {unit}")
        found.quantities.setdefault((measure, round(value * factor, 6)), f"{spelling} {unit}")
        if measure == "euros" and value < 1:
            found.quantities.setdefault(("cents", round(value * 100, 6)), f"{spelling} {unit}")
        if measure == "cents":
            found.quantities.setdefault(("euros", round(value / 100, 6)), f"{spelling} {unit}")


def _share(pieces: list[_Piece], i: int) -> float:
    """`half` an hour, a `quarter of` an hour."""
    words = [piece.text.lower() for piece in pieces[max(0, i - 1) : i + 1]] if i >= 0 else []
    if words[-1:] == ["half"]:
        return 0.5
    return 0.25 if words == ["quarter", "of"] else 1.0


def _unit_after(pieces: list[_Piece], i: int) -> str | None:
    """The unit that follows a number, at once or after one word ('10 business days', '6 to 8 hours')."""
    for piece in pieces[i + 1 : i + 4]:
        if unit_of(piece.text):
            return piece.text
        if piece.value is None and piece.text.lower() not in (
            "to",
            "or",
            "and",
            "bis",
            "a",
            "full",
            "working",
        ):
            return None
    return None


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    value: float | None = None
    month: int | None = None
    clock: str | None = None


def _pieces(text: str) -> Iterator[_Piece]:
    pending: list[tuple[str, float]] = []
    for match in _PIECE.finditer(text):
        word = match.group()
        lower = word.lower()
        if match.lastgroup == "word" and (lower in _WORDS or (pending and lower in _SCALES)):
            if pending and lower not in _SCALES and not (20 <= pending[-1][1] < 100 and _WORDS[lower] < 10):
                yield _spoken(pending)
                pending = []
            pending.append((word, _SCALES.get(lower) or _WORDS[lower]))
            continue
        if pending:
            yield _spoken(pending)
            pending = []
        if match["iso"]:
            year, month, day = (int(part) for part in word.split("-"))
            yield from (
                _Piece(str(year), float(year)),
                _Piece(word, month=month),
                _Piece(str(day), float(day)),
            )
        elif match["clock"]:
            hour, minute = word.split(":")
            yield _Piece(word, clock=f"{int(hour)}:{minute}")
        elif match["number"]:
            value = number_of(match["number"]) * (_SUFFIXES["k"] if match["scale"] else 1.0)
            if value is not None:
                pending = [(word, value)]
        else:
            yield _Piece(word, month=_MONTHS.get(lower))
    if pending:
        yield _spoken(pending)


def _spoken(words: list[tuple[str, float]]) -> _Piece:
    """'two hundred thousand' and 'twenty five' as one number."""
    total = 0.0
    for word, value in words:
        total = total * value if word.lower() in _SCALES and total else total + value
    return _Piece(" ".join(word for word, _ in words), total)


def _is_month(piece: _Piece, before: _Piece | None, after: _Piece | None) -> bool:
    if piece.text.lower() not in _AMBIGUOUS_MONTHS:
        return True
    beside = (before and before.value is not None) or (after and after.value is not None)
    return piece.text[0].isupper() and bool(beside)


def is_month(word: str) -> bool:
    return word.lower() in _MONTHS


def number_of(written: str) -> float:
    """The value of digits with separators, of either convention: 1,240.50 and 1.240,50."""
    if re.fullmatch(r"\d{1,3}([.,])\d{3}(\1\d{3})*", written):
        return float(re.sub(r"[.,]", "", written))
    last = max(written.rfind("."), written.rfind(","))
    if last < 0:
        return float(written)
    return float(re.sub(r"[.,]", "", written[:last]) + "." + written[last + 1 :])


def unit_of(word: str) -> Unit | None:
    """The measure and the factor of a unit's spelling; None when it is no unit."""
    lower = re.sub(r"\s", "", word.lower())
    for spelling in (lower, lower.removesuffix("s"), lower.removesuffix("n"), lower.removesuffix("en")):
        if spelling in _UNITS:
            return _UNITS[spelling]
    return None


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).casefold().strip(" .,;")
