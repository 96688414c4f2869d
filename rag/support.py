"""Does the text that a sentence cites support it? Judged on this machine, sentence by sentence.

A number, date or unit that the cited text does not have is decisive. Everything else is a signal
(`rag.support_signals`), and a logistic model weighs them; its weights come from `python -m bench.grounding
--fit`. The built-in cross-encoder measures relevance, not truth, so it is one signal among others. Nothing
here can see a falsehood that keeps words, numbers and order. Figures: docs/benchmarks.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.documents import Citation, Support
from rag.draft import NOT_FOUND
from rag.embedding import Embedder, Vectors
from rag.reranking import Reranker
from rag.sentences import sentence_spans
from rag.support_facts import facts, missing_facts
from rag.support_signals import Comparison, compare
from rag.support_words import language_of, languages_differ, novel_words, wording

THRESHOLD = 0.5
"""A sentence is supported when that is likelier than not."""
UNMARKED_THRESHOLD = 0.7
"""For a sentence without a marker: among all quotes of the answer, one matches more easily by chance."""
FALSE_FACT = 0.05
"""Score of a sentence with a number, date or unit that the cited text does not have, at most."""
ONLY_FACTS_COMPARED = 0.6
"""Score of a sentence in another language than its proof: its facts agree, its words cannot be compared."""
KEPT_WORDS = 5000
"""Word vectors held in memory, about 1.5 kB each."""
QUOTES_COMPARED = 6
"""Quotes that a sentence without a marker is laid beside: those that share most words with it."""

# Log-odds per unit of each signal. Fitted on the 'dev' half of data/grounding.jsonl by
# `python -m bench.grounding --fit`: logistic regression, L2, the sign of each weight held to what it means.
INTERCEPT = {True: -0.64, False: -1.39}
WEIGHTS: dict[str, tuple[float, float]] = {
    "identifiers": (-2.82, -2.93),
    "names": (-1.70, -1.89),
    "poles": (-3.57, -3.56),
    "odd": (-0.24, -0.23),
    "negated_once": (-0.97, -0.94),
    "strengthened": (-2.47, -2.41),
    "exchanged": (-2.43, -2.46),
    "reordered": (-2.90, -2.77),
    "edited": (-0.59, -0.51),
    "similarity": (0.48, 2.32),
    "relevance": (0.23, 0.00),
}
"""With the cross-encoder, and without one."""

_MARKER = re.compile(r"\[\d{1,4}\]")
_AFTER = re.compile(r"[ \t]*(?:\[\d{1,4}\])+")
_LEAD_IN = re.compile(
    r"(?:#+ .*|.*:|(?:yes|no|in short|in summary|to sum up|ja|nein|sí)\W*"
    r"|(?:according to|based on) the (?:documents?|sources?|text)\W*"
    r"|(?:here|this|these|the following|below) (?:is|are) (?:what|the|a|an)\b.{0,60})",
    re.IGNORECASE | re.DOTALL,
)
_EDGE = ".!?;:"


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer, with its markers: `bare` is its text without them."""

    start: int
    end: int
    bare: str
    markers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Proof:
    cited: str
    context: str


class SupportChecker:
    """Scores sentences against what they cite. Safe to use from several threads."""

    def __init__(self, reranker: Reranker | None, embedder: Embedder) -> None:
        self._reranker = reranker
        self._embedder = embedder
        self._kept: dict[str, Vectors] = {}

    def check(
        self, answer_text: str, citations: Sequence[Citation], context: Mapping[int, str] | None = None
    ) -> tuple[Support, ...]:
        """The support of each sentence of an answer that claims something, in order.

        Lead-ins, questions, headings and the fixed sentence of an answer not found claim nothing and are left
        out. A sentence is judged against the quotes of its markers, or, with none, against all of the answer.
        `context` gives for a marker text around its quote that may lend it words, such as a heading path;
        title and headings of the citation are always lent.
        """
        by_marker = {citation.marker: citation for citation in citations}
        lent = context or {}
        return tuple(
            self._judge(answer_text, claim, by_marker, lent)
            for claim in claims(answer_text, by_marker.keys())
        )

    def compare(self, claim: str, cited: Sequence[str], context: str = "") -> Comparison:
        """All that is seen when one sentence is laid beside the texts it cites."""
        together = "\n".join(cited)
        pieces = [together[start:end] for start, end in sentence_spans(together)]
        passages = list(dict.fromkeys((together, *pieces)))
        vectors = self._vectors((claim, *passages))
        return compare(
            claim,
            together,
            context,
            lookup=self._vectors,
            similarity=float((vectors[1:] @ vectors[0]).max()),
            relevance=self._reranker.score(claim, [together])[0] if self._reranker else None,
        )

    def _judge(
        self, text: str, claim: Claim, by_marker: Mapping[int, Citation], lent: Mapping[int, str]
    ) -> Support:
        score, reason = self._score(claim, by_marker, lent)
        supported = score >= (THRESHOLD if claim.markers else UNMARKED_THRESHOLD)
        return Support(
            text=text[claim.start : claim.end],
            start=claim.start,
            end=claim.end,
            markers=claim.markers,
            score=round(score, 4),
            supported=supported,
            reason=None if supported else reason,
        )

    def _score(
        self, claim: Claim, by_marker: Mapping[int, Citation], lent: Mapping[int, str]
    ) -> tuple[float, str]:
        proofs = [_proof(by_marker[marker], lent.get(marker, "")) for marker in claim.markers or by_marker]
        if not proofs:
            return 0.0, "nothing is cited for it"
        if any(is_verbatim(claim.bare, proof.cited) for proof in proofs):
            return 1.0, ""
        if not claim.markers:
            proofs = _nearest(claim.bare, proofs)
        cited = [proof.cited for proof in proofs]
        context = "\n".join(dict.fromkeys(proof.context for proof in proofs if proof.context))
        return self.score(claim.bare, cited, context)

    def score(self, claim: str, cited: Sequence[str], context: str = "") -> tuple[float, str]:
        """The estimated probability that the texts support the sentence, and what speaks against it."""
        together = "\n".join(cited)
        if is_verbatim(claim, together):
            return 1.0, ""
        if languages_differ(claim, together):
            whole = f"{context}\n{together}"
            missing = [reason for _, reason in missing_facts(facts(claim), facts(whole), whole)]
            if missing:
                return FALSE_FACT, "; ".join(missing)
            return ONLY_FACTS_COMPARED, "it is in another language than the cited text"
        seen = self.compare(claim, cited, context)
        score, weight = probability(seen, with_reranker=self._reranker is not None)
        if seen.false_facts:
            return min(score, FALSE_FACT), "; ".join(seen.false_facts)
        against = sorted(seen.reasons, key=lambda name: weight[name])[:2]
        reasons = [seen.reasons[name] for name in against if weight[name] < 0]
        if not reasons and seen.unsaid:
            reasons = [f"the cited text says nothing of '{', '.join(seen.unsaid)}'"]
        return score, "; ".join(reasons) or "the cited text says something else"

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors; those of single words are kept, since the same words come again and again."""
        kept = self._kept
        new = [text for text in dict.fromkeys(texts) if text not in kept]
        fresh = dict(zip(new, self._embedder.embed_passages(new), strict=True)) if new else {}
        found = np.stack([fresh[text] if text in fresh else kept[text] for text in texts])
        words = {text: vector for text, vector in fresh.items() if " " not in text}
        # Replaced, never changed: another thread may be reading the old one.
        self._kept = {**kept, **words} if len(kept) < KEPT_WORDS else words
        return found


def probability(seen: Comparison, *, with_reranker: bool) -> tuple[float, dict[str, float]]:
    """The logistic model: the probability of support, and what each signal adds to its log-odds."""
    column = 0 if with_reranker else 1
    weight = {name: WEIGHTS[name][column] * value for name, value in seen.signals.values.items()}
    return 1 / (1 + math.exp(-(INTERCEPT[with_reranker] + sum(weight.values())))), weight


def claims(text: str, known: Collection[int]) -> Iterator[Claim]:
    """The sentences of an answer that claim something; markers after a sentence belong to its span."""
    masked = _MARKER.sub(lambda match: " " * len(match.group()), text)
    for start, end in sentence_spans(masked):
        after = _AFTER.match(text, end)
        whole = after.end() if after else end
        markers = [int(found[1:-1]) for found in _MARKER.findall(text[start:whole])]
        own = tuple(dict.fromkeys(marker for marker in markers if marker in known))
        bare = re.sub(r"[ \t]+", " ", _MARKER.sub("", text[start:end])).strip()
        if own or claims_something(bare):
            yield Claim(start, whole, bare, own)


def claims_something(sentence: str) -> bool:
    """Whether a sentence without a marker says anything that could be false."""
    bare = sentence.strip("*_ ")
    if bare.strip(" .").casefold() == NOT_FOUND.strip(" .").casefold() or bare.endswith("?"):
        return False
    return not (_LEAD_IN.fullmatch(bare) and not facts(bare).claimed_numbers)


def is_verbatim(claim: str, cited: str) -> bool:
    """Whether the sentence is a whole stretch of the cited text, from one stop to another.

    A part of a sentence is not enough: 'smoking is allowed' is one of 'nobody says that smoking is allowed'.
    """
    own, theirs = " ".join(claim.split()), " ".join(cited.split())
    at = theirs.find(own)
    while own and at >= 0:
        before, after = theirs[:at].rstrip(), theirs[at + len(own) :].lstrip()
        begins = not before or before[-1] in _EDGE
        if begins and (not after or own[-1] in _EDGE or after[0] in _EDGE):
            return True
        at = theirs.find(own, at + 1)
    return False


def _proof(citation: Citation, lent: str) -> _Proof:
    return _Proof(citation.quote, "\n".join(filter(None, (citation.title, *citation.headings, lent))))


def _nearest(claim: str, proofs: Sequence[_Proof]) -> list[_Proof]:
    """The proofs that share most words with the sentence, in their order."""
    language = language_of(claim)
    words = wording(claim, language)
    new = {id(proof): len(novel_words(words, wording(proof.cited, language))) for proof in proofs}
    best = sorted(proofs, key=lambda proof: new[id(proof)])[:QUOTES_COMPARED]
    return [proof for proof in proofs if any(proof is one for one in best)]
