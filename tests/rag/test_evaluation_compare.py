"""Two runs compared: the interval of the paired bootstrap, the gates, and the page for people."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rag.errors import InvalidRequest
from rag.evaluation.compare import Comparison, Difference, compare, failed, gate_of
from rag.evaluation.report import page
from tests.rag.evaluating import run_of


def only(comparison: Comparison, metric: str) -> Difference:
    (found,) = [one for one in comparison.differences if one.metric == metric]
    return found


# ---------------------------------------------------------------- comparing


def test_the_interval_is_that_of_the_normal_distribution_where_there_are_many_questions() -> None:
    chance = np.random.default_rng(1)
    a, b = chance.random(400), chance.random(400) + 0.1
    first = run_of({str(n): {"recall@5": float(value)} for n, value in enumerate(a)})
    second = run_of({str(n): {"recall@5": float(value)} for n, value in enumerate(b)})
    found = only(compare(first, second), "recall@5")
    error = float(np.std(b - a)) / 20
    assert found.difference == pytest.approx(float(np.mean(b - a)))
    assert found.low == pytest.approx(found.difference - 1.96 * error, abs=error / 10)
    assert found.high == pytest.approx(found.difference + 1.96 * error, abs=error / 10)
    assert found.n == 400
    assert found.better is True
    assert compare(first, second) == compare(first, second), "the seed is fixed"


def test_the_pairing_takes_out_what_the_questions_differ_by() -> None:
    a = run_of({str(n): {"recall@5": n / 100} for n in range(50)})
    b = run_of({str(n): {"recall@5": n / 100 + 0.01} for n in range(50)})
    found = only(compare(a, b), "recall@5")
    assert (found.low, found.high) == (pytest.approx(0.01), pytest.approx(0.01))


def test_only_questions_of_both_runs_are_compared_and_values_that_are_missing_left_out() -> None:
    a = run_of({"1": {"recall@5": 1.0}, "2": {"recall@5": None}, "3": {"recall@5": 0.0}})
    b = run_of({"1": {"recall@5": 0.5}, "2": {"recall@5": None}, "4": {"recall@5": 1.0}})
    comparison = compare(a, b)
    assert (comparison.pairs, comparison.only_a, comparison.only_b) == (2, 1, 1)
    found = only(comparison, "recall@5")
    assert (found.n, found.a, found.b) == (1, 1.0, 0.5)


@pytest.mark.parametrize(("questions", "better"), [(1, None), (5, None), (6, True)])
@pytest.mark.parametrize("alike", [0, 3])
def test_a_few_questions_that_all_go_one_way_are_not_called_better(
    questions: int, better: bool | None, alike: int
) -> None:
    same = {f"same {n}": {"recall@5": 1.0} for n in range(alike)}
    a = run_of({str(n): {"recall@5": 0.0} for n in range(questions)} | same)
    b = run_of({str(n): {"recall@5": 1.0} for n in range(questions)} | same)
    found = only(compare(a, b), "recall@5")
    assert (found.n, found.differ) == (questions + alike, questions)
    assert found.better is better


def test_a_gate_fails_with_few_questions_too() -> None:
    a, b = (run_of({str(n): {"recall@5": value} for n in range(3)}) for value in (1.0, 0.0))
    ((gate, found),) = failed(compare(a, b), [gate_of("recall@5:0.01")])
    assert (gate.metric, found.better) == ("recall@5", None)


def test_less_time_is_better() -> None:
    a = run_of({str(n): {"ms": 100.0 + n} for n in range(30)})
    b = run_of({str(n): {"ms": 50.0 + n} for n in range(30)})
    assert only(compare(a, b), "ms").better is True
    assert only(compare(b, a), "ms").better is False


def test_one_configuration_of_each_run_is_compared_though_they_differ() -> None:
    a = run_of({"1": {"recall@5": 0.0}}, configuration="dense")
    b = run_of({"1": {"recall@5": 1.0}}, configuration="fused")
    assert only(compare(a, b), "recall@5").configuration == "dense → fused"
    with pytest.raises(InvalidRequest, match="no configuration in common"):
        compare(a, b, ["dense"])


def test_runs_without_a_question_in_common_are_misuse() -> None:
    with pytest.raises(InvalidRequest, match="no question in common"):
        compare(run_of({"1": {"recall@5": 0.0}}), run_of({"2": {"recall@5": 0.0}}))


# ---------------------------------------------------------------- gates


def test_a_gate_falls_only_where_more_is_surely_lost() -> None:
    a = run_of({str(n): {"recall@5": 1.0, "ndcg@10": n % 2} for n in range(40)})
    b = run_of({str(n): {"recall@5": 0.9, "ndcg@10": (n + 1) % 2} for n in range(40)})
    comparison = compare(a, b)
    assert [one.metric for _, one in failed(comparison, [gate_of("recall@5:0.05")])] == ["recall@5"]
    assert failed(comparison, [gate_of("recall@5:0.15")]) == []
    assert failed(comparison, [gate_of("ndcg@10")]) == [], "it may be chance"
    assert failed(compare(b, a), [gate_of("recall@5")]) == [], "it is a gain"


def test_a_gate_of_time_falls_where_it_takes_longer() -> None:
    a = run_of({str(n): {"ms": 100.0} for n in range(20)})
    b = run_of({str(n): {"ms": 180.0} for n in range(20)})
    assert failed(compare(a, b), [gate_of("ms:100")]) == []
    assert len(failed(compare(a, b), [gate_of("MS:50")])) == 1


@pytest.mark.parametrize("text", ["recall@4:0.1", "recall@5:much", "recall@5:-1", "recall@5:nan", ":0.1"])
def test_a_gate_that_cannot_be_one_is_misuse(text: str) -> None:
    with pytest.raises(InvalidRequest):
        gate_of(text)


def test_a_gate_that_judges_nothing_does_not_pass_unseen() -> None:
    comparison = compare(run_of({"1": {"recall@5": 1.0}}), run_of({"1": {"recall@5": 1.0}}))
    with pytest.raises(InvalidRequest, match="nothing to judge"):
        failed(comparison, [gate_of("f1:0.1")])


# ---------------------------------------------------------------- the page

EVIL = "<script>alert(1)</script><img src=x onerror=y>\"'&\u202e"


def test_the_page_shows_the_figures_and_the_worst_questions() -> None:
    figures = {"1": {"recall@5": 0.25, "ndcg@10": 0.5, "ms": 3.0}, "2": {"recall@5": 0.75, "ndcg@10": 1.0}}
    answers = {"1": {"f1": 0.5, "citation-recall": 0.0}, "2": {"f1": 1.0, "citation-recall": 1.0}}
    made = page({"before": run_of(figures, answers=answers), "after": run_of(figures)}, worst=5)
    assert "before: fused" in made
    assert ">0.500<" in made
    assert "no citation touches a place" in made
    assert made.count("<summary>Question 1?") == 3, "twice for the search, once for the answer"
    assert "<summary>Question 2?" not in made
    assert "prefers-color-scheme: dark" in made
    assert "<svg" in made
    assert "A passage." in made


def test_what_others_wrote_is_text_on_the_page_and_nothing_is_loaded() -> None:
    run = run_of({EVIL: {"recall@5": 0.0, "ndcg@10": 0.0}}, title=EVIL, text=EVIL, configuration=EVIL)
    run.about.machine = run.about.questions = EVIL
    made = page({EVIL: run}, worst=5)
    assert "<script" not in made
    assert "<img" not in made
    assert "\u202e" not in made
    assert "&lt;script&gt;" in made
    assert "default-src 'none'" in made
    assert re.findall(r"""(?:src|href)\s*=|url\(|@import|https?:""", made.replace("src=x", "")) == []
    quotes = re.findall(r'title="([^"]*)"', made)
    assert all(set(one) <= set("n = 0123456789") for one in quotes)
