"""The read path put together: store, files, models and Claude, opened once and closed in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rag.answering import Answerer
from rag.asking import Desk
from rag.claude import ClaudeClient
from rag.conversation_store import ConversationStore
from rag.documents import Reader
from rag.embedding import Embedder, load_embedder
from rag.intent import classify
from rag.keys import LOCAL, Caller, KeyRing
from rag.questions import QuestionLog
from rag.questions.gaps import GapFinder
from rag.questions.log import FILE as QUESTIONS
from rag.reranking import load_reranker
from rag.retrieval import Retriever
from rag.sentences import sentence_spans
from rag.settings import Settings
from rag.store import Store, open_store
from rag.store.files import FileStore
from rag.usage import Ledger

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """What answers questions. Everything here is safe to use from many requests at once."""

    settings: Settings
    store: Store
    files: FileStore
    embedder: Embedder
    retriever: Retriever
    answerer: Answerer
    desk: Desk
    ledger: Ledger
    keys: KeyRing
    questions: QuestionLog
    gaps: GapFinder
    claude: ClaudeClient

    def warm(self) -> None:
        """Import what the first question would otherwise import, and all others wait for, for two seconds."""
        sentence_spans("A sentence.")
        if not self.settings.claude_configured:
            return
        try:
            self.claude.warm()
        except Exception:  # such as a proxy that is misspelt: what needs no Claude works all the same
            log.warning("the client of Claude cannot be made", exc_info=True)

    @property
    def reader(self) -> Reader:
        """Everyone who asks through this process."""
        return Reader(frozenset(self.settings.reader_groups))

    @property
    def caller(self) -> Caller:
        """Who asks at the command line."""
        return Caller(LOCAL, self.reader, self.settings.max_usd_per_day)


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """Load the models and open the store.

    Raises:
        ModelUnavailable, StoreError, SettingsError: what is missing, with the remedy.
    """
    keys = KeyRing(settings)
    ledger = await asyncio.to_thread(Ledger, settings.data_dir / "usage.sqlite")
    conversations = await asyncio.to_thread(
        ConversationStore, settings.data_dir / "conversations.sqlite", settings.conversation_hours
    )
    questions = QuestionLog(settings.data_dir / QUESTIONS, settings.question_log_days)
    embedder = await asyncio.to_thread(load_embedder, settings)
    reranker = await asyncio.to_thread(load_reranker, settings) if settings.rerank else None
    await asyncio.to_thread(classify, "")  # the rules compile on first use
    claude = ClaudeClient(settings)
    try:
        async with open_store(settings, dimension=embedder.dimension, model=embedder.name) as store:
            files = FileStore(settings)
            retriever = Retriever(settings, store, files, embedder, reranker)
            answerer = Answerer(settings, store, files, retriever, embedder, reranker, claude)
            desk = Desk(settings, store, answerer, claude, ledger, conversations, questions)
            gaps = GapFinder(questions, embedder)
            try:
                yield Service(
                    settings,
                    store,
                    files,
                    embedder,
                    retriever,
                    answerer,
                    desk,
                    ledger,
                    keys,
                    questions,
                    gaps,
                    claude,
                )
            finally:
                await desk.close()
    finally:
        await claude.close()
