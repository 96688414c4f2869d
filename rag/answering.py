"""Question -> streamed answer: route, retrieve, generate or quote, cite, account."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from rag.citable import of_evidence, places_of
from rag.claude import (
    CitationPointer,
    ClaudeClient,
    Finished,
    Prompt,
    SectionEnd,
    Spent,
    TextDelta,
    prompt,
)
from rag.documents import Answer, Citation, Evidence, Hit, Kind
from rag.draft import Draft
from rag.embedding import Embedder
from rag.errors import AnswerError, AnswerRefused
from rag.events import AnswerEvent, Cited, Delta, Done, Question, Sources
from rag.extractive import Scorer, choose_quotes
from rag.reranking import Reranker
from rag.retrieval import Retriever, Stopwatch
from rag.routing import plan
from rag.settings import Settings
from rag.store import Store
from rag.store.files import FileStore
from rag.synthesis import read_documents

log = logging.getLogger(__name__)


class Answerer:
    """Answers questions; one for the life of a process."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        files: FileStore,
        retriever: Retriever,
        embedder: Embedder,
        reranker: Reranker | None,
        claude: ClaudeClient,
    ) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._retriever = retriever
        self._embedder = embedder
        self._reranker = reranker
        self._claude = claude

    async def answer(self, question: Question) -> Answer:
        """The whole answer at once."""
        async with aclosing(self.stream(question)) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event.answer
        raise AssertionError("a stream of an answer ends with Done or raises")

    async def stream(self, question: Question) -> AsyncGenerator[AnswerEvent]:
        """The answer as it comes into being; `Done` comes last.

        Closing the iterator stops the work and the request to Claude.

        Raises:
            AnswerError: Claude failed after a part of its answer had been sent. Before that, a failure
                only turns the answer into an extractive one, with a notice that says why.
        """
        watch = Stopwatch()
        chosen = plan(question.text, question.mode, self._settings)
        hits, passages = await self._find(question, watch)
        yield Sources(hits, chosen.route)
        draft = Draft(chosen.route, hits, watch.stages_ms)
        if not passages:
            yield Done(draft.not_found())
        elif chosen.kind == "extractive":
            async for event in self._extract(question, passages, draft, watch):
                yield event
        else:
            evidence: Sequence[Evidence] = passages
            if chosen.kind == "synthesis":
                evidence = await self._read(question, hits, draft, watch) or passages
            # Closed with us and not whenever it is collected: a reader who leaves stops the spending now.
            answering = self._generate_or_extract(question, chosen.kind, evidence, passages, draft, watch)
            async with aclosing(answering) as events:
                async for event in events:
                    yield event

    async def _find(self, question: Question, watch: Stopwatch) -> tuple[tuple[Hit, ...], Sequence[Evidence]]:
        """Hits and the text they lie in; once more when a document was replaced in between."""
        limit = self._settings.context_chunks
        for _ in range(2):
            found = await self._retriever.search(
                question.text, question.reader, question.filters, limit, watch
            )
            passages = await self._retriever.evidence(found.hits, watch)
            held = {chunk.chunk_id for passage in passages for chunk in passage.chunks}
            if all(hit.chunk_id in held for hit in found.hits):
                break
        return found.hits, passages

    async def _read(
        self, question: Question, hits: Sequence[Hit], draft: Draft, watch: Stopwatch
    ) -> Sequence[Evidence]:
        with watch.stage("read"):
            reading = await read_documents(
                question.text,
                hits,
                question.reader,
                question.filters,
                self._store,
                self._files,
                self._settings.synthesis_input_tokens,
            )
        if reading.notice:
            draft.add_notice(reading.notice)
        return reading.sections

    async def _generate_or_extract(
        self,
        question: Question,
        kind: Kind,
        evidence: Sequence[Evidence],
        passages: Sequence[Evidence],
        draft: Draft,
        watch: Stopwatch,
    ) -> AsyncGenerator[AnswerEvent]:
        """Claude's answer; where Claude fails before its first word, quoted sentences instead."""
        shown = False
        try:
            async with aclosing(self._generate(question, kind, evidence, draft, watch)) as events:
                async for event in events:
                    shown = True
                    yield event
        except AnswerError as error:
            if shown and not isinstance(error, AnswerRefused):
                raise
            log.warning("answered without Claude: %s", error)
            draft.fall_back(error)
            async for event in self._extract(question, passages, draft, watch):
                yield event

    async def _generate(
        self, question: Question, kind: Kind, evidence: Sequence[Evidence], draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[AnswerEvent]:
        """Let Claude answer from the evidence; its pointers become checked citations."""
        settings = self._settings
        cut = await asyncio.to_thread(lambda: [of_evidence(item) for item in evidence])
        given = [item for item in cut if item is not None]
        pointers: list[CitationPointer] = []
        fast = kind == "lookup"
        events = self._claude.stream(
            draft.route.model,
            Prompt(
                system=prompt("answer" if fast else "synthesis"),
                results=[item.as_result() for item in given],
                question=question.text,
            ),
            max_tokens=settings.answer_max_tokens if fast else settings.synthesis_max_tokens,
            deadline=settings.answer_deadline if fast else settings.synthesis_deadline,
        )
        with watch.stage("generate"):
            async with aclosing(events):
                async for event in events:
                    match event:
                        case TextDelta(text):
                            if shown := draft.text.feed(text):
                                yield Delta(shown)
                        case CitationPointer():
                            pointers.append(event)
                        case SectionEnd():
                            for made in draft.cite(places_of(pointers, given)):
                                yield _event(made)
                            pointers.clear()
                        case Spent(usage, usd):
                            draft.account(draft.route.model, usage, usd)
                        case Finished(reached_limit):
                            if reached_limit:
                                draft.add_notice("The answer reached its length limit and stops early.")
            if rest := draft.text.finish():
                yield Delta(rest)
        yield Done(draft.whole() if draft.citations.all else draft.uncited())

    async def _extract(
        self, question: Question, evidence: Sequence[Evidence], draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[AnswerEvent]:
        """Quote the sentences that answer, if any do."""
        with watch.stage("extract"):
            relevance = max((hit.relevance for hit in draft.hits if hit.relevance is not None), default=None)
            quotes = await asyncio.to_thread(
                choose_quotes, question.text, evidence, self._scorer(), relevance
            )
        for quote in quotes:
            lead = "\n" if draft.text.text else ""
            yield Delta(draft.text.feed(lead + quote.text))
            for made in draft.cite([(quote.evidence, quote.start, quote.end)]):
                yield _event(made)
        if rest := draft.text.finish():
            yield Delta(rest)
        yield Done(draft.whole() if draft.citations.all else draft.not_found())

    def _scorer(self) -> Scorer:
        """The cross-encoder's logits; cosines of embeddings when reranking is switched off."""
        if self._reranker is not None:
            return Scorer(self._reranker.score, threshold=0.5, passage_threshold=2.0, margin=1.5)
        return Scorer(self._similarities, threshold=0.5, passage_threshold=1.0, margin=0.1)

    def _similarities(self, question: str, sentences: Sequence[str]) -> Sequence[float]:
        vectors = self._embedder.embed_passages(sentences) @ self._embedder.embed_query(question)
        return [float(value) for value in vectors]


def _event(made: Citation | str) -> AnswerEvent:
    return Delta(made) if isinstance(made, str) else Cited(made)
