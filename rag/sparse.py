"""Text -> sparse vectors for BM25. Qdrant multiplies in the IDF (`Modifier.IDF`) at query time.

Robertson & Zaragoza, The Probabilistic Relevance Framework (2009). The document side carries
tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average)); the query side carries 1 per term.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import snowballstemmer

from rag.documents import SparseVector

K1 = 1.2
B = 0.75
AVERAGE_LENGTH = 120.0
"""Terms in an average chunk. A constant, since a chunk must get the same vector whatever else is stored."""

NEIGHBOUR_SHARE = 0.2
"""What a term in a neighbour chunk counts for (docs/decisions.md)."""

_WORD = re.compile(r"[^\W_]+(?:[_.\-'’][^\W_]+)*")
_NAME = re.compile(r"[_.]|[a-z][A-Z]|[A-Z]{2}[a-z]")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
STOPWORDS = frozenset(
    "a an and are as at be been being but by can could did do does doing for from had has have having he "
    "her hers him his how i if in into is it its me my no nor not of on or our ours shall she should so "
    "some such than that the their theirs them then there these they this those to too was we were what "
    "when where which while who whom whose why will with would you your yours".split()
)
_stemmer = snowballstemmer.stemmer("english")
_stemming = threading.Lock()
"""It keeps the word that it is at, and documents and questions are stemmed in several threads."""


def encode_passage(*parts: str, around: Sequence[str] = ()) -> SparseVector:
    """The BM25 document vector of a passage; terms of the passages `around` it count NEIGHBOUR_SHARE each.

    What a passage is about is often said in the sentences before it, which lie in another chunk.
    """
    counts: dict[str, float] = {}
    for share, texts in ((1.0, parts), (NEIGHBOUR_SHARE, around)):
        for text in texts:
            for term, times in _counted(text).items():
                counts[term] = counts.get(term, 0.0) + share * times
    length = sum(counts.values()) / (1 + NEIGHBOUR_SHARE * len(around))
    norm = K1 * (1 - B + B * length / AVERAGE_LENGTH)
    return _vector({term: tf * (K1 + 1) / (tf + norm) for term, tf in counts.items()})


def encode_query(text: str) -> SparseVector:
    """The query vector: each distinct term once."""
    return _vector(dict.fromkeys(terms(text), 1.0))


def names(text: str) -> set[str]:
    """Identifiers of several parts, in lower case: `readTimeout`, `read_timeout`, `read.timeout`."""
    found = (match.group() for match in _WORD.finditer(text))
    return {word.lower() for word in found if _NAME.search(word) and len(_PARTS.findall(word)) > 1}


def only_names(text: str) -> bool:
    """Whether a query has nothing but such names."""
    words = {match.group().lower() for match in _WORD.finditer(text)}
    return bool(words) and words == names(text)


def terms(text: str) -> list[str]:
    """Stemmed terms, stop words dropped; identifiers count whole and by their parts.

    `readTimeout`, `read_timeout` and `read.timeout` are all found by 'read timeout' and by themselves.
    """
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        lower = word.lower()
        if lower not in STOPWORDS:
            found.append(_stem(lower))
        parts = _PARTS.findall(word)
        if len(parts) > 1:
            found.extend(_stem(part.lower()) for part in parts if part.lower() not in STOPWORDS)
    return found


@lru_cache(maxsize=2048)
def _counted(text: str) -> Counter[str]:
    """Kept for a while: a chunk is also the neighbour of two others."""
    return Counter(terms(text))


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    if not (word.isascii() and word.isalpha()):
        return word
    with _stemming:
        return str(_stemmer.stemWord(word))


def _vector(weights: dict[str, float]) -> SparseVector:
    by_index: dict[int, float] = {}
    for term, weight in weights.items():
        index = zlib.crc32(term.encode("utf-8"))
        by_index[index] = max(weight, by_index.get(index, 0.0))
    ordered = sorted(by_index.items())
    return SparseVector(tuple(i for i, _ in ordered), tuple(round(w, 6) for _, w in ordered))
