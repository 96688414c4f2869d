"""Claude by the official async SDK: one request in, a stream of our own events out.

https://platform.claude.com/docs/en/api/messages-streaming,
https://platform.claude.com/docs/en/build-with-claude/search-results
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from rag.claude.breaker import Breaker
from rag.claude.connection import connect
from rag.claude.events import Completion, Finished, Prompt, Spent, StreamEvent, TextDelta
from rag.claude.failures import Failed, judged
from rag.claude.patience import Backoff, Patience
from rag.claude.prices import Usage, cost, estimate, load_prices
from rag.claude.requests import Body, completion_body, request_body
from rag.claude.tally import Tally
from rag.errors import SchemaMismatch
from rag.settings import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

CONNECT_SECONDS = 5.0


class ClaudeClient:
    """Streams grounded answers and completes JSON; one for the life of a process. Close it at the end.

    `backoff` and `breaker` are there for tests, which have no time to wait.
    """

    def __init__(
        self, settings: Settings, *, backoff: Backoff | None = None, breaker: Breaker | None = None
    ) -> None:
        self._settings = settings
        self._prices = load_prices(settings.prices_file)
        self._backoff = backoff or Backoff()
        self._breaker = breaker or Breaker()
        self._sdk: AsyncAnthropic | None = None

    async def stream(
        self,
        model: str,
        asked: Prompt,
        *,
        max_tokens: int,
        deadline: float,
        on_left: Callable[[Spent], None] | None = None,
    ) -> AsyncGenerator[StreamEvent]:
        """Ask `model` and yield what comes; `Finished` comes last and only when the answer is whole.

        Closing the iterator closes the request, so a reader who leaves stops the spending. Within
        `deadline`, in seconds that Claude is waited for, an attempt that failed before anything of its answer
        was yielded is made again where that may help. Each attempt that cost something yields one `Spent`;
        one that is left before its end tells `on_left`, since a closed iterator yields nothing more.

        Raises:
            ClaudeUnavailable: no connection, overload, silence or our own deadline; RateLimited and
                CircuitOpen are kinds of it.
            ClaudeRejected: the request was refused; its kinds are the key, the model, the length, the cap.
            AnswerRefused: the model declined.
            AnswerCutOff: the stream broke off, or ended without saying that it was whole.
        """
        body = request_body(self._prices, model, asked, max_tokens, self._settings.prompt_cache)
        async with aclosing(self._persist(self._attempt, body, deadline, on_left)) as events:
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
        body = completion_body(
            self._prices,
            model,
            system=system,
            content=content,
            schema=schema,
            max_tokens=max_tokens,
            keep=self._settings.prompt_cache,
        )
        text, reached_limit, spent = "", False, list[Spent]()
        async with aclosing(self._persist(self._whole_attempt, body, deadline, on_spent)) as events:
            async for event in events:
                match event:
                    case TextDelta(more):
                        text += more
                    case Finished(reached_limit):
                        pass
                    case Spent():
                        spent.append(event)
                        if on_spent:
                            on_spent(event)
        try:
            data = json.loads(text)
        except ValueError as error:
            why = "reached its length limit" if reached_limit else "did not write JSON"
            raise SchemaMismatch(f"the model {why}") from error
        bill = _sum(spent)
        return Completion(data, bill.usage, bill.usd, reached_limit)

    def estimate(self, model: str, prompt_tokens: int, output_tokens: int) -> float | None:
        """The most dollars that one attempt of this size may cost; None for a model of unknown price."""
        return estimate(self._prices, model, prompt_tokens, output_tokens, self._settings.prompt_cache)

    async def close(self) -> None:
        if self._sdk is not None:
            await self._sdk.close()

    async def _persist(
        self, attempt: _Attempt, body: Body, deadline: float, on_left: _Told
    ) -> AsyncGenerator[StreamEvent]:
        """Make attempts until one is whole, one fails for good, or a part of one has been yielded."""
        patience = Patience(deadline, self._settings.claude_timeout, self._backoff)
        shown = False
        while True:
            try:
                async with aclosing(attempt(body, patience, on_left)) as events:
                    async for event in events:
                        shown = shown or not isinstance(event, Spent)
                        yield event
                return
            except Failed as failed:
                last = failed
            if shown or not await patience.pause(last):
                raise last.error from last.__cause__

    async def _whole_attempt(
        self, body: Body, patience: Patience, on_left: _Told
    ) -> AsyncGenerator[StreamEvent]:
        """One attempt of which nothing but its cost is yielded before all of it is there."""
        held: list[StreamEvent] = []
        async with aclosing(self._attempt(body, patience, on_left)) as events:
            async for event in events:
                if isinstance(event, Spent):
                    yield event
                else:
                    held.append(event)
        for event in held:
            yield event

    async def _attempt(self, body: Body, patience: Patience, on_left: _Told) -> AsyncGenerator[StreamEvent]:
        """One request; raises Failed after it has yielded what it cost."""
        tally = Tally()
        with self._breaker.attempt(body["model"]) as health:
            try:
                request = self._client().messages.create(**body, stream=True)
                async with await patience.heard(request, begun=False) as raw:
                    events = aiter(raw)
                    while (event := await patience.heard(anext(events, None), begun=tally.alive)) is not None:
                        for ours in tally.take(event):
                            yield ours
                        if tally.alive:
                            health.alive()
                tally.check()
            except (GeneratorExit, asyncio.CancelledError):
                # The reader has left. What was read and written until then is billed all the same.
                if on_left and tally.usage.prompt_tokens:
                    on_left(self._spent(body["model"], tally.usage))
                raise
            except Exception as error:
                failed = judged(error)
                if failed is not None and failed.unavailable:
                    health.failed()
                elif failed is not None:
                    health.answered()
                if tally.usage.prompt_tokens:
                    yield self._spent(body["model"], tally.usage)
                if failed is None or failed is error:
                    raise
                raise failed from error
            health.answered()
        yield self._spent(body["model"], tally.usage)
        yield Finished(tally.reached_limit)

    def _spent(self, model: str, usage: Usage) -> Spent:
        return Spent(usage, cost(self._prices, model, usage))

    def _client(self) -> AsyncAnthropic:
        if self._sdk is None:
            import anthropic

            # Retries and the time between two words are ours, so that both keep within the deadline.
            self._sdk = connect(self._settings).with_options(
                max_retries=0, timeout=anthropic.Timeout(None, connect=CONNECT_SECONDS)
            )
        return self._sdk


_Told = Callable[[Spent], None] | None
_Attempt = Callable[[Body, Patience, _Told], AsyncGenerator[StreamEvent]]


def _sum(spent: list[Spent]) -> Spent:
    usages, dollars = [one.usage for one in spent], [one.usd for one in spent]
    known = [one for one in dollars if one is not None]
    return Spent(sum(usages, Usage()), round(sum(known), 8) if len(known) == len(dollars) else None)
