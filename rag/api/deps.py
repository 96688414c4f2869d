"""What a route may ask for: the service, the reader, the door to ingest, and the right to write."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Request
from starlette.datastructures import Headers

from rag.api.admission import Places
from rag.api.rates import Rates
from rag.documents import DocumentRecord, Reader, utc_now
from rag.errors import CiteboxError, ClientGone, Forbidden, NotReady, TokenInvalid, Unauthorised
from rag.keys import ADMIN, Caller
from rag.origins import page_of
from rag.pictures.pictures import Pictures
from rag.service import Service
from rag.settings import Settings

T = TypeVar("T")

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What a proxy adds: behind one, a request from this machine may be anybody's."""
COOKIE = "citebox_token"
QUESTIONS = "/v1/ask"


class IngestDoor(Protocol):
    """The write path as the API sees it; `ingest` provides it when the app is put together."""

    async def upload(
        self, path: Path, filename: str, collection: str, groups: tuple[str, ...] | None
    ) -> tuple[DocumentRecord, str]:
        """The record and whether it is new, changed or unchanged; raises SourceError."""
        ...

    async def remove(self, document_id: str) -> None: ...

    async def read_again(self, document_id: str) -> tuple[DocumentRecord, str]:
        """As `upload`, from the source or the stored original; raises NotFound, NoOriginal."""
        ...


@dataclass(slots=True)
class Runtime:
    """What the application holds; empty until the models are loaded."""

    settings: Settings
    places: Places
    rates: Rates
    service: Service | None = None
    door: IngestDoor | None = None
    failure: CiteboxError | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    started: datetime = field(default_factory=utc_now)
    pictures: Pictures = field(default_factory=Pictures)


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


def get_caller(request: Request, runtime: RuntimeDep, service: ServiceDep) -> Caller:
    """Who is asking, by the key or token they bring; the admin key reads as everyone does.

    Raises:
        Unauthorised: the key is not known, or none came and one is needed.
        TokenExpired, TokenInvalid: the signed token is not good, or not any more.
        TooFast: nobody knows who it is, and there were too many of them in the last minute.
    """
    settings = service.settings
    if given := credentials(request.headers):
        if settings.admin_key is not None and same_key(given, settings.admin_key.get_secret_value()):
            return Caller(ADMIN, service.reader, settings.max_usd_per_day)
        return service.keys.caller(given)
    if token := token_in_cookie(request.method, request.headers):
        return service.keys.user(token)
    page = page_of(request.headers, settings.allowed_origins)
    caller = service.keys.visitor(page.origin if page.kind == "allowed" else "")
    if settings.allowed_origins:
        # Of those without an origin too: it is a header that a program can leave out.
        runtime.rates.count(caller.name, question=request.scope["path"].rstrip("/") == QUESTIONS)
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


def get_reader(caller: CallerDep) -> Reader:
    """What the caller may read. Every path to a document's text goes through this one dependency."""
    return caller.reader


ReaderDep = Annotated[Reader, Depends(get_reader)]


def get_places(runtime: RuntimeDep) -> Places:
    return runtime.places


PlacesDep = Annotated[Places, Depends(get_places)]


def get_pictures(runtime: RuntimeDep) -> Pictures:
    return runtime.pictures


PicturesDep = Annotated[Pictures, Depends(get_pictures)]


def get_door(runtime: RuntimeDep, service: ServiceDep) -> IngestDoor:
    if runtime.door is None:
        raise NotReady("the service cannot take documents yet")
    return runtime.door


DoorDep = Annotated[IngestDoor, Depends(get_door)]


def bearer(headers: Mapping[str, str]) -> str:
    """The key or token that a request brings; empty when it brings none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


def credentials(headers: Headers) -> str:
    """As `bearer`, but whoever tries to say who they are and fails is not taken for anonymous.

    Raises:
        Unauthorised: there is an Authorization header without a bearer key, or there are several.
    """
    given = headers.getlist("authorization")
    if not given:
        return ""
    key = bearer(headers)
    if len(given) > 1 or not key.strip():
        raise Unauthorised(
            "the Authorization header brings no key or token", remedy="send `Authorization: Bearer …` once"
        )
    return key


def token_in_cookie(method: str, headers: Headers) -> str:
    """The token that the browser sends by itself; empty where another site's page may have made it do so.

    A page of our own says so in `Sec-Fetch-Site`; `none` is an address that the reader has opened.

    Raises:
        TokenInvalid: there are two of them: one was set for us by somebody else, of a neighbouring host.
    """
    site = headers.get("sec-fetch-site", "")
    if site != "same-origin" and not (site == "none" and method in ("GET", "HEAD")):
        return ""
    crumbs = [part.strip().partition("=") for line in headers.getlist("cookie") for part in line.split(";")]
    found = [value.strip('"') for name, _, value in crumbs if name.strip() == COOKIE]
    if len(found) > 1:
        raise TokenInvalid(f"there are two cookies {COOKIE}", remedy="set it once, for this host alone")
    return found[0] if found else ""


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


def may_operate(runtime: RuntimeDep, request: Request) -> None:
    """Everything below /v1/admin, reading included: as `check_write`; the guard lets no other site's page in.

    Raises:
        Forbidden: as `check_write`, or without an admin key, readers are told apart or this one brings a key.
    """
    settings = runtime.settings
    check_write(settings, request.headers)
    if settings.admin_key is not None:
        return
    if bearer(request.headers):
        raise Forbidden("a reader's key does not open the operator's page")
    if settings.tells_readers_apart:
        # Such a service is there for others, and a proxy before it may look like this machine.
        raise Forbidden(
            "where keys, tokens or origins are set, the operator's page needs an admin key",
            remedy="set RAG_ADMIN_KEY on the service and send it as `Authorization: Bearer …`",
        )


MayOperate = Depends(may_operate)


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
