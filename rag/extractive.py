"""The answer without a model: the sentences that answer, quoted, with the same citations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rag.code_order import names_asked_for
from rag.definitions import defines, is_python, title_at
from rag.documents import CODE, Evidence, Hit
from rag.embedding import Embedder
from rag.reranking import Reranker
from rag.sentences import sentence_spans
from rag.sparse import names, terms

MAX_SENTENCES = 4
MAX_SCORED = 24
"""Sentences that are scored; the others share too few words with the question."""
SHARED = 0.75
"""What a sentence gains by its words that the question has, if it has the most of all."""
BEHIND = 0.4
"""What it loses by each place that its passage stands behind the first."""
UNRANKED = 5
"""The place counted for a sentence in none of the passages found: beside one, or in one cited before."""
MARGIN = 1.2
"""How far behind the best a further sentence may be, all taken together."""
WORDS = re.compile(r"\w+")
LEAST_WORDS = 4
"""Of a sentence. A line of code may have fewer: `LIMIT = 99` answers."""
LONGEST_STATEMENT = 200
"""Characters of the line of code that is quoted with the comment above it."""
_COMMENT = re.compile(r"\s*(?://|#|--|/\*|\*|;)")
_DOCSTRING = re.compile(
    r"[ \t]*(?:async[ \t]+)?(?:class|def)\b[^\n]{1,200}:[ \t]*\n\s*[rRuU]?"
    r"(?:\"\"\"|\'\'\')\s*(?P<said>(?:(?!\"\"\"|\'\'\')[^\n])+)"
)
"""A definition in Python that fits on a line, with the first line of what its docstring says."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """How relevant sentences are to a question, and what scores mean.

    `threshold` is the least score of a sentence that answers, `passage_threshold` that of a passage.
    Beside a sentence of `sure` or more, others are quoted only within `margin` of it. A score times `weight`
    stands beside `SHARED` and `BEHIND`. A line of code that has a name that is asked for gets `named` on
    top: a model that learned from prose does not tell it from others.
    """

    score: Callable[[str, Sequence[str]], Sequence[float]]
    threshold: float
    passage_threshold: float
    sure: float
    margin: float
    weight: float
    named: float

    @classmethod
    def of(cls, reranker: Reranker | None, embedder: Embedder) -> Scorer:
        """The cross-encoder's logits; cosines of embeddings when reranking is switched off."""
        if reranker is not None:
            return cls(
                reranker.score,
                threshold=0.5,
                passage_threshold=2.0,
                sure=4.0,
                margin=3.0,
                weight=0.15,
                named=6.0,
            )

        def similarities(question: str, sentences: Sequence[str]) -> Sequence[float]:
            vectors = embedder.embed_passages(sentences) @ embedder.embed_query(question)
            return [float(value) for value in vectors]

        return cls(
            similarities,
            threshold=0.7,
            passage_threshold=1.0,
            sure=0.85,
            margin=0.1,
            weight=6.0,
            named=0.2,
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that may be (part of) the answer.

    `prior` is what speaks for it before it is read, `score` what the scorer gives to it, and `fit` both.
    """

    evidence: Evidence
    start: int
    end: int
    prior: float
    score: float = 0.0
    fit: float = 0.0

    @property
    def lead(self) -> str:
        """What a sentence is read under: its heading, without which 'It is five years.' says little."""
        heading = self.evidence.parsed.heading_path_at(self.start)[-1:] or (self.evidence.title,)
        return f"{heading[0]}: "

    @property
    def text(self) -> str:
        return self.evidence.parsed.text[self.start : self.end]

    def names_in_code(self, asked: set[str]) -> bool:
        """Whether this is code that has one of these names."""
        return self.evidence.parsed.media_type == CODE and not asked.isdisjoint(names(self.text))

    def defines(self, asked: set[str]) -> bool:
        """Whether a line of this defines one of these names, in code or in a page that shows some."""
        held = not asked.isdisjoint(names(self.text))
        return held and defines(self.text, asked, is_python(self.evidence.uri))


def choose_quotes(
    question: str,
    evidence: Sequence[Evidence],
    hits: Sequence[Hit],
    scorer: Scorer,
    relevance: float | None = None,
) -> list[Quote]:
    """The best sentences, at most four, in the order they should be read; none when none answers.

    Whether one answers is told by the scores alone. Which are quoted is told by the words they share with the
    question and the place of their passage among `hits`, too: the sentence that proves often says little by
    itself, and follows one that does (docs/decisions.md). That of the highest score is always among them.
    `relevance` is the score of the best passage as a whole. A passage can answer though no sentence of it
    does so alone; then sentences are quoted whatever their score.
    """
    by_name = bool(names_asked_for(question))
    quotes = _candidates(question, evidence, hits, by_name)
    if not quotes:
        return []
    scores = scorer.score(question, [quote.lead + quote.text for quote in quotes])
    asked = names(question)
    # Where a name is defined, what uses it says less; unless it is the uses that are asked for.
    named = [quote.defines(asked) for quote in quotes] if by_name else []
    if not any(named):
        named = [quote.names_in_code(asked) for quote in quotes]
    read = []
    for quote, value, has_name in zip(quotes, scores, named, strict=True):
        score = value + scorer.named * has_name
        read.append(replace(quote, score=score, fit=quote.prior + scorer.weight * score))
    read.sort(key=lambda quote: -quote.fit)
    top = max(read, key=lambda quote: quote.score)
    least = -math.inf
    if relevance is None or relevance < scorer.passage_threshold:
        least = scorer.threshold
    if top.score >= scorer.sure:
        least = max(least, top.score - scorer.margin)
    fitting = [top, *(quote for quote in read if quote.fit >= read[0].fit - MARGIN)]
    chosen = _unlike(quote for quote in fitting if quote.score >= least)[:MAX_SENTENCES]
    if not chosen:
        return []
    best = max(chosen, key=lambda quote: quote.fit).evidence
    return sorted(chosen, key=lambda q: (q.evidence is not best, q.start))


def _unlike(quotes: Iterable[Quote]) -> list[Quote]:
    """Each wording once."""
    said: dict[str, Quote] = {}
    for quote in quotes:
        said.setdefault(" ".join(WORDS.findall(quote.text.lower())), quote)
    return list(said.values())


def _candidates(
    question: str, evidence: Sequence[Evidence], hits: Sequence[Hit], by_name: bool
) -> list[Quote]:
    """The sentences that share most terms with the question, those of better passages first on a tie.

    Where a name is asked for, a definition within a page of text may be as short as one in code.
    """
    wanted = set(terms(question))
    found: list[tuple[int, int, Evidence, int, int]] = []
    seen: set[tuple[str, int]] = set()
    for item in evidence:
        # A heading of code is a definition, with what is said of it above: no title but what may answer.
        code = item.parsed.media_type == CODE
        titles = set() if code else {heading.start for heading in item.parsed.headings}
        covered = item.start
        for start, end in sentence_spans(item.parsed.text, item.start, item.end):
            key = (item.chunks[0].document_id, start)
            text = item.parsed.text[start:end]
            if start in titles or key in seen or start < covered or text.endswith("?"):
                continue
            words = len(WORDS.findall(text))
            if words < 2 or (words < LEAST_WORDS and not (code or (by_name and _is_definition(text)))):
                continue
            if code:
                covered = _with_docstring(item, start, end)
                end = max(_with_statement(item, start, end), covered)
                text = item.parsed.text[start:end]
            seen.add(key)
            shared = len(wanted & set(terms(text)))
            found.append((shared, _place(item, start, end, hits), item, start, end))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    most = max(found[0][0], 1) if found else 1
    return [
        Quote(item, start, end, SHARED * shared / most - BEHIND * place)
        for shared, place, item, start, end in found[:MAX_SCORED]
    ]


def _is_definition(line: str) -> bool:
    return title_at([line], 0, python=False) is not None


def _place(item: Evidence, start: int, end: int, hits: Sequence[Hit]) -> int:
    """Which of the passages found has some of these characters, from 0."""
    document = item.chunks[0].document_id
    for place, hit in enumerate(hits):
        if hit.document_id == document and hit.start < end and start < hit.end:
            return place
    return UNRANKED


def _with_statement(item: Evidence, start: int, end: int) -> int:
    """The end of a comment with the line of code that it is about; of anything else its own."""
    text = item.parsed.text
    line_end = text.find("\n", end)
    if not _COMMENT.match(text, text.rfind("\n", 0, start) + 1) or not end <= line_end < item.end:
        return end
    after = text.find("\n", line_end + 1)
    after = item.end if after < 0 else min(after, item.end)
    below = text[line_end + 1 : after].rstrip()
    statement = bool(below.strip()) and not _COMMENT.match(below) and len(below) <= LONGEST_STATEMENT
    return line_end + 1 + len(below) if statement and not text[end:line_end].strip() else end


def _with_docstring(item: Evidence, start: int, end: int) -> int:
    """The end of the first line of the docstring below a definition; of anything else its own end.

    https://peps.python.org/pep-0257/
    """
    line_start = item.parsed.text.rfind("\n", 0, start) + 1
    found = _DOCSTRING.match(item.parsed.text, line_start, item.end)
    if found is None or found.start("said") < end:
        return end
    return found.start("said") + len(found["said"].rstrip())
