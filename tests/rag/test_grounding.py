"""Citations and markers: what may be shown as a citation, and how it is numbered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import Chunker
from rag.documents import Evidence
from rag.grounding import Citations, MarkedText
from tests.fakes import parsed

DOCUMENT = parsed(
    "# Backups\n\nThey are kept for 30 days. Nobody reads them.\n\f\n## Keys\n\nKeys rotate yearly."
)
DOCUMENT_ID = "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c11"


def evidence() -> Evidence:
    chunks = Chunker(lambda text: len(text.split()), 6).chunk(DOCUMENT, DOCUMENT_ID, "v1")
    return Evidence("file:///library/rules.md", "Rules", tuple(chunks), DOCUMENT)


def span(words: str) -> tuple[int, int]:
    start = DOCUMENT.text.index(words)
    return start, start + len(words)


def test_a_citation_quotes_the_stored_text_and_says_where_it_stands() -> None:
    made = Citations().cite(evidence(), *span("Keys rotate yearly."))
    assert made is not None
    citation, new = made
    assert new
    assert citation.quote == "Keys rotate yearly." == DOCUMENT.text[citation.start : citation.end]
    assert citation.page == 2
    assert citation.headings == ("Backups", "Keys")
    assert citation.chunk_id in {c.chunk_id for c in evidence().chunks if c.start <= citation.start < c.end}


def test_the_same_place_gets_the_same_number() -> None:
    citations = Citations()
    first = citations.cite(evidence(), *span("They are kept for 30 days."))
    second = citations.cite(evidence(), *span("Keys rotate yearly."))
    again = citations.cite(evidence(), *span("They are kept for 30 days."))
    assert first is not None
    assert second is not None
    assert again is not None
    assert [first[0].marker, second[0].marker, again[0].marker] == [1, 2, 1]
    assert not again[1]
    assert [citation.marker for citation in citations.all] == [1, 2]


def test_a_place_outside_the_evidence_is_no_citation() -> None:
    citations = Citations()
    end = len(DOCUMENT.text)
    for start, stop in ((end, end + 5), (5, 5), (7, 3), (0, end + 1), (-4, 3)):
        assert citations.cite(evidence(), start, stop) is None
    assert citations.all == ()


def stream(*pieces: str | list[int]) -> tuple[str, str]:
    text, shown = MarkedText(), ""
    for piece in pieces:
        shown += text.feed(piece) if isinstance(piece, str) else text.mark(piece)
    shown += text.finish()
    return shown, text.text


def test_a_marker_stands_at_its_sentence_and_not_on_the_next_line() -> None:
    shown, text = stream("Kept 30 days.\n\n", [1], "Keys rotate. ", [2, 3])
    assert text == "Kept 30 days.[1]\n\nKeys rotate.[2][3]"
    assert shown.strip() == text


def test_a_bracketed_number_of_others_is_not_a_marker() -> None:
    assert stream("See [4] and [", "12", "] there.", [1])[1] == "See (4) and (12) there.[1]"


def test_a_list_or_range_of_numbers_in_brackets_is_not_a_marker_either() -> None:
    assert stream("See [1, 2], [1-", "3] and [12345].", [1])[1] == "See (1, 2), (1-3) and (12345).[1]"


def test_brackets_that_hold_no_number_stay_as_they_are() -> None:
    assert stream("array[", "i] and [x", "] [", [1])[1] == "array[i] and [x] [[1]"


@given(st.lists(st.text(alphabet="ab [1]2\n.", max_size=8), max_size=8))
def test_what_is_streamed_is_the_text_and_no_marker_is_forged(pieces: list[str]) -> None:
    import re

    shown, text = stream(*pieces)
    assert shown.strip() == text
    assert not re.search(r"\[\d{1,4}\]", text)
