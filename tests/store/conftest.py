"""One store per test: on the embedded engine always, on a real server too when QDRANT_TEST_URL is set."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models

from rag.settings import Settings
from rag.store import Store, connection, open_store

from .making import DIMENSION, MODEL
from .openapi import Description, Exchange, find_description

SERVER = os.environ.get("QDRANT_TEST_URL")
KINDS = [
    "embedded",
    pytest.param("server", marks=pytest.mark.skipif(not SERVER, reason="QDRANT_TEST_URL is not set")),
]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that the tests share one engine process as well."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(params=KINDS)
def settings(request: pytest.FixtureRequest, data_dir: Path) -> Settings:
    index = f"t{uuid.uuid4().hex[:12]}"
    url = SERVER if request.param == "server" else None
    return Settings(data_dir=data_dir, index=index, qdrant_url=url)


@pytest.fixture(scope="session")
def description() -> Description | None:
    path = find_description()
    return Description.load(path) if path else None


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch, description: Description | None) -> Iterator[list[Exchange]]:
    """What went over the wire in this test; checked against Qdrant's own description at its end."""
    seen: list[Exchange] = []

    async def record(response: httpx.Response) -> None:
        await response.aread()
        seen.append(Exchange.of(response))

    plain = connection._client

    def recording(url: str, key: str | None, **http: Any) -> AsyncQdrantClient:
        client = plain(url, key, **http)
        client.http.client._async_client.event_hooks["response"].append(record)
        return client

    monkeypatch.setattr(connection, "_client", recording)
    yield seen
    if description is not None:
        assert [problem for exchange in seen for problem in description.problems(exchange)] == []


@pytest.fixture
async def store(settings: Settings, exchanges: list[Exchange]) -> AsyncIterator[Store]:
    async with open_store(settings, dimension=DIMENSION, model=MODEL) as opened:
        yield opened
        await forget(opened)


async def forget(opened: Store) -> None:
    """Remove what a test created, also on a server that outlives it."""

    async def remove(client: AsyncQdrantClient) -> None:
        alias = models.DeleteAlias(alias_name=opened._names.chunks)
        await client.update_collection_aliases([models.DeleteAliasOperation(delete_alias=alias)])
        for name in (opened._names.physical, opened._names.documents):
            await client.delete_collection(name)

    await opened._connection.call(remove)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for something that happens in another process, and fail when it does not."""

    async def wait(happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not happened():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    return wait
