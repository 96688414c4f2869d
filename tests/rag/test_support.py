"""The support of each sentence by what it cites: what is judged, what is found, and how well."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.grounding import Case, load_cases
from ingest.parsing import parse
from rag.documents import Citation, Support
from rag.draft import NOT_FOUND
from rag.embedding import Vectors, load_embedder
from rag.reranking import load_reranker
from rag.settings import load_settings
from rag.support import UNMARKED_THRESHOLD, SupportChecker, is_verbatim
from rag.support_facts import facts, missing_facts
from tests.fakes import OverlapReranker, WordEmbedder
from tests.test_data import DATA

RETENTION = "Backups are kept for ninety days in the vault before they are erased."
OFFICER = "The duty officer must test a restore every month."


def citation(marker: int, quote: str, *headings: str) -> Citation:
    return Citation(
        marker=marker,
        document_id="6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c11",
        version="v1",
        chunk_id="c",
        uri="file:///rules.md",
        title="Rules",
        page=None,
        headings=headings,
        quote=quote,
        start=0,
        end=len(quote),
    )


CITED = (citation(1, RETENTION), citation(2, OFFICER))


@pytest.fixture
def checker() -> SupportChecker:
    return SupportChecker(None, WordEmbedder())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def real() -> SupportChecker:
    settings = load_settings()
    return SupportChecker(load_reranker(settings), load_embedder(settings))


class NoModel:
    """A stand-in for either model that must not be asked."""

    name = "none"

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError(f"the model was asked about {texts}")

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        raise AssertionError(f"the model was asked about {question}")


def only(found: Sequence[Support]) -> Support:
    (one,) = found
    return one


def test_each_sentence_has_the_markers_that_follow_it_and_its_place_in_the_answer(
    checker: SupportChecker,
) -> None:
    text = (
        f"{RETENTION}[1] {OFFICER}[2]\n\nBackups stay ninety days[1], and a restore is tested monthly.[2][1]"
    )
    found = checker.check(text, CITED)
    assert [one.markers for one in found] == [(1,), (2,), (1, 2)]
    assert [text[one.start : one.end] for one in found] == [one.text for one in found]
    assert [one.text for one in found] == [
        f"{RETENTION}[1]",
        f"{OFFICER}[2]",
        "Backups stay ninety days[1], and a restore is tested monthly.[2][1]",
    ]


def test_a_quoted_sentence_is_supported_without_asking_a_model() -> None:
    checker = SupportChecker(NoModel(), NoModel())  # type: ignore[arg-type]
    found = checker.check(f"{RETENTION}[1]\n\n{OFFICER}[2]", CITED)
    assert [(one.score, one.supported, one.reason) for one in found] == [(1.0, True, None)] * 2


def test_a_piece_cut_out_of_a_sentence_is_not_a_quotation() -> None:
    denied = "Nobody says that smoking is allowed. Smoke outside; bring a coat."
    assert not is_verbatim("smoking is allowed.", denied)
    assert is_verbatim("Nobody says that smoking is allowed.", denied)
    assert is_verbatim("bring a coat.", denied)
    assert is_verbatim("Smoke  outside;\nbring a coat.", denied)


def test_lead_ins_questions_and_the_answer_not_found_claim_nothing(checker: SupportChecker) -> None:
    for text in (NOT_FOUND, "Here is what the documents say:", "## Retention", "Which vault do you mean?"):
        assert checker.check(text, CITED) == (), text
    assert len(checker.check(f"Here is what the documents say:\n- {RETENTION}[1]", CITED)) == 1


def test_a_lead_in_that_states_a_number_is_judged(checker: SupportChecker) -> None:
    assert not only(checker.check("Backups are kept for 40 days:", CITED)).supported


def test_a_sentence_without_a_marker_must_pass_a_stricter_threshold(real: SupportChecker) -> None:
    assert only(real.check(RETENTION, CITED)).score == 1.0
    near = "The vault holds backups for 90 days."
    marked, unmarked = only(real.check(f"{near}[1]", CITED)), only(real.check(near, CITED[:1]))
    assert unmarked.markers == ()
    assert marked.score == unmarked.score
    assert unmarked.supported == (unmarked.score >= UNMARKED_THRESHOLD)


def test_a_claim_in_an_answer_without_citations_is_not_supported(checker: SupportChecker) -> None:
    one = only(checker.check("Backups are kept for a year.[9]", ()))
    assert (one.score, one.markers, one.reason) == (0.0, (), "nothing is cited for it")


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Backups are kept for forty days in the vault.", "the number forty is not in the cited text"),
        ("Backups are kept for ninety weeks in the vault.", "the unit weeks is not in the cited text"),
        ("Backups are kept in the vault with --purge.", "--purge is not in the cited text"),
        ("Backups are kept for ninety days in the vault after they are erased.", "the cited text 'before'"),
        ("Backups are never kept for ninety days in the vault.", "only one of the two has a 'not'"),
        ("All of the Backups are kept for ninety days in Dresden.", "the name Dresden"),
    ],
)
def test_a_planted_error_is_found_and_named(checker: SupportChecker, sentence: str, reason: str) -> None:
    one = only(checker.check(f"{sentence}[1]", CITED))
    assert not one.supported
    assert one.reason is not None
    assert reason in one.reason


def test_two_words_that_change_places_are_noticed(checker: SupportChecker) -> None:
    cited = citation(1, "snort is the older program and suricata is able to read its rules.")
    one = only(
        checker.check("suricata is the older program and snort is able to read its rules.[1]", (cited,))
    )
    assert not one.supported
    assert "'suricata' and 'snort' have changed places" in (one.reason or "")


def test_headings_and_context_lend_numbers_and_names(checker: SupportChecker) -> None:
    text = "Release 4.2 needs Java 17.[1]"
    quote = "Java 17 is needed by this release."
    assert "4.2" in (only(checker.check(text, (citation(1, quote),))).reason or "")
    for lent in (
        only(checker.check(text, (citation(1, quote, "Release 4.2"),))),
        only(checker.check(text, (citation(1, quote),), {1: "What is new in release 4.2"})),
    ):
        assert "4.2" not in (lent.reason or "")
        assert lent.score > 0.1


def test_another_language_is_compared_by_its_facts_only() -> None:
    checker = SupportChecker(NoModel(), NoModel())  # type: ignore[arg-type]
    cited = (
        citation(1, "Der Jahresurlaub beträgt 28 Tage und er wird von der Leitung im Voraus genehmigt."),
    )
    right = "The annual leave is 28 days and it has to be approved by the management in advance.[1]"
    assert only(checker.check(right, cited)).supported
    assert only(checker.check(right.replace("28", "26"), cited)).reason == (
        "the number 26 is not in the cited text"
    )


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("a thousand and 1,000 hits", "1000 hits, one thousand"),
        ("five years", "5 years"),
        ("the 14th of March 2024", "2024-03-14"),
        ("3.5 percent", "3.5% a year"),
        ("within a day", "within 24 hours"),
        ("a minute instead of 30 seconds", "from 30 to 60 seconds"),
        ("€1240.50", "1,240.50 EUR"),
        ("1.240,50 EUR", "1,240.50 EUR"),
        ("100,000 hits a day", "100K hits/day"),
        ("a majority of two to one", "a 2:1 majority"),
        ("vierzehn Tage", "14 Tage"),
        ("for 3.5 years", "for 42 months"),
        ("HMAC-SHA256", "the HMAC- SHA256 hash"),
    ],
)
def test_one_fact_in_two_spellings_is_one_fact(claim: str, cited: str) -> None:
    assert list(missing_facts(facts(claim), facts(cited), cited)) == []


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("14 weeks", "14 days"),
        ("48 hours", "a day"),
        ("14 May 2024", "14 March 2024"),
        ("version 3.11.0", "version 3.10.0"),
        ("at 09:24", "at 09:42"),
        ("USD 28", "EUR 28"),
        ("/etc/shadow", "/etc/passwd"),
        ("two weeks", "2 months and 3 weeks"),
        ("30 in all", "10 and 20"),
    ],
)
def test_another_fact_is_missing(claim: str, cited: str) -> None:
    assert list(missing_facts(facts(claim), facts(cited), cited))


CASES = load_cases()


def test_the_labelled_set_is_what_it_says() -> None:
    assert len(CASES) == len({case.id for case in CASES}) >= 260
    assert {case.document for case in CASES if case.split == "dev"}.isdisjoint(
        case.document for case in CASES if case.split == "test"
    )
    assert all((case.error is None) == case.supported for case in CASES)
    for split in ("dev", "test"):
        supported = [case.supported for case in CASES if case.split == split]
        assert 0.4 < sum(supported) / len(supported) < 0.6


def test_what_the_labelled_set_quotes_from_the_library_stands_there() -> None:
    texts = {path.stem: " ".join(parse(path).text.split()) for path in (DATA / "library").iterdir()}
    for case in CASES:
        if not case.document.startswith("own-"):
            for quote in case.cited:
                assert " ".join(quote.split()) in texts[case.document], case.id


def found_and_alarms(checker: SupportChecker, cases: Sequence[Case]) -> tuple[float, float]:
    flagged = {case.id for case in cases if checker.score(case.sentence, case.cited)[0] < 0.5}
    bad = [case.id for case in cases if not case.supported]
    good = [case.id for case in cases if case.supported]
    return sum(i in flagged for i in bad) / len(bad), sum(i in flagged for i in good) / len(good)


def test_most_planted_errors_are_found_and_most_paraphrases_pass(real: SupportChecker) -> None:
    """On every tenth sentence of the test half; the whole of it is measured by bench/grounding.py."""
    found, alarms = found_and_alarms(real, [case for case in CASES if case.split == "test"][::10])
    assert found > 0.65
    assert alarms < 0.35


def test_a_score_above_the_lowest_comes_with_the_reranker_too(checker: SupportChecker) -> None:
    with_reranker = SupportChecker(OverlapReranker(), WordEmbedder())  # type: ignore[arg-type]
    text = "The vault keeps backups for 90 days.[1]"
    assert 0 < only(with_reranker.check(text, CITED)).score < 1
    assert 0 < only(checker.check(text, CITED)).score < 1
