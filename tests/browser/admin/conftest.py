"""The operator's page in front of services of its own: on this machine alone, and behind the admin key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.claude_server import ClaudeServer
from tests.live import LiveService

from . import office

ADMIN_KEY = "the operator's key of these tests"


@pytest.fixture(scope="package")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operator") / "data"


@pytest.fixture(scope="package")
def service(data_dir: Path, claude_server: ClaudeServer) -> Iterator[LiveService]:
    """A month of an office; without an admin key, on this machine alone."""
    env = {"ANTHROPIC_BASE_URL": claude_server.url, "ANTHROPIC_API_KEY": "test"}
    with LiveService(data_dir) as live:
        live.start(env)
        with httpx.Client(base_url=live.url, trust_env=False, timeout=60) as http:
            office.fill_documents(http)
        elsewhere(office.fill_log(data_dir, office.now()))
        yield live


@pytest.fixture(scope="package")
def locked(service: LiveService, data_dir: Path) -> Iterator[LiveService]:
    """The same data behind the admin key."""
    with LiveService(data_dir) as live:
        live.log = data_dir / "locked.log"
        yield live.start({"RAG_ADMIN_KEY": ADMIN_KEY, "RAG_RERANK": "false"})


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """The operator's page, open at its overview."""
    page = context.new_page()
    open_section(page, "overview", "Overview")
    return page


def open_section(page: Page, name: str, title: str) -> None:
    page.goto(f"/admin#{name}")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    settled(page)


def settled(page: Page) -> None:
    """Wait until the section has what it asked for."""
    expect(page.locator("#fresh")).to_contain_text("Updated")
    expect(page.locator("#view")).not_to_have_attribute("aria-busy", "true")


def elsewhere(work: Coroutine[Any, Any, None]) -> None:
    """Run it in a thread of its own: Playwright's loop is this thread's."""
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join()
