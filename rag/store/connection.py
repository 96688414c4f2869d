"""The client of one Qdrant, embedded or not: reconnects to an engine that died, and names every error."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import httpx
from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from rag.errors import StoreError, StoreUnavailable
from rag.settings import Settings
from rag.store.embedded.process import LOOPBACK, EngineUser

log = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_SECONDS = 60
# The client keeps no connection alive on loopback unless told to, which costs a connection per call.
_LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=4.0)
_CONNECT_SERVER = "check RAG_QDRANT_URL and that the server is running"


class Connection:
    """Runs calls against Qdrant. A call must be safe to repeat, because a lost engine is restarted once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = EngineUser(settings.data_dir) if settings.qdrant_url is None else None
        self._client: AsyncQdrantClient | None = None
        self._generation = 0
        self._connecting = asyncio.Lock()
        self.url = ""

    @property
    def kind(self) -> Literal["embedded", "server"]:
        return "server" if self._engine is None else "embedded"

    async def call(self, work: Callable[[AsyncQdrantClient], Awaitable[T]]) -> T:
        """The result of `work`.

        Raises:
            StoreUnavailable: Qdrant cannot be reached, or is overloaded.
            StoreError: Qdrant refused the request; the message is Qdrant's.
        """
        client, generation = await self._connected(None)
        try:
            return await work(client)
        except ApiException as error:
            if self._engine is None or not _engine_lost(error):
                raise self._named(error) from error
            log.warning("the embedded engine is gone (%s); starting it again", error)
        client, _ = await self._connected(generation)
        try:
            return await work(client)
        except ApiException as error:
            raise self._named(error) from error

    async def _connected(self, lost: int | None) -> tuple[AsyncQdrantClient, int]:
        """The client and its generation; another one than the `lost` generation."""
        async with self._connecting:
            if self._client is None or self._generation == lost:
                previous, self._client = self._client, None
                if previous is not None:
                    await previous.close()
                self._client = await self._connect()
                self._generation += 1
            return self._client, self._generation

    async def _connect(self) -> AsyncQdrantClient:
        if self._engine is not None:
            endpoint = await self._engine.attach()
            self.url = endpoint.url
            return _client(endpoint.url, endpoint.key, **LOOPBACK)
        url = str(self._settings.qdrant_url)
        parts = urlsplit(url)
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        key = self._settings.qdrant_api_key
        # Loopback is never reached through the proxy of the environment.
        outside = parts.hostname not in ("localhost", "127.0.0.1", "::1")
        return _client(url, key.get_secret_value() if key else None, trust_env=outside)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        if self._engine is not None:
            self._engine.close()

    def _named(self, error: ApiException) -> StoreError:
        if isinstance(error, UnexpectedResponse):
            return self._refused(error)
        source = error.source if isinstance(error, ResponseHandlingException) else error
        if isinstance(source, httpx.TimeoutException):
            what = f"Qdrant at {self.url} did not answer in time"
        elif isinstance(source, httpx.TransportError):
            what = f"Qdrant at {self.url} cannot be reached: {source}"
        elif isinstance(source, RuntimeError | httpx.InvalidURL):
            what = f"the connection to Qdrant at {self.url} was lost: {source}"
        elif isinstance(source, Exception) and type(error) is not ResponseHandlingException:
            what = f"Qdrant at {self.url} is overloaded: {source}"
        else:
            return StoreError(f"Qdrant at {self.url} sent a reply that is not understood: {source}")
        return StoreUnavailable(what, remedy=self._remedy())

    def _refused(self, error: UnexpectedResponse) -> StoreError:
        message = _message(error.content) or f"HTTP {error.status_code}"
        if error.status_code in (401, 403):
            return StoreError(
                f"Qdrant at {self.url} refused access: {message}", remedy="check RAG_QDRANT_API_KEY"
            )
        if error.status_code in (429, 502, 503, 504):
            return StoreUnavailable(f"Qdrant at {self.url} is not ready: {message}", remedy=self._remedy())
        return StoreError(f"Qdrant answered {error.status_code}: {message}")

    def _remedy(self) -> str:
        if self._engine is None:
            return _CONNECT_SERVER
        return "see qdrant/engine.log in the data folder, or set RAG_QDRANT_URL to a Qdrant server"


def _client(url: str, key: str | None, **http: Any) -> AsyncQdrantClient:
    return AsyncQdrantClient(
        # Without a port it means 6333, also for https: that is where Qdrant Cloud listens.
        url=url,
        # As a header: as an argument it warns about http, which is right on loopback and inside a cluster.
        headers={"api-key": key} if key else None,
        timeout=TIMEOUT_SECONDS,
        check_compatibility=False,
        limits=_LIMITS,
        **http,
    )


def _engine_lost(error: ApiException) -> bool:
    """True when the embedded engine has ended, or another one of another key has taken its place."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code == 401
    source = error.source if isinstance(error, ResponseHandlingException) else None
    # RuntimeError: the client was closed under this call, by another call that reconnected first.
    lost = isinstance(source, httpx.TransportError | RuntimeError)
    return lost and not isinstance(source, httpx.TimeoutException)


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["status"]["error"])
    except (ValueError, LookupError, TypeError):
        return content[:200].decode(errors="replace")
