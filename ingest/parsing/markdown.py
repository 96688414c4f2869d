"""Markdown (CommonMark with tables): the words without the marks, code as it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.parsing import html, text
from ingest.parsing.builder import LINE, PARAGRAPH, TextBuilder
from ingest.parsing.characters import one_line
from ingest.parsing.formats import MARKDOWN
from rag.parsed import ParsedDocument

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.{0,20000}?)\n(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title\s*[:=]\s*(.+)$", re.MULTILINE | re.IGNORECASE)
_ANCHOR = re.compile(r"\s*\{#[^{}]*\}\s*$")
_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)


def parse(data: bytes, name: str) -> ParsedDocument:
    """Walk the tokens of the document, which come in the order of the text.

    Raises:
        SourceDamaged: the bytes are not text.
        EmptySource: there is no text in it.
    """
    source = text.decode(data).replace("\r\n", "\n")
    title, source = _without_front_matter(source)
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    walk = _Walk(TextBuilder())
    for token in parser.parse(source):
        walk.take(token)
    return walk.builder.finish(media_type=MARKDOWN, name=name, title=title)


def _without_front_matter(source: str) -> tuple[str | None, str]:
    found = _FRONT_MATTER.match(source)
    # A thematic break above ordinary text looks alike; front matter has keys.
    if not found or not re.search(r"^[\w-]+\s*[:=]", found[2], re.MULTILINE):
        return None, source
    title = _TITLE.search(found[2])
    return (title[1].strip().strip("\"'") if title else None), source[found.end() :]


@dataclass
class _List:
    number: int | None  # None for bullets


@dataclass
class _Walk:
    """What is open at the current token: lists, a heading, a table."""

    builder: TextBuilder
    lists: list[_List] = field(default_factory=list)
    marker: str | None = None  # of a list item whose text has not come yet
    list_begins: bool = False
    heading: int | None = None
    cells: list[str] | None = None
    rows: list[str] = field(default_factory=list)

    def take(self, token: Token) -> None:
        match token.type:
            case "heading_open":
                self.heading = int(token.tag[1:])
            case "heading_close":
                self.heading = None
            case "bullet_list_open" | "ordered_list_open":
                ordered = token.type == "ordered_list_open"
                self.list_begins = not self.lists
                self.lists.append(_List(int(token.attrGet("start") or 1) if ordered else None))
            case "bullet_list_close" | "ordered_list_close":
                self.lists.pop()
            case "list_item_open":
                self.marker = self._next_marker()
            case "list_item_close":
                self.marker = None
            case "tr_open":
                self.cells = []
            case "tr_close":
                self.rows.append(" | ".join(self.cells or []))
                self.cells = None
            case "table_close":
                self.builder.rows(self.rows)
                self.rows = []
            case "inline":
                self._inline(inline_text(token.children or []))
            case "fence" | "code_block":
                self.builder.block(token.content)
            case "html_block":
                self._html(token.content)

    def _inline(self, words: str) -> None:
        if self.cells is not None:
            self.cells.append(one_line(words))
        elif self.heading is not None:
            self.builder.heading(self.heading, _ANCHOR.sub("", words))
        elif self.lists:
            indent = "  " * (len(self.lists) - 1)
            marker = self.marker if self.marker is not None else "  "
            separator = PARAGRAPH if self.list_begins else LINE
            if words.strip():
                self.builder.block(f"{indent}{marker}{words.strip()}", separator=separator)
                self.list_begins, self.marker = False, None
        else:
            self.builder.block(words.strip())

    def _next_marker(self) -> str:
        current = self.lists[-1]
        if current.number is None:
            return "- "
        current.number += 1
        return f"{current.number - 1}. "

    def _html(self, content: str) -> None:
        # READMEs put their first lines and their tables into HTML; comments hold nothing for a reader.
        if re.search(r">[^<]*\w", content) or not content.lstrip().startswith("<"):
            html.add_fragment(self.builder, content)


def inline_text(tokens: Sequence[Token]) -> str:
    """The words of a line: links by their text, images by their description, tags dropped."""
    parts: list[str] = []
    for token in tokens:
        if token.type in ("text", "code_inline", "text_special"):
            parts.append(token.content)
        elif token.type == "softbreak":
            parts.append(" ")
        elif token.type == "hardbreak" or (
            token.type == "html_inline" and _LINE_BREAK_TAG.match(token.content)
        ):
            parts.append("\n")
        elif token.type == "image":
            parts.append(inline_text(token.children or []))
    return "".join(parts)
