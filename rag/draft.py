"""An answer in the making: its text, citations and account, until it is whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rag.citable import Place
from rag.claude import Usage
from rag.documents import Answer, Citation, Hit, Nearest, Receipt, Route
from rag.errors import AnswerError
from rag.grounding import Citations, MarkedText
from rag.routing import EXTRACTIVE

NOT_FOUND = "I could not find this in the documents."
NEAREST = 3


@dataclass(slots=True)
class Draft:
    """One answer while it is written. It becomes an `Answer` by `whole`, `not_found` or `uncited`."""

    route: Route
    hits: Sequence[Hit]
    stages_ms: dict[str, float]
    text: MarkedText = field(default_factory=MarkedText)
    citations: Citations = field(default_factory=Citations)
    notice: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    _usage: Usage = field(default_factory=Usage)
    _usd: float = 0.0

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

    def account(self, usage: Usage, usd: float | None) -> None:
        """Book what the request to Claude cost."""
        self._usage, self._usd = usage, usd or 0.0
        if usd is None:
            self.add_notice(f"The price of {self.route.model} is not known (RAG_PRICES_FILE).")

    def add_notice(self, notice: str) -> None:
        self.notice = f"{self.notice} {notice}" if self.notice else notice

    def fall_back(self, error: AnswerError) -> None:
        """Go on without Claude: what it had begun is dropped; what it cost stays on the bill."""
        self.route = Route(model=EXTRACTIVE, reason="Claude gave no whole answer, so sentences are quoted.")
        self.text, self.citations, self.notice = MarkedText(), Citations(), None
        self.add_notice(f"{error.detail[:1].upper()}{error.detail[1:]}.")

    def whole(self) -> Answer:
        return self._answer(self.text.text, self.citations.all, answered=True)

    def not_found(self) -> Answer:
        """The documents do not hold it; the nearest ones are named."""
        return self._answer(NOT_FOUND, (), answered=False)

    def uncited(self) -> Answer:
        """Claude cited nothing: either it found nothing, or what it wrote cannot be checked."""
        if not self.text.text:
            self.add_notice("The model's reply was empty.")
        elif self.text.text.strip(" .").casefold() != NOT_FOUND.strip(" .").casefold():
            self.add_notice("The model's reply cited no document and was withheld.")
        return self.not_found()

    def _answer(self, text: str, citations: tuple[Citation, ...], *, answered: bool) -> Answer:
        return Answer(
            id=self.id,
            text=text,
            citations=citations,
            answered=answered,
            route=self.route,
            receipt=Receipt(
                input_tokens=self._usage.input_tokens,
                cache_read_tokens=self._usage.cache_read_tokens,
                cache_write_tokens=self._usage.cache_write_tokens,
                output_tokens=self._usage.output_tokens,
                usd=self._usd,
                stages_ms=dict(self.stages_ms),
            ),
            nearest=() if answered else nearest(self.hits),
            notice=self.notice,
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
