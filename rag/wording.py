"""When two questions are one: the same in spelling, or the same but for words that ask nothing.

No cosine tells 'to a backup' from 'from a backup' (bench/cache.py), so likeness is not left to a model alone.
What may differ is listed, and whatever is not listed must agree: that way a word nobody thought of costs an
answer from the cache, and never gives a wrong one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rag.sparse import STOPWORDS

_SUPERSCRIPTS = {ord(sign): f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
_FRACTIONS = {ord(sign): f" {sign}" for sign in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
_SIGNS = dict.fromkeys(map(ord, "\u00ad\u200b\ufeff")) | dict(zip(map(ord, "‘’“”"), "''\"\"", strict=True))
_BEFORE_NFKC = _SUPERSCRIPTS | _FRACTIONS | _SIGNS
"""NFKC would make 10² of 102 and 11/2 of 1½."""

_TOKEN = re.compile(r"`[^`]*`|\"[^\"]*\"|\S+")
_END = re.compile(r"(?<=[\w)\]}\"'`%])[?!.…]+$")
_CODE = re.compile(r"^-|[_/\\=$~@<>{}\[\]|`\"]|\w[.:]\w|^\d+[^\W\d_]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_UNIT_LETTERS = 3

_ASKING = r"(?:who|what|which|when|where|why|how)\b"
_SAME = (
    (
        re.compile(
            r"^(?:(?:please|hi|hello|hey|so|ok|okay|and),? "
            rf"|(?:(?:can|could|would|will) you (?:please )?)?tell me,?:? (?={_ASKING})"
            rf"|(?:i(?: would|'d) like|i want|i need) to know (?={_ASKING}))+"
        ),
        "",
    ),
    (re.compile(r",? please$"), ""),
    (re.compile(r"\b(what|who|where|when|how)'s\b"), r"\1 is"),
    (re.compile(r"\b(?:cannot|can't)\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\b(\w+)n't\b"), r"\1 not"),
    (re.compile(r"\bhow (?:(?:do|can|could|would) (?:i|you|we)|(?:i|we) can)\b"), "how do i"),
    (re.compile(r"^for how long\b"), "how long"),
    (re.compile(r"\bwhich\b"), "what"),
    (re.compile(r"\b(?:is|are)\b"), "be"),
    (re.compile(r"\b(?:do|does) (?!not\b)"), ""),
    (re.compile(rf"^((?:in|on|at|by|after|before|since|until) [^,]+), ({_ASKING}.*)$"), r"\2 \1"),
)
"""What is written in two ways, and the one way that is compared; in this order."""
_PLURAL = re.compile(r"^([a-z]{2,}[b-hj-rtv-z])s$")
"""More than this may not be cut off: 'manages' and 'managed', 'employee' and 'employer' have one stem."""
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}


def normalised(question: str) -> str:
    """The question as it is compared: case, white space, Unicode forms and the final mark do not count.

    Case is kept where it says something: in options, paths, code and quotations, in units after a number, and
    in capitals that would else read as another word (IT, US, appendix A). Folding is `lower`, not `casefold`,
    which makes one word of German 'Maße' and 'Masse'.
    """
    text = unicodedata.normalize("NFKC", question.translate(_BEFORE_NFKC))
    if text.isupper():
        text = text.lower()
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        words.append(word if _keeps_case(word, words[-1] if words else "") else word.lower())
    return _END.sub("", re.sub(r" \?$", "?", " ".join(words)))


def _keeps_case(word: str, before: str) -> bool:
    bare = word.strip(",;:!?.()'")
    if _NUMBER.fullmatch(before) and len(bare) <= _UNIT_LETTERS:
        return True
    if bare.isupper() and bare != "I" and (len(bare) > 1 or before) and bare.lower() in STOPWORDS | {"us"}:
        return True
    return _CODE.search(bare) is not None


def means_the_same(one: str, other: str) -> bool:
    """Whether two questions ask the same in nearly the same words."""
    return _gist(one) == _gist(other)


@lru_cache(maxsize=4096)
def _gist(question: str) -> tuple[str, ...]:
    """The words that can change the answer, without the plural's s, in their order.

    Left out are courtesies, 'the' and the auxiliary 'do'. 'A' is not: 'a few' are not 'few', and appendix A
    is not the appendix.
    """
    question = normalised(question)
    for pattern, instead in _SAME:
        question = pattern.sub(instead, question)
    words = (word.strip(",;:!?()'\"`").rstrip(".") for word in _TOKEN.findall(question))
    return tuple(
        _NUMBER_WORDS.get(word) or _PLURAL.sub(r"\1", word) for word in words if word and word != "the"
    )
