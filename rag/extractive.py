"""The answer without a model: the sentences that answer, quoted, with the same citations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.documents import CODE, Evidence
from rag.embedding import Embedder
from rag.reranking import Reranker
from rag.sentences import sentence_spans
from rag.sparse import names, terms

MAX_SENTENCES = 3
MAX_SCORED = 24
"""Sentences that are scored; the others share too few words with the question."""
WORDS = re.compile(r"\w+")
LEAST_WORDS = 4
"""Of a sentence. A line of code may have fewer: `LIMIT = 99` answers."""
LONGEST_STATEMENT = 200
"""Characters of the line of code that is quoted with the comment above it."""
_COMMENT = re.compile(r"\s*(?://|#|--|/\*|\*|;)")


@dataclass(frozen=True, slots=True)
class Scorer:
    """How relevant sentences are to a question, and what scores mean.

    `threshold` is the least score of a sentence that answers, `passage_threshold` that of a passage; a
    further sentence is quoted when its score is within `margin` of the best. A line of code that has a name
    that is asked for gets `named` on top: a model that learned from prose does not tell it from others.
    """

    score: Callable[[str, Sequence[str]], Sequence[float]]
    threshold: float
    passage_threshold: float
    margin: float
    named: float

    @classmethod
    def of(cls, reranker: Reranker | None, embedder: Embedder) -> Scorer:
        """The cross-encoder's logits; cosines of embeddings when reranking is switched off."""
        if reranker is not None:
            return cls(reranker.score, threshold=0.5, passage_threshold=2.0, margin=1.5, named=6.0)

        def similarities(question: str, sentences: Sequence[str]) -> Sequence[float]:
            vectors = embedder.embed_passages(sentences) @ embedder.embed_query(question)
            return [float(value) for value in vectors]

        return cls(similarities, threshold=0.7, passage_threshold=1.0, margin=0.05, named=0.2)


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence chosen as (part of) the answer."""

    evidence: Evidence
    start: int
    end: int
    score: float

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


def choose_quotes(
    question: str, evidence: Sequence[Evidence], scorer: Scorer, relevance: float | None = None
) -> list[Quote]:
    """The best sentences, at most three, in the order they should be read; none when none answers.

    `relevance` is the score of the best passage as a whole. A passage can answer though no sentence of
    it does so alone; then its best sentence is quoted.
    """
    candidates = _candidates(question, evidence)
    if not candidates:
        return []
    quotes = [Quote(item, start, end, 0.0) for item, start, end in candidates]
    scores = scorer.score(question, [quote.lead + quote.text for quote in quotes])
    asked = names(question)
    quotes = [
        replace(quote, score=value + scorer.named * quote.names_in_code(asked))
        for quote, value in zip(quotes, scores, strict=True)
    ]
    quotes.sort(key=lambda quote: -quote.score)
    best = quotes[0]
    if best.score < scorer.threshold and (relevance is None or relevance < scorer.passage_threshold):
        return []
    least = best.score - scorer.margin
    chosen: list[Quote] = []
    said: set[str] = set()
    for quote in quotes:
        if quote.score < least or len(chosen) == MAX_SENTENCES:
            break
        words = " ".join(WORDS.findall(quote.text.lower()))
        if words not in said:
            said.add(words)
            chosen.append(quote)
    return sorted(chosen, key=lambda q: (q.evidence is not best.evidence, q.start))


def _candidates(question: str, evidence: Sequence[Evidence]) -> list[tuple[Evidence, int, int]]:
    """The sentences that share most terms with the question, better evidence first on a tie."""
    wanted = set(terms(question))
    found: list[tuple[int, int, tuple[Evidence, int, int]]] = []
    seen: set[tuple[str, int]] = set()
    for rank, item in enumerate(evidence):
        # A heading of code is a definition, with what is said of it above: no title but what may answer.
        code = item.parsed.media_type == CODE
        titles = set() if code else {heading.start for heading in item.parsed.headings}
        for start, end in sentence_spans(item.parsed.text, item.start, item.end):
            key = (item.chunks[0].document_id, start)
            text = item.parsed.text[start:end]
            enough = len(WORDS.findall(text)) >= (2 if code else LEAST_WORDS)
            if start in titles or key in seen or not enough or text.endswith("?"):
                continue
            if code:
                end = _with_statement(item, start, end)
                text = item.parsed.text[start:end]
            seen.add(key)
            shared = len(wanted & set(terms(text)))
            found.append((-shared, rank, (item, start, end)))
    found.sort(key=lambda entry: entry[:2])
    return [entry[2] for entry in found[:MAX_SCORED]]


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
