"""The embedded engine speaks Qdrant's REST API as Qdrant describes it; and that check can fail.

Every exchange of the contract suite is checked as well, at the end of each test.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import httpx
import pytest

from rag.documents import Reader
from rag.store import Store

from .making import add, ask, chunk_of, record_of
from .openapi import BESIDE, Description, Exchange


@pytest.fixture
def qdrants(description: Description | None) -> Description:
    if description is None:
        pytest.skip(f"no description of Qdrant's API: QDRANT_OPENAPI is not set and {BESIDE} is not there")
    return description


def changed(exchange: Exchange, part: str, change: Any) -> Exchange:
    body = json.loads(getattr(exchange, part))
    change(body)
    return dataclasses.replace(exchange, **{part: json.dumps(body).encode()})


async def test_all_that_the_store_does_is_described_by_qdrant(
    store: Store, exchanges: list[Exchange], qdrants: Description
) -> None:
    record = record_of("a.txt")
    await add(store, record, chunk_of(record, 0), chunk_of(record, 1))
    assert len(await ask(store)) == 2
    await store.chunks(record.id, str(record.version), 0, 1)
    await store.visible_records(Reader())
    await store.stored_versions()
    await store.health()
    await store.remove_other_versions(record.id, keep="x")
    await store.remove_document(record.id)
    calls = {
        (
            each.method,
            each.path.replace(store._names.physical, "P")
            .replace(store._names.chunks, "C")
            .replace(store._names.documents, "D"),
        )
        for each in exchanges
    }
    assert {
        ("GET", "/"),
        ("GET", "/aliases"),
        ("POST", "/collections/aliases"),
        ("PUT", "/collections/P"),
        ("GET", "/collections/P"),
        ("PUT", "/collections/P/index"),
        ("PUT", "/collections/C/points"),
        ("POST", "/collections/D/points"),
        ("POST", "/collections/C/points/delete"),
        ("POST", "/collections/C/points/scroll"),
        ("POST", "/collections/C/points/count"),
        ("POST", "/collections/C/points/query/batch"),
    } <= calls
    assert [problem for exchange in exchanges for problem in qdrants.problems(exchange)] == []


async def test_the_check_catches_what_is_wrong(
    store: Store, exchanges: list[Exchange], qdrants: Description
) -> None:
    record = record_of("a.txt")
    await add(store, record)
    await ask(store)
    by_path = {each.path.rpartition("/points")[2]: each for each in exchanges if "/points" in each.path}
    query, upsert = (
        by_path["/query/batch"],
        next(e for e in exchanges if e.method == "PUT" and "/points" in e.path),
    )
    assert qdrants.problems(query) == []

    def point(body: Any) -> Any:
        return body["result"][0]["points"][0]

    wrong = [
        changed(query, "reply", lambda b: point(b).pop("score")),
        changed(query, "reply", lambda b: point(b).update(score="high")),
        changed(query, "reply", lambda b: point(b).update(id=1.5)),
        changed(query, "reply", lambda b: point(b).update(payload=[1])),
        changed(query, "reply", lambda b: point(b).update(invented=True)),
        changed(query, "reply", lambda b: b.update(result={})),
        changed(query, "request", lambda b: b["searches"][0].update(limit="many")),
        changed(query, "request", lambda b: b["searches"][0].update(invented=1)),
        changed(upsert, "request", lambda b: b["points"][0].pop("id")),
        changed(upsert, "reply", lambda b: b["result"].update(status="maybe")),
        dataclasses.replace(query, reply=b"{"),
        dataclasses.replace(query, content_type="text/html"),
        dataclasses.replace(query, path="/collections/x/points/invented"),
        dataclasses.replace(upsert, parameters={"invented": ["1"]}),
    ]
    assert [each for each in wrong if not qdrants.problems(each)] == []


async def test_errors_have_qdrants_shape(
    store: Store, settings: Any, exchanges: list[Exchange], qdrants: Description
) -> None:
    client = store._connection._client
    assert client is not None
    http: httpx.AsyncClient = client.http.client._async_client
    base = store._connection.url
    del exchanges[:]
    asked = [
        ("GET", "/collections/unknown", None, 404),
        ("POST", "/collections/unknown/points/count", {}, 404),
        ("PUT", f"/collections/{store._names.physical}", {"vectors": {}}, 409),
        (
            "POST",
            f"/collections/{store._names.chunks}/points/query",
            {"query": [1.0], "using": "dense", "limit": 1},
            400,
        ),
    ]
    for method, path, body, status in asked:
        reply = await http.request(method, base + path, json=body)
        assert reply.status_code == status
        assert reply.json()["status"]["error"]
    assert [problem for exchange in exchanges for problem in qdrants.problems(exchange)] == []
