"""GET /v1/session: what a page can know before it asks."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from .conftest import ADMIN_KEY
from .hosts import ORIGIN, bearing, door, keys_file


def test_without_a_key_one_is_anonymous(plain: httpx.Client) -> None:
    reply = plain.get("/v1/session")
    assert reply.json() == {
        "name": "anonymous",
        "groups": ["everyone"],
        "expires": None,
        "answers": "extractive",
        "downloads": True,
        "feedback": True,
    }
    assert reply.headers["Cache-Control"] == "no-store"
    assert {"Authorization", "Cookie"} <= set(reply.headers["Vary"].split(", "))


def test_with_claude_behind_it_answers_are_claudes(answering: httpx.Client) -> None:
    session = answering.get("/v1/session").json()
    assert session["answers"] == "claude"
    assert session["groups"] == ["everyone", "hr"]


def test_the_admin_key_is_known(answering: httpx.Client) -> None:
    assert answering.get("/v1/session", headers=bearing(ADMIN_KEY)).json()["name"] == "admin"


async def test_a_key_has_the_name_and_groups_of_its_table(tmp_path: Path) -> None:
    file, key = keys_file(tmp_path)
    async with door(tmp_path, keys_file=file) as http:
        session = (await http.get("/v1/session", headers=bearing(key))).json()
    assert (session["name"], session["groups"], session["expires"]) == ("intranet", ["everyone", "hr"], None)


@pytest.mark.parametrize("downloads", [True, False])
async def test_it_says_whether_originals_are_given_out(tmp_path: Path, downloads: bool) -> None:
    async with door(tmp_path, downloads=downloads, allowed_origins=(ORIGIN,)) as http:
        assert (await http.get("/v1/session")).json()["downloads"] is downloads
