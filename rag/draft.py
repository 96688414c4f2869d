"""An answer in the making: its text, citations, account and deadline, until it is whole."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.citable import Place
from rag.deadline import Deadline
from rag.documents import (
    Answer,
    Citation,
    Grounding,
    Hit,
    Kind,
    Nearest,
    Outcome,
    Receipt,
    Route,
    ShortAnswer,
    Support,
)
from rag.grounding import Citations, MarkedText
from rag.purse import Purse
from rag.routing import EXTRACTIVE

NOT_FOUND = "I could not find this in the documents."
NEAREST = 3

_MARKER = re.compile(r"\[(\d+)\]")


@dataclass(slots=True)
class Draft:
    """One answer while it is written; `whole`, `not_found`, `uncited` and `ask_back` end it."""

    route: Route
    hits: Sequence[Hit]
    stages_ms: dict[str, float]
    kind: Kind = "extractive"
    text: MarkedText = field(default_factory=MarkedText)
    citations: Citations = field(default_factory=Citations)
    notice: str | None = None
    question: str | None = None
    grounding: Grounding | None = None
    data: Any = None
    short_answer: ShortAnswer | None = None
    chunks_sent: int = 0
    documents: frozenset[str] = frozenset()
    """The documents that the answer was made from, cited or not."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    purse: Purse = field(default_factory=Purse)
    ends: Deadline = field(default_factory=Deadline)

    def cite(self, places: Iterable[Place]) -> Iterator[Citation | str]:
        """Cite places for the text fed last: each new citation, then the markers as text to show.

        A place that is not in the stored text is passed over: no citation is better than a false one.
        """
        markers: list[int] = []
        for place in places:
            made = self.citations.cite(*place)
            if made is None:
                continue
            citation, new = made
            if new:
                yield citation
            if citation.marker not in markers:
                markers.append(citation.marker)
        if markers:
            yield self.text.mark(sorted(markers))

    def add_notice(self, notice: str) -> None:
        if notice not in (self.notice or ""):
            self.notice = f"{self.notice} {notice}" if self.notice else notice

    def start_again(self) -> None:
        """Drop what has been written; what it cost stays on the bill."""
        self.text, self.citations, self.short_answer = MarkedText(), Citations(), None

    def fall_back(self, reason: str, notice: str) -> None:
        """Go on without Claude."""
        self.start_again()
        self.kind = "extractive"
        self.route = Route(model=EXTRACTIVE, reason=reason)
        self.notice = notice

    def keep_supported(self, checked: Sequence[Support]) -> None:
        """Take the sentences out that are not supported, and the citations that only they had."""
        text = self.text.text
        removed = [one for one in checked if not one.supported]
        for one in sorted(removed, key=lambda one: -one.start):
            text = text[: one.start].rstrip(" ") + text[one.end :]
        text = text.strip()
        kept, shift = [], 0
        for one in checked:
            if not one.supported:
                continue
            start = text.index(one.text, shift)
            shift = start + len(one.text)
            kept.append(one.model_copy(update={"start": start, "end": shift}))
        self.text = MarkedText([text])
        self.citations.keep({int(number) for number in _MARKER.findall(text)})
        self.grounding = Grounding(sentences=tuple(kept), removed=tuple(one.text for one in removed))

    def whole(self) -> Answer:
        return self._answer(self.text.text, self.citations.all, "answered")

    def not_found(self) -> Answer:
        """The documents do not hold it; the nearest ones are named."""
        return self._answer(NOT_FOUND, (), "not_found")

    def ask_back(self, question: str) -> Answer:
        """One short question to the reader, because theirs does not say enough."""
        return self._answer(question, (), "clarification")

    def uncited(self) -> Answer:
        """Claude cited nothing: either it found nothing, or what it wrote cannot be checked."""
        if not self.text.text:
            self.notice = self.notice or "The model's reply was empty."
        elif self.text.text.strip(" .").casefold() != NOT_FOUND.strip(" .").casefold():
            self.add_notice("The model's reply cited no document and was withheld.")
        return self.not_found()

    def receipt(self) -> Receipt:
        """What it has cost so far."""
        charges = self.purse.charges
        return Receipt(
            model=self.route.model,
            route=self.kind,
            reason=self.route.reason,
            input_tokens=sum(one.input_tokens for one in charges),
            cache_read_tokens=sum(one.cache_read_tokens for one in charges),
            cache_write_tokens=sum(one.cache_write_tokens for one in charges),
            output_tokens=sum(one.output_tokens for one in charges),
            usd=round(sum(one.usd or 0.0 for one in charges), 8),
            charges=charges,
            stages_ms=dict(self.stages_ms),
            chunks_retrieved=len(self.hits),
            chunks_sent=self.chunks_sent,
            chunks_cited=len({citation.chunk_id for citation in self.citations.all}),
        )

    def _still_cited(self) -> bool:
        """Whether the sentence that the short answer is part of was kept."""
        short = self.short_answer
        return short is not None and short.marker in {one.marker for one in self.citations.all}

    def _answer(self, text: str, citations: tuple[Citation, ...], outcome: Outcome) -> Answer:
        answered = outcome == "answered"
        for charge in self.purse.charges:
            if charge.usd is None:
                self.add_notice(f"The price of {charge.model} is not known (RAG_PRICES_FILE).")
        return Answer(
            id=self.id,
            text=text,
            citations=citations,
            answered=answered,
            route=self.route,
            receipt=self.receipt(),
            nearest=() if answered else nearest(self.hits),
            notice=self.notice,
            outcome=outcome,
            question=self.question,
            grounding=self.grounding if answered else None,
            data=self.data if answered else None,
            short_answer=self.short_answer if answered and self._still_cited() else None,
        )


def nearest(hits: Sequence[Hit]) -> tuple[Nearest, ...]:
    """The documents of the best hits, each once, at the best place."""
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.document_id, hit)
    return tuple(
        Nearest(
            document_id=hit.document_id, uri=hit.uri, title=hit.title, page=hit.page, headings=hit.headings
        )
        for hit in list(first.values())[:NEAREST]
    )
