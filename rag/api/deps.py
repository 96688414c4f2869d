"""What a route may ask for: the service, the reader, the door to ingest, and the right to write."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Request

from rag.api.admission import Places
from rag.documents import DocumentRecord, Reader
from rag.errors import CiteboxError, ClientGone, Forbidden, NotReady
from rag.keys import ADMIN, Caller
from rag.service import Service
from rag.settings import Settings

T = TypeVar("T")

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What a proxy adds: behind one, a request from this machine may be anybody's."""


class IngestDoor(Protocol):
    """The write path as the API sees it; `ingest` provides it when the app is put together."""

    async def upload(
        self, path: Path, filename: str, collection: str, groups: tuple[str, ...] | None
    ) -> tuple[DocumentRecord, str]:
        """The record and whether it is new, changed or unchanged; raises SourceError."""
        ...

    async def remove(self, document_id: str) -> None: ...


@dataclass(slots=True)
class Runtime:
    """What the application holds; empty until the models are loaded."""

    settings: Settings
    places: Places
    service: Service | None = None
    door: IngestDoor | None = None
    failure: CiteboxError | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)


def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


def get_service(runtime: RuntimeDep) -> Service:
    if runtime.failure is not None:
        raise runtime.failure
    if runtime.service is None:
        raise NotReady("the models are being loaded", remedy="try again in a few seconds; see /readyz")
    return runtime.service


ServiceDep = Annotated[Service, Depends(get_service)]


def get_caller(request: Request, service: ServiceDep) -> Caller:
    """Who is asking, by the key they bring; the admin key reads as everyone does.

    Raises:
        Unauthorised: the key is not known, or none came and one is needed.
    """
    given = bearer(request.headers)
    admin = service.settings.admin_key
    if admin is not None and same_key(given, admin.get_secret_value()):
        return Caller(ADMIN, service.reader, service.settings.max_usd_per_day)
    return service.keys.caller(given)


CallerDep = Annotated[Caller, Depends(get_caller)]


def get_reader(caller: CallerDep) -> Reader:
    """What the caller may read. Every path to a document's text goes through this one dependency."""
    return caller.reader


ReaderDep = Annotated[Reader, Depends(get_reader)]


def get_places(runtime: RuntimeDep) -> Places:
    return runtime.places


PlacesDep = Annotated[Places, Depends(get_places)]


def get_door(runtime: RuntimeDep, service: ServiceDep) -> IngestDoor:
    if runtime.door is None:
        raise NotReady("the service cannot take documents yet")
    return runtime.door


DoorDep = Annotated[IngestDoor, Depends(get_door)]


def bearer(headers: Mapping[str, str]) -> str:
    """The key that a request brings; empty when it brings none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


def same_key(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())


def check_write(settings: Settings, headers: Mapping[str, str]) -> None:
    """Adding and removing documents: by the admin key where one is set, else from this machine only.

    Raises:
        Forbidden: the key is missing or wrong, or the request may come from another machine.
    """
    if settings.admin_key is not None:
        if not same_key(bearer(headers), settings.admin_key.get_secret_value()):
            raise Forbidden("this needs the admin key", remedy="send it as `Authorization: Bearer …`")
    elif (
        settings.host not in LOOPBACK
        or not set(settings.allowed_hosts) <= LOOPBACK
        or any(name in headers for name in FORWARDED)
    ):
        raise Forbidden(
            "documents cannot be changed over the network without an admin key",
            remedy="set RAG_ADMIN_KEY on the service and send it as `Authorization: Bearer …`",
        )


def may_write(runtime: RuntimeDep, request: Request) -> None:
    check_write(runtime.settings, request.headers)


MayWrite = Depends(may_write)


async def unless_hung_up(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up first.

    Raises:
        ClientGone: the client hung up.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone("the client hung up before the answer was ready")
        return task.result()
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
