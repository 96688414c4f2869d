"""Two services on one library: one without a key for everyone, one with Claude behind it for `hr` as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.claude_server import ClaudeServer
from tests.live import LiveService

from .hosts import ORIGIN, SECRET, keys_file
from .library import LIBRARY

KEY = "sk-ant-test-4711-never-to-be-shown"
ADMIN_KEY = "the admin key of the tests"
MAX_FILE_MB = 1


@pytest.fixture(scope="package")
def _claude() -> Iterator[ClaudeServer]:
    with ClaudeServer() as server:
        yield server


@pytest.fixture
def claude(_claude: ClaudeServer) -> ClaudeServer:
    """The API that the service with a key talks to, with nothing recorded and nothing enqueued."""
    _claude.reset()
    return _claude


@pytest.fixture(scope="package")
def services(
    tmp_path_factory: pytest.TempPathFactory, _claude: ClaudeServer
) -> Iterator[tuple[LiveService, LiveService]]:
    data_dir = tmp_path_factory.mktemp("api")
    plain, answering = LiveService(data_dir), LiveService(data_dir)
    answering.log = data_dir / "answering.log"
    with plain, answering:
        plain.start({"RAG_MAX_FILE_MB": str(MAX_FILE_MB)}, wait=False)
        answering.start(
            {
                "ANTHROPIC_API_KEY": KEY,
                "ANTHROPIC_BASE_URL": _claude.url,
                "RAG_READER_GROUPS": "hr, everyone",
                "RAG_ADMIN_KEY": ADMIN_KEY,
                # Each test enqueues replies of its own to the same few questions.
                "RAG_CACHE_ANSWERS": "0",
            },
            wait=False,
        )
        plain.wait_until_ready()
        answering.wait_until_ready()
        with _client(plain) as http:
            for document in LIBRARY:
                files = {"file": (document.name, document.text.encode())}
                http.post("/v1/documents", files=files, data={"groups": document.groups}).raise_for_status()
        yield plain, answering


@pytest.fixture(scope="package")
def plain_service(services: tuple[LiveService, LiveService]) -> LiveService:
    return services[0]


@pytest.fixture(scope="package")
def answering_service(services: tuple[LiveService, LiveService]) -> LiveService:
    return services[1]


@pytest.fixture(scope="package")
def plain(plain_service: LiveService) -> Iterator[httpx.Client]:
    """A client of the service that has no key and answers for everyone."""
    with _client(plain_service) as http:
        yield http


@pytest.fixture(scope="package")
def answering(answering_service: LiveService) -> Iterator[httpx.Client]:
    """A client of the service that has Claude behind it and answers for `hr` and everyone."""
    with _client(answering_service) as http:
        yield http


@pytest.fixture(scope="package")
def hosted_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The keys file of the hosted service, and the key of `intranet` in it."""
    return keys_file(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="package")
def hosted_service(
    plain_service: LiveService, ids: dict[str, str], hosted_keys: tuple[Path, str]
) -> Iterator[LiveService]:
    """A service on the same library that takes tokens, keys, and questions of a host's page."""
    service = LiveService(plain_service.data_dir)
    service.log = plain_service.data_dir / "hosted.log"
    env = {
        "RAG_TOKEN_SECRET": SECRET,
        "RAG_KEYS_FILE": str(hosted_keys[0]),
        "RAG_ALLOWED_ORIGINS": ORIGIN,
        "RAG_ORIGIN_QUESTIONS_PER_MINUTE": "1000",
        "RAG_ADMIN_KEY": ADMIN_KEY,
        "RAG_RERANK": "false",
    }
    with service:
        yield service.start(env)


@pytest.fixture(scope="package")
def hosted(hosted_service: LiveService) -> Iterator[httpx.Client]:
    with _client(hosted_service) as http:
        yield http


@pytest.fixture
def upload(plain: httpx.Client) -> Iterator[Uploader]:
    """Uploads documents to the service without a key, and removes them after the test."""
    uploader = Uploader(plain)
    yield uploader
    for ident in uploader.ids:
        plain.delete(f"/v1/documents/{ident}")


class Uploader:
    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.ids: set[str] = set()

    def __call__(self, name: str, data: bytes | str, **form: str) -> httpx.Response:
        content = data.encode() if isinstance(data, str) else data
        response = self._http.post("/v1/documents", files={"file": (name, content)}, data=form)
        if response.is_success:
            self.ids.add(response.json()["document"]["id"])
        return response


def _client(service: LiveService) -> httpx.Client:
    return httpx.Client(base_url=service.url, trust_env=False, timeout=60)


@pytest.fixture(scope="package")
def ids(plain: httpx.Client, answering: httpx.Client) -> dict[str, str]:
    """The document id of each file of the library."""
    listed = answering.get("/v1/documents").json()["documents"]
    return {record["uri"].rsplit("/", 1)[-1]: record["id"] for record in listed}


def stored_text(http: httpx.Client, document_id: str) -> str:
    return str(http.get(f"/v1/documents/{document_id}/source").json()["text"])
