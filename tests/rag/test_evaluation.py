"""`rag eval` from the questions to the figures: the real store, stand-in models, a server for Claude."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.draft import NOT_FOUND
from rag.errors import InvalidRequest
from rag.evaluation.answers import NOT_ASKED, measure_answers, quote
from rag.evaluation.kept import ANSWERED, Run, check_free, load_run, save_run
from rag.evaluation.table import as_json
from tests.claude_server import Cite, ClaudeServer, ErrorStatus, Part, Text
from tests.rag.conftest import Library
from tests.rag.evaluating import measured, quiet, service_of

BACKUPS = {
    "id": "backups",
    "question": "How many days are backups kept in the vault?",
    "answer": "ninety days",
    "relevant": [{"document": "backups.md", "quote": "Backups are kept for ninety days in the vault."}],
}
SICK = {
    "id": "sick",
    "question": "From which day is a doctor's note needed?",
    "answer": ["third", "the third day"],
    "relevant": [
        {"document": "leave.md", "quote": "A doctor's note is needed from the third day."},
        {"document": "leave.md", "quote": "Annual leave is thirty days."},
    ],
}
NOTHING = {"id": "nothing", "question": "Who painted the ceiling?", "answerable": False}
SECRET = {
    "id": "secret",
    "question": "Which band earns the most?",
    "relevant": [{"document": "salaries.md", "quote": "Band seven earns the most."}],
}


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(claude: ClaudeServer) -> None:
    claude.reset()


# ---------------------------------------------------------------- the search


async def test_each_configuration_is_measured_on_the_questions_whose_places_are_known(
    library: Library, tmp_path: Path
) -> None:
    async with service_of(library, tmp_path) as service:
        run, _ = await measured(service, tmp_path, BACKUPS, SICK, NOTHING)
    assert [one.id for one in run.results] == ["backups", "sick", "nothing"]
    for name in ("dense", "fused", "reranked"):
        assert run.values(name, "recall@10") == [1.0, 1.0, None]
        assert run.summary(name)["mrr@10"]["n"] == 2
        assert {"embed", "search"} <= run.stages(name).keys()
    assert "rerank" in run.stages("reranked")
    assert "rerank" not in run.stages("fused")
    best = run.results[0].searched["reranked"].found[0]
    assert best.right
    assert "ninety days" in best.text


async def test_what_the_reader_may_not_read_is_neither_placed_nor_found(
    library: Library, tmp_path: Path
) -> None:
    async with service_of(library, tmp_path) as service:
        run, _ = await measured(service, tmp_path, BACKUPS, SECRET)
    assert [(bad.line, "may read" in bad.reason) for bad in run.about.bad_lines] == [(2, True)]
    assert run.about.documents == 2
    hidden = library.records["salaries"].id
    found = [passage for one in run.results for each in one.searched.values() for passage in each.found]
    assert found
    assert hidden not in {passage.document_id for passage in found}
    async with service_of(library, tmp_path, reader_groups=("hr",)) as service:
        run, _ = await measured(service, tmp_path, SECRET)
    assert run.values("fused", "recall@5") == [1.0]


async def test_a_follow_up_is_searched_for_as_it_stands_alone(library: Library, tmp_path: Path) -> None:
    follow_up = {
        "question": "And how long is it?",
        "history": [
            {"speaker": "user", "text": "What about parental leave?"},
            {"speaker": "agent", "text": "It follows the law of the country."},
        ],
        "relevant": [{"document": "leave.md"}],
    }
    async with service_of(library, tmp_path) as service:
        run, _ = await measured(service, tmp_path, follow_up)
    assert run.results[0].question == "And how long is it?"
    assert "parental" in run.results[0].searched_for
    assert run.values("fused", "recall@10") == [1.0]
    assert run.values("fused", "span-recall") == [None]


# ---------------------------------------------------------------- the answers


async def test_without_a_key_the_quoted_sentences_are_measured(library: Library, tmp_path: Path) -> None:
    async with service_of(library, tmp_path) as service:
        run, posed = await measured(service, tmp_path, BACKUPS, NOTHING)
        await measure_answers(service, run, posed, "auto", quiet)
    answered, refused = (one.answered for one in run.results)
    assert answered is not None
    assert refused is not None
    assert answered.model == "extractive"
    assert answered.figures["citation-recall"] == 1
    assert answered.figures["usd"] == 0
    assert 0 < (answered.figures["f1"] or 0) < 1
    assert refused.figures["refusal-recall"] == 1
    assert run.summary(ANSWERED)["refusal-precision"] == {"mean": 1.0, "n": 1}


async def test_claude_is_asked_and_what_it_cost_is_told(
    library: Library, tmp_path: Path, claude: ClaudeServer
) -> None:
    claude.enqueue(Text(Part("Ninety days.", Cite(0, 2, 3))))
    async with service_of(library, tmp_path, claude.url, rerank=False) as service:
        run, posed = await measured(service, tmp_path, BACKUPS)
        cost = await quote(service, posed, "fast", quiet)
        assert claude.requests == [], "nothing is sent for the estimate"
        await measure_answers(service, run, posed, "fast", quiet)
    given = run.results[0].answered
    assert given is not None
    assert cost.requests == 1
    assert cost.reading is not None
    assert cost.most is not None
    assert 0 < (given.figures["usd"] or 0) < cost.most
    assert cost.reading < cost.most
    assert (given.text, given.figures["em"], given.model) == ("Ninety days.[1]", 1.0, "claude-haiku-5-5")
    assert await service.ledger.spent_today("local") == pytest.approx(given.figures["usd"])


async def test_no_more_is_asked_than_may_be_spent_and_a_failure_is_told(
    library: Library, tmp_path: Path, claude: ClaudeServer
) -> None:
    claude.enqueue(Text(Part("Ninety days.", Cite(0, 2, 3))))
    async with service_of(library, tmp_path, claude.url, rerank=False) as service:
        run, posed = await measured(service, tmp_path, BACKUPS, SICK)
        await measure_answers(service, run, posed, "fast", quiet, max_usd=1e-9)
    assert [one.answered and one.answered.failure for one in run.results] == [None, NOT_ASKED]
    assert [one["id"] for one in as_json(run)["failed"]] == ["sick"]
    assert run.summary(ANSWERED)["f1"]["n"] == 1


async def test_an_answer_without_claude_is_counted_as_what_it_is(
    library: Library, tmp_path: Path, claude: ClaudeServer
) -> None:
    claude.enqueue(ErrorStatus(401))
    async with service_of(library, tmp_path, claude.url, rerank=False) as service:
        run, posed = await measured(service, tmp_path, BACKUPS)
        await measure_answers(service, run, posed, "fast", quiet)
    assert run.models() == {"extractive": 1}


# ---------------------------------------------------------------- keeping


async def test_a_kept_run_is_read_again_as_it_was_and_holds_no_secret(
    library: Library, tmp_path: Path, claude: ClaudeServer
) -> None:
    secrets = {"qdrant_url": None, "files_url": None}
    async with service_of(library, tmp_path, claude.url, **secrets) as service:
        run, _ = await measured(service, tmp_path, BACKUPS, SICK, NOTHING)
    folder = tmp_path / "runs" / "one"
    check_free(folder)
    save_run(folder, run)
    assert load_run(folder) == run
    assert len((folder / "results.jsonl").read_text().splitlines()) == 3
    assert "sk-test-key" not in (folder / "run.json").read_text()
    assert (folder / "run.json").stat().st_mode & 0o077 == 0
    with pytest.raises(InvalidRequest, match="is there already"):
        check_free(folder)


def test_a_folder_without_a_run_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="holds no run"):
        load_run(tmp_path / "nothing")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InvalidRequest, match="damaged"):
        load_run(tmp_path)


async def test_the_password_of_a_url_is_not_kept(library: Library, tmp_path: Path) -> None:
    async with service_of(library, tmp_path, qdrant_url="http://me:secret@qdrant:6333") as service:
        run, _ = await measured(service, tmp_path, NOTHING)
    assert run.about.settings["qdrant_url"] == "http://qdrant:6333"
    assert isinstance(run, Run)
