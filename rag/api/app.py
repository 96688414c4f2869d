"""The application put together. The one place where the read path knows the write path."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from rag.api import (
    admin,
    admin_questions,
    ask,
    documents,
    feedback,
    health,
    pages,
    problems,
    session,
    sources,
    usage,
)
from rag.api.admission import Places
from rag.api.deps import Runtime
from rag.api.guard import Guard
from rag.api.rates import Rates
from rag.errors import CiteboxError
from rag.service import open_service
from rag.settings import Settings

log = logging.getLogger(__name__)

TIDY_SECONDS = 3600.0

DESCRIPTION = """Questions to your own documents, answered with citations that can be checked.

Every error is `application/problem+json` with a stable `code`. Offsets count Unicode code points, end
exclusive, into the text that `GET /v1/documents/{id}/source` returns."""


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application; it answers /healthz at once and loads its models meanwhile."""
    most = settings.max_questions
    each = max(1, most // 2) if settings.tells_callers_apart else most
    runtime = Runtime(settings, Places(most, each), Rates(settings.origin_questions_per_minute))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ends = asyncio.Event()
        life = asyncio.create_task(_live(runtime, ends))
        try:
            yield
        finally:
            ends.set()
            if runtime.service is None:
                life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await life

    app = FastAPI(
        title="Citebox",
        version=version("citebox"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        docs_url=None,
    )
    app.state.runtime = runtime
    app.add_middleware(Guard, settings=settings)
    problems.install(app)
    for routes in (
        ask.router,
        feedback.router,
        admin.router,
        admin_questions.router,
        documents.router,
        sources.router,
        usage.router,
        session.router,
        health.router,
        pages.router,
    ):
        app.include_router(routes)
    _describe_problems(app)
    return app


async def _live(runtime: Runtime, ends: asyncio.Event) -> None:
    """Open the service, hold it open while the application lives, close it. One task, as locks demand."""
    from ingest.uploads import open_door

    try:
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(open_service(runtime.settings))
            runtime.door = stack.enter_context(open_door(service))
            stack.push_async_callback(runtime.pictures.close)
            await asyncio.to_thread(service.warm)
            # What is loaded by now stays: to look through all of it for garbage again and again would hold up
            # every reader for 0.4 s each time.
            gc.collect()
            gc.freeze()
            runtime.service = service
            runtime.settled.set()
            while not ends.is_set():
                await service.desk.tidy()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ends.wait(), TIDY_SECONDS)
    except CiteboxError as error:
        runtime.failure = error
    except Exception:
        log.exception("the service could not be opened")
        runtime.failure = CiteboxError("the service could not be opened", remedy="its log has the details")
    finally:
        runtime.settled.set()


def _describe_problems(app: FastAPI) -> None:
    """Put the Problem schema into the OpenAPI description, and its media type in place of FastAPI's own."""
    plain = app.openapi

    def described() -> dict[str, object]:
        schema = plain()
        parts = schema["components"]["schemas"]
        parts["Problem"] = problems.Problem.model_json_schema()
        refused = {str(status): told for status, told in problems.responses(401, 403, 429).items()}
        for address, path in schema["paths"].items():
            for operation in path.values():
                if address.startswith("/v1/"):  # by who asks, from which page, and how often
                    operation["responses"] = refused | operation["responses"]
                reply = operation["responses"].get("422")
                if reply and "application/json" in reply["content"]:
                    operation["responses"]["422"] = problems.responses(422)[422]
        parts.pop("HTTPValidationError", None)
        parts.pop("ValidationError", None)
        return schema

    app.openapi = described  # type: ignore[method-assign]
