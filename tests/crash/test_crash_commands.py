"""The real commands, interrupted and killed, and a service that goes on answering meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.doctor import examine
from ingest.pipeline import Placement
from ingest.run import AT_ONCE, open_index
from ingest.sources import Source, uri_of
from rag.documents import document_id_of
from rag.settings import Settings
from rag.store import Store
from rag.store.embedded import ENDPOINT_FILE
from tests.cli.commands import SECONDS, Commands
from tests.live import LiveService

from .stand_ins import open_pipeline
from .whole import assert_whole

pytestmark = pytest.mark.slow

VOLUMES = 14
ORPHANS_SECONDS = 20
"""What a killed command has started ends with it, but not in the same instant."""
ONE_BY_ONE = {"RAG_EMBEDDING_BATCH": "1"}


def volume(path: Path, paragraphs: int, edition: str = "first") -> Path:
    words = "the sea and the ships that sail on it from the harbour in the morning and come home " * 6
    path.write_text("\n\n".join(f"Paragraph {n}, {edition} edition: {words}." for n in range(paragraphs)))
    return path


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    (tmp_path / "cwd").mkdir()
    return Commands(tmp_path / "data", tmp_path / "cwd")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    for number in range(VOLUMES):
        volume(folder / f"volume-{number}.txt", 15)
    return folder


async def until(happened: Callable[[], Awaitable[bool]], running: subprocess.Popen[str]) -> None:
    """Return when it happened in a command that still runs."""
    deadline = time.monotonic() + SECONDS
    while not await happened():
        assert running.poll() is None, "the command was over before that"
        assert time.monotonic() < deadline
        await asyncio.sleep(0.03)


async def ready(store: Store) -> int:
    return sum(record.state == "ready" for record in await store.records())


async def halfway(store: Store) -> bool:
    """Whether some chunks of a document are in and it is not live yet."""
    stored = await store.stored_versions()
    live = {(record.id, record.version) for record in await store.records()}
    return any((ident, version) not in live for ident, versions in stored.items() for version in versions)


def kill_engine(data_dir: Path) -> None:
    endpoint = json.loads((data_dir / "qdrant" / ENDPOINT_FILE).read_bytes())
    os.kill(endpoint["pid"], signal.SIGKILL)


def kill(running: subprocess.Popen[str]) -> None:
    """SIGKILL for the command alone, as the out-of-memory killer would."""
    running.kill()
    with running:
        # Returns when the pipes are closed, so not before the last process that has them is gone.
        running.communicate(timeout=ORPHANS_SECONDS)


async def checked(settings: Settings) -> int:
    """How many documents are reported as ready, each of them whole, by the store and by the doctor."""
    async with open_index(settings) as store:
        records = await assert_whole(settings, store, words="harbour")
    (documents,) = [check for check in await examine(settings, repair=False) if check.name == "documents"]
    assert documents.state == "OK"
    return len(records)


async def test_an_ingest_that_is_interrupted_and_then_killed_comes_to_its_end(
    commands: Commands, library: Path
) -> None:
    settings = Settings(data_dir=commands.data_dir)
    add = ("ingest", "add", str(library), "--json")

    async with open_index(settings) as store:
        running = commands.start(*add, **ONE_BY_ONE)
        await until(lambda: _at_least(store, 1), running)
        os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C does
        interrupted = commands.wait(running)
    assert interrupted.code == 130
    assert "Interrupted" in interrupted.err
    done = await checked(settings)
    assert 1 <= done < VOLUMES
    assert done - interrupted.json["new"] in range(AT_ONCE + 1)  # those in hand may be in and not yet counted

    async with open_index(settings) as store:
        running = commands.start(*add, **ONE_BY_ONE)
        await until(lambda: _at_least(store, done + 2), running)
        await until(lambda: halfway(store), running)
        kill_engine(commands.data_dir)
        kill(running)
    before, done = done, await checked(settings)
    assert before + 2 <= done < VOLUMES

    # Of the last run only the engine dies, which it gets over by itself.
    async with open_index(settings) as store:
        running = commands.start(*add, **ONE_BY_ONE)
        await until(lambda: _at_least(store, done + 1), running)
        await until(lambda: halfway(store), running)
        kill_engine(commands.data_dir)
        finished = commands.wait(running)
    assert (finished.code, finished.json["failed"]) == (0, [])
    assert (finished.json["unchanged"], finished.json["new"]) == (done, VOLUMES - done)
    assert await checked(settings) == VOLUMES
    doctor = commands.ingest("doctor", "--json")
    assert doctor.code == 0
    assert {check["state"] for check in doctor.json} == {"OK"}


async def _at_least(store: Store, documents: int) -> bool:
    return await ready(store) >= documents


# ---------------------------------------------------------------- while the service answers


@pytest.fixture
def service(commands: Commands) -> Iterator[LiveService]:
    with LiveService(commands.data_dir) as service:
        yield service.start({"RAG_RERANK": "false"}, wait=False)


def found(http: httpx.Client, document_id: str) -> list[Any]:
    asked = {"query": "harbour", "limit": 100, "filters": {"document_ids": [document_id]}}
    response = http.post("/v1/search", json=asked)
    assert response.status_code == 200
    return list(response.json()["hits"])


def stored_text(http: httpx.Client, document_id: str) -> str:
    return str(http.get(f"/v1/documents/{document_id}/source").json()["text"])


def edition_of(hits: list[Any], chunks: dict[str, int]) -> str:
    """The edition that a reply is of, all of it."""
    editions = {
        edition for edition in ("first", "second") for hit in hits if f"{edition} edition" in hit["text"]
    }
    assert len(editions) == 1
    edition = editions.pop()
    assert len({hit["version"] for hit in hits}) == 1
    assert len({hit["start"] for hit in hits}) == len(hits)
    assert len(hits) == chunks.setdefault(edition, len(hits))
    return edition


async def test_a_service_never_loses_a_document_that_is_being_replaced_even_if_that_is_killed(
    commands: Commands, service: LiveService, tmp_path: Path
) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    changing = volume(folder / "changing.txt", 20)
    settings = Settings(data_dir=commands.data_dir)
    async with open_pipeline(settings) as (pipeline, _):
        source = Source(changing, uri_of(changing), changing.stat().st_size, changing.name)
        ident = str((await pipeline.ingest(source, Placement())).document_id)
    service.wait_until_ready()
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:
        chunks: dict[str, int] = {}
        assert edition_of(found(http, ident), chunks) == "first"

        volume(changing, 30, "second")
        async with open_index(settings) as store:
            running = commands.start("ingest", "add", str(folder), **ONE_BY_ONE)
            await until(lambda: halfway(store), running)
            kill(running)
        assert edition_of(found(http, ident), chunks) == "first"
        assert "first edition" in stored_text(http, ident)

        added = volume(folder / "new.txt", 5)
        running = commands.start("ingest", "add", str(folder), "--json", **ONE_BY_ONE)
        seen = []
        while running.poll() is None:
            seen.append(edition_of(found(http, ident), chunks))
        assert commands.wait(running).json["changed"] == 1
        seen.append(edition_of(found(http, ident), chunks))
        assert seen == sorted(seen)
        assert (seen[0], seen[-1]) == ("first", "second")
        assert found(http, document_id_of(uri_of(added)))
