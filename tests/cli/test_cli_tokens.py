"""`rag token`, and what the doctor says of who may ask."""

from __future__ import annotations

import jwt
import pytest

from .commands import Commands

SECRET = "a secret of the tests with more than 32 bytes"
CALLERS = "who may ask"


def test_a_token_for_trying_is_one_line_and_brings_what_was_asked_for(elsewhere: Commands) -> None:
    arguments = ("--sub", "anna", "--group", "hr", "--group", "everyone", "--minutes", "5")
    ran = elsewhere.rag("token", *arguments, RAG_TOKEN_SECRET=SECRET)
    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    claims = jwt.decode(ran.out.strip(), SECRET, algorithms=["HS256"], audience="citebox")
    assert (claims["sub"], claims["groups"]) == ("anna", ["hr", "everyone"])


@pytest.mark.parametrize(
    ("arguments", "secret", "words"),
    [
        (("--sub", "anna"), "", "RAG_TOKEN_SECRET"),
        (("--sub", "anna"), "too short", "openssl rand"),
        (("--sub", "anna", "--minutes", "61"), SECRET, "60 min"),
        (("--sub", " "), SECRET, "`sub`"),
        (("--sub", "anna", "--group", ""), SECRET, "`groups`"),
    ],
)
def test_a_token_that_the_service_would_not_take_is_not_made(
    elsewhere: Commands, arguments: tuple[str, ...], secret: str, words: str
) -> None:
    ran = elsewhere.rag("token", *arguments, RAG_TOKEN_SECRET=secret)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert not secret or secret not in ran.err


@pytest.mark.parametrize(
    ("env", "state", "words"),
    [
        ({}, "OK", "neither keys nor tokens"),
        (
            {"RAG_TOKEN_SECRET": SECRET, "RAG_ALLOWED_ORIGINS": "https://a.example"},
            "OK",
            "signed tokens, the pages",
        ),
        ({"RAG_ALLOWED_ORIGINS": "http://localhost:3000"}, "OK", "http://localhost:3000"),
        ({"RAG_ALLOWED_ORIGINS": "http://a.example"}, "WARN", "can be read on the way"),
        ({"RAG_HOST": "0.0.0.0"}, "WARN", "anyone else who reaches 0.0.0.0"),
        ({"RAG_REQUIRE_KEY": "true"}, "WARN", "there is none"),
        ({"RAG_TOKEN_PUBLIC_KEY": "/dev/null"}, "FAIL", "not a public key"),
        ({"RAG_KEYS_FILE": "nowhere.toml"}, "FAIL", "RAG_KEYS_FILE"),
    ],
)
def test_the_doctor_says_who_may_ask(
    elsewhere: Commands, env: dict[str, str], state: str, words: str
) -> None:
    # A store that is not there is told at once: nothing else is looked at for long.
    ran = elsewhere.rag("doctor", "--json", RAG_PORT="0", RAG_QDRANT_URL="http://127.0.0.1:9", **env)
    (check,) = [one for one in ran.json if one["name"] == CALLERS]
    assert check["state"] == state
    assert words in check["detail"]
    assert SECRET not in ran.out
