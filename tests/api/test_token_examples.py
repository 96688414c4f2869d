"""The examples of a host's token endpoint: short, and what they sign is taken."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from .hosts import ELSEWHERE, SECRET, bearing, door

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "token_endpoint"
EXAMPLES = ("with_fastapi.py", "with_django.py", "with_express.js")
LINES = 25


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The FastAPI example as a module."""
    monkeypatch.setenv("RAG_TOKEN_SECRET", SECRET)
    spec = importlib.util.spec_from_file_location("with_fastapi", FOLDER / "with_fastapi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def page(host: ModuleType) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(host.app), base_url="https://host") as http:
        yield http


async def test_what_the_fastapi_host_signs_the_service_takes(
    host: ModuleType, page: httpx.AsyncClient, tmp_path: Path
) -> None:
    host.app.dependency_overrides[host.signed_in] = lambda: ("anna@example.com", ["everyone", "hr"])
    reply = await page.get("/citebox-token")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.json()["expires_in"] == 600
    async with door(tmp_path, token_secret=SECRET) as http:
        session = (await http.get("/v1/session", headers=bearing(reply.json()["token"]))).json()
    assert session["name"] == "user:anna@example.com"
    assert session["groups"] == ["everyone", "hr"]


async def test_nobody_gets_a_token_without_having_signed_in(page: httpx.AsyncClient) -> None:
    reply = await page.get("/citebox-token", headers=ELSEWHERE)
    assert reply.status_code == 401
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_few_lines(name: str) -> None:
    assert len((FOLDER / name).read_text().splitlines()) <= LINES


def test_the_django_host_signs_as_the_fastapi_host_does() -> None:
    assert signing("with_django.py") == signing("with_fastapi.py")


def test_the_express_host_is_javascript() -> None:
    subprocess.run(["node", "--check", FOLDER / "with_express.js"], check=True)


def signing(name: str) -> list[str]:
    """The claims and the signing of a Python example."""
    nodes = list(ast.walk(ast.parse((FOLDER / name).read_text())))
    claims = [one for one in nodes if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "claims"]
    calls = [one for one in nodes if isinstance(one, ast.Call) and ast.unparse(one.func) == "jwt.encode"]
    assert (len(claims), len(calls)) == (1, 1)
    return [ast.unparse(one) for one in (*claims, *calls)]
