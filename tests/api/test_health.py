"""/healthz, /readyz, and a service that cannot start."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from rag.api.app import create_app
from rag.errors import PictureFailed
from rag.pictures.pictures import Pictures
from rag.pictures.process import Workers
from rag.settings import Settings
from tests.live import LiveService

SECONDS = 60


def test_the_service_is_ready_and_says_how_it_answers(plain: httpx.Client, answering: httpx.Client) -> None:
    ready = plain.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    assert ready.json()["documents"] >= 4
    assert (ready.json()["answers"], answering.get("/readyz").json()["answers"]) == ("extractive", "claude")


def test_a_healthy_process_says_ok(plain: httpx.Client) -> None:
    assert plain.get("/healthz").json() == {"status": "ok"}


def _until_it_answers(http: httpx.Client) -> httpx.Response:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return http.get("/readyz")
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the service never answered"
            time.sleep(0.02)


def test_while_the_models_load_it_is_alive_and_not_ready(tmp_path: Path) -> None:
    with LiveService(tmp_path).start(wait=False) as service:
        with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as http:
            ready = _until_it_answers(http)
            assert (ready.status_code, ready.json()["status"]) == (503, "starting")
            assert http.get("/healthz").status_code == 200
            asked = http.post("/v1/ask", json={"question": "How long?"})
            assert (asked.status_code, asked.json()["code"]) == (503, "starting")
        assert service.stop() == -signal.SIGTERM
        assert "Ready" not in service.printed()


def test_without_its_models_it_ends_and_names_the_remedy(tmp_path: Path) -> None:
    service = LiveService(tmp_path)
    with pytest.raises(RuntimeError, match="the service ended") as ended:
        service.start({"RAG_MODELS_DIR": str(tmp_path / "models")})
    assert "rag models fetch" in str(ended.value)
    assert "Traceback" not in str(ended.value)


def test_a_port_that_is_taken_is_told_at_once(tmp_path: Path, plain_service: LiveService) -> None:
    service = LiveService(tmp_path)
    port = plain_service.url.rsplit(":", 1)[-1]
    with pytest.raises(RuntimeError, match="the service ended") as ended:
        service.start({"RAG_PORT": port})
    assert "RAG_PORT" in str(ended.value)


async def test_the_processes_that_draw_end_with_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tidy() -> None:
        pass

    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(desk=SimpleNamespace(tidy=tidy), warm=lambda: None)

    async def load() -> bytes:
        return b"no PDF"

    monkeypatch.setattr("rag.api.app.open_service", opened)
    monkeypatch.setattr("ingest.uploads.open_door", nullcontext)
    app = create_app(Settings(data_dir=tmp_path))
    workers = Workers(count=1)
    app.state.runtime.pictures = Pictures(workers)
    async with app.router.lifespan_context(app):
        await app.state.runtime.settled.wait()
        with pytest.raises(PictureFailed):
            await workers.ask("a", load, {"do": "draw", "page": 1, "width": 400})
        assert workers.pids
    assert not workers.pids
