"""HTML: the main content as text, without the page's furniture and without what a reader cannot see."""

from __future__ import annotations

import logging
import re

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector, UnicodeDammit
from bs4.element import NavigableString, PageElement, Tag

from ingest.parsing.builder import LINE, PARAGRAPH, TextBuilder
from ingest.parsing.characters import clean, one_line
from ingest.parsing.formats import HTML
from ingest.parsing.text import decode as decode_text
from rag.parsed import ParsedDocument

_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav "
    "ol p section summary table tbody td tfoot th thead tr ul".split()
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_DROPPED = frozenset(
    "script style noscript template svg math head iframe object embed canvas audio video map nav "
    "button input select textarea datalist meter progress link meta base".split()
)
_DROPPED_ROLES = frozenset(
    {"navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar"}
)
# Text that is there for the machine only is where instructions to language models are hidden.
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:font-size|opacity)\s*:\s*0*\.?0*\s*(?:[a-z%!;]|$)"
    r"|(?:left|top|right|text-indent)\s*:\s*-\d{4,}|clip-path\s*:\s*inset\(\s*(?:50|100)%",
    re.IGNORECASE,
)
_NOTE = re.compile(r"footnote|endnote|admonition|\bnote\b|topic|warning|\btip\b", re.IGNORECASE)
_XML_PROLOG = re.compile(r"\A\s*<\?xml[^>]*\?>")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_LONGEST_HEADING = 300

# A byte that fits no encoding is replaced; that is no news for whoever reads the log.
logging.getLogger("bs4.dammit").setLevel(logging.CRITICAL)


def parse(data: bytes, name: str) -> ParsedDocument:
    """The text of the page's main content, in document order.

    Raises:
        SourceDamaged: the bytes are not text.
        EmptySource: there is no text to see on the page.
    """
    soup = _soup(decode(data))
    title = one_line(soup.title.get_text()) if soup.title else None
    builder = TextBuilder()
    _Walk(builder).run(_main_content(soup))
    return builder.finish(media_type=HTML, name=name, title=title)


def decode(data: bytes) -> str:
    """Bytes to text: by byte order mark, as UTF-8, as declared in the page, else as detected."""
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return decode_text(data)
    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    if declared and declared.lower() not in ("utf-8", "utf8"):
        found = UnicodeDammit(data, known_definite_encodings=[declared]).unicode_markup
        if found is not None:
            return str(found)
    return decode_text(data)


def add_fragment(builder: TextBuilder, markup: str) -> None:
    """Add what a reader sees of a piece of HTML, such as a block inside Markdown."""
    soup = _soup(markup)
    _Walk(builder).run(soup)


def _soup(markup: str) -> BeautifulSoup:
    # The prolog of XHTML would only make Beautiful Soup warn; NULs would end the text for libxml2.
    return BeautifulSoup(_XML_PROLOG.sub("", clean(markup)), "lxml")


def _main_content(soup: BeautifulSoup) -> Tag:
    """<main> or <article> when it holds most of what the page says, else the whole body."""
    whole = soup.body or soup
    total = _visible_length(whole)
    candidates = [*soup.find_all(["main", "article"]), *soup.find_all(attrs={"role": "main"})]
    for candidate in candidates[:20]:
        if isinstance(candidate, Tag) and _visible_length(candidate) * 2 >= total:
            return candidate
    return whole


def _visible_length(tag: Tag) -> int:
    """How many letters a reader sees; furniture does not count."""
    return sum(len(part) for part in _visible_strings(tag) if part.strip())


def _visible_strings(tag: Tag) -> list[str]:
    """The visible strings below `tag`; a stack and no recursion, since pages nest thousands deep."""
    strings: list[str] = []
    stack: list[PageElement] = list(reversed(tag.contents))
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            if node.name == "br":
                strings.append("\n")
            elif node.name == "img":
                strings.append(_description(node))
            elif not _is_dropped(node):
                stack.extend(reversed(node.contents))
                if node.name in _BLOCKS:
                    strings.append(" ")
                    stack.append(NavigableString(" "))
        elif type(node) is NavigableString:
            strings.append(str(node))
    return strings


def _is_dropped(tag: Tag) -> bool:
    name = tag.name
    if name in _DROPPED or tag.has_attr("hidden") or tag.get("aria-hidden") == "true":
        return True
    if name in ("header", "footer"):
        # The header of an article holds its heading; the header of a page holds the logo and the menu.
        inside = tag.find_parent(["main", "article", "section"]) is not None
        return not inside or (name == "footer" and tag.find_parent("section") is None)
    classes = " ".join(tag.get_attribute_list("class", [])) if tag.has_attr("class") else ""
    role = str(tag.get("role", ""))
    if name == "aside":
        return not (_NOTE.search(classes) or role in ("note", "doc-footnote", "doc-endnotes"))
    if role in _DROPPED_ROLES or (name == "a" and "headerlink" in classes):
        return True
    style = tag.get("style")
    return style is not None and bool(_HIDDEN_STYLE.search(str(style)))


def _words(tag: Tag) -> str:
    return one_line("".join(_visible_strings(tag)))


def _description(image: Tag) -> str:
    return "" if _is_dropped(image) else str(image.get("alt") or "")


class _Walk:
    """Turns a tree into blocks: inline text gathers until a block begins or ends."""

    def __init__(self, builder: TextBuilder) -> None:
        self.builder = builder
        self.inline: list[str] = []
        self.lists: list[int | None] = []
        self.marker: str | None = None
        self.in_item = 0
        self.separator = PARAGRAPH

    def run(self, root: Tag) -> None:
        stack: list[tuple[PageElement, bool]] = [(child, False) for child in reversed(root.contents)]
        while stack:
            node, leaving = stack.pop()
            if isinstance(node, Tag):
                if leaving:
                    self._leave(node)
                elif not _is_dropped(node) and self._enter(node):
                    stack.append((node, True))
                    stack.extend((child, False) for child in reversed(node.contents))
            elif type(node) is NavigableString:
                self.inline.append(_SPACES.sub(" ", node))
        self._flush()

    def _enter(self, tag: Tag) -> bool:
        """Handle the start of an element; False when it is done with, True when its children follow."""
        name = tag.name
        if name == "br":
            self.inline.append("\n")
            return False
        if name == "img":
            self.inline.append(_description(tag))
            return False
        if name in ("pre", "listing", "xmp"):
            self._flush()
            self.builder.block("".join(_visible_strings(tag)))
            return False
        if name not in _BLOCKS:
            return True
        self._flush()
        if name in _HEADINGS:
            title = _words(tag).rstrip("¶#").rstrip()
            if len(title) <= _LONGEST_HEADING:
                self.builder.heading(int(name[1]), title)
                return False
        elif name == "table" and _is_data(tag):
            self.builder.rows(_rows(tag))
            return False
        elif name in ("ul", "ol", "menu", "dir"):
            self.separator = LINE if self.lists else PARAGRAPH
            self.lists.append(_start_of(tag) if name == "ol" else None)
        elif name == "li":
            self.marker = self._next_marker()
        elif name == "dd":
            self.separator = LINE
        return True

    def _leave(self, tag: Tag) -> None:
        if tag.name not in _BLOCKS:
            return
        self._flush()
        if tag.name in ("ul", "ol", "menu", "dir") and self.lists:
            self.lists.pop()
            self.separator = LINE if self.lists else PARAGRAPH
        elif tag.name == "li":
            self.marker, self.separator = None, LINE
        elif tag.name == "dd":
            self.separator = PARAGRAPH

    def _next_marker(self) -> str:
        number = self.lists[-1] if self.lists else None
        if number is None:
            return "- "
        self.lists[-1] = number + 1
        return f"{number}. "

    def _flush(self) -> None:
        text = "".join(self.inline)
        self.inline = []
        text = "\n".join(line for part in text.split("\n") if (line := _SPACES.sub(" ", part).strip()))
        if not text:
            return
        if self.lists:
            indent = "  " * min(len(self.lists) - 1, 8)
            text = f"{indent}{'  ' if self.marker is None else self.marker}{text}"
            self.builder.block(text, separator=self.separator)
            self.marker, self.separator = None, LINE
        else:
            self.builder.block(text, separator=self.separator)
            self.separator = PARAGRAPH


def _start_of(tag: Tag) -> int:
    start = str(tag.get("start", "1"))
    return int(start) if re.fullmatch(r"\d{1,6}", start) else 1


def _is_data(table: Tag) -> bool:
    """A table of data, and not one that lays out a page or the line numbers of a listing."""
    if table.get("role") in ("presentation", "none") or table.find(["table", "pre", *sorted(_HEADINGS)]):
        return False
    row = table.find("tr")
    return isinstance(row, Tag) and len(table.find_all(["td", "th"], limit=2)) > 1


def _rows(table: Tag) -> list[str]:
    caption = table.find("caption")
    lines = [_words(caption)] if isinstance(caption, Tag) else []
    for row in table.find_all("tr"):
        if not _is_dropped(row):
            cells = [
                _words(cell) for cell in row.find_all(["td", "th"], recursive=False) if not _is_dropped(cell)
            ]
            if any(cells):
                lines.append(" | ".join(cells))
    return lines
