"""POST /v1/ask and POST /v1/search."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict, Field

from rag.answering import AnswerEvent, Cited, Delta, Done, Question, Sources
from rag.api.deps import ReaderDep, ServiceDep, unless_hung_up
from rag.api.problems import problem_of, request_id, responses, unforeseen
from rag.documents import Answer, Filters, SearchResult
from rag.errors import CiteboxError
from rag.routing import Mode
from rag.service import Service

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["questions"])

LONGEST_QUESTION = 4000

ASK_EXAMPLES: dict[str, Any] = {
    "lookup": {"summary": "A lookup", "value": {"question": "How long are backups kept?"}},
    "one document": {
        "summary": "A summary of one document, by the thorough model, streamed",
        "value": {
            "question": "Summarise this policy",
            "mode": "thorough",
            "filters": {"document_ids": ["3f0c9a0e-6d0f-5d3c-9f0e-1f6f0c7f9b11"]},
            "stream": True,
        },
    },
}
SEARCH_EXAMPLES: dict[str, Any] = {
    "search": {"summary": "The five best passages", "value": {"query": "backup retention", "limit": 5}},
    "filtered": {
        "summary": "Within one collection",
        "value": {"query": "backup retention", "filters": {"collections": ["handbook"]}},
    },
}


class AskRequest(BaseModel):
    """A question, how it is to be answered, and of which documents."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field(min_length=1, max_length=LONGEST_QUESTION)
    mode: Mode = "auto"
    filters: Filters = Field(default_factory=Filters)
    stream: bool = False


class SearchRequest(BaseModel):
    """Words or a question, and how many passages are wanted."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    query: str = Field(min_length=1, max_length=LONGEST_QUESTION)
    limit: int = Field(default=10, ge=1, le=100)
    filters: Filters = Field(default_factory=Filters)


@router.post(
    "/ask",
    response_model=Answer,
    responses={
        200: {
            "description": "The answer; with `stream` or `Accept: text/event-stream`, the events `sources`, "
            "`delta`, `citation`, then `done` (the whole answer) or `error` (a problem).",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **responses(422, 502, 503),
    },
)
async def ask(
    request: Request,
    asked: Annotated[AskRequest, Body(openapi_examples=ASK_EXAMPLES)],
    service: ServiceDep,
    reader: ReaderDep,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Answer a question from the documents the reader may see, with citations that can be checked."""
    question = Question(asked.question, reader, asked.mode, asked.filters)
    if asked.stream or "text/event-stream" in accept:
        stream = _events(service, question, request_id(request))
        # Proxies must not gather the events up.
        return EventSourceResponse(stream, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    answer = await unless_hung_up(request, service.answerer.answer(question))
    return JSONResponse(answer.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@router.post("/search", responses=responses(422, 503))
async def search(
    request: Request,
    asked: Annotated[SearchRequest, Body(openapi_examples=SEARCH_EXAMPLES)],
    service: ServiceDep,
    reader: ReaderDep,
) -> SearchResult:
    """The best passages for a query, best first, with the milliseconds of each stage."""
    work = service.retriever.search(asked.query, reader, asked.filters, asked.limit)
    return await unless_hung_up(request, work)


async def _events(service: Service, question: Question, ident: str) -> AsyncIterator[bytes]:
    try:
        async with aclosing(service.answerer.stream(question)) as events:
            async for event in events:
                yield _encoded(event)
    except CiteboxError as error:
        yield _sse("error", problem_of(error, ident))
    except Exception:
        log.exception("unforeseen error", extra={"request_id": ident})
        yield _sse("error", unforeseen(ident))


def _encoded(event: AnswerEvent) -> bytes:
    match event:
        case Sources(hits, route):
            return _sse("sources", _Sources(hits=hits, route=route))
        case Delta(text):
            return _sse("delta", _Delta(text=text))
        case Cited(citation):
            return _sse("citation", citation)
        case Done(answer):
            return _sse("done", answer)


class _Sources(SearchResult):
    route: Any
    stages_ms: dict[str, float] = Field(default_factory=dict, exclude=True)


class _Delta(BaseModel):
    text: str


def _sse(name: str, payload: BaseModel) -> bytes:
    return format_sse_event(data_str=payload.model_dump_json(exclude_none=name == "error"), event=name)
