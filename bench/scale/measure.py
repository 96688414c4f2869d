"""One store at one size: what its queries, its writes, its memory, its disk and its start cost."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from bench.scale.material import CHUNKS_OF_A_DOCUMENT, Document, Material, Question
from rag.documents import Filters, Reader
from rag.embedding import Embedder
from rag.reranking import Reranker
from rag.retrieval import Retriever, Stopwatch
from rag.settings import Settings
from rag.store import Store, open_store
from rag.store.embedded import ENDPOINT_FILE
from rag.store.files import FileStore

DIMENSION = 384
MODEL = "bench/scale"
LIMIT, CANDIDATES = 16, 50
"""As retrieval asks by default."""
AT_ONCE = 16
"""Documents on their way in bulk."""
EDITS = 5
_BLOCK = 4000
_MB = 1024 * 1024


Models = tuple[Embedder, Reranker]


@dataclass(frozen=True)
class Cost:
    """What was measured at one size, in the order of the table; times in ms where nothing else is said."""

    query_p50: float
    query_p95: float
    whole_p50: float
    whole_p95: float
    busy_p50: float
    busy_p95: float
    engine_mb: float
    engine_own_mb: float
    client_mb: float
    disk_mb: float
    load_s: float
    add_ms: float
    replace_ms: float
    remove_ms: float
    start_ms: float


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Store]:
    settings = Settings(data_dir=data, qdrant_url=None)
    async with open_store(settings, dimension=DIMENSION, model=MODEL) as store:
        yield store


async def load(data: Path, material: Material, first: int, last: int) -> float:
    """Seconds to write these chunks; making them is not counted."""
    spent = 0.0
    async with opened(data) as store:
        for start in range(first, last, _BLOCK):
            documents = list(material.documents(start, min(start + _BLOCK, last)))
            began = time.perf_counter()
            waiting = iter(documents)
            await asyncio.gather(*(_write_all(store, waiting) for _ in range(AT_ONCE)))
            spent += time.perf_counter() - began
    return spent


async def measure(data: Path, material: Material, models: Models, size: int, load_s: float) -> Cost:
    """The store at `data`, which holds `size` chunks; what is added to it is removed again."""
    await ended(data)
    # A process of its own, so that the model and the material of this one are not counted.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        start_ms, client_mb = await loop.run_in_executor(pool, _fresh_client, data, material.questions)
    async with opened(data) as store:
        alone = await _ask_all(store, material.questions)
        whole = await _retrieve_all(data, store, material, models)
        spare = (size // CHUNKS_OF_A_DOCUMENT + 1) * CHUNKS_OF_A_DOCUMENT
        busy = await _while_adding(store, material, spare)
        engine_mb, own_mb = memory_mb(_engine(data))
        add_ms, replace_ms, remove_ms = await _edit(store, material, spare)
    return Cost(
        *_percentiles(alone),
        *_percentiles(whole),
        *_percentiles(busy),
        engine_mb,
        own_mb,
        client_mb,
        _disk_mb(data / "qdrant"),
        load_s,
        add_ms,
        replace_ms,
        remove_ms,
        start_ms,
    )


# ---------------------------------------------------------------- queries


async def ask(store: Store, question: Question) -> float:
    """Milliseconds of one hybrid query."""
    began = time.perf_counter()
    hits = await store.search(
        reader=Reader(),
        filters=Filters(),
        dense=question.dense,
        sparse=question.sparse,
        limit=LIMIT,
        candidates=CANDIDATES,
    )
    assert len(hits) == LIMIT
    return (time.perf_counter() - began) * 1000


async def _ask_all(store: Store, questions: Sequence[Question]) -> list[float]:
    for question in questions[:5]:
        await ask(store, question)
    return [await ask(store, question) for question in questions]


async def _retrieve_all(data: Path, store: Store, material: Material, models: Models) -> list[float]:
    """Milliseconds of all that happens before a model is asked: embedding, search, reranking, neighbours."""
    settings = Settings(data_dir=data, qdrant_url=None)
    files = FileStore(settings)
    retriever = Retriever(settings, store, files, *models)
    for question in material.questions:  # the texts of what is found: loading in bulk leaves them out
        found = await retriever.search(question.text, Reader(), Filters(), settings.context_chunks)
        for hit in found.hits:
            parsed = material.parsed(hit.title)
            original = parsed.text.encode()
            await files.save(hit.document_id, hit.version, original=original, suffix=".txt", parsed=parsed)
    spent = []
    for question in material.questions:
        began, watch = time.perf_counter(), Stopwatch()
        found = await retriever.search(question.text, Reader(), Filters(), settings.context_chunks, watch)
        assert await retriever.evidence(found.hits, watch)
        spent.append((time.perf_counter() - began) * 1000)
    return spent


async def _while_adding(store: Store, material: Material, spare: int) -> list[float]:
    """Queries while documents are written one after the other without a pause; they are removed again."""
    documents = [material.document(spare + i * CHUNKS_OF_A_DOCUMENT, CHUNKS_OF_A_DOCUMENT) for i in range(20)]

    async def add() -> None:
        while True:
            for document in documents:
                await _write(store, document)

    adding = asyncio.create_task(add())
    try:
        return await _ask_all(store, material.questions)
    finally:
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
        for document in documents:
            await store.remove_document(document.record.id)


def _fresh_client(data: Path, questions: Sequence[Question]) -> tuple[float, float]:
    """Milliseconds from nothing running to the first answer, and the memory of a client in MB."""

    async def first() -> tuple[float, float]:
        began = time.perf_counter()
        async with opened(data) as store:
            await ask(store, questions[0])
            start_ms = (time.perf_counter() - began) * 1000
            for question in questions:
                await ask(store, question)
            return start_ms, memory_mb("self")[0]

    return asyncio.run(first())


# ---------------------------------------------------------------- writes


async def _write(store: Store, document: Document) -> None:
    """As the ingest pipeline writes a version."""
    await store.upsert_chunks(document.record, document.chunks)
    await store.make_live(document.record)


async def _write_all(store: Store, waiting: Iterator[Document]) -> None:
    for document in waiting:
        await _write(store, document)


async def _edit(store: Store, material: Material, spare: int) -> tuple[float, float, float]:
    """Median milliseconds to add, to replace and to remove a document."""
    spent: tuple[list[float], ...] = ([], [], [])
    for number in range(EDITS):
        start = spare + number * CHUNKS_OF_A_DOCUMENT
        old = material.document(start, CHUNKS_OF_A_DOCUMENT)
        new = material.document(start, CHUNKS_OF_A_DOCUMENT, "second")
        spent[0].append(await _timed(_write(store, old)))
        spent[1].append(await _timed(_replace(store, new)))
        spent[2].append(await _timed(store.remove_document(new.record.id)))
    add_ms, replace_ms, remove_ms = (statistics.median(each) for each in spent)
    return add_ms, replace_ms, remove_ms


async def _replace(store: Store, document: Document) -> None:
    await _write(store, document)
    await store.remove_other_versions(document.record.id, keep=str(document.record.version))


async def _timed(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000


# ---------------------------------------------------------------- the machine


def _engine(data: Path) -> str:
    return str(json.loads((data / "qdrant" / ENDPOINT_FILE).read_bytes())["pid"])


async def ended(data: Path) -> None:
    """Wait until the engine of this folder is gone."""
    async with asyncio.timeout(600):
        while (data / "qdrant" / ENDPOINT_FILE).exists():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def memory_mb(process: str) -> tuple[float, float]:
    """Resident memory of a process: all of it, and what is not a file's page that the kernel may drop."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    return kilobytes["VmRSS"] / 1024, kilobytes["RssAnon"] / 1024


def _disk_mb(folder: Path) -> float:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*")) / _MB


def _percentiles(spent: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(spent)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
