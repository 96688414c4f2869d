"""Signed tokens: who is told apart, what a forged or stale one gets, and that its groups bind every path."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rag.api.deps import COOKIE
from rag.errors import SettingsError
from rag.settings import Settings, load_settings
from rag.tokens import LONGEST, Tokens
from tests.live import LiveService

from . import events
from .hosts import ELSEWHERE, HERE, SECRET, bearing, claims, door, keys_file, pair, token
from .library import ASKING_SECRET, NOT_IN_THE_LIBRARY, SALARIES
from .library import SECRET as SALARY
from .test_problems import NOBODY, assert_problem

HOUR = 3600


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed_with_the_text(pem: str) -> str:
    """An HS256 token keyed with a public key, as no library makes it."""
    body = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims())}"
    made = hmac.new(pem.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


# ---------------------------------------------------------------- who one is


async def test_a_token_brings_a_name_groups_and_its_end(tmp_path: Path) -> None:
    async with door(tmp_path, token_secret=SECRET) as http:
        given = claims(groups=["hr", "everyone"])
        reply = await http.get("/v1/session", headers=bearing(token(**given)))
    assert reply.json()["name"] == "user:anna"
    assert reply.json()["groups"] == ["everyone", "hr"]
    assert reply.json()["expires"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(given["exp"]))


@pytest.mark.parametrize(("groups", "read"), [(None, ["staff"]), ([], []), (["hr"], ["hr"])])
async def test_without_groups_a_token_reads_as_everyone_does_and_with_an_empty_list_nothing(
    tmp_path: Path, groups: list[str] | None, read: list[str]
) -> None:
    async with door(tmp_path, token_secret=SECRET, reader_groups=("staff",)) as http:
        reply = await http.get("/v1/session", headers=bearing(token(groups=groups)))
    assert reply.json()["groups"] == read


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_may_be_signed_with_a_private_key_that_only_the_host_has(
    tmp_path: Path, algorithm: str
) -> None:
    keys = pair(algorithm)
    file = tmp_path / "public.pem"
    file.write_text(keys.pem)
    async with door(tmp_path, token_public_key=file) as http:
        good = await http.get("/v1/session", headers=bearing(token(keys.private, algorithm)))
        other = await http.get("/v1/session", headers=bearing(token(pair(algorithm).private, algorithm)))
        confused = await http.get("/v1/session", headers=bearing(signed_with_the_text(keys.pem)))
    assert good.json()["name"] == "user:anna"
    for refused in (other, confused):
        assert_problem(refused, 401, "token_invalid")
        assert "another key" in refused.json()["detail"]


# ---------------------------------------------------------------- tokens that are refused

FORGED: dict[str, tuple[str, str, str]] = {
    "no algorithm": (f"{part({'alg': 'none'})}.{part(claims())}.", "token_invalid", "another key"),
    "another key": (token("another secret of more than 32 bytes, too"), "token_invalid", "another key"),
    "another algorithm": (token(algorithm="HS512", key=SECRET * 2), "token_invalid", "another key"),
    "a key of its own": (
        f"{part({'alg': 'HS256', 'jwk': {'kty': 'oct', 'k': 'AAAA'}})}.{part(claims())}.AAAA",
        "token_invalid",
        "another key",
    ),
    "expired": (token(exp=int(time.time()) - 1), "token_expired", "expired"),
    "expired long ago": (token(exp=1), "token_expired", "expired"),
    "no end": (token(exp=None), "token_invalid", "has no `exp`"),
    "a far end": (token(exp=int(time.time()) + 2 * HOUR), "token_invalid", "later than 60 min ahead"),
    "an end that is none": (token(exp="tomorrow"), "token_invalid", "`exp`"),
    "an end in words": (token(exp=str(int(time.time()) + 60)), "token_invalid", "`exp`"),
    "an endless end": (token(exp=float("inf")), "token_invalid", "`exp`"),
    "an end that is no number": (token(exp=float("nan")), "token_invalid", "`exp`"),
    "another audience": (token(aud="payroll"), "token_invalid", "the audience of the token is not citebox"),
    "several audiences": (token(aud=["payroll", "citebox"]), "token_invalid", "audience"),
    "no audience": (token(aud=None), "token_invalid", "has no `aud`"),
    "no name": (token(sub=None), "token_invalid", "has no `sub`"),
    "an empty name": (token(sub=""), "token_invalid", "`sub`"),
    "a name too long": (token(sub="a" * 65), "token_invalid", "`sub`"),
    "a name that cannot be seen": (token(sub="anna\u202e"), "token_invalid", "`sub`"),
    "groups that are no list": (token(groups="hr"), "token_invalid", "`groups` is not a list of names"),
    "a group that is no name": (token(groups=["hr", 7]), "token_invalid", "`groups`"),
    "a group without a name": (token(groups=[" "]), "token_invalid", "`groups`"),
    "a budget that is none": (token(max_usd_per_day=-1), "token_invalid", "`max_usd_per_day`"),
    "not yet": (token(nbf=int(time.time()) + HOUR), "token_invalid", "not valid yet"),
    "from the future": (token(iat=int(time.time()) + HOUR), "token_invalid", "not valid yet"),
    "garbage": ("a.b.c", "token_invalid", "malformed"),
    "nothing at all": ("..", "token_invalid", "malformed"),
    "a list": (f"{part([])}.{part([])}.AAAA", "token_invalid", "malformed"),
    "brackets without end": (f"{part({})}.{'W1tb' * 900}.AAAA", "token_invalid", ""),
    "far too much": (token(sub="anna", junk="x" * LONGEST), "token_invalid", "longer than"),
}


@pytest.mark.parametrize("kind", FORGED)
async def test_a_token_that_is_not_good_is_refused_in_words_that_help_the_host(
    tmp_path: Path, kind: str
) -> None:
    given, code, words = FORGED[kind]
    async with door(tmp_path, token_secret=SECRET) as http:
        reply = await http.get("/v1/session", headers=bearing(given))
    assert_problem(reply, 401, code)
    assert words in reply.json()["detail"]
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert given[-20:] not in reply.text or len(given) < 20


@pytest.mark.parametrize("begins", ["iat", "nbf"])
async def test_clocks_may_differ_a_little_where_a_token_begins(tmp_path: Path, begins: str) -> None:
    async with door(tmp_path, token_secret=SECRET) as http:
        reply = await http.get("/v1/session", headers=bearing(token(**{begins: int(time.time()) + 15})))
    assert reply.status_code == 200


async def test_how_far_ahead_a_token_may_end_is_a_setting(tmp_path: Path) -> None:
    async with door(tmp_path, token_secret=SECRET, token_max_minutes=5) as http:
        reply = await http.get("/v1/session", headers=bearing(token()))
    assert "later than 5 min ahead" in reply.json()["detail"]


async def test_a_service_without_a_key_for_tokens_takes_none(tmp_path: Path) -> None:
    async with door(tmp_path) as http:
        reply = await http.get("/v1/session", headers=bearing(token()))
    assert_problem(reply, 401, "token_invalid")
    assert "takes no signed tokens" in reply.json()["detail"]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic YTpi", "Digest x", "bearer wrong", "Bearer cbx_.a.b"]
)
async def test_whoever_fails_to_say_who_they_are_is_not_taken_for_anonymous(
    tmp_path: Path, authorization: str
) -> None:
    async with door(tmp_path, token_secret=SECRET) as http:
        reply = await http.get("/v1/session", headers={"Authorization": authorization, **HERE})
    assert_problem(reply, 401, "unauthorised")


async def test_two_authorizations_are_refused_even_when_one_is_good(tmp_path: Path) -> None:
    async with door(tmp_path, token_secret=SECRET) as http:
        twice = [("Authorization", f"Bearer {token()}"), ("Authorization", "Bearer other")]
        assert_problem(await http.get("/v1/session", headers=twice), 401, "unauthorised")


async def test_a_key_or_a_token_satisfies_a_service_that_requires_one(tmp_path: Path) -> None:
    file, key = keys_file(tmp_path)
    async with door(tmp_path, token_secret=SECRET, keys_file=file, require_key=True) as http:
        names = [
            (await http.get("/v1/session", headers=bearing(given))).json()["name"] for given in (key, token())
        ]
        nobody = await http.get("/v1/session")
    assert names == ["intranet", "user:anna"]
    assert_problem(nobody, 401, "unauthorised")


async def test_the_admin_key_may_look_like_a_token(tmp_path: Path) -> None:
    async with door(tmp_path, admin_key="a.b.c", token_secret=SECRET) as http:
        reply = await http.get("/v1/session", headers=bearing("a.b.c"))
    assert reply.json()["name"] == "admin"


async def test_a_revoked_user_is_refused_though_the_token_is_good(tmp_path: Path) -> None:
    file, _ = keys_file(tmp_path, revoked=("anna",))
    async with door(tmp_path, token_secret=SECRET, keys_file=file) as http:
        anna = await http.get("/v1/session", headers=bearing(token()))
        ben = await http.get("/v1/session", headers=bearing(token(sub="ben")))
    assert_problem(anna, 401, "unauthorised")
    assert "withdrawn" in anna.json()["detail"]
    assert ben.status_code == 200


# ---------------------------------------------------------------- the cookie

REACHED = [
    ("GET", "same-origin", "user:anna"),
    ("GET", "none", "user:anna"),
    ("GET", "same-site", "anonymous"),
    ("GET", "cross-site", "anonymous"),
    ("GET", None, "anonymous"),
]


@pytest.mark.parametrize(("method", "site", "name"), REACHED)
async def test_the_cookie_counts_only_where_no_other_site_made_the_browser_send_it(
    tmp_path: Path, method: str, site: str | None, name: str
) -> None:
    async with door(tmp_path, token_secret=SECRET) as http:
        headers = {"Cookie": f"theme=dark; {COOKIE}={token()}"}
        if site is not None:
            headers["Sec-Fetch-Site"] = site
        reply = await http.request(method, "/v1/session", headers=headers)
    assert reply.json()["name"] == name


async def test_a_key_in_the_header_wins_over_the_cookie(tmp_path: Path) -> None:
    async with door(tmp_path, token_secret=SECRET) as http:
        headers = {"Cookie": f"{COOKIE}={token()}", **HERE}
        ben = await http.get("/v1/session", headers=headers | bearing(token(sub="ben")))
        wrong = await http.get("/v1/session", headers=headers | bearing("cbx_wrong"))
    assert ben.json()["name"] == "user:ben"
    assert_problem(wrong, 401, "unauthorised")


async def test_only_a_token_may_be_in_the_cookie_and_only_once(tmp_path: Path) -> None:
    file, key = keys_file(tmp_path)
    async with door(tmp_path, token_secret=SECRET, keys_file=file, admin_key="the-admin-key") as http:
        for crumbs in (
            f"{COOKIE}={key}",
            f"{COOKIE}=the-admin-key",
            f"{COOKIE}={token(sub='mallory')}; {COOKIE}={token()}",
        ):
            reply = await http.get("/v1/session", headers={"Cookie": crumbs, **HERE})
            assert_problem(reply, 401, "token_invalid")
        stale = {"Cookie": f"{COOKIE}={token(exp=int(time.time()) - 1)}", **HERE}
        assert_problem(await http.get("/v1/session", headers=stale), 401, "token_expired")


def test_a_post_that_the_reader_did_not_make_here_does_not_use_the_cookie(
    hosted: httpx.Client, ids: dict[str, str]
) -> None:
    cookie = {"Cookie": f"{COOKIE}={token(groups=['hr'])}"}
    asked = {"query": ASKING_SECRET}
    here = hosted.post("/v1/search", json=asked, headers=cookie | HERE)
    assert ids[SALARIES.name] in here.text
    assert_problem(
        hosted.post("/v1/search", json=asked, headers=cookie | ELSEWHERE), 403, "origin_not_allowed"
    )
    for site in ({"Sec-Fetch-Site": "none"}, {}):
        assert ids[SALARIES.name] not in hosted.post("/v1/search", json=asked, headers=cookie | site).text


# ---------------------------------------------------------------- the groups bind every path


def doors(description: Any) -> Iterator[tuple[str, dict[str, int]]]:
    """The path and the needed query of each reading operation that names a document."""
    for path, methods in description["paths"].items():
        if "get" in methods and "{document_id}" in path and not path.startswith("/v1/admin"):
            given = [one["name"] for one in methods["get"]["parameters"] if one["in"] == "query"]
            yield path.replace("{number}", "1"), {"start": 0, "end": 5} if "end" in given else {}


@pytest.mark.parametrize("groups", [["board"], ["everyone"], [], ["HR", "everyone"]])
def test_no_path_shows_a_document_to_a_token_of_other_groups(
    hosted: httpx.Client, ids: dict[str, str], groups: list[str]
) -> None:
    salaries, headers = ids[SALARIES.name], bearing(token(groups=groups))
    description = hosted.get("/openapi.json").json()
    paths = dict(doors(description))
    assert "/v1/documents/{document_id}/source" in paths
    for path, query in paths.items():
        theirs, unknown = (
            hosted.get(path.replace("{document_id}", ident), params=query, headers=headers)
            for ident in (salaries, NOBODY)
        )
        assert (path, theirs.status_code) == (path, 404)
        assert theirs.json()["code"] == unknown.json()["code"] == "not_found"
    said = [hosted.get("/v1/documents", headers=headers).text]
    for question in (ASKING_SECRET, NOT_IN_THE_LIBRARY, "Summarise the document Salary bands"):
        for extra in ({}, {"filters": {"groups": ["hr"]}}, {"filters": {"document_ids": [salaries]}}):
            said.append(hosted.post("/v1/search", json={"query": question, **extra}, headers=headers).text)
            said.append(hosted.post("/v1/ask", json={"question": question, **extra}, headers=headers).text)
    hosted.headers.update(headers)
    try:
        said.append(str(events.stream(hosted, ASKING_SECRET)))
    finally:
        del hosted.headers["Authorization"]
    for told in said:
        assert salaries not in told
        assert SALARY not in told
        assert SALARIES.name not in told


def test_with_its_group_a_token_reads_by_all_of_these_paths(
    hosted: httpx.Client, ids: dict[str, str]
) -> None:
    salaries, headers = ids[SALARIES.name], bearing(token(groups=["hr"]))
    assert [one["id"] for one in hosted.get("/v1/documents", headers=headers).json()["documents"]] == [
        salaries
    ]
    assert SALARY in hosted.get(f"/v1/documents/{salaries}/source", headers=headers).text
    found = hosted.post("/v1/search", json={"query": ASKING_SECRET}, headers=headers).json()["hits"]
    assert {hit["document_id"] for hit in found} == {salaries}
    answer = hosted.post("/v1/ask", json={"question": ASKING_SECRET}, headers=headers).json()
    assert answer["citations"][0]["quote"] == SALARY


def test_a_kept_answer_is_not_given_to_a_token_of_other_groups(
    hosted: httpx.Client, ids: dict[str, str]
) -> None:
    hr, board = bearing(token(groups=["hr"])), bearing(token(sub="ben", groups=["board"]))
    asked = {"question": "Which salary band has the Osprey team?"}
    hosted.post("/v1/ask", json=asked, headers=hr)
    again = hosted.post("/v1/ask", json=asked, headers=hr).json()
    other = hosted.post("/v1/ask", json=asked, headers=board)
    assert again["answered"]
    assert other.json()["answered"] is False
    assert SALARY not in other.text


def test_a_conversation_belongs_to_the_user_and_groups_that_began_it(hosted: httpx.Client) -> None:
    anna = bearing(token(groups=["hr"]))
    begun = hosted.post("/v1/ask", json={"question": ASKING_SECRET, "conversation_id": "new"}, headers=anna)
    ident = begun.json()["conversation_id"]
    for other in (token(sub="ben", groups=["hr"]), token(groups=["everyone"])):
        asked = {"question": "And theirs?", "conversation_id": ident}
        assert hosted.post("/v1/ask", json=asked, headers=bearing(other)).status_code == 404
        assert hosted.delete(f"/v1/conversations/{ident}", headers=bearing(other)).status_code == 404
    assert hosted.delete(f"/v1/conversations/{ident}", headers=anna).status_code == 204


async def test_every_path_of_the_api_asks_who_is_there(tmp_path: Path) -> None:
    async with door(tmp_path, require_key=True, admin_key="the-admin-key") as http:
        described = (await http.get("/openapi.json")).json()["paths"]
        operations = [(method, path) for path in described for method in described[path] if "/v1/" in path]
        assert len(operations) > 8
        for method, path in operations:
            reply = await http.request(method, path)
            operator = path.startswith("/v1/admin") or (path.startswith("/v1/documents") and method != "get")
            assert (method, path, reply.status_code) == (method, path, 403 if operator else 401)


def test_a_token_is_not_in_the_log_and_gives_no_right_to_write(
    hosted: httpx.Client, hosted_service: LiveService
) -> None:
    given = token(groups=["admin"])
    hosted.get("/v1/session", headers=bearing(given))
    hosted.get("/v1/session", headers=bearing(given + "x"))
    for name in ("admin", "ingest", "local"):
        assert hosted.get("/v1/session", headers=bearing(token(sub=name))).json()["name"] == f"user:{name}"
        usage = hosted.get("/v1/usage", headers=bearing(token(sub=name))).json()["usage"]
        assert {row["key"] for row in usage} <= {f"user:{name}"}
    removal = hosted.delete("/v1/documents/x", headers=bearing(given))
    assert_problem(removal, 403, "forbidden")
    assert given[-30:] not in hosted_service.printed()


def test_a_key_is_revoked_and_a_user_too_while_the_service_runs(
    hosted: httpx.Client, hosted_service: LiveService, hosted_keys: tuple[Path, str]
) -> None:
    file, key = hosted_keys
    before = file.read_text()
    assert hosted.get("/v1/session", headers=bearing(key)).json()["name"] == "intranet"
    file.write_text("this is not TOML")
    while "the keys stay as they were" not in hosted_service.printed():
        assert hosted.get("/v1/session", headers=bearing(key)).status_code == 200
        time.sleep(0.1)
    file.write_text('revoked = ["carl"]\n')
    _refused(hosted, key)
    _refused(hosted, token(sub="carl"))
    assert hosted.get("/v1/session", headers=bearing(token())).status_code == 200
    file.write_text(before)


def _refused(http: httpx.Client, given: str) -> None:
    """Wait until it is."""
    for _ in range(100):
        reply = http.get("/v1/session", headers=bearing(given))
        if reply.status_code != 200:
            break
        time.sleep(0.1)
    assert_problem(reply, 401, "unauthorised")


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RAG_TOKEN_SECRET": "thirty-one bytes are not enough"}, "openssl rand"),
        ({"RAG_TOKEN_SECRET": "-----BEGIN PUBLIC KEY-----" * 2}, "RAG_TOKEN_PUBLIC_KEY"),
        ({"RAG_TOKEN_SECRET": SECRET, "RAG_TOKEN_PUBLIC_KEY": "key.pem"}, "unset one"),
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=words) as refused:
        load_settings()
    assert variables["RAG_TOKEN_SECRET"] not in str(refused.value)


def public(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


def private(key: Any) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (b"", "not a public key"),
        (private(ec.generate_private_key(ec.SECP256R1())), "private key"),
        (public(rsa.generate_private_key(65537, 1024)), "1024 bits"),
        (public(ec.generate_private_key(ec.SECP521R1())), "kind"),
    ],
)
def test_a_public_key_that_cannot_be_used_is_an_error_that_names_the_setting(
    settings: Settings, tmp_path: Path, pem: bytes, words: str
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem)
    with pytest.raises(SettingsError, match=words) as refused:
        Tokens(settings.model_copy(update={"token_public_key": file}))
    assert "RAG_TOKEN_PUBLIC_KEY" in str(refused.value)


def test_a_public_key_that_is_not_there_is_an_error_too(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        Tokens(settings.model_copy(update={"token_public_key": tmp_path / "none.pem"}))
