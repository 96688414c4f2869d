"""Question -> answer: understand, find, judge, route, write or quote, check, account.

Each step is a module of its own; this one puts them in order.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from rag.checking import Checking
from rag.claude import ClaudeClient
from rag.deadline import Deadline
from rag.documents import Answer, Citation, Route, ShortAnswer
from rag.draft import Draft
from rag.embedding import Embedder
from rag.errors import AnswerError, InvalidRequest, OverBudget
from rag.events import AnswerEvent, Cited, Delta, Done, Question, Sources, whole
from rag.extraction import fill_in
from rag.extractive import Quote, Scorer, choose_quotes
from rag.finding import Finder, Found
from rag.generation import shown_as
from rag.judging import Judge
from rag.remembering import Remembered
from rag.reranking import Reranker
from rag.retrieval import Retriever, Stopwatch
from rag.rewriting import rewrite
from rag.routing import EXTRACTIVE, NO_MODEL, Plan, plan, ways
from rag.settings import Settings
from rag.short_answer import Found as Words
from rag.short_answer import ShortAnswers
from rag.store import Store
from rag.store.files import FileStore
from rag.structured_schema import response_schema
from rag.sufficiency import assess
from rag.support import SupportChecker
from rag.synthesis import choose
from rag.writing import Work, Writer

log = logging.getLogger(__name__)

REWRITING_SHARE = 1 / 3
"""Of the time that is left: what making a follow-up stand alone may use up."""
UNCLEAR = "The question does not say enough to be answered. No model was asked."
NOTHING = "No passage was found. No model was asked."
NO_BUDGET = "The budget allows no model, so sentences are quoted."


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
        self._claude = claude
        self._reading = retriever.reading
        self._finder = Finder(settings, store, files, retriever)
        self._writer = Writer(settings, store, files, claude)
        # The cross-encoder adds nothing to this check and triples its time (docs/benchmarks.md).
        self._checking = Checking(settings, SupportChecker(None, embedder), claude)
        self._judge = Judge(settings, store)
        self._remembered = Remembered(settings, store)
        self._scorer = Scorer.of(reranker, embedder)
        self._short = ShortAnswers.of(reranker, settings)

    async def answer(self, question: Question) -> Answer:
        """The whole answer at once; errors as `stream`."""
        return await whole(self.stream(question))

    async def stream(self, question: Question) -> AsyncGenerator[AnswerEvent]:
        """The answer as it comes into being; `Done` comes last.

        Closing the iterator stops the work and the request to Claude; what was spent stays on the account.
        Where Claude fails, or going on would pass the budget, the answer becomes an extractive one, with a
        notice that says why. All of it has one deadline, which stands still while the caller has an event.

        Raises:
            OverBudget: it may cost more than may be spent, and there is no cheaper way or none is wanted.
            InvalidRequest: the schema cannot be used, or there is no model to fill it in.
            AnswerError: Claude failed to fill in a schema.
        """
        watch = Stopwatch()
        draft = Draft(
            Route(model=EXTRACTIVE, reason=""),
            (),
            watch.stages_ms,
            purse=question.purse,
            ends=Deadline(self._settings.answer_deadline),
        )
        answered_by = None
        try:
            async with aclosing(self._stream(question, draft, watch)) as events:
                async for event in events:
                    if isinstance(event, Done):
                        answered_by = event.answer.receipt.model
                    with draft.ends.stopped():
                        yield event
        finally:
            await draft.purse.settle(answered_by)

    async def _stream(
        self, question: Question, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[AnswerEvent]:
        if question.schema is not None and not self._settings.claude_configured:
            raise InvalidRequest(
                "response_schema needs Claude", remedy="set ANTHROPIC_API_KEY on the service"
            )
        if question.schema is not None:
            response_schema(dict(question.schema))  # refused, if at all, before anything is spent
        asked = await self._standalone(question, draft, watch)
        chosen = plan(asked, question.mode, self._settings)
        draft.kind, draft.route = chosen.kind, chosen.route
        if draft.question is None:  # what was cited before has no part in a question that stands alone
            question = replace(question, carried=())
        if chosen.kind == "extractive" and chosen.intent.whole_documents:
            question = await self._narrowed(question, asked)
        candidates = await self._finder.candidates(question, asked, watch)
        kept = self._remembered.key(question)
        if kept is not None and (entry := await self._remembered.find(kept, question, candidates)):
            answer = entry.answer
            draft.route, draft.kind = answer.route, answer.receipt.route
            yield Sources(candidates.hits[: self._settings.context_chunks], answer.route)
            for citation in answer.citations:
                yield Cited(citation)
            yield Delta(answer.text)
            yield Done(self._remembered.served(answer, draft.id, watch), entry.documents)
            return
        found = await self._finder.passages(question, candidates, watch)
        draft.hits = found.hits
        if found.notice:
            draft.add_notice(found.notice)
        chosen, back = await self._judge.judged(chosen, question, asked, found.hits)
        draft.kind, draft.route = chosen.kind, chosen.route
        if back or not found.passages or chosen.route.model == NO_MODEL:
            if chosen.route.model != NO_MODEL:
                reason = UNCLEAR if back else NOTHING
                draft.route = Route(model=NO_MODEL, reason=reason)
            yield Sources(found.hits, draft.route)
            if not found.hits:
                draft.add_notice(await self._why_nothing(question))
            named = frozenset(hit.document_id for hit in found.hits)
            yield Done(draft.ask_back(back) if back else draft.not_found(), named)
            return
        if chosen.kind == "extractive":
            yield Sources(found.hits, chosen.route)
            writing = self._extract(question, asked, found, draft, watch)
        else:
            writing = self._by_claude(chosen, question, asked, found, draft, watch)
        # Closed with us and not whenever it is collected: a reader who leaves stops the spending now.
        async with aclosing(writing) as events:
            async for event in events:
                if kept is not None and isinstance(event, Done):
                    await self._remembered.keep(kept, question, candidates, event, draft)
                yield event

    async def _standalone(self, question: Question, draft: Draft, watch: Stopwatch) -> str:
        """The question as it would be asked without what was said before."""
        if not question.history:
            return question.text
        with watch.stage("rewrite"):
            done = await rewrite(
                self._claude if self._settings.claude_configured else None,
                self._settings.fast_model,
                question.text,
                question.history,
                deadline=draft.ends.left * REWRITING_SHARE,
                payer=draft.purse,
            )
        if done.by != "none":
            draft.question = done.question
        return done.question

    async def _narrowed(self, question: Question, asked: str) -> Question:
        """The question about the documents that it names: what is quoted must not be of another one."""
        visible = await self._store.visible_records(question.reader, question.filters)
        named = tuple(record.id for record in choose(asked, (), visible, question.filters))
        if not named:
            return question
        return replace(question, filters=question.filters.model_copy(update={"document_ids": named}))

    async def _by_claude(
        self, chosen: Plan, question: Question, asked: str, found: Found, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[AnswerEvent]:
        """Claude's answer by the best way that the budget allows; quotes where none does or Claude fails."""
        work, over = None, None
        for way in ways(chosen, self._settings):
            prepared = await self._writer.prepare(way, question, asked, found.passages, draft, watch)
            if prepared.too_long:
                continue
            try:
                await draft.purse.hold(prepared.cost)
            except OverBudget as error:
                if self._settings.over_budget == "refuse":
                    raise
                over = error
                continue
            work = prepared
            draft.kind, draft.route = work.task.kind, way.route
            break
        if over is not None and work is None and question.schema is not None:
            raise over
        if over is not None:
            draft.add_notice(f"Over budget: {over.detail}.")
        if work is None:
            draft.kind = "extractive"
            draft.route = Route(model=EXTRACTIVE, reason=NO_BUDGET)
            writing = self._extract(question, asked, found, draft, watch)
        else:
            draft.documents, draft.chunks_sent = work.documents, work.chunks
            if work.task.kind == "synthesis":
                draft.ends.allow(self._settings.synthesis_deadline)
            if work.notice:
                draft.add_notice(work.notice)
            writing = self._write(work, question, asked, found, draft, watch)
        yield Sources(found.hits, draft.route)
        async with aclosing(writing) as events:
            async for event in events:
                yield event

    async def _write(
        self, work: Work, question: Question, asked: str, found: Found, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[AnswerEvent]:
        if question.schema is not None:
            async with aclosing(self._writer.condensed(work, question, asked, draft, watch)) as steps:
                async for step in steps:
                    if isinstance(step, Work):
                        work = step
                    else:
                        yield step
            answer = await fill_in(self._claude, self._settings, work, question, asked, draft, watch)
            yield Done(answer, draft.documents)
            return
        try:
            async with aclosing(self._writer.write(work, question, asked, draft, watch)) as events:
                async for event in events:
                    yield event
        except (AnswerError, OverBudget) as error:
            if isinstance(error, AnswerError):
                log.warning("answered without Claude: %s", error)
                notice = f"{error.detail[:1].upper()}{error.detail[1:]}."
                draft.fall_back("Claude gave no whole answer, so sentences are quoted.", notice)
            elif self._settings.over_budget == "refuse":
                raise
            else:
                draft.fall_back(NO_BUDGET, f"Over budget: {error.detail}.")
            async with aclosing(self._extract(question, asked, found, draft, watch)) as quoting:
                async for quoted in quoting:
                    yield quoted
            return
        yield Done(await self._ended(question, draft, watch), draft.documents)

    async def _extract(
        self, question: Question, asked: str, found: Found, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[AnswerEvent]:
        """Quote the sentences that answer, if any do."""
        quotes, best, words = await self._reading.run(partial(self._quoted, asked, found, watch))
        for quote in quotes:
            lead = "\n" if draft.text.text else ""
            yield Delta(draft.text.feed(lead + quote.text))
            for made in draft.cite([(quote.evidence, quote.start, quote.end)]):
                yield shown_as(made)
                if words is not None and quote is best and isinstance(made, Citation):
                    text = quote.evidence.parsed.text[words.start : words.end]
                    draft.short_answer = ShortAnswer(
                        text=text,
                        marker=made.marker,
                        start=words.start,
                        end=words.end,
                        confidence=round(words.confidence, 3),
                    )
        if rest := draft.text.finish():
            yield Delta(rest)
        draft.documents = frozenset(hit.document_id for hit in found.hits)
        yield Done(await self._ended(question, draft, watch), draft.documents)

    def _quoted(
        self, asked: str, found: Found, watch: Stopwatch, waited_ms: float
    ) -> tuple[list[Quote], Quote | None, Words | None]:
        """The sentences to quote, the best of them, and the words of it that answer."""
        with watch.stage("extract", waited_ms):
            quotes = self._quotes(asked, found)
        best = max(quotes, key=lambda quote: quote.score, default=None)
        if best is None or self._short is None:
            return quotes, best, None
        with watch.stage("short"):
            return quotes, best, self._short.of_quote(asked, best)

    def _quotes(self, asked: str, found: Found) -> list[Quote]:
        """Sentences to quote: none where the evidence does not hold the answer, some where it does."""
        verdict = assess(asked, found.hits, self._settings.embedding_model).verdict
        if verdict == "none":
            return []
        relevance = max((hit.relevance for hit in found.hits if hit.relevance is not None), default=None)
        if verdict == "enough":
            relevance = math.inf
        return choose_quotes(asked, found.passages, found.hits, self._scorer, relevance)

    async def _ended(self, question: Question, draft: Draft, watch: Stopwatch) -> Answer:
        if not draft.citations.all:
            return draft.not_found() if draft.kind == "extractive" else draft.uncited()
        return await self._checking.checked(question, draft, watch)

    async def _why_nothing(self, question: Question) -> str:
        """What a reader can do where not even a near passage was found."""
        if not await self._store.visible_records(question.reader):
            return "There are no documents that you may read: add some with `ingest add PATH`."
        if not await self._store.visible_records(question.reader, question.filters):
            return "No document fits the filter."
        return "No passage comes near."
