"""Word documents: body text in document order, headings by style, lists and tables; macros never run."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import docx
from docx.document import Document
from docx.oxml.ns import qn

from ingest.parsing.builder import LINE, PARAGRAPH, TextBuilder
from ingest.parsing.characters import one_line, usable_title
from ingest.parsing.formats import DOCX
from rag.errors import SourceDamaged, SourceTooLarge
from rag.parsed import ParsedDocument

MAX_UNCOMPRESSED = 500_000_000
MAX_XML = 64_000_000  # the tree of an XML part takes about ten times its size in memory
MAX_MEMBERS = 20_000

_P, _TBL, _TR, _TC, _T = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc"), qn("w:t")
_R, _VAL, _RPR, _STYLE_ID = qn("w:r"), qn("w:val"), qn("w:rPr"), qn("w:styleId")
_BREAKS = {qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:tab"): "\t", qn("w:noBreakHyphen"): "-"}
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# Deleted text, the old place of moved text, field codes and the second copy of a drawing are not shown.
_UNSEEN = frozenset({qn("w:del"), qn("w:moveFrom"), qn("w:instrText"), qn("w:pPr"), _FALLBACK})
_HEADING = re.compile(r"heading (\d)$", re.IGNORECASE)


def parse(data: bytes, name: str) -> ParsedDocument:
    """The body of the document; headers, footers and comments are left out.

    Raises:
        SourceTooLarge: it would unpack to far more than its size.
        SourceDamaged: it is not a whole Word document.
        EmptySource: there is no text in it.
    """
    _check_archive(data)
    try:
        document = docx.Document(io.BytesIO(data))
    except Exception as error:
        # python-docx meets a broken archive or tree with whatever the layer below it raises.
        reason = "it is a template or holds macros" if "content type" in str(error) else "a part is broken"
        raise SourceDamaged(
            f"is not a whole Word document: {reason}", remedy="open it in Word and save it again as .docx"
        ) from error
    walk = _Walk(document)
    walk.run(document.element.body)
    return walk.builder.finish(media_type=DOCX, name=name, title=_title(document) or walk.title)


def _check_archive(data: bytes) -> None:
    """Refuse what would fill the memory, by the sizes the archive itself declares (zipfile enforces them)."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    total = sum(member.file_size for member in members)
    xml = max((m.file_size for m in members if m.filename.lower().endswith((".xml", ".rels"))), default=0)
    if total > MAX_UNCOMPRESSED or xml > MAX_XML or len(members) > MAX_MEMBERS:
        raise SourceTooLarge(
            f"unpacks to {total // 1_000_000} MB, too much for a document", remedy="split it"
        )


def _title(document: Document) -> str | None:
    try:
        return usable_title(document.core_properties.title)
    except (KeyError, ValueError, AttributeError):
        return None


class _Walk:
    """Paragraphs and tables in document order, also those inside content controls and tracked insertions."""

    def __init__(self, document: Document) -> None:
        self.builder = TextBuilder()
        self.title: str | None = None
        self._styles = _styles_of(document)
        self._formats = _list_formats(document)
        self._counters: dict[tuple[str, int], int] = {}
        self._list_open = False

    def run(self, body: Any) -> None:
        for element in _blocks(body):
            if element.tag == _TBL:
                self._list_open = False
                self.builder.rows(_rows(element))
            else:
                self._paragraph(element)

    def _paragraph(self, element: Any) -> None:
        text = _text(element).strip()
        if not text:
            return
        style = self._styles.get(_value(element, "w:pPr/w:pStyle"), _Style())
        outline = _value(element, "w:pPr/w:outlineLvl")
        level = int(outline) + 1 if re.fullmatch("[0-8]", outline) else style.level
        if level is not None and len(text) <= 300:
            self._list_open = False
            if style.is_title and self.title is None:
                self.title = one_line(text)
            self.builder.heading(level, text)
            return
        number = _value(element, "w:pPr/w:numPr/w:numId") or style.number
        depth = _value(element, "w:pPr/w:numPr/w:ilvl") or style.depth or "0"
        if number and number != "0" and depth.isdigit():
            marker = self._marker(number, min(int(depth), 8))
            self.builder.block(f"{marker}{text}", separator=LINE if self._list_open else PARAGRAPH)
            self._list_open = True
        else:
            self._list_open = False
            self.builder.block(text)

    def _marker(self, number: str, depth: int) -> str:
        indent = "  " * depth
        for key in [k for k in self._counters if k[0] == number and k[1] > depth]:
            del self._counters[key]
        if self._formats.get((number, depth), "bullet") in ("bullet", "none"):
            return f"{indent}- "
        count = self._counters.get((number, depth), 0) + 1
        self._counters[number, depth] = count
        return f"{indent}{count}. "


class _Style:
    """What a paragraph style says of structure, its base styles included."""

    def __init__(self) -> None:
        self.level: int | None = None
        self.is_title = False
        self.number = ""
        self.depth = ""


def _styles_of(document: Document) -> dict[str, _Style]:
    raw: dict[str, Any] = {e.get(_STYLE_ID, ""): e for e in document.styles.element.findall(qn("w:style"))}
    return {style_id: _resolve(style_id, raw) for style_id in raw}


def _resolve(style_id: str, raw: dict[str, Any]) -> _Style:
    style, seen = _Style(), set[str]()
    while style_id in raw and style_id not in seen:
        seen.add(style_id)
        element = raw[style_id]
        # Word keeps the English names of its own styles in every language.
        name = _value(element, "w:name")
        heading, outline = _HEADING.match(name), _value(element, "w:pPr/w:outlineLvl")
        if style.level is None:
            if heading:
                style.level = int(heading[1]) or 1
            elif name.lower() == "title":
                style.level, style.is_title = 1, True
            elif re.fullmatch("[0-8]", outline):
                style.level = int(outline) + 1
        style.number = style.number or _value(element, "w:pPr/w:numPr/w:numId")
        style.depth = style.depth or _value(element, "w:pPr/w:numPr/w:ilvl")
        style_id = _value(element, "w:basedOn")
    return style


def _list_formats(document: Document) -> dict[tuple[str, int], str]:
    """The number format of each list and depth, such as `bullet` or `decimal`."""
    try:
        root = document.part.numbering_part.element
    except (KeyError, NotImplementedError, AttributeError):
        return {}
    levels: dict[str, dict[int, str]] = {}
    for abstract in root.findall(qn("w:abstractNum")):
        levels[abstract.get(qn("w:abstractNumId"), "")] = {
            int(level.get(qn("w:ilvl"), "0")): _value(level, "w:numFmt")
            for level in abstract.findall(qn("w:lvl"))
        }
    formats: dict[tuple[str, int], str] = {}
    for number in root.findall(qn("w:num")):
        for depth, name in levels.get(_value(number, "w:abstractNumId"), {}).items():
            formats[number.get(qn("w:numId"), ""), depth] = name
    return formats


def _value(element: Any, path: str) -> str:
    """The `w:val` of the element at a path such as `w:pPr/w:pStyle`; empty when there is none."""
    for step in path.split("/"):
        element = element.find(qn(step))
        if element is None:
            return ""
    return str(element.get(_VAL, ""))


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables below `parent`, not descending into them."""
    stack = list(reversed(parent))
    while stack:
        element = stack.pop()
        if element.tag in (_P, _TBL):
            yield element
        elif element.tag not in _UNSEEN:
            stack.extend(reversed(element))


def _text(paragraph: Any) -> str:
    """The visible text of a paragraph: hyperlinks, insertions, fields and text boxes included."""
    parts: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        tag = element.tag
        if tag == _T:
            parts.append(element.text or "")
        elif tag in _BREAKS:
            parts.append(_BREAKS[tag])
        elif tag not in _UNSEEN and not (tag == _R and _is_hidden(element)):
            if tag == _P and parts:
                parts.append("\n")  # a paragraph of a text box
            stack.extend(reversed(element))
    return "".join(parts)


def _is_hidden(run: Any) -> bool:
    properties = run.find(_RPR)
    vanish = None if properties is None else properties.find(qn("w:vanish"))
    return vanish is not None and vanish.get(_VAL, "true") not in ("0", "false", "off")


def _rows(table: Any) -> list[str]:
    """One line for each row; a nested table becomes part of its cell."""
    lines = []
    for row in table.iter(_TR):
        if next(row.iterancestors(_TBL), None) is not table:
            continue
        cells = [
            one_line(" ".join(_text(p) for p in cell.iter(_P)))
            for cell in row.iter(_TC)
            if next(cell.iterancestors(_TR), None) is row
        ]
        if any(cells):
            lines.append(" | ".join(cells))
    return lines
