"""The answers measured: what asking every question costs, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from rag.asking import Asked
from rag.bulk.evidence import Shelf
from rag.bulk.requests import request_of
from rag.bulk.state import Item
from rag.claude import load_prices
from rag.claude.prices import Usage, cost, estimate
from rag.claude.tokens import framed_tokens
from rag.documents import Answer, Citation, Filters
from rag.errors import CiteboxError, OverBudget
from rag.evaluation.kept import Answered, Passage, Result, Run
from rag.evaluation.metrics import MONEY, TIME, answer_figures
from rag.evaluation.places import Posed
from rag.evaluation.run import passage_of, turns_of
from rag.routing import Mode
from rag.service import Service
from rag.synthesis.sizes import tokens_of
from rag.terminal import Progress

NOT_ASKED = "not asked: --max-usd is spent"


@dataclass(frozen=True, slots=True)
class Quote:
    """How many questions Claude would be asked, and dollars: of what it reads, and with the longest answers.

    None where the price of a model is not known.
    """

    requests: int = 0
    reading: float | None = 0.0
    most: float | None = 0.0


async def quote(service: Service, posed: Sequence[Posed], mode: Mode, progress: Progress) -> Quote:
    """What the answers cost, by the route that each question takes. Nothing is sent."""
    settings = service.settings
    prices = load_prices(settings.prices_file)
    shelf = Shelf(settings, service.store, service.files, service.retriever, service.reader)
    requests, reading, most = 0, 0.0, 0.0
    unknown = False
    for done, one in enumerate(posed):
        progress("Estimating the cost", done, len(posed))
        item = Item(number=done, id=str(done), question=one.row.question, filters=Filters())
        said = [turn.text for turn in turns_of(one)]
        async with aclosing(shelf.ways(item.question, item.filters, mode)) as ways:
            async for prepared, given in ways:
                if not given:
                    break
                request = request_of(item.id, item, prepared, given, settings)
                tokens = framed_tokens([request.asked.system, request.asked.question, *said])
                tokens += await asyncio.to_thread(lambda given=given: sum(tokens_of(one) for one in given))  # type: ignore[misc]
                read = cost(prices, request.model, Usage(input_tokens=tokens))
                worst = estimate(prices, request.model, tokens, request.max_tokens, settings.prompt_cache)
                requests += 1
                unknown = unknown or read is None or worst is None
                reading, most = reading + (read or 0.0), most + (worst or 0.0)
                break
    return Quote(requests, None if unknown else reading, None if unknown else most)


async def measure_answers(
    service: Service,
    run: Run,
    posed: Sequence[Posed],
    mode: Mode,
    progress: Progress,
    *,
    max_usd: float | None = None,
) -> None:
    """Ask every question as `rag ask` would, one after the other, and write what comes into the run.

    An answer that fails has its reason in place of figures. Once `max_usd` is spent, nothing more is asked.
    """
    run.about.mode = mode
    spent = 0.0
    for done, (one, result) in enumerate(zip(posed, run.results, strict=True)):
        progress("Answering", done, len(posed))
        if max_usd is not None and spent >= max_usd > 0:
            result.answered = Answered(figures={}, failure=NOT_ASKED)
            continue
        try:
            asked = Asked(one.row.question, mode=mode, messages=turns_of(one), logged=False)
            answer = await service.desk.answer(asked, service.caller)
        except CiteboxError as error:
            result.answered = Answered(figures={}, failure=error.detail)
            if isinstance(error, OverBudget):
                result.answered.failure = f"over budget: {error.detail}"
            continue
        spent += answer.receipt.usd
        result.answered = answered(result, answer)


def answered(result: Result, answer: Answer) -> Answered:
    figures = answer_figures(
        text=answer.short_answer.text if answer.short_answer else answer.text,
        citations=answer.citations,
        answered=answer.answered,
        answerable=result.answerable,
        accepted=result.accepted,
        places=result.places,
    )
    figures[MONEY] = answer.receipt.usd
    figures[TIME] = round(sum(answer.receipt.stages_ms.values()), 1)
    return Answered(
        figures=figures,
        stages_ms=dict(answer.receipt.stages_ms),
        text=answer.text,
        answered=answer.answered,
        outcome=answer.outcome,
        model=answer.receipt.model,
        cited=[_cited(citation, result) for citation in answer.citations],
        notice=answer.notice,
    )


def _cited(citation: Citation, result: Result) -> Passage:
    return passage_of(citation, citation.title, citation.page, citation.quote, result.places)
