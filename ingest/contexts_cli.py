"""`ingest add --contextualize`: what it needs, what it costs, and whether to begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import typer

from rag.documents import Chunk, DocumentRecord
from rag.errors import NotFound, SettingsError
from rag.settings import Settings
from rag.terminal import MISUSED, agreed, bar, err, fail, plain
from rag.usage import dollars

if TYPE_CHECKING:
    from ingest.contexts.planning import Quote
    from ingest.contexts.run import Contextualizer, How
    from ingest.contexts.wanted import Choice


def prepared(
    settings: Settings, contextualize: str | None, *, yes: bool, max_usd: float | None, poll: float
) -> tuple[Choice | None, Contextualizer | None]:
    """What was chosen, and who writes contexts, if any are to be written; misuse ends here."""
    if contextualize not in (None, "batch", "now", "off"):
        raise typer.BadParameter("choose batch, now or off", param_hint="--contextualize")
    if contextualize in (None, "off"):
        if max_usd is not None or yes:
            option = "--yes" if yes else "--max-usd"
            raise typer.BadParameter("it is for --contextualize batch or now", param_hint=option)
        return cast("Choice | None", contextualize), None
    from ingest.contexts.run import Contextualizer, Terms

    try:
        if not settings.claude_configured:
            raise SettingsError(
                "no Claude key is set, and Claude writes the contexts",
                remedy="set ANTHROPIC_API_KEY, or leave out --contextualize",
            )
        how = cast("How", contextualize)
        terms = Terms(how, max_usd, poll, lambda quote: _agree(settings, how, quote, max_usd, yes=yes), bar)
        return how, Contextualizer(settings, terms)
    except SettingsError as error:
        fail(error, MISUSED)


def _agree(settings: Settings, how: How, quote: Quote, max_usd: float | None, *, yes: bool) -> bool:
    """Show what contexts cost, and ask."""
    err.print(cost_line(settings.fast_model, how, quote))
    if max_usd is not None and (quote.most_usd or 0.0) > max_usd:
        counted = ", a batch counted at its worst" if how == "batch" else ""
        err.print(f"No more than {dollars(max_usd)} is spent (--max-usd){counted}; the rest goes in without.")
    if agreed(yes=yes):
        return True
    err.print("Nothing was sent, and nothing went in.")
    return False


def cost_line(model: str, how: How, quote: Quote) -> str:
    """What will be asked for and what it costs, in one line."""
    chunks = f"{quote.chunks} chunk{'s' * (quote.chunks != 1)}"
    documents = f"{quote.documents} document{'s' * (quote.documents != 1)}"
    price = "at half price, within a day" if how == "batch" else "at once"
    asked = f"Contexts for {chunks} of {documents} by {plain(model)}, {price}"
    read = f"about {quote.tokens:,} tokens to read, {quote.cached_tokens:,} of them from Claude's cache"
    if quote.usd is None or quote.most_usd is None:
        return f"{asked}: {read}, at a price that is not known (RAG_PRICES_FILE)."
    return (
        f"{asked}: {read}: about {dollars(quote.usd)}, and at most {dollars(quote.most_usd)}, were nothing "
        "found in the cache and every context as long as it may be."
    )


async def contexts_of(settings: Settings, record: DocumentRecord, chunks: Sequence[Chunk]) -> dict[int, str]:
    """The contexts that the chunks of a document went in with, as far as they are still kept."""
    from ingest.contexts.material import tags_of
    from ingest.contexts.wanted import WantedContexts
    from rag.store.files import FileStore

    tags = tags_of(record)
    if not tags or record.version is None:
        return {}
    try:
        parsed = await FileStore(settings).parsed(record.id, record.version)
    except NotFound:  # replaced just now
        return {}
    found = await WantedContexts(settings).of(tags, parsed, chunks)
    return {position: text for position, (text, _) in found.items()}
