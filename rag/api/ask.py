"""POST /v1/ask and POST /v1/search."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.types import Receive, Scope, Send

from rag.api.admission import Place
from rag.api.deps import CallerDep, PlacesDep, ServiceDep, unless_hung_up
from rag.api.problems import problem_of, request_id, responses, unforeseen
from rag.asking import Asked
from rag.claude import Turn
from rag.documents import LONGEST_QUESTION, Answer, Filters, SearchResult
from rag.errors import CiteboxError
from rag.events import AnswerEvent, Cited, Delta, Done, Progress, Sources, whole
from rag.routing import EXTRACTIVE, NO_MODEL, Mode

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["questions"])

WRITTEN_HERE = frozenset({EXTRACTIVE, NO_MODEL})
"""The models of a route that are no model of Claude's."""

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


class Message(BaseModel):
    """One earlier turn."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    role: Literal["user", "assistant"]
    content: str = Field(min_length=1, max_length=LONGEST_QUESTION * 10)


class AskRequest(BaseModel):
    """A question, how it is to be answered, and of which documents."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field(
        default="",
        max_length=LONGEST_QUESTION,
        description="The question; the last of `messages` when left out.",
    )
    mode: Mode = "auto"
    filters: Filters = Field(default_factory=Filters)
    stream: bool = False
    messages: tuple[Message, ...] = Field(
        default=(), max_length=200, description="What was said before, oldest first, kept by the client."
    )
    conversation_id: str | None = Field(
        default=None, max_length=100, description="A conversation kept by the service; `new` begins one."
    )
    strict: bool = Field(default=False, description="Leave out what the citations do not support.")
    review: bool = Field(default=False, description="Let a stronger model check the answer.")
    max_usd: float | None = Field(default=None, ge=0, description="Most dollars that the answer may cost.")
    response_schema: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of the value to extract; it comes in `data`, with citations."
    )

    @model_validator(mode="after")
    def _asks_something(self) -> AskRequest:
        _check_characters(self)
        if not self.question and self.messages and len(self.messages[-1].content) > LONGEST_QUESTION:
            raise ValueError(f"the question is longer than {LONGEST_QUESTION} characters")
        if self.messages and self.conversation_id:
            raise ValueError("give `messages` or `conversation_id`, not both")
        if self.review and self.response_schema is not None:
            raise ValueError(
                "`review` checks sentences: leave it out where `response_schema` asks for a value"
            )
        if not self.question and (not self.messages or self.messages[-1].role != "user"):
            raise ValueError("`question` is empty, and the last of `messages` is not the user's")
        return self

    def read(self) -> Asked:
        """The request as the desk takes it."""
        turns = tuple(Turn(message.role, message.content) for message in self.messages)
        text = self.question
        if not text:
            text, turns = turns[-1].text, turns[:-1]
        return Asked(
            text,
            mode=self.mode,
            filters=self.filters,
            strict=self.strict,
            review=self.review,
            schema=self.response_schema,
            max_usd=self.max_usd,
            messages=turns,
            conversation_id=self.conversation_id,
        )


class SearchRequest(BaseModel):
    """Words or a question, and how many passages are wanted."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    query: str = Field(min_length=1, max_length=LONGEST_QUESTION)
    limit: int = Field(default=10, ge=1, le=100)
    filters: Filters = Field(default_factory=Filters)
    rerank: bool = Field(default=True, description="False: sooner, as fused, for hits while one types.")

    @model_validator(mode="after")
    def _is_text(self) -> SearchRequest:
        _check_characters(self)
        return self


def _check_characters(asked: BaseModel) -> None:
    """Refuse lone surrogates anywhere: neither a store nor a reply can hold half a character."""
    try:
        json.dumps(asked.model_dump(mode="python"), ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ValueError("the text holds half a character (a lone surrogate)") from None


@router.post(
    "/ask",
    response_model=Answer,
    responses={
        200: {
            "description": "The answer; with `stream` or `Accept: text/event-stream`, the events `sources`, "
            "`delta`, `citation`, then `done` (the whole answer) or `error` (a problem).",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **responses(401, 402, 404, 422, 429, 502, 503),
    },
)
async def ask(
    request: Request,
    asked: Annotated[AskRequest, Body(openapi_examples=ASK_EXAMPLES)],
    service: ServiceDep,
    caller: CallerDep,
    places: PlacesDep,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Answer a question from the documents the reader may see, with citations that can be checked."""
    question = asked.read()
    place = places.take(caller.name)
    answering = _in_place(service.desk.stream(question, caller), place)
    if asked.stream or "text/event-stream" in accept:
        return _Streamed(_events(answering, request_id(request)), place)
    with place:
        answer = await unless_hung_up(request, whole(answering))
    return JSONResponse(answer.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@router.post("/search", responses=responses(401, 422, 429, 503))
async def search(
    request: Request,
    asked: Annotated[SearchRequest, Body(openapi_examples=SEARCH_EXAMPLES)],
    service: ServiceDep,
    caller: CallerDep,
    places: PlacesDep,
) -> SearchResult:
    """The best passages for a query, best first, with the milliseconds of each stage."""
    find = service.retriever.search if asked.rerank else service.retriever.glance
    with places.take(caller.name):
        return await unless_hung_up(request, find(asked.query, caller.reader, asked.filters, asked.limit))


@router.delete("/conversations/{conversation_id}", status_code=204, responses=responses(401, 404, 503))
async def forget(conversation_id: str, service: ServiceDep, caller: CallerDep) -> None:
    """Forget a conversation that the service keeps; only the key that began it can."""
    await service.desk.forget(conversation_id, caller)


class _Streamed(EventSourceResponse):
    """A stream of events; its place is given up also when nobody is there any more to begin reading it."""

    def __init__(self, events: AsyncIterator[bytes], place: Place) -> None:
        # Proxies must not gather the events up.
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


async def _in_place(answering: AsyncGenerator[AnswerEvent], place: Place) -> AsyncGenerator[AnswerEvent]:
    """The same events; the place is given up when Claude writes, after which little is left to do here.

    Not before: where Claude fails, sentences are quoted, and that is work.
    """
    by_claude = False
    async with aclosing(answering) as events:
        async for event in events:
            if isinstance(event, Sources):
                by_claude = event.route.model not in WRITTEN_HERE
            elif by_claude or isinstance(event, Progress):
                place.leave()
            yield event


async def _events(answering: AsyncGenerator[AnswerEvent], ident: str) -> AsyncIterator[bytes]:
    try:
        async with aclosing(answering) as events:
            async for event in events:
                yield _encoded(event)
    except CiteboxError as error:
        yield _sse("error", problem_of(error, ident))
    except Exception:
        log.exception("unforeseen error", extra={"request": f" [{ident}]"})
        yield _sse("error", unforeseen(ident))


def _encoded(event: AnswerEvent) -> bytes:
    match event:
        case Sources(hits, route):
            return _sse("sources", _Sources(hits=hits, route=route))
        case Progress(done, total, title):
            return _sse("progress", _Progress(done=done, total=total, title=title))
        case Delta(text):
            return _sse("delta", _Delta(text=text))
        case Cited(citation):
            return _sse("citation", citation)
        case Done(answer):
            return _sse("done", answer)


class _Sources(SearchResult):
    route: Any
    stages_ms: dict[str, float] = Field(default_factory=dict, exclude=True)
    notice: str | None = Field(default=None, exclude=True)  # that of the whole answer comes with `done`


class _Progress(BaseModel):
    done: int
    total: int
    title: str


class _Delta(BaseModel):
    text: str


def _sse(name: str, payload: BaseModel) -> bytes:
    return format_sse_event(data_str=payload.model_dump_json(exclude_none=name == "error"), event=name)
