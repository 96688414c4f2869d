"""Claude by the official async SDK: one request in, a stream of our own events out.

https://docs.claude.com/en/api/messages-streaming, https://docs.claude.com/en/docs/build-with-claude/search-results
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rag.claude.prices import PriceTable, Usage, cost, load_prices
from rag.errors import (
    AnswerCutOff,
    AnswerRefused,
    CiteboxError,
    ClaudeRejected,
    ClaudeUnavailable,
    SchemaMismatch,
)
from rag.settings import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import RawMessageStreamEvent, SearchResultBlockParam

T = TypeVar("T")

RETRYABLE = frozenset({408, 409, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class CitationPointer:
    """Points at sentences: text blocks `[start_block, end_block)` of the n-th search result we sent."""

    search_result: int
    start_block: int
    end_block: int


@dataclass(frozen=True, slots=True)
class SectionEnd:
    """A text block has ended: the citations since the last one belong to its text."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the request has cost, also when it failed; dollars are None for a model of unknown price."""

    usage: Usage
    usd: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer has come, or as much of it as its length limit allows."""

    reached_limit: bool


StreamEvent = TextDelta | CitationPointer | SectionEnd | Spent | Finished


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One `search_result` block; each of `sentences` can be cited alone."""

    source: str
    title: str
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said earlier in a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, in the order of the request: stable parts first, the question last.

    `keep_results` caches the documents too, for those that will be asked about again.
    """

    system: str
    results: Sequence[SearchResult]
    question: str
    history: Sequence[Turn] = ()
    keep_results: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """A structured answer: JSON that was asked to fit a schema, not yet validated, and its bill.

    `usage` and `usd` are those of all attempts together.
    """

    data: Any
    usage: Usage
    usd: float | None
    reached_limit: bool


class ClaudeClient:
    """Streams grounded answers. Close it when the service ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prices = load_prices(settings.prices_file)
        self._sdk: AsyncAnthropic | None = None

    async def stream(
        self, model: str, asked: Prompt, *, max_tokens: int, deadline: float
    ) -> AsyncGenerator[StreamEvent]:
        """Ask `model` and yield what comes; `Finished` comes last and only when the answer is whole.

        Closing the iterator closes the request, so a reader who leaves stops the spending.

        Raises:
            ClaudeUnavailable: no connection, overload, a rate limit or our own deadline.
            ClaudeRejected: the request, key or model was refused.
            AnswerRefused: the model declined.
            AnswerCutOff: the stream broke off, or ended without saying that it was whole.
        """
        body = request_body(self._prices, model, asked, max_tokens)
        async with aclosing(self._events(body)) as events:
            async for event in events:
                yield event

    async def complete(
        self,
        model: str,
        *,
        system: str,
        content: str,
        schema: dict[str, Any],
        max_tokens: int,
        deadline: float,
        on_spent: Callable[[Spent], None] | None = None,
    ) -> Completion:
        """Ask `model` for JSON that fits `schema`, whose objects all forbid additional properties.

        `on_spent` is told of each attempt that cost something, whole or failed, as it ends, so that
        nothing is lost where this raises; a caller who books by it leaves the completion's own sum alone.

        Raises:
            AnswerError: as `stream` does; SchemaMismatch where the whole text is not JSON.
        """
        form = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        thinking = _thinking(self._prices, model)
        body = {
            "model": model,
            "max_tokens": max_tokens,
            "system": [{"type": "text", "text": system}],
            "messages": [{"role": "user", "content": content}],
            **thinking,
            "output_config": {**thinking.get("output_config", {}), **form["output_config"]},
        }
        text, reached_limit = "", False
        bill = Spent(Usage(), None)
        async with aclosing(self._events(body)) as events:
            async for event in events:
                match event:
                    case TextDelta(more):
                        text += more
                    case Spent():
                        bill = event
                        if on_spent:
                            on_spent(event)
                    case Finished(reached_limit):
                        pass
        try:
            return Completion(json.loads(text), bill.usage, bill.usd, reached_limit)
        except ValueError as error:
            why = "reached its length limit" if reached_limit else "did not write JSON"
            raise SchemaMismatch(f"the model {why}") from error

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[StreamEvent]:
        model = body["model"]
        tally = _Tally()
        try:
            request = self._client().messages.create(**body, stream=True)
            async with await self._heard(request) as raw:
                events = aiter(raw)
                while (event := await self._heard(anext(events, None))) is not None:
                    for ours in tally.take(event):
                        yield ours
            tally.check()
        except Exception as error:
            failure = self._failure(error, begun=tally.begun)
            if tally.usage.prompt_tokens:
                yield Spent(tally.usage, cost(self._prices, model, tally.usage))
            if failure is error:
                raise
            raise failure from error
        yield Spent(tally.usage, cost(self._prices, model, tally.usage))
        yield Finished(tally.reached_limit)

    async def close(self) -> None:
        if self._sdk is not None:
            await self._sdk.close()

    async def _heard(self, word: Awaitable[T]) -> T:
        """The next word from Claude, thinking included. The reader's pace and the length do not count."""
        async with asyncio.timeout(self._settings.claude_timeout):
            return await word

    def _failure(self, error: Exception, *, begun: bool) -> Exception:
        """What went wrong, as ours; an error that is not Claude's doing comes back as it is."""
        import anthropic

        if isinstance(error, TimeoutError):
            return ClaudeUnavailable(
                f"Claude was silent for more than {self._settings.claude_timeout:.0f} s",
                remedy="ask again, or raise RAG_CLAUDE_TIMEOUT",
            )
        if isinstance(error, anthropic.APIError):
            return translated(error, begun)
        # httpx2, on which the SDK is built, lets a dropped connection through as its own type.
        if isinstance(error, OSError) or type(error).__module__.startswith(("httpx2", "httpcore2")):
            return AnswerCutOff("the connection to Claude broke off in the middle of the answer")
        return error

    def _client(self) -> AsyncAnthropic:
        if self._sdk is None:
            self._sdk = connect(self._settings)
        return self._sdk


class _Tally:
    """Turns the API's events into ours and keeps the account."""

    def __init__(self) -> None:
        self.begun = False
        self._kind = ""
        self.usage = Usage()
        self._stop_reason: str | None = None
        self._stopped = False

    def take(self, event: RawMessageStreamEvent) -> list[StreamEvent]:
        if event.type == "message_start":
            self._account(event.message.usage)
        elif event.type == "content_block_start":
            self._kind = event.content_block.type
            if event.content_block.type == "text" and event.content_block.text:
                self.begun = True
                return [TextDelta(event.content_block.text)]
        elif event.type == "content_block_delta":
            return self._delta(event.delta)
        elif event.type == "content_block_stop":
            return [SectionEnd()] if self._kind == "text" else []
        elif event.type == "message_delta":
            self._account(event.usage)
            self._stop_reason = event.delta.stop_reason or self._stop_reason
        elif event.type == "message_stop":
            self._stopped = True
        return []

    @property
    def reached_limit(self) -> bool:
        return self._stop_reason == "max_tokens"

    def check(self) -> None:
        """Raise unless the answer is whole, or has at least begun when it reached its limit."""
        if self._stop_reason == "refusal":
            raise AnswerRefused("the model declined to answer this question")
        if self._stop_reason == "model_context_window_exceeded":
            raise ClaudeRejected("the documents are larger than the model can read at once")
        if not self._stopped or self._stop_reason is None:
            raise AnswerCutOff("the answer ended before it was whole")
        if self.reached_limit and not self.begun:
            raise AnswerCutOff("the model used up its limit before the first word of its answer")

    def _delta(self, delta: Any) -> list[StreamEvent]:
        if delta.type == "text_delta":
            self.begun = True
            return [TextDelta(delta.text)]
        if delta.type == "citations_delta" and delta.citation.type == "search_result_location":
            place = delta.citation
            return [
                CitationPointer(place.search_result_index, place.start_block_index, place.end_block_index)
            ]
        return []

    def _account(self, usage: Any) -> None:
        """Later figures replace earlier ones: the API's usage is cumulative."""
        old = self.usage
        self.usage = Usage(
            input_tokens=_given(usage.input_tokens, old.input_tokens),
            cache_write_tokens=_given(usage.cache_creation_input_tokens, old.cache_write_tokens),
            cache_read_tokens=_given(usage.cache_read_input_tokens, old.cache_read_tokens),
            output_tokens=_given(usage.output_tokens, old.output_tokens),
        )


def _given(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def connect(settings: Settings) -> AsyncAnthropic:
    """The SDK as the settings have it; whoever asks for it closes it."""
    import anthropic

    key = settings.anthropic_api_key
    return anthropic.AsyncAnthropic(
        # A server of the protocol that needs no key still wants the header.
        api_key=key.get_secret_value() if key else "none",
        base_url=settings.anthropic_base_url,
        timeout=settings.claude_timeout,
        max_retries=2,
    )


def request_body(prices: PriceTable, model: str, asked: Prompt, max_tokens: int) -> dict[str, Any]:
    """The body of a Messages request, the same whether it is streamed or one of a batch."""
    content = [*_blocks(asked.results), {"type": "text", "text": asked.question}]
    return {
        "model": model,
        "max_tokens": max_tokens,
        "system": [{"type": "text", "text": asked.system}],
        "messages": [{"role": "user", "content": content}],
        **_thinking(prices, model),
    }


def _thinking(prices: PriceTable, model: str) -> dict[str, Any]:
    """Thinking off where the model allows it, else less than by default: it costs money and time."""
    known = prices.models.get(model)
    if known is None:
        return {}
    if known.thinking_can_be_off:
        return {"thinking": {"type": "disabled"}}
    return {"output_config": {"effort": "medium"}}


def _blocks(results: Sequence[SearchResult]) -> list[SearchResultBlockParam]:
    return [
        {
            "type": "search_result",
            "source": result.source,
            "title": result.title,
            "content": [{"type": "text", "text": sentence} for sentence in result.sentences],
            "citations": {"enabled": True},
        }
        for result in results
    ]


def translated(error: Any, begun: bool) -> CiteboxError:
    """The SDK's error as ours. Its message may quote the request, so only type and status are passed on."""
    status = getattr(error, "status_code", None)
    kind = getattr(error, "type", None) or type(error).__name__
    if begun:
        return AnswerCutOff(f"Claude stopped in the middle of the answer ({kind})")
    if status is None or status in RETRYABLE or status == 200:
        return ClaudeUnavailable(
            f"Claude cannot be reached or is overloaded ({kind})", remedy="try again shortly"
        )
    if status in (401, 403):
        return ClaudeRejected(f"Claude refused the key ({kind})", remedy="check ANTHROPIC_API_KEY")
    if status == 404:
        return ClaudeRejected(
            f"Claude does not know the model ({kind})", remedy="check RAG_FAST_MODEL and RAG_THOROUGH_MODEL"
        )
    return ClaudeRejected(f"Claude did not accept the request ({status} {kind})")
