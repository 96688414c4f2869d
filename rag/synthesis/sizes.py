"""How many tokens text is as search results, estimated on the safe side.

Too high an estimate costs a little, one too low a price step.
"""

from __future__ import annotations

from rag.citable import Citable
from rag.claude.tokens import BLOCK, estimated_tokens


def tokens_of_sentence(sentence: str) -> int:
    """Tokens of one sentence as a text block of its own."""
    return BLOCK + estimated_tokens(sentence)


def tokens_of_frame(citable: Citable) -> int:
    """Tokens of a search result beside its sentences."""
    return BLOCK + estimated_tokens(citable.source) + estimated_tokens(citable.title)


def tokens_of(citable: Citable) -> int:
    """Tokens of a whole search result."""
    return tokens_of_frame(citable) + sum(tokens_of_sentence(one) for one in citable.sentences)
