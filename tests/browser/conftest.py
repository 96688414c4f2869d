"""The real service, with Claude's stand-in behind it, and Debian's Chromium in front.

Everything is scoped to this package: Playwright's loop must be gone before other packages run theirs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.claude_server import ClaudeServer
from tests.live import LiveService

from .library import write_library

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def claude_server() -> Iterator[ClaudeServer]:
    with ClaudeServer() as server:
        yield server


@pytest.fixture(scope="package")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, ingested once for all services of this package."""
    folder = tmp_path_factory.mktemp("browser")
    LiveService(folder / "data").ingest(write_library(folder / "library"))
    return folder / "data"


@pytest.fixture(scope="package")
def service(data_dir: Path, claude_server: ClaudeServer) -> Iterator[LiveService]:
    """Answers by the Claude server; without the reranker, whose second of work the page does not show."""
    env = {
        "ANTHROPIC_BASE_URL": claude_server.url,
        "ANTHROPIC_API_KEY": "test",
        "RAG_RERANK": "false",
        # Each test enqueues replies of its own to the same few questions.
        "RAG_CACHE_ANSWERS": "0",
    }
    with LiveService(data_dir) as live:
        yield live.start(env)


@pytest.fixture(scope="package")
def keyless(data_dir: Path) -> Iterator[LiveService]:
    """Answers without a model."""
    with LiveService(data_dir) as live:
        yield live.start()


@pytest.fixture
def claude(claude_server: ClaudeServer) -> ClaudeServer:
    """The Claude server without what other tests have asked and enqueued."""
    claude_server.reset()
    return claude_server


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    places = [os.environ.get("CHROMIUM_PATH", ""), "/usr/bin/chromium"]
    found = next((place for place in places if place and Path(place).exists()), None)
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium, or set CHROMIUM_PATH")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


class Complaints:
    """What the browser complains about: errors of scripts, of the content policy, of the network."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """A test that provokes an error says so."""
        self._expected.append(pattern)

    def listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._heard.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: self._heard.append(f"dialog: {dialog.message}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._heard.append(message.text)

    @property
    def unexpected(self) -> list[str]:
        return [one for one in self._heard if not any(re.search(known, one) for known in self._expected)]


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert complaints.unexpected == []


@pytest.fixture
def context(
    request: pytest.FixtureRequest, browser: Browser, service: LiveService, complaints: Complaints
) -> Iterator[BrowserContext]:
    """A fresh browser profile; `@pytest.mark.parametrize("context", [{...}], indirect=True)` sets it up."""
    options = {"viewport": {"width": 1280, "height": 800}, **getattr(request, "param", {})}
    context = browser.new_context(base_url=service.url, **options)
    context.set_default_timeout(PATIENCE_MS)
    context.on("page", complaints.listen)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, claude: ClaudeServer) -> Page:
    """The search page, ready to be asked."""
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#library")).to_be_visible()
    return page
