"""What contexts a run has to ask for, and what that costs; told from the files before anything is sent."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.contexts.kept import Kept
from ingest.contexts.material import MAX_TOKENS, Ask, Part, asks, tag_of
from ingest.contexts.wanted import WantedContexts
from ingest.pipeline import Pipeline, Placement
from ingest.sources import Source
from rag.claude.batches import SHARE
from rag.claude.prices import Keep, PriceTable, Usage, cost
from rag.documents import Chunk, document_id_of
from rag.errors import ModelUnavailable, StoreError
from rag.parsed import ParsedDocument
from rag.settings import Settings
from rag.store import Store
from rag.terminal import Progress

USUAL_TOKENS = 80
"""Of one or two sentences."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A document that lacks contexts: the keys of its chunks, by their positions."""

    path: Path
    document_id: str
    keys: tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """The documents that were looked through, what is kept of them, and what is still to be asked."""

    documents: list[Planned] = field(default_factory=list)
    kept: dict[str, Kept] = field(default_factory=dict)
    missing: dict[str, Ask] = field(default_factory=dict)


async def plan(
    pipeline: Pipeline,
    index: Store,
    sources: Sequence[Source],
    placement: Placement,
    wanted: WantedContexts,
    progress: Progress,
) -> Plan:
    """Read every source that may lack a context. What cannot be read is left to the ingest, which says why.

    Raises:
        StoreError, ModelUnavailable: nothing can go in anyhow.
    """
    made = Plan()
    for done, source in enumerate(sources):
        progress("Reading documents", done, len(sources))
        document_id = document_id_of(source.uri)
        old = await index.record(document_id)
        if old is not None and old.contexts is not None and tag_of(old) == wanted.tag:
            whole = old.contexts.chunks == old.chunks
            if whole and await pipeline.is_current(source, old, placement):
                continue
        read = await _read(pipeline, source)
        if read is None:
            continue
        asked = await asyncio.to_thread(asks, *read, wanted.tag)
        made.documents.append(Planned(source.path, document_id, tuple(ask.key for ask in asked)))
        kept = await asyncio.to_thread(wanted.store.get, {ask.key for ask in asked})
        await asyncio.to_thread(wanted.store.use, document_id, kept.keys())
        made.kept |= kept
        made.missing |= {ask.key: ask for ask in asked if ask.key not in kept}
    return made


async def _read(pipeline: Pipeline, source: Source) -> tuple[ParsedDocument, list[Chunk]] | None:
    try:
        return await pipeline.read(source)
    except (StoreError, ModelUnavailable):
        raise
    except Exception:
        return None


def by_part(asked: Sequence[Ask]) -> list[list[Ask]]:
    """Requests that begin with the same document, side by side."""
    groups: dict[str, list[Ask]] = defaultdict(list)
    for ask in asked:
        groups[ask.part.digest].append(ask)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class Quote:
    """What contexts will be asked for, and what that costs; dollars are None where a price is not known.

    `usd` counts what is read from the cache and what is usually written, `most_usd` neither: it is what all
    cost if Claude keeps nothing and writes as much as it may.
    """

    chunks: int
    documents: int
    tokens: int
    cached_tokens: int
    usd: float | None
    most_usd: float | None


class Costs:
    """Dollars of requests for contexts, by the price table, at once or in a batch."""

    def __init__(self, settings: Settings, prices: PriceTable, *, batch: bool) -> None:
        self._model = settings.fast_model
        self._prices = prices
        self._share = SHARE if batch else 1.0
        self.keep: Keep = "1h" if batch and settings.prompt_cache == "5m" else settings.prompt_cache

    def cached(self, part: Part) -> bool:
        """Whether Claude keeps what stands before the breakpoint."""
        known = self._prices.models.get(self._model)
        return self.keep != "off" and known is not None and part.tokens >= known.cache_minimum

    def most(self, ask: Ask) -> float | None:
        return self._usd(self._usage(ask, MAX_TOKENS, read=False))

    def quote(self, asked: Sequence[Ask]) -> Quote:
        usages = list(self._usual(asked))
        return Quote(
            chunks=len(asked),
            documents=len({ask.document_id for ask in asked}),
            tokens=sum(usage.prompt_tokens for usage in usages),
            cached_tokens=sum(usage.cache_read_tokens for usage in usages),
            usd=_sum([self._usd(usage) for usage in usages]),
            most_usd=_sum([self.most(ask) for ask in asked]),
        )

    def _usual(self, asked: Sequence[Ask]) -> Iterator[Usage]:
        for group in by_part(asked):
            for n, ask in enumerate(group):
                yield self._usage(ask, USUAL_TOKENS, read=n > 0)

    def _usage(self, ask: Ask, output: int, *, read: bool) -> Usage:
        if not self.cached(ask.part):
            return Usage(input_tokens=ask.part.tokens + ask.tokens, output_tokens=output)
        written = 0 if read else ask.part.tokens
        return Usage(
            input_tokens=ask.tokens,
            cache_write_tokens=written,
            hour_write_tokens=written if self.keep == "1h" else 0,
            cache_read_tokens=ask.part.tokens if read else 0,
            output_tokens=output,
        )

    def _usd(self, usage: Usage) -> float | None:
        usd = cost(self._prices, self._model, usage)
        return None if usd is None else usd * self._share


def _sum(dollars: Sequence[float | None]) -> float | None:
    known = [usd for usd in dollars if usd is not None]
    return round(sum(known), 8) if len(known) == len(dollars) else None
