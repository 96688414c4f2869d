"""Many questions at once share the local models: who waits, for whom, and what a failure costs the others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from rag.embedding import Vectors
from rag.queues import MOST_AT_ONCE, EmbeddingQueue, ReadingQueue
from tests.fakes import WordEmbedder

BROKEN = "the model cannot read this"


class Gated(WordEmbedder):
    """Notes its batches; each waits until the gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun = threading.Event()
        self.gate = threading.Event()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        self.begun.set()
        assert self.gate.wait(10)
        if BROKEN in texts:
            raise ValueError(BROKEN)
        return super().embed_queries(texts)


async def begun(model: Gated) -> None:
    assert await asyncio.to_thread(model.begun.wait, 10)


async def test_questions_that_wait_together_share_a_batch() -> None:
    model = Gated()
    queue = EmbeddingQueue(model)
    asked = [asyncio.create_task(queue.embed(f"question {n}")) for n in range(MOST_AT_ONCE + 3)]
    await begun(model)
    model.gate.set()
    vectors = await asyncio.gather(*asked)
    assert [len(batch) for batch in model.batches] == [MOST_AT_ONCE, 3]
    assert vectors == [model.embed_query(f"question {n}").tolist() for n in range(MOST_AT_ONCE + 3)]


async def test_a_question_alone_waits_for_nobody() -> None:
    model = Gated()
    model.gate.set()
    assert await EmbeddingQueue(model).embed("alone") == model.embed_query("alone").tolist()
    assert model.batches == [["alone"]]


async def test_a_question_that_the_model_fails_on_fails_alone() -> None:
    model = Gated()
    model.gate.set()
    queue = EmbeddingQueue(model)
    found = await asyncio.gather(
        queue.embed("one"), queue.embed(BROKEN), queue.embed("two"), return_exceptions=True
    )
    assert found[0] == model.embed_query("one").tolist()
    assert found[2] == model.embed_query("two").tolist()
    assert isinstance(found[1], ValueError)
    assert await queue.embed("after it") == model.embed_query("after it").tolist()


async def test_a_question_whose_reader_has_gone_is_not_embedded() -> None:
    model = Gated()
    queue = EmbeddingQueue(model)
    first = asyncio.create_task(queue.embed("first"))
    await begun(model)
    gone = asyncio.create_task(queue.embed("gone"))
    stays = asyncio.create_task(queue.embed("stays"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    model.gate.set()
    await asyncio.gather(first, stays)
    assert model.batches == [["first"], ["stays"]]


async def test_readings_are_done_in_the_order_they_came_and_know_how_long_they_waited() -> None:
    queue, order = ReadingQueue(), list[int]()

    def reading(number: int, waited_ms: float) -> float:
        order.append(number)
        time.sleep(0.2)
        return waited_ms

    waited = await asyncio.gather(*(queue.run(lambda ms, n=n: reading(n, ms)) for n in range(3)))
    assert order == [0, 1, 2]
    assert waited == sorted(waited)
    assert waited[2] > waited[0] + 200  # two were before it, of 200 ms each; it asked a moment later


async def test_a_reading_that_fails_tells_only_its_own_question() -> None:
    queue = ReadingQueue()

    def failing(waited_ms: float) -> None:
        raise ValueError(BROKEN)

    with pytest.raises(ValueError, match=BROKEN):
        await queue.run(failing)
    assert await queue.run(lambda _: "next") == "next"
