"""How many tokens a text is, without asking: too high an estimate costs a little, one too low a price step.

The 5.5 tokenizer gives about 3.1 characters of English prose a token. Digits and signs are counted one by one
and bytes beyond ASCII in pairs, so that tables, code and other scripts are not taken for prose.
"""

from __future__ import annotations

import math
import re

from rag.citable import Citable

LETTERS_PER_TOKEN = 3.0
BLOCK = 6
"""What frames one text block, beside its text."""

_LETTERS = re.compile(r"[A-Za-z\s]+")
_ASCII = bytes(range(128))


def tokens_of_text(text: str) -> int:
    """Tokens of a text, on the safe side."""
    rest = _LETTERS.sub("", text)
    encoded = rest.encode(errors="surrogatepass")
    beyond = len(encoded.translate(None, _ASCII))
    return math.ceil((len(text) - len(rest)) / LETTERS_PER_TOKEN + len(encoded) - beyond + beyond / 2)


def tokens_of_sentence(sentence: str) -> int:
    """Tokens of one sentence as a text block of its own."""
    return BLOCK + tokens_of_text(sentence)


def tokens_of_frame(citable: Citable) -> int:
    """Tokens of a search result beside its sentences."""
    return BLOCK + tokens_of_text(citable.source) + tokens_of_text(citable.title)


def tokens_of(citable: Citable) -> int:
    """Tokens of a whole search result."""
    return tokens_of_frame(citable) + sum(tokens_of_sentence(one) for one in citable.sentences)
