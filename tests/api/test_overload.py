"""More questions at once than the machine can work on: some are answered, the rest told to come again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from rag.api.admission import LONGEST_ADVICE, Places
from rag.errors import Overloaded
from tests.live import LiveService

QUESTION = "How long are backups kept?"
AT_ONCE = 8


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def narrow(plain_service: LiveService) -> Iterator[httpx.Client]:
    """A service with one place, on the library of the other tests."""
    service = LiveService(plain_service.data_dir)
    service.log = plain_service.data_dir / "narrow.log"
    with service.start({"RAG_MAX_QUESTIONS": "1"}), httpx.Client(base_url=service.url, timeout=60) as http:
        yield http


def ask(http: httpx.Client, path: str, body: dict[str, object], at_once: Barrier) -> httpx.Response:
    at_once.wait(30)
    return http.post(path, json=body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/search", {"query": QUESTION}),
        ("/v1/ask", {"question": QUESTION}),
        ("/v1/ask", {"question": QUESTION, "stream": True}),
    ],
)
def test_one_more_than_there_is_room_for_is_told_when_to_come_again(
    narrow: httpx.Client, path: str, body: dict[str, object]
) -> None:
    at_once = Barrier(AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = list(pool.map(lambda _: ask(narrow, path, body, at_once), range(AT_ONCE)))
    refused = [reply for reply in replies if reply.status_code == 429]
    assert len(refused) + sum(reply.status_code == 200 for reply in replies) == AT_ONCE
    assert 0 < len(refused) < AT_ONCE
    for reply in refused:
        assert reply.headers["content-type"] == "application/problem+json"
        assert 1 <= int(reply.headers["retry-after"]) <= LONGEST_ADVICE
        assert reply.json()["code"] == "overloaded"
        assert reply.json()["remedy"].startswith("ask again in ")
    assert narrow.post(path, json=body).status_code == 200


def test_no_caller_can_take_every_place() -> None:
    places = Places(4, 2)
    held = [places.take("a"), places.take("a")]
    with pytest.raises(Overloaded, match="2 questions of this caller"):
        places.take("a")
    held += [places.take("b"), places.take("c")]
    with pytest.raises(Overloaded, match="4 questions are"):
        places.take("d")
    held[0].leave()
    places.take("d")


def test_a_place_given_up_twice_is_given_up_once() -> None:
    places = Places(2, 2)
    with places.take("a") as place:
        places.take("b")
        place.leave()
    places.take("c")
    with pytest.raises(Overloaded):
        places.take("d")


def test_the_advice_follows_how_fast_places_become_free() -> None:
    clock = Clock()
    places = Places(2, 2, clock)
    for _ in range(40):
        place = places.take("a")
        clock.now += 5.0
        place.leave()
    places.take("a"), places.take("b")
    with pytest.raises(Overloaded) as refused:
        places.take("c")
    assert refused.value.retry_after == pytest.approx(10.0, abs=0.1)


def test_time_in_which_nobody_asked_does_not_count() -> None:
    clock = Clock()
    places = Places(1, 1, clock)
    for _ in range(40):
        clock.now += 100.0
        place = places.take("a")
        clock.now += 2.0
        place.leave()
    places.take("a")
    with pytest.raises(Overloaded) as refused:
        places.take("b")
    assert refused.value.retry_after == pytest.approx(2.0, abs=0.1)
