"""From lines back to paragraphs: joined, without the hyphens of the line ends, lists and rows apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ingest.parsing.pdf_lines import Line

_BULLET = re.compile(r"^[•◦▪‣·∙●○■□➢✓–—*\-]\s+(?=\S)")
_LONE_BULLET = re.compile(r"^[•◦▪‣∙●○■□➢]$")
_NUMBER = re.compile(r"^(?:\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")
_LEADERS = re.compile(r"(?:\s?\.){4,}\s*")
_SENTENCE_END = re.compile(r"[.!?:;][\"'”’»)\]]*(?:\s?\[\d+\]|\d{0,2})$")
_HYPHENATED = re.compile(r"[^\W\d_]+-[^\W\d_]+")
_LINE_END_HYPHEN = re.compile(r"([^\W\d_]+)-$")
_FIRST_WORD = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class Block:
    """A piece of a page's text; `separator` is set when it goes on with the block before."""

    text: str
    level: int | None = None
    separator: str | None = None
    flows: bool = False  # running text, which may go on over the end of the page
    item: bool = False  # of a list


def blocks_of_pages(pages: list[list[Line]]) -> list[list[Block]]:
    """The blocks of each page; a sentence that runs over the end of a page stays one sentence."""
    compounds = {
        found.casefold() for lines in pages for line in lines for found in _HYPHENATED.findall(line.text)
    }
    result = [_Reflow(lines, compounds).blocks() for lines in pages]
    last: Block | None = None
    for blocks in result:
        if not blocks:
            continue
        first = blocks[0]
        if last is not None and last.flows and first.flows and not first.item and first.text[:1].islower():
            joined = _join(last.text, first.text, compounds)
            if not _SENTENCE_END.search(last.text):
                kept = len(joined) - len(first.text)
                last.text, first.separator = joined[:kept].rstrip(" "), " " if joined[kept - 1] == " " else ""
        last = blocks[-1]
    return result


def _join(left: str, right: str, compounds: set[str]) -> str:
    """Two lines as one; a hyphen at the end goes, unless the document writes that word with it elsewhere."""
    hyphen = _LINE_END_HYPHEN.search(left)
    if hyphen and right[:1].islower():
        word = _FIRST_WORD.match(right)
        compound = f"{hyphen[1]}-{word[0] if word else ''}".casefold()
        return (left if compound in compounds or not hyphen[1][-1].islower() else left[:-1]) + right
    return f"{left} {right}"


class _Reflow:
    """One page."""

    def __init__(self, lines: list[Line], compounds: set[str]) -> None:
        self._lines = _with_bullets_joined(lines)
        self._compounds = compounds
        gaps = [
            a.y - b.y
            for a, b in pairwise(self._lines)
            if 0.5 * b.size < a.y - b.y < 3 * b.size and a.size == b.size
        ]
        self._leading = median(gaps) if gaps else 0.0
        self._widest = max((len(line.text) for line in self._lines), default=0)

    def blocks(self) -> list[Block]:
        groups: list[list[Line]] = []
        for index, line in enumerate(self._lines):
            if groups and not self._breaks(groups[-1], line, index):
                groups[-1].append(line)
            else:
                groups.append([line])
        blocks = [block for group in groups if (block := self._block(group)).text]
        for above, below in pairwise(blocks):
            if above.item and below.item:
                below.separator = "\n"
        return blocks

    def _block(self, group: list[Line]) -> Block:
        first = group[0]
        if first.heading is not None:
            text = self._flow(group)
            return Block(text, level=first.level)
        if first.mono:
            left = min(line.x for line in group)
            return Block("\n".join(_indented(line, left) for line in group))
        if _LEADERS.search(first.text):
            return Block("\n".join(_LEADERS.sub(" … ", line.text) for line in group))
        if _is_row(group):
            return Block("\n".join(" | ".join(line.cells) for line in group))
        text = self._flow(group)
        bullet = _BULLET.match(text)
        if bullet:
            return Block(f"- {text[bullet.end() :]}", flows=True, item=True)
        return Block(text, flows=True, item=bool(_NUMBER.match(text)))

    def _flow(self, group: list[Line]) -> str:
        text = group[0].text
        for line in group[1:]:
            text = _join(text, line.text, self._compounds)
        return text

    def _breaks(self, group: list[Line], line: Line, index: int) -> bool:
        """Whether `line` begins a new block after `group`."""
        first, previous = group[0], group[-1]
        if line.heading is not None or first.heading is not None:
            return line.heading != first.heading
        down = previous.y - line.y
        near = 0 <= down <= 1.45 * max(self._leading, 1.2 * min(previous.size, line.size))
        ended = bool(_SENTENCE_END.search(previous.text))
        if first.mono:
            return not (near and line.mono)
        # A listing follows on a colon or stands apart; a path or a URL may fill a line of running text.
        if line.mono and (ended or not near or line.x - first.x > 0.7 * line.size):
            return True
        rows = len(line.cells) > 1, len(previous.cells) > 1
        if any(rows):
            following = self._lines[index + 1] if index + 1 < len(self._lines) else None
            alone = not rows[1] and (following is None or len(following.cells) < 2)
            if not alone:
                return not (near and all(rows))
        leaders = bool(_LEADERS.search(line.text)), bool(_LEADERS.search(previous.text))
        if any(leaders):
            return not (near and all(leaders))
        if abs(line.size - previous.size) > 0.1 * max(line.size, previous.size):
            return True
        if _BULLET.match(line.text):
            return True
        in_list = bool(_BULLET.match(first.text) or _NUMBER.match(first.text))
        if _NUMBER.match(line.text) and (ended or in_list):
            return True
        if not near:
            # Upwards is the next column: the sentence goes on there when it was not at its end.
            return down >= 0 or ended or not line.text[:1].islower()
        return self._begins_paragraph(group, line, ended=ended, in_list=in_list)

    def _begins_paragraph(self, group: list[Line], line: Line, *, ended: bool, in_list: bool) -> bool:
        previous = group[-1]
        shift = line.x - previous.x
        if previous.bold and not line.bold and len(group) == 1 and len(previous.text) < 0.7 * self._widest:
            return True
        if ended and len(previous.text) < 0.6 * self._widest:
            return True
        if not ended or abs(shift) > 6 * line.size:
            return False
        if shift > 0.7 * line.size:
            return not (in_list and len(group) == 1)
        if shift < -0.7 * line.size:
            return in_list or len(group) > 1
        return False


def _is_row(group: list[Line]) -> bool:
    """Cells side by side count as a table when more than one line has them."""
    return sum(len(line.cells) > 1 for line in group) > 1


def _indented(line: Line, left: float) -> str:
    text = "  ".join(line.cells)
    spaces = round((line.x - left) / (0.6 * line.size)) - (len(text) - len(text.lstrip()))
    return " " * min(max(spaces, 0), 40) + text


def _with_bullets_joined(lines: list[Line]) -> list[Line]:
    """A bullet that was drawn apart from its text comes back to the front of it."""
    result: list[Line] = []
    pending: Line | None = None
    for line in lines:
        if pending is not None:
            if abs(pending.y - line.y) < 0.6 * line.size and line.heading is None:
                line.cells[0] = f"{pending.text} {line.cells[0]}"
                line.x = min(line.x, pending.x)
            else:
                result.append(pending)
            pending = None
        if _LONE_BULLET.match(line.text):
            pending = line
        else:
            if len(line.cells) > 1 and _LONE_BULLET.match(line.cells[0]):
                line.cells[:2] = [f"{line.cells[0]} {line.cells[1]}"]
            result.append(line)
    if pending is not None:
        result.append(pending)
    return result
