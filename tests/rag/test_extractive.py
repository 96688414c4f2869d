"""The answer without a model: which sentences are quoted, and when none is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.chunking import Chunker
from ingest.parsing import parse_bytes
from rag.documents import Evidence, Hit
from rag.extractive import MAX_SCORED, Quote, Scorer, choose_quotes
from tests.fakes import OverlapReranker, WordEmbedder, hit_with, parsed

OVERLAP = Scorer(
    OverlapReranker().score,
    threshold=0.0,
    passage_threshold=5.0,
    sure=5.0,
    margin=1.0,
    weight=0.15,
    named=6.0,
)


def chosen(
    question: str, items: Sequence[Evidence], scorer: Scorer = OVERLAP, relevance: float | None = None
) -> list[Quote]:
    """What is quoted of these passages, which were found in this order."""
    return choose_quotes(question, items, hits_of(*items), scorer, relevance)


def hits_of(*items: Evidence) -> list[Hit]:
    return [
        hit_with(document_id=chunk.document_id, start=chunk.start, end=chunk.end, text=chunk.text)
        for item in items
        for chunk in item.chunks
    ]


def code(text: str, name: str) -> Evidence:
    document = parse_bytes(text.encode(), name)
    chunks = Chunker(lambda piece: len(piece.split()), 200).chunk(
        document, "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c12", name
    )
    return Evidence(f"file:///library/{name}", name, tuple(chunks), document)


def evidence(
    text: str, name: str = "rules", document_id: str = "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c11"
) -> Evidence:
    document = parsed(text)
    chunks = Chunker(lambda piece: len(piece.split()), 200).chunk(document, document_id, name)
    return Evidence(f"file:///library/{name}.md", name, tuple(chunks), document)


def test_the_sentence_that_answers_is_quoted() -> None:
    item = evidence("# Rules\n\nParking is free. Backups are kept for ninety days. Lunch is at noon.")
    quotes = chosen("how long are backups kept", [item])
    assert [quote.text for quote in quotes] == ["Backups are kept for ninety days."]


def test_nothing_is_quoted_when_no_sentence_answers() -> None:
    item = evidence("# Rules\n\nParking is free for all. Lunch is at noon sharp.")
    assert chosen("how long are backups kept", [item]) == []


def test_a_relevant_passage_is_quoted_though_no_sentence_answers_alone() -> None:
    item = evidence("# Rules\n\nBackups are made at night. It is ninety days for all copies.")
    question = "how long are backups kept erased archived vaulted"
    assert chosen(question, [item], relevance=1.0) == []
    assert chosen(question, [item], relevance=6.0)


def test_the_same_sentence_is_quoted_once_and_headings_never() -> None:
    text = "# Backups kept how long\n\nBackups are kept for ninety days."
    quotes = chosen("how long are backups kept", [evidence(text, "a"), evidence(text, "b")])
    assert [quote.text for quote in quotes] == ["Backups are kept for ninety days."]


def test_at_most_four_sentences_are_quoted_in_reading_order() -> None:
    item = evidence("# Rules\n\n" + " ".join(f"Backups are kept in the vault number {n}." for n in range(9)))
    quotes = chosen("backups kept vault", [item])
    assert len(quotes) == 4
    assert [quote.start for quote in quotes] == sorted(quote.start for quote in quotes)


def in_the_place(number: int, text: str) -> Evidence:
    return evidence(text, f"{number}", f"6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c{number:02d}")


def test_a_sentence_of_the_first_passage_goes_before_a_like_one_of_a_later() -> None:
    items = [
        in_the_place(n, f"# Rules {n}\n\nBackups are kept in {place} each night.")
        for n, place in enumerate(("cellars", "towers", "vaults", "sheds"))
    ]
    quotes = chosen("where are backups kept", items)
    assert [quote.evidence for quote in quotes] == items[:3], "the fourth stands too far behind"
    assert chosen("where are backups kept", items[::-1])[0].evidence is items[3]


def test_the_sentence_of_the_highest_score_is_quoted_however_far_behind_it_stands() -> None:
    items = [in_the_place(n, f"# Rules {n}\n\nThe backups of house {n} are made at night.") for n in range(8)]
    items.append(in_the_place(9, "# Vault\n\nBackups are kept for ninety days."))
    quotes = chosen("how many days are backups kept", items)
    assert "Backups are kept for ninety days." in [quote.text for quote in quotes]


def scored(values: dict[str, float]) -> Scorer:
    """Gives to a sentence what stands beside the word that it has."""

    def score(question: str, sentences: Sequence[str]) -> list[float]:
        return [next(value for word, value in values.items() if word in each) for each in sentences]

    return replace(OVERLAP, score=score, sure=4.0, margin=3.0)


VAULT = "# Rules\n\nBackups go to the vault. Backups go to the cellar. Backups go to the shed."


def test_beside_a_sure_sentence_only_those_are_quoted_that_are_nearly_as_good() -> None:
    sure = chosen(
        "where do backups go", [evidence(VAULT)], scored({"vault": 4.0, "cellar": 1.5, "shed": 0.5})
    )
    assert [quote.text for quote in sure] == ["Backups go to the vault.", "Backups go to the cellar."]


def test_beside_an_unsure_sentence_those_are_quoted_that_pass_by_themselves() -> None:
    scorer = scored({"vault": 3.9, "cellar": 0.5, "shed": -0.5})
    unsure = chosen("where do backups go", [evidence(VAULT)], scorer)
    assert [quote.text for quote in unsure] == ["Backups go to the vault.", "Backups go to the cellar."]
    assert len(chosen("where do backups go", [evidence(VAULT)], scorer, relevance=6.0)) == 3


def test_of_sentences_of_one_score_that_with_the_words_of_the_question_leads() -> None:
    items = [
        in_the_place(1, "# Vault\n\nNobody goes in without two keys."),
        in_the_place(2, "# Backups\n\nThe backups are kept in the vault."),
    ]
    quotes = chosen("where are backups kept", items, scored({"keys": 1.0, "vault": 1.0}))
    assert [quote.evidence for quote in quotes] == items[::-1]


def test_of_many_sentences_those_are_read_that_share_most_words() -> None:
    lines = [f"Line {n} of the ledger of the house is full." for n in range(40)]
    items = [in_the_place(1, "# Ledger\n\n" + " ".join(lines))]
    items.append(in_the_place(2, "# Vault\n\nBackups are kept for ninety days."))
    read: list[str] = []

    def score(question: str, sentences: Sequence[str]) -> Sequence[float]:
        read.extend(sentences)
        return OVERLAP.score(question, sentences)

    (quote,) = chosen("how many days are backups kept", items, replace(OVERLAP, score=score))
    assert quote.text == "Backups are kept for ninety days."
    assert len(read) == MAX_SCORED


def test_without_a_cross_encoder_sentences_are_told_apart_by_their_embeddings() -> None:
    scorer = Scorer.of(None, WordEmbedder())
    item = evidence("# Rules\n\nParking is free. Backups are kept for ninety days. Lunch is at noon sharp.")
    (quote,) = chosen("Backups are kept for ninety days", [item], scorer)
    assert quote.text == "Backups are kept for ninety days."


def test_what_was_cited_before_stands_behind_the_first_that_was_found() -> None:
    found = evidence("# Rules\n\nBackups are kept for a year.", "a")
    another = "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c13"
    carried = evidence("# Old rules\n\nBackups are kept for a week.", "b", another)
    quotes = choose_quotes("how long are backups kept", [carried, found], hits_of(found), OVERLAP)
    assert quotes[0].text == "Backups are kept for a year."


def test_no_evidence_gives_no_quotes() -> None:
    assert chosen("anything", []) == []


def test_a_line_of_code_that_has_the_name_asked_for_is_quoted_before_prose_about_the_like() -> None:
    prose = evidence("# Limits\n\nThe broken limit of the value is said to be forty two here.")
    item = code("import os\n\nBROKEN_LIMIT = 99\nOTHER_LIMIT = 1\n", "limits.py")
    quotes = chosen("What is the value of BROKEN_LIMIT?", [prose, item])
    assert quotes[0].text == "BROKEN_LIMIT = 99"


def test_a_comment_is_quoted_with_the_line_that_it_is_about() -> None:
    item = code("package client\n\n// How often a request is tried again.\nconst MaxRetries = 7\n", "c.go")
    (quote,) = chosen("How often is a request tried again?", [item])
    assert quote.text == "// How often a request is tried again.\nconst MaxRetries = 7"


def test_a_comment_that_goes_on_is_quoted_as_it_is() -> None:
    item = code("# Requests are tried again at night.\n# Not by day.\nRETRIES = 7\n", "c.py")
    quotes = chosen("When are requests tried again?", [item])
    assert quotes[0].text.endswith("tried again at night.")


def test_a_definition_is_quoted_with_what_its_docstring_says_first_and_nothing_of_it_twice() -> None:
    said = """The client's patience, in seconds.\n\n    More of it."""
    item = code(f'import os\n\n\ndef read_timeout(env):\n    """{said}"""\n    return 30\n', "client.py")
    (quote,) = chosen("What does read_timeout do?", [item])
    assert quote.text == 'def read_timeout(env):\n    """The client\'s patience, in seconds.'


def test_what_defines_the_name_asked_for_is_quoted_and_not_what_uses_it() -> None:
    uses = code("from client import read_timeout\n\nlimit = read_timeout(read_timeout)\n", "use.py")
    defines = code("x = 10\n\n\ndef read_timeout(env):\n    return env.seconds\n", "client.py")
    (quote,) = chosen("What does read_timeout do?", [uses, defines])
    assert quote.text == "def read_timeout(env):"
    quotes = chosen("Where is read_timeout called?", [uses, defines])
    assert "limit = read_timeout(read_timeout)" in [each.text for each in quotes]


def test_code_in_a_page_of_text_defines_a_name_too() -> None:
    page = evidence(
        "# Notes\n\nThe clients of the office are many.\nclass AuditClient(HttpClient):\nThe end of it."
    )
    quotes = chosen("What is the AuditClient class?", [page, code("class HttpClient:\n    x = 1\n", "a.py")])
    assert [quote.text for quote in quotes] == ["class AuditClient(HttpClient):"]
