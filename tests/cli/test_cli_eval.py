"""`rag eval` as a person runs it: a table, a kept run, two of them compared, and the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.claude_server import ClaudeServer

from .commands import Commands, Ran
from .folder import ANSWER, QUESTION

LOANS = {"question": "How long does a loan last?", "relevant": [{"doc_id": "handbook", "text": "four weeks"}]}
NO_ONE = {"id": "no", "question": "Who painted the ceiling of the opera?", "answerable": False}


def questions(folder: Path, *more: object) -> str:
    proof = {"document": "handbook.md", "quote": ANSWER}
    first = {
        "id": "close",
        "question": QUESTION,
        "answer": [ANSWER, "nine in the evening"],
        "relevant": [proof],
    }
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in (first, LOANS, NO_ONE, *more)))
    return str(path)


@pytest.fixture(scope="module")
def kept(added: Ran, commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A run that was kept; one line of its questions could not be used."""
    folder = tmp_path_factory.mktemp("kept")
    lost = {"question": "Where?", "relevant": [{"document": "nowhere.pdf"}]}
    file = questions(folder, lost)
    chosen = ("--only", "sparse", "--configuration", "reranked")
    return folder / "run", commands.rag("eval", file, *chosen, "--out", str(folder / "run"), "--json")


def test_every_question_but_a_bad_one_is_measured(kept: tuple[Path, Ran]) -> None:
    folder, ran = kept
    assert ran.code == 1
    assert "Line 4 is passed over: there is no document 'nowhere.pdf'" in ran.err
    assert list(ran.json["figures"]) == ["sparse", "reranked", "answers"]
    assert ran.json["figures"]["reranked"]["recall@5"] == {"mean": 1.0, "n": 2}
    assert ran.json["figures"]["answers"]["em"] == {"mean": 1.0, "n": 1}
    assert ran.json["figures"]["answers"]["refusal-recall"] == {"mean": 1.0, "n": 1}
    assert set(ran.json["milliseconds"]["reranked"]) == {"embed", "search", "rerank", "all"}
    assert [bad["line"] for bad in ran.json["about"]["bad_lines"]] == [4]
    assert {path.name for path in folder.iterdir()} == {"run.json", "results.jsonl"}


def test_people_get_a_table_and_exit_code_zero(
    kept: tuple[Path, Ran], commands: Commands, tmp_path: Path
) -> None:
    ran = commands.rag("eval", questions(tmp_path), "--only", "sparse", "--no-answers")
    assert ran.code == 0
    (row, _) = [line.split() for line in ran.out.splitlines() if line.startswith("sparse")]
    assert row[3] == "1.000"
    assert len(row) == 10, "nothing is cut off in a pipe"
    assert "Answers" not in ran.out


def test_kept_runs_are_compared_and_shown(kept: tuple[Path, Ran], commands: Commands, tmp_path: Path) -> None:
    folder, _ = kept
    worse = tmp_path / "worse"
    worse.mkdir()
    (worse / "run.json").write_text((folder / "run.json").read_text())
    results = (folder / "results.jsonl").read_text()
    (worse / "results.jsonl").write_text(results.replace('"recall@5":1.0', '"recall@5":0.0'))
    same = commands.rag("eval", "compare", str(folder), str(folder), "--gate", "--json")
    assert same.code == 0
    assert {gate["metric"] for gate in same.json["gates"]} == {"recall@5", "ndcg@10"}
    held = commands.rag("eval", "compare", str(folder), str(folder), "--gate")
    assert "No gate failed: recall@5:0.01, ndcg@10:0.01. 3 questions are too few" in " ".join(
        held.err.split()
    )
    fell = commands.rag("eval", "compare", str(folder), str(worse), "--gate", "recall@5:0.5")
    assert fell.code == 1
    assert "Lost too much: sparse recall@5" in fell.err
    assert "worse" not in fell.out, "three questions are too few to say so"
    ran = commands.rag("eval", "report", str(folder), str(worse), "-o", str(tmp_path / "report.html"))
    assert ran.code == 0
    page = (tmp_path / "report.html").read_text()
    assert "worse: reranked" in page
    assert "Citebox measured" in page


def test_nothing_is_sent_to_claude_unasked(added: Ran, commands: Commands, tmp_path: Path) -> None:
    with ClaudeServer() as claude:
        env = {"ANTHROPIC_BASE_URL": claude.url, "ANTHROPIC_API_KEY": "sk-ant-test-not-shown"}
        call = ("eval", questions(tmp_path), "--only", "sparse")
        plain = commands.rag(*call, **env)
        unasked = commands.rag(*call, "--answers", **env)
        too_dear = commands.rag(*call, "--answers", "--yes", "--max-usd", "0.000001", **env)
        assert claude.requests == []
        claude.batches.enqueue("CORRECT: it says so.")
        paid = commands.rag(*call, "--answers", "--judge", "--poll", "1", "--yes", "--json", **env)
    assert (plain.code, "--answers" in plain.err) == (0, True)
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert "questions go to Claude: about $0.000" in unasked.err
    assert (too_dear.code, "--max-usd" in too_dear.err) == (1, True)
    assert paid.code == 0
    assert paid.json["usd"] > 0
    assert paid.json["figures"]["answers"]["judged"] == {"mean": 1.0, "n": 1}
    assert paid.json["about"]["judged"]["model"] == "claude-sonnet-5-5"
    assert "claude-sonnet-5-5 judges the answers, at half price: at most $0.0" in paid.err
    assert not any("sk-ant-test" in ran.out + ran.err for ran in (plain, unasked, too_dear, paid))


def test_questions_are_drafted_after_their_cost_was_agreed_to(
    added: Ran, commands: Commands, tmp_path: Path
) -> None:
    long = tmp_path / "long.md"
    fact = "The archive of the Wren office is rebuilt on the second of May. "
    long.write_text("# Archive\n\n" + fact + "Nobody may enter it without a lamp and a guide. " * 8)
    draft = {"usable": True, "question": "When is the archive rebuilt?", "answer": "2 May", "quote": fact}
    file = tmp_path / "made.jsonl"
    with ClaudeServer() as claude:
        env = {"ANTHROPIC_BASE_URL": claude.url, "ANTHROPIC_API_KEY": "sk-ant-test-not-shown"}
        place = ("--collection", "archive")
        assert commands.ingest("add", str(long), *place).code == 0
        call = ("eval", "make", "-o", str(file), "-n", "1", *place)
        unasked = commands.rag(*call, **env)
        assert claude.requests == []
        claude.enqueue(json.dumps(draft))
        made = commands.rag(*call, "--yes", **env)
        again = commands.rag(*call, "--yes", **env)
        commands.ingest("remove", str(long))
    assert (unasked.code, "at most $0.0" in unasked.err) == (2, True)
    assert made.code == 0
    assert "Questions: 1, in" in made.err
    row = json.loads(file.read_text())
    assert row["relevant"][0]["quote"] == fact.strip()
    assert (again.code, "is there already" in again.err) == (2, True)


def test_wrong_use_is_told_before_a_model_is_loaded(
    elsewhere: Commands, tmp_path: Path, no_models: str
) -> None:
    file = questions(tmp_path)
    for arguments, words in (
        (("eval", file, "--only", "best"), "best"),
        (("eval", file, "--mode", "wild"), "mode"),
        (("eval", file, "--no-answers", "--judge"), "--answers"),
        (("eval", file, "--judge"), "ANTHROPIC_API_KEY"),
        (("eval", str(tmp_path / "none.jsonl")), "cannot be read"),
        (("eval", file, "--out", str(tmp_path)), "is there already"),
        (("eval", "make", "-o", str(tmp_path / "x.jsonl")), "ANTHROPIC_API_KEY"),
        (("eval", "compare", str(tmp_path), str(tmp_path)), "holds no run"),
        (("eval", "report", str(tmp_path), "-o", str(tmp_path / "x.html")), "holds no run"),
    ):
        ran = elsewhere.rag(*arguments, RAG_MODELS_DIR=no_models)
        assert (ran.code, ran.out) == (2, ""), ran.err
        assert words in ran.err


def test_without_the_metrics_library_the_remedy_is_named(elsewhere: Commands, tmp_path: Path) -> None:
    (tmp_path / "ir_measures.py").write_text("raise ImportError\n")
    ran = elsewhere.rag("eval", questions(tmp_path), PYTHONPATH=str(tmp_path))
    assert ran.code == 2
    assert "citebox[eval]" in ran.err
