"""The engine's HTTP door: who may come in, and that nothing is silently ignored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.store.embedded import server as server_module
from rag.store.embedded.engine import Engine
from rag.store.embedded.server import Server

KEY = "the-key"
VECTORS = {"vectors": {"d": {"size": 2, "distance": "Cosine"}}, "sparse_vectors": {"s": {"modifier": "idf"}}}


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    engine = Engine(tmp_path)
    yield engine
    engine.close()


@pytest.fixture
async def http(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    app = Server(engine, KEY, 7777, stop=lambda: None).app()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:7777", headers={"api-key": KEY}
    ) as client:
        await client.put("/collections/c", json=VECTORS)
        points = [
            {
                "id": 1,
                "vector": {"d": [1, 0], "s": {"indices": [1], "values": [1]}},
                "payload": {"k": "x", "n": 1},
            },
            {"id": 2, "vector": {"d": [0, 1]}, "payload": {"k": "y", "n": 2}},
        ]
        reply = await client.put("/collections/c/points", json={"points": points})
        assert reply.status_code == 200, reply.text
        yield client


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/collections", "/collections/c"])
@pytest.mark.parametrize("headers", [{"api-key": "wrong"}, {"api-key": ""}, {"api-key": "k\u00e9y".encode()}])
async def test_nobody_gets_in_without_the_key(http: httpx.AsyncClient, path: str, headers: Any) -> None:
    reply = await http.get(path, headers=headers)
    assert reply.status_code == 401
    assert reply.json()["status"]["error"] == "Must provide an API key"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:7777.evil.example"])
async def test_another_host_name_is_refused_even_with_the_key(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/collections", headers={"host": host})).status_code == 403


async def test_a_body_that_is_too_large_is_refused(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_BODY_BYTES", 100)
    reply = await http.put("/collections/c/points", content=b" " * 101)
    assert reply.status_code == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/telemetry"), ("PATCH", "/collections/c"), ("DELETE", "/collections/c/points")],
)
async def test_what_is_not_served_says_so_in_qdrants_shape(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    reply = await http.request(method, path)
    assert reply.status_code == 404
    assert "is not served here" in reply.json()["status"]["error"]


QUERY = {"query": [1, 0], "using": "d"}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("points/query", QUERY | {"lookup_from": {"collection": "x"}}, "'lookup_from' is not supported"),
        ("points/query", QUERY | {"params": {"hnsw_ef": 9}}, "'hnsw_ef' is not supported"),
        ("points/query", QUERY | {"params": {"quantization": {"bits": 4}}}, "'bits' is not supported"),
        ("points/query", QUERY | {"params": {"quantization": {"rescore": 1}}}, "true or false"),
        ("points/query", QUERY | {"params": {"quantization": {"oversampling": "2"}}}, "finite number"),
        ("points/query", QUERY | {"limit": 0}, "limit must be"),
        ("points/query", QUERY | {"limit": True}, "limit must be"),
        ("points/query", {"query": 1, "using": "d"}, "kind of query is not supported"),
        ("points/query", {"query": {"sample": "random"}}, "kind of query is not supported"),
        ("points/query", {"query": [1, 0]}, "`using` must name the vector"),
        ("points/query", {}, "without `query`"),
        ("points/query", {"query": {"fusion": "rrf"}}, "at least one prefetch"),
        ("points/query", {"query": {"fusion": "max"}, "prefetch": [QUERY]}, "unknown fusion"),
        ("points/query", {"query": [1, 0, 0], "using": "d"}, "expected dim: 2, got 3"),
        ("points/query", {"query": [1, 0], "using": "nope"}, "nope"),
        ("points/query", {"query": {"indices": [1, 1], "values": [1, 1]}, "using": "s"}, "must be unique"),
        ("points/query", {"query": {"indices": [1], "values": []}, "using": "s"}, "same length"),
        ("points/query", {"query": {"indices": [-1], "values": [1]}, "using": "s"}, "whole number"),
        (
            "points/count",
            {"filter": {"must": [{"key": "k", "match": {"value": True}}]}},
            "strings and integers",
        ),
        (
            "points/count",
            {"filter": {"must": [{"key": "k", "match": {"text": "x"}}]}},
            "'text' is not supported",
        ),
        (
            "points/count",
            {"filter": {"must": [{"key": "k", "geo_radius": {}}]}},
            "'geo_radius' is not supported",
        ),
        ("points/count", {"filter": {"must": [{"nested": {"key": "k"}}]}}, "'nested' is not supported"),
        ("points/count", {"filter": {"musst": []}}, "'musst' is not supported"),
        ("points/count", {"filter": {"must": [{"key": "k"}]}}, "exactly one of match"),
        (
            "points/count",
            {"filter": {"must": [{"key": "k", "match": {"any": ["a", 1]}}]}},
            "all strings or all",
        ),
        ("points/count", {"shard_key": "x"}, "'shard_key' is not supported"),
        ("points/scroll", {"order_by": "k"}, "'order_by' is not supported"),
        ("points/scroll", {"offset": "x"}, "not a valid point id"),
        ("points/delete", {}, "exactly one of points, filter"),
        ("points", {"ids": ["not-a-uuid"]}, "not a valid point id"),
        ("points", {"ids": [-1]}, "not a valid point id"),
        ("points", [], "must be an object"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    http: httpx.AsyncClient, path: str, body: Any, said: str
) -> None:
    reply = await http.post(f"/collections/c/{path}", json=body)
    assert (reply.status_code, said in reply.json()["status"]["error"]) == (400, True), reply.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"batch": {}}, "'batch' is not supported"),
        ({"points": [], "update_mode": "insert_only"}, "'update_mode' is not supported"),
        ({"points": [{"id": 1, "vector": [1, 0]}]}, "unnamed vector"),
        ({"points": [{"id": 1, "vector": {"d": [1]}}]}, "expected dim: 2, got 1"),
        ({"points": [{"id": 1, "vector": {"d": ["1", 0]}}]}, "finite number"),
        ({"points": [{"id": 1, "vector": {"x": [1, 0]}}]}, "x"),
    ],
)
async def test_points_that_cannot_be_stored_are_refused(
    http: httpx.AsyncClient, body: Any, said: str
) -> None:
    reply = await http.put("/collections/c/points", json=body)
    assert (reply.status_code, said in reply.json()["status"]["error"]) == (400, True), reply.text


async def test_a_number_that_is_not_json_is_refused(http: httpx.AsyncClient) -> None:
    body = b'{"points": [{"id": 1, "vector": {"d": [NaN, 0]}}]}'
    reply = await http.put("/collections/c/points", content=body)
    assert reply.status_code == 400
    assert "NaN is not JSON" in reply.json()["status"]["error"]


@pytest.mark.parametrize(
    "body",
    [
        {"vectors": {"size": 2, "distance": "Cosine"}},
        {"vectors": {"d": {"size": 2, "distance": "Hamming"}}},
        {"vectors": {"d": {"size": 0, "distance": "Cosine"}}},
        {"vectors": {"d": {"size": 2, "distance": "Cosine", "multivector_config": {}}}},
        {"vectors": {"d": {"size": 2, "distance": "Cosine", "datatype": "uint8"}}},
        {"vectors": {"d": {"size": 2, "distance": "Cosine", "datatype": 16}}},
        {"shard_number": 2},
        {"sparse_vectors": {"s": {"modifier": "log"}}},
    ],
)
async def test_a_collection_of_an_unsupported_kind_is_refused(http: httpx.AsyncClient, body: Any) -> None:
    assert (await http.put("/collections/new", json=body)).status_code == 400
    assert (await http.get("/collections/new/exists")).json()["result"] == {"exists": False}


async def test_what_a_query_says_of_quantised_vectors_changes_nothing_where_there_are_none(
    http: httpx.AsyncClient,
) -> None:
    params = {"quantization": {"rescore": True, "oversampling": 2.0, "ignore": False}}
    plain = (await http.post("/collections/c/points/query", json=QUERY)).json()["result"]
    asked = (await http.post("/collections/c/points/query", json=QUERY | {"params": params})).json()["result"]
    assert asked == plain
    assert len(plain["points"]) == 2


async def test_vectors_of_16_bits_are_kept_as_such(http: httpx.AsyncClient) -> None:
    vectors = {"d": {"size": 2, "distance": "Dot", "datatype": "float16"}}
    assert (await http.put("/collections/h", json={"vectors": vectors})).status_code == 200
    point = {"id": 1, "vector": {"d": [0.1, 1.0]}}
    await http.put("/collections/h/points", json={"points": [point]})
    info = (await http.get("/collections/h")).json()["result"]
    assert info["config"]["params"]["vectors"] == vectors
    reply = await http.post("/collections/h/points", json={"ids": [1], "with_vector": True})
    (stored,) = reply.json()["result"]
    assert stored["vector"]["d"] == [0.0999755859375, 1.0]


async def test_an_unknown_parameter_is_refused(http: httpx.AsyncClient) -> None:
    reply = await http.put("/collections/c/points?timeout=1", json={"points": []})
    assert reply.status_code == 400
    assert (await http.put("/collections/c/points?wait=true", json={"points": []})).status_code == 200


async def test_a_collection_is_created_found_listed_and_deleted(http: httpx.AsyncClient) -> None:
    assert (await http.put("/collections/c", json=VECTORS)).status_code == 409
    assert (await http.get("/collections")).json()["result"] == {"collections": [{"name": "c"}]}
    info = (await http.get("/collections/c")).json()["result"]
    assert (info["points_count"], info["status"]) == (2, "green")
    assert (await http.delete("/collections/c")).json()["result"] is True
    assert (await http.delete("/collections/c")).json()["result"] is False
    assert (await http.get("/collections/c")).status_code == 404


async def test_an_alias_stands_for_its_collection_and_can_be_moved(http: httpx.AsyncClient) -> None:
    async def change(kind: str, **fields: str) -> int:
        return (await http.post("/collections/aliases", json={"actions": [{kind: fields}]})).status_code

    assert await change("create_alias", collection_name="nope", alias_name="a") == 404
    assert await change("create_alias", collection_name="c", alias_name="c") == 409
    assert await change("create_alias", collection_name="c", alias_name="a") == 200
    assert (await http.post("/collections/a/points/count", json={})).json()["result"] == {"count": 2}
    assert await change("rename_alias", old_alias_name="a", new_alias_name="b") == 200
    assert (await http.get("/aliases")).json()["result"]["aliases"] == [
        {"alias_name": "b", "collection_name": "c"}
    ]
    assert await change("delete_alias", alias_name="b") == 200
    assert (await http.get("/collections/b/exists")).json()["result"] == {"exists": False}


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"must": {"key": "k", "match": {"value": "x"}}}, [1]),
        ({"must": [{"key": "k", "match": {"any": ["x", "y"]}}]}, [1, 2]),
        ({"must": [{"key": "k", "match": {"except": ["x"]}}]}, [2]),
        ({"must_not": [{"must": [{"key": "k", "match": {"value": "x"}}]}]}, [2]),
        ({"should": [{"key": "n", "match": {"value": 2}}, {"key": "n", "range": {"lt": 2}}]}, [1, 2]),
        ({"must": [{"has_id": [2, 3]}]}, [2]),
        ({"must": [{"is_empty": {"key": "absent"}}]}, [1, 2]),
        ({"must_not": [{"is_null": {"key": "k"}}]}, [1, 2]),
        ({"must": [{"key": "k", "is_empty": False}]}, [1, 2]),
        (
            {
                "min_should": {
                    "conditions": [{"key": "n", "range": {"gte": 1}}, {"key": "k", "match": {"value": "y"}}],
                    "min_count": 2,
                }
            },
            [2],
        ),
        (None, [1, 2]),
    ],
)
async def test_filters_find_what_they_say(http: httpx.AsyncClient, chosen: Any, found: list[int]) -> None:
    reply = await http.post("/collections/c/points/scroll", json={"filter": chosen, "with_payload": False})
    assert [point["id"] for point in reply.json()["result"]["points"]] == found


async def test_a_scroll_goes_on_where_it_stopped_and_shows_what_was_asked_for(
    http: httpx.AsyncClient,
) -> None:
    body = {"limit": 1, "with_payload": ["n"], "with_vector": ["d"]}
    first = (await http.post("/collections/c/points/scroll", json=body)).json()["result"]
    assert first == {
        "points": [{"id": 1, "payload": {"n": 1}, "vector": {"d": [1, 0]}}],
        "next_page_offset": 2,
    }
    body |= {"offset": 2, "with_payload": {"exclude": ["n"]}, "with_vector": False}
    second = (await http.post("/collections/c/points/scroll", json=body)).json()["result"]
    assert second == {"points": [{"id": 2, "payload": {"k": "y"}}], "next_page_offset": None}


async def test_fusion_and_threshold_and_offset_are_honoured(http: httpx.AsyncClient) -> None:
    async def ids(**body: Any) -> list[int]:
        reply = await http.post("/collections/c/points/query", json=body)
        return [point["id"] for point in reply.json()["result"]["points"]]

    words = {"query": {"nearest": {"indices": [1], "values": [1]}}, "using": "s"}
    assert await ids(**QUERY) == [1, 2]
    assert await ids(**QUERY, offset=1) == [2]
    assert await ids(**QUERY, score_threshold=0.5) == [1]
    for fusion in ({"fusion": "rrf"}, {"fusion": "dbsf"}, {"rrf": {"k": 60, "weights": [1, 2]}}):
        assert await ids(query=fusion, prefetch=[QUERY, words]) == [1, 2]


async def test_a_panic_of_the_engine_is_an_error_and_ends_the_process(engine: Engine) -> None:
    class Panic(BaseException):
        pass

    stopped: list[bool] = []
    server = Server(engine, KEY, 7777, stop=lambda: stopped.append(True))

    def panics(*_: Any) -> None:
        raise Panic("poisoned")

    with pytest.raises(server_module.WireError) as caught:
        await server.in_thread(lambda: server._run(panics, {}, b"{}"))
    assert caught.value.status == 500
    assert stopped == [True]


async def test_what_a_crash_left_of_a_collection_is_removed_at_the_next_start(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine.create("kept", VECTORS)
    engine.close()
    kept = {folder.name for folder in (tmp_path / "shards").iterdir()}
    (tmp_path / "shards" / "half-made" / "segments").mkdir(parents=True)
    (tmp_path / ".manifest.json.0123").write_text("{")
    engine = Engine(tmp_path)
    assert {folder.name for folder in (tmp_path / "shards").iterdir()} == kept
    assert engine.count("kept", {}) == {"count": 0}
    engine.close()


async def test_space_of_deleted_points_is_given_back(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine.create("c", VECTORS)
    points = [{"id": n, "vector": {"d": [1, n]}, "payload": {}} for n in range(3000)]
    engine.upsert("c", {"points": points})
    assert engine.tidy() is False
    engine.delete_points("c", {"points": list(range(2000))})
    assert engine.tidy(most=10) is False
    assert engine.tidy() is True
    assert engine.tidy() is False
    assert engine.count("c", {}) == {"count": 1000}
    engine.close()
    engine = Engine(tmp_path)
    assert engine.count("c", {}) == {"count": 1000}
    engine.close()
