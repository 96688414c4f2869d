"""What `rag eval` measures, against figures worked out by hand, the library itself and a naive count."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass

import ir_measures
import pytest
from ir_measures import RR, R, nDCG

from rag.documents import Citation
from rag.errors import SettingsError
from rag.evaluation.metrics import (
    answer_figures,
    f1,
    finding,
    finds,
    library,
    mean,
    normalised,
    ranked,
    span_figures,
)
from rag.evaluation.places import Place


@dataclass(frozen=True)
class At:
    document_id: str
    start: int
    end: int


def place(start: int, end: int, document: str = "a", *, exact: bool = True) -> Place:
    return Place(
        document_id=document, title="A", page=None, start=start, end=end, exact=exact, quote="quoted"
    )


def cited(start: int, end: int, document: str = "a") -> Citation:
    where = {"document_id": document, "version": "v", "chunk_id": "c", "uri": "u", "title": "t"}
    return Citation(**where, marker=1, page=None, headings=(), quote="q", start=start, end=end)


# ---------------------------------------------------------------- finding


@pytest.mark.parametrize(
    ("hit", "found"),
    [
        (At("a", 0, 150), True),  # half of the place
        (At("a", 0, 149), False),
        (At("a", 120, 130), True),  # all of it lies in the place
        (At("a", 190, 210), True),  # by half
        (At("a", 191, 211), False),
        (At("b", 100, 200), False),
        (At("a", 200, 300), False),
    ],
)
def test_a_passage_finds_a_place_that_it_holds_half_of_or_half_lies_in(hit: At, found: bool) -> None:
    assert finds(hit, place(100, 200)) is found


def test_a_place_counts_for_the_first_passage_that_finds_it() -> None:
    places = [place(0, 10), place(20, 30), place(500, 510)]
    hits = [At("b", 0, 50), At("a", 0, 12), At("a", 0, 50)]
    assert finding(places, hits) == [(), (0,), (1,)]


# ---------------------------------------------------------------- rankings


def test_the_ranked_figures_are_those_worked_out_by_hand() -> None:
    # Passages: nothing, the first place, nothing new, the other two at once.
    figures = ranked({"q": (3, [(), (0,), (), (1, 2)]), "none": (1, []), "best": (1, [(0,), ()])})
    assert figures["q"]["recall@1"] == 0
    assert figures["q"]["recall@3"] == pytest.approx(1 / 3)
    assert figures["q"]["recall@5"] == figures["q"]["recall@10"] == 1
    assert figures["q"]["mrr@10"] == pytest.approx(1 / 2)
    gained = 1 / math.log2(3) + 1 / math.log2(5) + 1 / math.log2(6)
    assert figures["q"]["ndcg@10"] == pytest.approx(gained / (1 + 1 / math.log2(3) + 1 / math.log2(4)))
    assert set(figures["none"].values()) == {0.0}
    assert set(figures["best"].values()) == {1.0}


def test_one_place_a_passage_is_what_the_library_measures_of_documents() -> None:
    chance = random.Random(7)
    questions, qrels, run = {}, {}, {}
    for n in range(50):
        places, ranks = chance.randint(1, 4), chance.sample(range(12), chance.randint(0, 4))
        found = [(ranks.index(k),) if k in ranks[:places] else () for k in range(12)]
        questions[f"q{n}"] = (places, found)
        qrels[f"q{n}"] = {f"d{i}": 1 for i in range(places)}
        run[f"q{n}"] = {f"d{one[0]}" if one else f"x{k}": 100.0 - k for k, one in enumerate(found)}
    names = {R @ 1: "recall@1", R @ 3: "recall@3", R @ 5: "recall@5", R @ 10: "recall@10"}
    names |= {RR @ 10: "mrr@10", nDCG @ 10: "ndcg@10"}
    figures = ranked(questions)
    compared = list(ir_measures.iter_calc(list(names), qrels, run))
    assert len(compared) == 300
    for one in compared:
        assert figures[one.query_id][names[one.measure]] == pytest.approx(one.value), one


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(SettingsError, match=r"ir-measures.*citebox\[eval\]"):
        library()


# ---------------------------------------------------------------- spans


def test_the_spans_are_measured_as_worked_out_by_hand() -> None:
    places = [place(0, 100), place(200, 250)]
    hits = [At("a", 50, 150), At("a", 90, 210), At("b", 0, 100)]
    # Shared: [50, 100) and [200, 210), the overlap of the passages once; 320 retrieved, 90 missed.
    figures = span_figures(places, hits)
    assert figures == {
        "span-recall": pytest.approx(60 / 150),
        "span-precision": pytest.approx(60 / 320),
        "span-iou": pytest.approx(60 / (320 + 90)),
    }


def test_only_five_passages_and_exact_places_are_measured() -> None:
    far = [At("a", 1000 + n * 10, 1010 + n * 10) for n in range(5)]
    assert span_figures([place(0, 10)], [*far, At("a", 0, 10)])["span-recall"] == 0
    assert set(span_figures([place(0, 9, exact=False)], far).values()) == {None}
    assert span_figures([place(0, 10)], [])["span-iou"] == 0


def test_the_spans_are_what_a_count_of_single_characters_gives() -> None:
    chance = random.Random(3)
    for _ in range(200):
        starts = chance.sample(range(0, 300, 30), 3)
        places = [place(s, s + chance.randint(1, 30), chance.choice("ab")) for s in starts]
        hits = []
        for _ in range(chance.randint(0, 5)):
            start = chance.randint(0, 300)
            hits.append(At(chance.choice("ab"), start, start + chance.randint(1, 80)))
        wanted = {(p.document_id, n) for p in places for n in range(p.start, p.end)}
        held = {(h.document_id, n) for h in hits for n in range(h.start, h.end)}
        size = sum(h.end - h.start for h in hits)
        common = len(wanted & held)
        figures = span_figures(places, hits)
        assert figures["span-recall"] == pytest.approx(common / len(wanted))
        assert figures["span-precision"] == pytest.approx(common / size if size else 0)
        assert figures["span-iou"] == pytest.approx(common / (size + len(wanted - held)))


# ---------------------------------------------------------------- answers


def test_words_are_compared_as_squad_does() -> None:
    assert normalised("The  U.S. “Navy's” an Answer, [1] 3.5!") == "us “navys” answer 35"
    assert f1("The cat sat.[1]", "a cat sat down") == pytest.approx(0.8)
    assert f1("cat cat", "cat") == pytest.approx(2 / 3)
    assert f1("the", "an") == 1
    assert f1("", "word") == 0


def answer(
    text: str, *citations: Citation, answered: bool = True, answerable: bool = True
) -> dict[str, float | None]:
    accepted, places = ("ninety days", "90 days"), [place(0, 10), place(50, 60)]
    if not answerable:
        accepted, places = (), []  # type: ignore[assignment]
    figures = answer_figures(
        text=text,
        citations=citations,
        answered=answered,
        answerable=answerable,
        accepted=accepted,
        places=places,
    )
    return {name: value for name, value in figures.items() if value is not None}


def test_an_answer_is_measured_by_its_words_and_by_what_it_cites() -> None:
    figures = answer("90 days.[1]", cited(5, 7), cited(9, 11), cited(10, 50), cited(0, 60, "b"))
    assert figures == {
        "f1": 1,
        "em": 1,
        "citation-precision": 0.5,
        "citation-recall": 0.5,
    }


def test_an_answer_that_is_missing_costs_recall_and_words() -> None:
    figures = answer("I could not find this.", answered=False)
    assert figures == {"f1": 0, "em": 0, "citation-recall": 0, "refusal-precision": 0}


def test_what_no_document_holds_is_measured_by_the_refusal_alone() -> None:
    assert answer("?", answered=False, answerable=False) == {"refusal-precision": 1, "refusal-recall": 1}
    assert answer("Blue.", cited(0, 5), answerable=False) == {"refusal-recall": 0}


def test_a_mean_is_of_the_values_that_are_there() -> None:
    assert mean([1.0, None, 0.0]) == 0.5
    assert mean([None]) is None
