"""Plain text: find the encoding, undo hard wrapping, and take only certain headings."""

from __future__ import annotations

import codecs
import re

from ingest.parsing.builder import TextBuilder
from ingest.parsing.characters import clean
from ingest.parsing.formats import TEXT, extension_of
from ingest.parsing.text_reflow import unwrapped, wrap_width
from rag.errors import SourceDamaged
from rag.parsed import ParsedDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_UNDERLINE = re.compile(r"([=\-])\1{2,}$")
_RST_UNDERLINE = re.compile(r"([=\-~^*+#\"'`.:_])\1{2,}$")
_NUMBERED_CAPITALS = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})\.?\s{1,4}([A-Z][A-Z0-9 ,'/()&:-]{2,70})$")


def parse(data: bytes, name: str) -> ParsedDocument:
    """Decode and split into blocks at blank lines.

    Raises:
        SourceDamaged: the bytes are not text.
        EmptySource: nothing but blanks.
    """
    text = clean(_ESCAPE.sub("", decode(data)))
    lines = [line.expandtabs().rstrip() for line in text.split("\n")]
    underline = _RST_UNDERLINE if extension_of(name) == ".rst" else _UNDERLINE
    width = wrap_width(lines)
    builder, levels, block = TextBuilder(), dict[str, int](), list[str]()
    index = 0
    while index < len(lines):
        line = lines[index]
        heading = None if block else _heading_at(lines, index, underline, levels)
        if heading is not None:
            level, title, taken = heading
            builder.heading(level, title)
            index += taken
            continue
        if line:
            block.append(line)
        else:
            builder.block(unwrapped(block, width))
            block = []
        index += 1
    builder.block(unwrapped(block, width))
    return builder.finish(media_type=TEXT, name=name, title=_title(lines))


def _title(lines: list[str]) -> str | None:
    """A short first line that stands alone and is no sentence; an underlined one is found as a heading."""
    first = next((index for index, line in enumerate(lines) if line), len(lines))
    alone = first + 1 < len(lines) and not lines[first + 1]
    title = lines[first].strip() if alone else ""
    return title if 3 <= len(title) <= 80 and title[0].isalnum() and title[-1] not in ".,;:!?" else None


def decode(data: bytes) -> str:
    """Bytes to text: by byte order mark, as UTF-8, as UTF-16 by its zeros, else as Windows-1252.

    Raises:
        SourceDamaged: it is binary.
    """
    text = _decoded(data)
    sample = _ESCAPE.sub("", text[:100_000])
    # Logs hold a stray control character; a binary file holds them everywhere.
    if len(_CONTROL.findall(sample)) > max(3, len(sample) // 100):
        raise SourceDamaged("is not text: it holds binary data")
    return text


def _decoded(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    utf16 = _utf16_by_zeros(data)
    if utf16:
        return data.decode(utf16, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A file cut in the middle of a character, or with one broken byte, is still UTF-8.
        text = data.decode("utf-8", errors="replace")
        broken, beyond_ascii = text.count("\ufffd"), len(data) - len(text)
        if error.start >= len(data) - 3 or broken * 20 < beyond_ascii:
            return text
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _utf16_by_zeros(data: bytes) -> str | None:
    """UTF-16 without a mark: in mostly Latin text every second byte is zero, on one side only."""
    sample = data[:4096]
    pairs = len(sample) // 2
    if pairs < 4:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > pairs * 0.6 and even < pairs * 0.05:
        return "utf-16-le"
    if even > pairs * 0.6 and odd < pairs * 0.05:
        return "utf-16-be"
    return None


def _heading_at(
    lines: list[str], index: int, underline: re.Pattern[str], levels: dict[str, int]
) -> tuple[int, str, int] | None:
    """A heading whose first line is here, as (level, title, lines it takes); levels come in order of use."""
    line = lines[index]
    following = lines[index + 1] if index + 1 < len(lines) else ""
    after = lines[index + 2] if index + 2 < len(lines) else ""
    title = following.strip()
    over = underline.match(line)
    if over and title and after == line and _fits(title, line):
        return levels.setdefault(f"over{over[1]}", len(levels) + 1), title, 3
    title = line.strip()
    under = underline.match(following)
    if under and title and line == title and not over and _fits(title, following):
        return levels.setdefault(under[1], len(levels) + 1), title, 2
    numbered = _NUMBERED_CAPITALS.match(line)
    if numbered and not following and (index == 0 or not lines[index - 1]):
        letters = [c for c in numbered[2] if c.isalpha()]
        if len(letters) >= 3:
            return numbered[1].count(".") + 1, line, 1
    return None


def _fits(title: str, underline: str) -> bool:
    """An underline is about as long as its title; a rule across the page under a line of text is not one."""
    return len(title) <= 100 and -2 <= len(underline) - len(title) <= 6 and any(c.isalnum() for c in title)
