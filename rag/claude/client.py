"""Claude by the official async SDK: one request in, a stream of our own events out.

https://platform.claude.com/docs/en/api/messages-streaming,
https://platform.claude.com/docs/en/build-with-claude/search-results
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag.claude.breaker import Breaker
from rag.claude.connection import connect
from rag.claude.events import Completion, Finished, Form, Payer, Prompt, StreamEvent, TextDelta
from rag.claude.failures import Failed, judged
from rag.claude.patience import LONGER, Backoff, Patience
from rag.claude.prices import cost, estimate, load_prices
from rag.claude.requests import Body, request_body, texts_of
from rag.claude.tally import Tally, whole_characters
from rag.claude.tokens import framed_tokens
from rag.errors import ClaudeUnavailable, OverBudget, SchemaMismatch
from rag.settings import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

CONNECT_SECONDS = 5.0
LONG_TEXT = 50_000
"""Characters whose tokens take so long to count that others are let run meanwhile."""


@dataclass(frozen=True, slots=True)
class _Errand:
    """One request with all its attempts; `worst` is what each of them may cost."""

    body: Body
    worst: float | None
    payer: Payer
    patience: Patience


class ClaudeClient:
    """Streams grounded answers and completes JSON; one for the life of a process. Close it at the end.

    Each attempt is begun and ended with its payer, however it ends. `backoff` and `breaker` are there for
    tests, which have no time to wait.
    """

    def __init__(
        self, settings: Settings, *, backoff: Backoff | None = None, breaker: Breaker | None = None
    ) -> None:
        self._settings = settings
        self._prices = load_prices(settings.prices_file)
        self._backoff = backoff or Backoff()
        self._breaker = breaker or Breaker()
        self._sdk: AsyncAnthropic | None = None

    def warm(self) -> None:
        """Import the SDK, some two thousand modules, before somebody waits for it."""
        _ = self._client().messages

    async def stream(
        self, model: str, asked: Prompt, *, max_tokens: int, deadline: float, payer: Payer
    ) -> AsyncGenerator[StreamEvent]:
        """Ask `model` and yield what comes; `Finished` comes last and only when the answer is whole.

        Closing the iterator closes the request, so a reader who leaves stops the spending. Within
        `deadline`, in seconds that Claude is waited for, an attempt that failed before anything of its answer
        was yielded is made again where that may help and may be paid.

        Raises:
            ClaudeUnavailable: no connection, overload, silence or our own deadline; RateLimited and
                CircuitOpen are kinds of it.
            ClaudeRejected: the request was refused; its kinds are the key, the model, the length, the cap.
            AnswerRefused: the model declined.
            AnswerCutOff: the stream broke off, or ended without saying that it was whole.
            OverBudget: the first attempt may not be paid. One after it just is not made.
        """
        body = self._body(model, asked, max_tokens)
        async with aclosing(self._persist(self._attempt, body, deadline, payer)) as events:
            async for event in events:
                yield event

    async def complete(
        self, model: str, asked: Form, *, max_tokens: int, deadline: float, payer: Payer
    ) -> Completion:
        """Ask `model` for JSON that fits the schema.

        Raises:
            AnswerError, OverBudget: as `stream` does; SchemaMismatch where the whole text is not JSON.
        """
        text, reached_limit = await self._whole(self._body(model, asked, max_tokens), deadline, payer)
        try:
            return Completion(_json(text), reached_limit)
        except ValueError as error:
            why = "reached its length limit" if reached_limit else "did not write JSON"
            raise SchemaMismatch(f"the model {why}") from error

    async def write(
        self, model: str, asked: Prompt, *, max_tokens: int, deadline: float, payer: Payer
    ) -> str:
        """The text that `model` writes, as far as its length limit lets it, without what it cites.

        Raises:
            AnswerError, OverBudget: as `stream` does.
        """
        text, _ = await self._whole(self._body(model, asked, max_tokens), deadline, payer)
        return text

    async def worst(
        self, model: str, asked: Prompt | Form, max_tokens: int, *, more: int = 0
    ) -> float | None:
        """The most dollars that one attempt may cost; None for a model of unknown price.

        `more` are tokens of documents that will be asked of too and are not there yet.
        """
        return await self._worst(self._body(model, asked, max_tokens), more)

    async def close(self) -> None:
        if self._sdk is not None:
            await self._sdk.close()

    def _body(self, model: str, asked: Prompt | Form, max_tokens: int) -> Body:
        return request_body(self._prices, model, asked, max_tokens, self._settings.prompt_cache)

    async def _worst(self, body: Body, more: int = 0) -> float | None:
        texts = list(texts_of(body))
        if sum(map(len, texts)) > LONG_TEXT:
            tokens = await asyncio.to_thread(framed_tokens, texts)
        else:
            tokens = framed_tokens(texts)
        keep = self._settings.prompt_cache
        return estimate(self._prices, body["model"], tokens + more, body["max_tokens"], keep)

    async def _whole(self, body: Body, deadline: float, payer: Payer) -> tuple[str, bool]:
        """The whole text of a reply, and whether it reached its length limit."""
        text, reached_limit = "", False
        async with aclosing(self._persist(self._whole_attempt, body, deadline, payer)) as events:
            async for event in events:
                match event:
                    case TextDelta(more):
                        text += more
                    case Finished(reached_limit):
                        pass
        return text, reached_limit

    async def _persist(
        self, attempt: _Attempt, body: Body, deadline: float, payer: Payer
    ) -> AsyncGenerator[StreamEvent]:
        """Make attempts until one is whole, one fails for good, or a part of one has been yielded."""
        if deadline <= 0:
            raise ClaudeUnavailable("no time is left to ask Claude", remedy=LONGER)
        patience = Patience(deadline, self._settings.claude_timeout, self._backoff)
        errand = _Errand(body, await self._worst(body), payer, patience)
        shown = False
        failed: Failed | None = None
        while True:
            try:
                async with aclosing(attempt(errand)) as events:
                    async for event in events:
                        shown = True
                        yield event
                return
            except Failed as error:
                failed = error
            except OverBudget:
                if failed is None:
                    raise
                raise failed.error from failed.__cause__
            if shown or not await patience.pause(failed):
                raise failed.error from failed.__cause__

    async def _whole_attempt(self, errand: _Errand) -> AsyncGenerator[StreamEvent]:
        """One attempt of which nothing is yielded before all of it is there."""
        async with aclosing(self._attempt(errand)) as events:
            held = [event async for event in events]
        for event in held:
            yield event

    async def _attempt(self, errand: _Errand) -> AsyncGenerator[StreamEvent]:
        """One request; raises Failed."""
        model, patience, tally = errand.body["model"], errand.patience, Tally()
        with self._breaker.attempt(model) as health:
            await errand.payer.begin(errand.worst)
            try:
                request = self._client().messages.create(**errand.body, stream=True)
                async with await patience.heard(request, begun=False) as raw:
                    events = aiter(raw)
                    while (event := await patience.heard(anext(events, None), begun=tally.alive)) is not None:
                        for ours in tally.take(event):
                            yield ours
                        if tally.alive:
                            health.alive()
                tally.check()
            except Exception as error:
                failed = judged(error)
                if failed is not None and failed.unavailable:
                    health.failed()
                elif failed is not None:
                    health.answered()
                if failed is None or failed is error:
                    raise
                raise failed from error
            finally:
                # Whole, failed, cancelled or closed: what was read and written until then is billed.
                usage = tally.usage
                errand.payer.ended(errand.worst, model, usage, cost(self._prices, model, usage))
            health.answered()
        yield Finished(tally.reached_limit)

    def _client(self) -> AsyncAnthropic:
        if self._sdk is None:
            import anthropic

            # Retries and the time between two words are ours, so that both keep within the deadline.
            self._sdk = connect(self._settings).with_options(
                max_retries=0, timeout=anthropic.Timeout(None, connect=CONNECT_SECONDS)
            )
        return self._sdk


_Attempt = Callable[[_Errand], AsyncGenerator[StreamEvent]]


def _json(text: str) -> Any:
    """The value of a JSON text; escapes in it may spell halves of characters, which no reply can hold."""
    data = json.loads(text)
    told = json.dumps(data, ensure_ascii=False)
    whole = whole_characters(told)
    return data if whole == told else json.loads(whole)
