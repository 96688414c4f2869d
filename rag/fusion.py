"""Dense and lexical scores -> one score for each candidate, a convex combination.

Scores keep what ranks throw away: how much nearer the best passage is than the next. Bruch, Gai and Ingber,
An Analysis of Fusion Functions for Hybrid Retrieval (2023); measured against reciprocal rank fusion in
docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from rag.sparse import only_names

LEXICAL_WEIGHT = 0.35
"""Share of BM25; the rest is the cosine's. Less suits code, more suits prose (docs/decisions.md)."""

WEIGHT_OF_NAMES = 0.65
"""The same for a query of nothing but names, such as `read_timeout`: who types one wants where it stands."""


def lexical_weight(query: str) -> float:
    """The share of BM25 for a query."""
    return WEIGHT_OF_NAMES if only_names(query) else LEXICAL_WEIGHT


def fuse(
    dense: Mapping[str, float], lexical: Mapping[str, float], weight: float = LEXICAL_WEIGHT
) -> dict[str, float]:
    """The fused score, from 0 to 1, of every candidate that has a score in either; `weight` is BM25's share.

    Cosines are spread over 0 to 1 between the least and the best of these candidates, since embedding models
    differ in the range they use; BM25 has a true zero and is divided by its best. A candidate without one of
    the scores counts as the least in it.
    """
    least, best = min(dense.values(), default=0.0), max(dense.values(), default=0.0)
    most = max(lexical.values(), default=0.0)
    fused = {}
    for candidate in dense.keys() | lexical.keys():
        near = (dense.get(candidate, least) - least) / (best - least) if best > least else 0.0
        said = lexical.get(candidate, 0.0) / most if most > 0 else 0.0
        fused[candidate] = (1 - weight) * near + weight * said
    return fused
