"""A service that answers pages of other origins, a host of another origin, and the box in its pages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.claude_server import ClaudeServer
from tests.live import LiveService

from .box import SEARCHBOX, Box
from .hosts import SECRET, Host, page, policy, tag

Embed = Callable[..., Box]


@pytest.fixture(scope="package")
def site() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture(scope="package")
def embedding(site: Host, claude_server: ClaudeServer) -> dict[str, str]:
    """Settings of a service that takes questions from the site."""
    return {
        "ANTHROPIC_BASE_URL": claude_server.url,
        "ANTHROPIC_API_KEY": "test",
        "RAG_RERANK": "false",
        "RAG_ANSWER_MAX_TOKENS": "20000",
        "RAG_CACHE_ANSWERS": "0",
        "RAG_ALLOWED_ORIGINS": site.origin,
        "RAG_ORIGIN_QUESTIONS_PER_MINUTE": "1000",
        "RAG_TOKEN_SECRET": SECRET,
        "RAG_OVER_BUDGET": "refuse",
    }


@pytest.fixture(scope="package")
def service(data_dir: Path, embedding: dict[str, str]) -> Iterator[LiveService]:
    with LiveService(data_dir) as live:
        live.log = data_dir / "searchbox.log"
        yield live.start(embedding)


@pytest.fixture
def host(site: Host, service: LiveService) -> Host:
    """The site without what other tests have put there."""
    site.reset()
    site.policy = policy(service.url)
    return site


@pytest.fixture
def blank(context: BrowserContext, claude: ClaudeServer) -> Page:
    """A tab."""
    return context.new_page()


@pytest.fixture
def embed(blank: Page, host: Host, service: LiveService) -> Embed:
    """Opens a page of the site with the box in it; attributes as in `tag`."""

    def embedded(*, main: str = "", lang: str = "en", origin: str = "", **attributes: str | bool) -> Box:
        script = f"{service.url}/searchbox.js"
        direction = "rtl" if lang == "ar" else "ltr"
        more = {"main": main} if main else {}
        host.put(page(script, tag(**attributes), lang=lang, direction=direction, **more))
        blank.goto(origin or host.origin)
        box = Box(blank)
        expect(box.panel if attributes.get("mode") == "inline" else box.trigger).to_be_visible()
        return box

    return embedded


@pytest.fixture
def box(embed: Embed) -> Box:
    """A box in a dialog that is open."""
    box = embed()
    box.open()
    return box


@pytest.fixture(scope="session", autouse=True)
def node_modules() -> Path:
    """axe-core and the compiler, which only tests and builds need."""
    folder = SEARCHBOX / "node_modules"
    if not (folder / "axe-core").is_dir():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed: apt-get install npm")
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=SEARCHBOX, check=True, capture_output=True)
    return folder
