"""Every citation is checked against the stored text before anyone sees it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.documents import Chunk, Citation, Evidence

_BRACKETED_NUMBER = re.compile(r"\[(\s*\d[\d\s,;–-]{0,40})\]")
_HELD_BACK = re.compile(r"(?:\[[\d\s,;–-]{0,42}|(?<!\s)\s+)$")


@dataclass(slots=True)
class Citations:
    """Numbers the citations of one answer; the same place gets the same number."""

    _by_place: dict[tuple[str, int, int], Citation] = field(default_factory=dict)

    def cite(self, evidence: Evidence, start: int, end: int) -> tuple[Citation, bool] | None:
        """The citation of `[start, end)` and whether it is new; None when there is no such text.

        The quote is cut out of the stored text, never taken from a model's reply.
        """
        chunk = _chunk_at(evidence.chunks, start)
        quote = evidence.parsed.text[start:end]
        if chunk is None or not 0 <= start < end <= len(evidence.parsed.text) or not quote.strip():
            return None
        place = (chunk.document_id, start, end)
        if place in self._by_place:
            return self._by_place[place], False
        page, last = evidence.parsed.page_at(start), evidence.parsed.page_at(end - 1)
        citation = Citation(
            marker=len(self._by_place) + 1,
            document_id=chunk.document_id,
            version=chunk.version,
            chunk_id=chunk.chunk_id,
            uri=evidence.uri,
            title=evidence.title,
            page=page,
            ocr=page is not None
            and last is not None
            and any(scan.lines and page <= scan.number <= last for scan in evidence.parsed.scanned),
            headings=evidence.parsed.heading_path_at(start),
            quote=quote,
            start=start,
            end=end,
        )
        self._by_place[place] = citation
        return citation, True

    def keep(self, markers: set[int]) -> None:
        """Forget the citations that no marker in the text names."""
        self._by_place = {
            place: citation for place, citation in self._by_place.items() if citation.marker in markers
        }

    @property
    def all(self) -> tuple[Citation, ...]:
        return tuple(self._by_place.values())


@dataclass(slots=True)
class MarkedText:
    """Text with `[n]` markers, as it streams. Only our own markers may look like markers.

    A bracketed number that comes from a model or a document is written `(n)`, and trailing white space
    is held back so that a marker stands at its sentence and not on the next line.
    """

    _sent: list[str] = field(default_factory=list)
    _held: str = ""

    def feed(self, text: str) -> str:
        """Take text in; returns what can be shown now."""
        text = unmarked(self._held + text)
        held = _HELD_BACK.search(text)
        self._held = held.group() if held else ""
        return self._send(text[: len(text) - len(self._held)])

    def mark(self, markers: Sequence[int]) -> str:
        """Put markers after what has been fed; returns what can be shown now."""
        shown, space = self._held.rstrip(), self._held[len(self._held.rstrip()) :]
        self._held = space
        return self._send(shown + "".join(f"[{marker}]" for marker in markers))

    def finish(self) -> str:
        """Everything still held back, without trailing white space."""
        rest, self._held = self._held.rstrip(), ""
        return self._send(rest)

    @property
    def text(self) -> str:
        return "".join(self._sent).strip()

    def _send(self, text: str) -> str:
        if text:
            self._sent.append(text)
        return text


def unmarked(text: str) -> str:
    """`text` with bracketed numbers in round brackets, so that none can be taken for a citation."""
    return _BRACKETED_NUMBER.sub(r"(\1)", text)


def _chunk_at(chunks: Sequence[Chunk], offset: int) -> Chunk | None:
    for chunk in chunks:
        if chunk.start <= offset < chunk.end:
            return chunk
    return None
