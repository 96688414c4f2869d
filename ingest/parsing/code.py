"""Source code: the text as it stands, and a heading for each definition, which says where a chunk is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingest.parsing.characters import clean, one_line
from ingest.parsing.text import decode
from rag.definitions import definitions, is_python
from rag.documents import CODE
from rag.errors import EmptySource
from rag.parsed import Heading, ParsedDocument

_DEEPEST = 9


def parse(data: bytes, name: str) -> ParsedDocument:
    """The lines of a source file, its name as the outermost heading, definitions as those within.

    Raises:
        SourceDamaged: the bytes are not text.
        EmptySource: nothing but blanks.
    """
    lines = [line.rstrip() for line in clean(decode(data)).split("\n")]
    text = "\n".join(lines).rstrip("\n")
    if not text.strip():
        raise EmptySource("has no text in it")
    title = one_line(name) or "untitled"
    headings = (
        Heading(level=1, title=title, start=0),
        *_headings(lines, is_python(name)),
    )
    return ParsedDocument(title=title, text=text, media_type=CODE, headings=headings)


def _headings(lines: Sequence[str], python: bool) -> Iterator[Heading]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    enclosing: list[int] = []
    for definition in definitions(lines, python):
        while enclosing and enclosing[-1] >= definition.width:
            enclosing.pop()
        enclosing.append(definition.width)
        level = min(len(enclosing) + 1, _DEEPEST)
        yield Heading(level=level, title=definition.title, start=starts[definition.first])
