"""Which contexts the chunks of a document go in with: those that are kept. Nobody is asked here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from ingest.contexts.kept import ContextStore
from ingest.contexts.material import Tag, asks, tag_now, tags_of
from rag.documents import Chunk, DocumentRecord
from rag.parsed import ParsedDocument
from rag.settings import Settings

Choice = Literal["batch", "now", "off"]
"""Have contexts written at half price, have them written at once, go in without any."""


class WantedContexts:
    """What was chosen for a run; without a choice, a document that has contexts keeps those that still fit.

    `ready` tells how many contexts there are of a document that was looked through in this run, all of them
    by what would write them now.
    """

    def __init__(self, settings: Settings, choice: Choice | None = None) -> None:
        self.store = ContextStore(settings.data_dir)
        self.tag = tag_now(settings)
        self.choice = choice
        self.ready: dict[str, int] = {}

    def tags(self, document_id: str, old: DocumentRecord | None) -> tuple[Tag, ...]:
        """By what the contexts of a document may have been written, the best first; none for a plain one."""
        before = tags_of(old)
        if self.choice == "off":
            return ()
        if self.choice is not None and self.ready.get(document_id, 0):
            return tuple(dict.fromkeys((self.tag, *before)))
        return before

    def complete(self, old: DocumentRecord) -> bool:
        """Whether a document has all the contexts that there are for it."""
        have = old.contexts.chunks if old.contexts is not None else 0
        return self.choice == "off" or self.ready.get(old.id, 0) <= have

    async def of(
        self, tags: Sequence[Tag], parsed: ParsedDocument, chunks: Sequence[Chunk]
    ) -> dict[int, tuple[str, Tag]]:
        """The best context of each chunk that has one and what wrote it, by its position in the document."""
        found: dict[int, tuple[str, Tag]] = {}
        for tag in reversed(tags):
            made = await asyncio.to_thread(asks, parsed, chunks, tag)
            kept = await asyncio.to_thread(self.store.get, {ask.key for ask in made})
            for chunk, ask in zip(chunks, made, strict=True):
                if ask.key in kept and kept[ask.key].context:
                    found[chunk.position] = kept[ask.key].context, tag
        return found
