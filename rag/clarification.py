"""One short question back, when a question does not say what it is about. Decided without a model.

Precision comes first: a clear question that is asked back costs its reader more than an unclear one that
is answered. So each rule wants a word that points at something (`it`, `this library`, `the clinic`),
nothing in the question or before it that it could point at, and evidence of more than one document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.documents import Hit
from rag.sparse import terms

MAX_NAMED = 3
"""Alternatives named in the question back."""
RIVAL_MARGIN = 2.0
"""How far below the best logit a passage may lie and still be of what was meant."""
MAX_CONTENT = 2
"""A question with more words of content than this says what it is about in spite of its pronoun."""
MAX_PHRASE = 3
"""Words of a noun phrase that are looked at."""

_WORD = re.compile(r"[\w'’-]+")
_PRONOUN = re.compile(r"\b(it|its|they|them|their|theirs|he|him|his|she|her|hers)\b", re.I)
_EMPTY_IT = re.compile(
    r"\b(is|was|will|would|could|can|may|might|does|isn't|wasn't|be)\s+it\s+(\w+\s+){0,3}"
    r"(to|that|if|when|for|take|matter|like|ok|okay)\b|\bit\s+(is|was|takes?|seems?|has|happens?|depends?)\b",
    re.I,
)
_POINTING = re.compile(
    r"\b(?:this|these|(?<=\b(?:of|in|at|on|by|to) )(?:that|those))\s+(?P<noun>[a-z].*)", re.I
)
_DEFINITE = re.compile(r"\bthe\s+(?P<noun>[a-z].*)", re.I)
_FUNCTION_WORDS = frozenset(
    "a about an and are as at be been before but by can could did do does during for from had has have "
    "how if in into is it its like may more must not of on or our over per should so still than that the "
    "their then there they this to under until was we were what when where which who why will with "
    "without would you your".split()
)
_COMMON_VERBS = frozenset(
    "affect allow apply change charge come contain cost cover describe differ exist expire explain give "
    "go happen help include last look make mean need offer own pay provide publish receive recommend "
    "require run say show start state stop support take tell use want work".split()
)
_PREDICATES = frozenset(
    "available better correct different enough good important legal necessary new normal ok okay possible "
    "right safe same similar sure the true worth wrong".split()
)
_DO = re.compile(r"\b(do|does|did|can|could|will|would|should|may|must)\s+$", re.I)
_DEICTIC = frozenset(
    "afternoon app area article case chat collection conversation country data day decade document "
    "documents evening file files folder future information kind manner means moment month morning page "
    "past point present quarter question reason regard season section service site situation sort stage "
    "style term text time today type types version way ways week weekend year".split()
)
"""Nouns that point at the reader's own time, place or reading rather than at one of several things."""
_EMPTY = frozenset(
    term
    for word in "about available cost describe exist expensive explain find get give happen help know last "
    "long look many mean much need pay please say show start take tell thing want work".split()
    for term in terms(word)
)


def unclear(question: str, hits: Sequence[Hit], earlier: Sequence[str] = ()) -> str | None:
    """What to ask back, one short question; None when the question is clear enough to answer.

    Args:
        question: as it stands alone.
        hits: what was found for it, best first.
        earlier: the texts of the turns before, the reader's and the answers'.
    """
    if len({hit.document_id for hit in hits}) < 2:
        return None
    known = frozenset(terms(" ".join(earlier)))
    if not earlier and (back := _of_pronoun(question, hits)):
        return back
    return _of_pointing(question, hits, known) or _of_definite(question, hits, known)


def _of_pronoun(question: str, hits: Sequence[Hit]) -> str | None:
    """`How much does it cost?`: a pronoun, hardly a word of content, and none before the pronoun."""
    found = _PRONOUN.search(question)
    content = set(terms(question)) - set(terms(found.group())) - _EMPTY if found else set()
    if (
        not found
        or _EMPTY_IT.search(question)
        or len(content) > MAX_CONTENT
        or set(terms(question[: found.start()])) - _EMPTY
        or re.search(r"\d|(?<=[a-z] )[A-Z]", question)
    ):
        return None
    return _ask(f"What does “{found.group().lower()}” stand for", _names(hits))


def _of_pointing(question: str, hits: Sequence[Hit], known: frozenset[str]) -> str | None:
    """`What does this library offer?` where no library has been named."""
    found = _POINTING.search(question)
    if not found:
        return None
    phrase = _phrase(found["noun"], verb_follows=_DO.search(question[: found.start()]) is not None)
    wanted = set(terms(" ".join(phrase)))
    before = question[: found.start()]
    if (
        not wanted
        or not _DEICTIC.isdisjoint(word.lower() for word in phrase)
        or not wanted.isdisjoint(known)
        or not wanted.isdisjoint(terms(before))
        or re.search(r"[.,;:?!]|\b(if|when|since|because|after)\b", before, re.I)
        or re.search(r":\s*\S|[\"“`]", question[found.end("noun") - len(found["noun"]) :])
    ):
        return None
    return _ask(f"Which {' '.join(phrase)} do you mean", _named_like(wanted, hits))


def _of_definite(question: str, hits: Sequence[Hit], known: frozenset[str]) -> str | None:
    """`What services does the clinic provide?` where the best passages are of several clinics."""
    for found in _DEFINITE.finditer(question):
        phrase = _phrase(found["noun"])
        wanted = set(terms(" ".join(phrase)))
        if not wanted or not wanted.isdisjoint(known):
            continue
        named = _named_like(wanted, hits)
        others = set(terms(question)) - wanted
        if len(named) > 1 and all(others.isdisjoint(terms(name)) for name in named):
            return _ask(f"Which {' '.join(phrase)} do you mean", named)
    return None


def _phrase(text: str, *, verb_follows: bool = False) -> list[str]:
    """The words of a noun phrase that `text` begins with, at most MAX_PHRASE.

    `verb_follows` is for `does this leader teach`: the last word is the verb, unless a known verb ended it.
    """
    words: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group().lower()
        if text[: match.start()].rstrip()[-1:] in (".", ",", ";", ":", "?", "!", ")", "("):
            break
        if word in _COMMON_VERBS:
            return words
        if len(words) == MAX_PHRASE:
            return words
        if word in _FUNCTION_WORDS or word in _PREDICATES or word.endswith(("ed", "ly")):
            break
        words.append(match.group())
    return words[:-1] if verb_follows and len(words) > 1 else words


def _named_like(wanted: set[str], hits: Sequence[Hit]) -> list[str]:
    """Names among the best passages that hold all of `wanted` and tell several things of that name apart."""
    parts = (part for name in _names(hits) for part in name.split(" | ") if wanted < set(terms(part)))
    return list(dict.fromkeys(parts))


def _names(hits: Sequence[Hit]) -> list[str]:
    """The titles of the documents whose passages come near the best, each once."""
    named: dict[str, None] = {}
    for hit in _rivals(hits):
        if hit.title:
            named.setdefault(hit.title)
    return list(named)


def _rivals(hits: Sequence[Hit]) -> Iterator[Hit]:
    """The hits near the best. Where some were reranked, one that was not was too far behind for it."""
    read = [hit.relevance for hit in hits if hit.relevance is not None]
    if not read:
        return iter(hits)
    return (hit for hit in hits if hit.relevance is not None and hit.relevance >= max(read) - RIVAL_MARGIN)


def _ask(stem: str, named: Sequence[str]) -> str:
    if len(named) < 2:
        return f"{stem}?"
    *first, last = named[:MAX_NAMED]
    more = ", or something else" if len(named) > MAX_NAMED else ""
    return f"{stem}: {', '.join(first)} or {last}{more}?"
