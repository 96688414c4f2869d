"""Message Batches by the official async SDK: many requests at half price, answered within a day.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from rag.claude.connection import connect
from rag.claude.events import CitationPointer, Prompt
from rag.claude.failures import failure_of
from rag.claude.prices import Keep, Usage, cost, load_prices
from rag.claude.requests import request_body
from rag.claude.tally import usage_of, whole_characters
from rag.errors import ClaudeUnavailable, NotFound
from rag.settings import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
    from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
    from anthropic.types.messages.batch_create_params import Request

SHARE = 0.5
"""Of the price of a single request: input, output and cache alike."""
MOST_REQUESTS = 100_000
LARGEST_BYTES = 250_000_000
"""Of the requests of one batch, a little below the API's 256 MB, which count all that is around them."""
UPLOAD_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One question of a batch; `custom_id` matches `[a-zA-Z0-9_-]{1,64}` and is unique in it.

    By default nothing is kept: requests that run side by side rarely find it, and a price that was shown must
    hold. `keep` is for those that ask of the same document again and again.
    """

    custom_id: str
    model: str
    asked: Prompt
    max_tokens: int
    keep: Keep = "off"


@dataclass(frozen=True, slots=True)
class Batch:
    """How far a batch is. `results` says that its results can be read; they are kept for 29 days."""

    id: str
    status: Literal["in_progress", "canceling", "ended"]
    requests: int
    results: bool

    @property
    def ended(self) -> bool:
        return self.status == "ended"


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of an answer's text and what it cites."""

    text: str
    pointers: tuple[CitationPointer, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one request: its text, or why there is none; and what was used either way."""

    custom_id: str
    sections: tuple[Section, ...] = ()
    usage: Usage | None = None
    reached_limit: bool = False
    failure: str | None = None


class BatchClient:
    """Sends batches and reads their results. Close it at the end.

    Every method raises ClaudeUnavailable or ClaudeRejected, and NotFound for a batch that is not known
    under the key.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prices = load_prices(settings.prices_file)
        self._sdk: AsyncAnthropic | None = None

    def cost(self, model: str, usage: Usage) -> float | None:
        """Dollars of one request in a batch; None for a model of unknown price."""
        whole = cost(self._prices, model, usage)
        return None if whole is None else round(whole * SHARE, 8)

    def size(self, request: BatchRequest) -> int:
        """Bytes of a request on its way."""
        return len(json.dumps(self._request(request), ensure_ascii=False).encode())

    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        """Send a batch, once: after ClaudeUnavailable it may exist, and only the list of batches can tell."""
        with self._translated():
            sdk = self._client().with_options(max_retries=0, timeout=UPLOAD_SECONDS)
            return _batch(await sdk.messages.batches.create(requests=map(self._request, requests)))

    async def retrieve(self, id: str) -> Batch:
        with self._translated(id):
            return _batch(await self._client().messages.batches.retrieve(id))

    async def cancel(self, id: str) -> Batch:
        """Ask Claude to stop; what it has answered by then is paid for and can be read."""
        with self._translated(id):
            return _batch(await self._client().messages.batches.cancel(id))

    async def newest_first(self) -> AsyncGenerator[Batch]:
        """All batches of the key's workspace, the latest first."""
        with self._translated():
            async for batch in self._client().messages.batches.list(limit=100):
                yield _batch(batch)

    async def results(self, id: str) -> AsyncGenerator[Reply]:
        """What became of each request of a batch that has ended, in any order."""
        with self._translated(id):
            lines = await self._client().messages.batches.results(id)
            try:
                async for line in lines:
                    yield _reply(line)
            except json.JSONDecodeError as error:
                raise ClaudeUnavailable("the results of the batch came damaged") from error
            finally:
                await lines.close()

    async def close(self) -> None:
        if self._sdk is not None:
            await self._sdk.close()

    def _request(self, request: BatchRequest) -> Request:
        body = request_body(self._prices, request.model, request.asked, request.max_tokens, request.keep)
        return {"custom_id": request.custom_id, "params": cast("MessageCreateParamsNonStreaming", body)}

    def _client(self) -> AsyncAnthropic:
        if self._sdk is None:
            self._sdk = connect(self._settings)
        return self._sdk

    @contextmanager
    def _translated(self, id: str | None = None) -> Iterator[None]:
        """The SDK's errors as ours."""
        import anthropic

        try:
            yield
        except anthropic.NotFoundError as error:
            if id is None:
                raise failure_of(error) from error
            raise NotFound(
                f"Claude knows no batch {id} under this key", remedy="use the key that it was sent with"
            ) from error
        except anthropic.APIError as error:
            raise failure_of(error) from error
        except Exception as error:
            # httpx2, on which the SDK is built, lets a dropped connection through as its own type.
            if isinstance(error, OSError) or type(error).__module__.startswith(("httpx2", "httpcore2")):
                raise ClaudeUnavailable("the connection to Claude broke off") from error
            raise


def _batch(batch: MessageBatch) -> Batch:
    counts = batch.request_counts
    requests = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
    return Batch(batch.id, batch.processing_status, requests, batch.results_url is not None)


def _reply(line: MessageBatchIndividualResponse) -> Reply:
    match line.result.type:
        case "succeeded":
            return _answered(line.custom_id, line.result.message)
        case "errored":
            return Reply(line.custom_id, failure=f"Claude rejected it ({line.result.error.error.type})")
        case "expired":
            return Reply(line.custom_id, failure="Claude did not come to it within 24 hours")
        case _:
            return Reply(line.custom_id, failure="it was cancelled")


def _answered(custom_id: str, message: Message) -> Reply:
    """The answer, unless it is none; as in `ClaudeClient.stream`, part of an answer is not one."""
    usage = usage_of(message.usage)
    sections = tuple(
        Section(
            whole_characters(block.text),
            tuple(
                CitationPointer(at.search_result_index, at.start_block_index, at.end_block_index)
                for at in block.citations or ()
                if at.type == "search_result_location"
            ),
        )
        for block in message.content
        if block.type == "text"
    )
    failure = None
    if message.stop_reason == "refusal":
        failure = "the model declined to answer"
    elif message.stop_reason == "model_context_window_exceeded":
        failure = "the documents are larger than the model can read at once"
    elif message.stop_reason == "max_tokens" and not any(section.text for section in sections):
        failure = "the model used up its limit before the first word of its answer"
    return Reply(
        custom_id,
        () if failure else sections,
        usage,
        message.stop_reason == "max_tokens",
        failure,
    )
