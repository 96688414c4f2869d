"""POST /v1/feedback, and the log of questions that it belongs to."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rag.questions import LoggedQuestion, QuestionLog
from rag.questions.log import FILE

from .events import send_and_leave_open, stream
from .library import HOW_LONG, KEEPING
from .operating import UNANSWERED, Operated, ask, operated, problem


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    with operated(tmp_path_factory.mktemp("feedback")) as service:
        yield service


def logged(service: Operated, answer_id: str) -> Any:
    (found,) = [one for one in service.questions(limit=500) if one["id"] == answer_id]
    return found


# ---------------------------------------------------------------- feedback


def test_a_thumb_is_kept_with_its_reasons_and_comment(service: Operated) -> None:
    answer = ask(service.anna, HOW_LONG)
    given = {
        "answer_id": answer["id"],
        "rating": "down",
        "reasons": ["outdated"],
        "comment": " It is sixty. ",
    }
    response = service.anna.post("/v1/feedback", json=given)
    assert (response.status_code, response.content) == (204, b"")
    kept = logged(service, answer["id"])
    assert (kept["rating"], kept["reasons"], kept["comment"]) == ("down", ["outdated"], "It is sixty.")


def test_a_second_thumb_replaces_the_first(service: Operated) -> None:
    answer = ask(service.anna, HOW_LONG)
    for given in ({"rating": "down", "reasons": ["wrong"], "comment": "No"}, {"rating": "up"}):
        response = service.anna.post("/v1/feedback", json={"answer_id": answer["id"], **given})
        assert response.status_code == 204
    kept = logged(service, answer["id"])
    assert (kept["rating"], kept["reasons"], kept["comment"]) == ("up", [], None)


def test_the_answer_of_somebody_else_is_not_found(service: Operated) -> None:
    answer = ask(service.anna, HOW_LONG)
    given = {"answer_id": answer["id"], "rating": "down"}
    assert problem(service.ben.post("/v1/feedback", json=given)) == (404, "not_found")
    assert problem(service.admin.post("/v1/feedback", json=given)) == (404, "not_found")
    assert logged(service, answer["id"])["rating"] is None


def test_an_answer_that_never_was_is_not_found(service: Operated) -> None:
    given = {"answer_id": "0" * 32, "rating": "up"}
    assert problem(service.anna.post("/v1/feedback", json=given)) == (404, "not_found")


def test_an_answer_from_the_cache_is_rated_by_itself(service: Operated) -> None:
    question = "For how long are the backups of the Falcon system kept?"
    first, second = ask(service.anna, question), ask(service.ben, question)
    assert second["receipt"]["cached"]
    assert first["id"] != second["id"]
    assert service.ben.post("/v1/feedback", json={"answer_id": second["id"], "rating": "up"}).is_success
    assert [logged(service, one["id"])["rating"] for one in (first, second)] == [None, "up"]
    assert logged(service, second["id"])["cached"]


def test_a_streamed_answer_can_be_rated_as_soon_as_it_is_there(service: Operated) -> None:
    (*_, done) = stream(service.anna, HOW_LONG)
    given = {"answer_id": done.data["id"], "rating": "up"}
    assert service.anna.post("/v1/feedback", json=given).status_code == 204


@pytest.mark.parametrize(
    "given",
    [
        {"rating": "sideways"},
        {"rating": "up", "reasons": ["because"]},
        {"rating": "up", "comment": "x" * 1001},
        {"rating": "up", "stars": 5},
        {"rating": "down", "comment": "\ud800"},
        {},
    ],
)
def test_feedback_that_is_none_is_refused(service: Operated, given: dict[str, Any]) -> None:
    body = json.dumps({"answer_id": "0" * 32, **given})
    response = service.anna.post("/v1/feedback", content=body, headers={"Content-Type": "application/json"})
    assert problem(response) == (422, "invalid_request")


# ---------------------------------------------------------------- the log


def test_a_question_is_logged_with_what_came_of_it(service: Operated) -> None:
    answer = ask(service.ben, HOW_LONG)
    kept = logged(service, answer["id"])
    assert (kept["question"], kept["caller"], kept["outcome"]) == (HOW_LONG, "ben", "answered")
    assert kept["model"] == answer["route"]["model"]
    assert kept["documents"] == [answer["citations"][0]["document_id"]]
    assert kept["ms"] > 0
    assert "text" not in kept


def test_a_follow_up_is_logged_with_what_it_was_understood_as(service: Operated) -> None:
    said = [{"role": "user", "content": HOW_LONG}, {"role": "assistant", "content": KEEPING}]
    answer = ask(service.ben, "And who signs the protocol of its restore test?", messages=said)
    assert logged(service, answer["id"])["standalone"] == answer["question"]


def test_what_the_documents_do_not_hold_is_logged_as_not_found(service: Operated) -> None:
    answer = ask(service.ben, UNANSWERED)
    assert logged(service, answer["id"])["outcome"] == "not_found"


def test_a_question_that_is_refused_is_logged_as_that(service: Operated) -> None:
    asked = {"question": "What is refused?", "response_schema": {"type": "object"}}
    assert service.anna.post("/v1/ask", json=asked).status_code == 422
    (newest, *_) = service.questions()
    assert (newest["question"], newest["outcome"], newest["usd"]) == ("What is refused?", "refused", None)


def test_a_reader_who_hangs_up_leaves_a_question_that_was_stopped(service: Operated) -> None:
    question = "Who hangs up? " + "How long are backups kept, and why? " * 80
    connection = send_and_leave_open(service.live.url, "/v1/ask", {"question": question})
    time.sleep(0.05)  # so that it has come in; the answer takes longer
    connection.close()
    for _ in range(200):
        found = service.questions(q="Who hangs up?")
        if found:
            break
        time.sleep(0.05)
    (one,) = found
    assert (one["outcome"], one["caller"]) == ("stopped", "anonymous")


def test_only_its_owner_can_read_the_file(service: Operated) -> None:
    ask(service.ben, HOW_LONG)
    mode = (service.live.data_dir / FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_no_answer_is_in_the_file(service: Operated) -> None:
    answer = ask(service.ben, HOW_LONG)
    assert KEEPING in answer["text"]
    service.questions()
    held = b"".join(path.read_bytes() for path in service.live.data_dir.glob(f"{FILE}*"))
    assert HOW_LONG.encode() in held
    assert KEEPING.encode() not in held


def test_a_log_that_cannot_be_written_costs_no_reader_an_answer(tmp_path: Path) -> None:
    (tmp_path / "data" / FILE).mkdir(parents=True)
    with operated(tmp_path) as service:
        assert ask(service.anna, HOW_LONG)["answered"]
        assert problem(service.admin.get("/v1/admin/questions")) == (503, "store_unavailable")
        assert "a question could not be logged" in service.live.printed()


def test_without_a_log_nothing_is_written_and_feedback_says_so(tmp_path: Path) -> None:
    with operated(tmp_path, RAG_QUESTION_LOG_DAYS="0") as service:
        answer = ask(service.anna, HOW_LONG)
        given = {"answer_id": answer["id"], "rating": "up"}
        assert problem(service.anna.post("/v1/feedback", json=given)) == (409, "feedback_off")
        assert service.admin.get("/v1/admin/overview").json()["week"] is None
        for path in ("questions", "gaps", "feedback", "activity"):
            assert service.admin.get(f"/v1/admin/{path}").status_code == 200
    held = [path for path in (tmp_path / "data").glob(f"{FILE}*") if HOW_LONG.encode() in path.read_bytes()]
    assert held == []


async def test_questions_whose_time_is_over_are_swept_by_the_service(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path / "data" / FILE, 1000)
    now = datetime.now(UTC)
    for name, days in (("old", 3), ("young", 1)):
        entry = LoggedQuestion(
            id=name,
            at=now - timedelta(days=days),
            caller="anna",
            question=f"{name} one",
            outcome="answered",
            ms=1,
        )
        log.note(entry)
    await log.written()
    with operated(tmp_path, RAG_QUESTION_LOG_DAYS="2") as service:
        assert [one["id"] for one in service.questions()] == ["young"]
    assert b"old one" not in b"".join(path.read_bytes() for path in (tmp_path / "data").glob(f"{FILE}*"))
