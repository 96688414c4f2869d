"""A desk over a library, with stand-in models for the search and a server of the protocol for Claude."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from rag.answering import Answerer
from rag.asking import Desk
from rag.claude import ClaudeClient
from rag.conversation_store import ConversationStore
from rag.retrieval import Retriever
from rag.settings import Settings
from rag.usage import Ledger
from tests.fakes import OverlapReranker, WordEmbedder
from tests.rag.conftest import Library


def settings_of(library: Library, url: str | None, **changes: Any) -> Settings:
    """The library's settings; without a URL there is no Claude."""
    access = {"anthropic_base_url": url, "anthropic_api_key": SecretStr("sk-test-key")} if url else {}
    # Its cosines are of words, which the weights of rag/sufficiency.py know nothing of.
    own = {"embedding_model": WordEmbedder.name, "claude_timeout": 10.0}
    return library.settings.model_copy(update={**own, **access, **changes})


def answerer_of(library: Library, settings: Settings, client: ClaudeClient) -> Answerer:
    embedder, reranker = WordEmbedder(), OverlapReranker()
    retriever = Retriever(settings, library.store, library.files, embedder, reranker)  # type: ignore[arg-type]
    return Answerer(
        settings,
        library.store,
        library.files,
        retriever,
        embedder,  # type: ignore[arg-type]
        reranker,
        client,
    )


def desk_of(library: Library, settings: Settings, client: ClaudeClient, ledger: Ledger, path: Path) -> Desk:
    """`path` is a folder for the conversations."""
    conversations = ConversationStore(path / "conversations.sqlite", 24)
    answerer = answerer_of(library, settings, client)
    return Desk(settings, library.store, answerer, client, ledger, conversations)


async def closed(desks: Sequence[Desk], clients: Sequence[ClaudeClient]) -> None:
    """Close what a test has made: what a desk still does after an answer uses the client and the store."""
    for desk in desks:
        await desk.close()
    for client in clients:
        await client.close()
