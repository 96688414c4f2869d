"""The batch of a run that ended between asking for it and hearing its id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass

from rag.bulk.state import Part
from rag.claude.batches import BatchClient

LATE_SECONDS = 60.0
"""How long a batch that was asked for may take to appear in the list of batches."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at Claude, how to wait for them, and the time of day."""

    poll: float
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.time


async def newest(claude: BatchClient) -> str | None:
    """The batch that was created last, before which none of ours can lie that is created now."""
    async with aclosing(claude.newest_first()) as batches:
        async for batch in batches:
            return batch.id
    return None


async def find(
    part: Part, others: Collection[str | None], claude: BatchClient, pace: Pace, looking: Callable[[], None]
) -> str | None:
    """The batch of a part that was asked for; None when it was never created.

    The list of batches tells sizes but no custom ids, which a batch shows only once it has ended. So one
    that may be ours is waited for: rather late than paid twice.

    Args:
        others: batches that are known to be something else.
        looking: called before each wait.
    """
    strange = set(others)
    while True:
        running = False
        async with aclosing(claude.newest_first()) as batches:
            async for batch in batches:
                if batch.id == part.newest_before:
                    break
                if batch.requests != len(part.members) or batch.id in strange:
                    continue
                if not batch.ended:
                    running = True
                elif batch.results and await _holds(batch.id, part.key, claude):
                    return batch.id
                else:
                    strange.add(batch.id)
        if not running and pace.clock() - (part.asked_at or 0.0) > LATE_SECONDS:
            return None
        looking()
        await pace.wait(pace.poll)


async def _holds(id: str, key: str, claude: BatchClient) -> bool:
    async with aclosing(claude.results(id)) as replies:
        async for reply in replies:
            return reply.custom_id.startswith(f"{key}-")
    return False
