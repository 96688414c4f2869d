"""What a question asks for, known before any token is bought: a fact, or a reading of whole documents.

What no rule matches is a lookup, the cheap guess: a lookup that fails can still be answered from whole
documents, but what a needless reading has cost does not come back.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from rag.intent_rules import RULES, IntentKind, Rule
from rag.intent_words import VOCABULARY

LONGEST = 1_000
"""Characters that are looked at: what a long question asks for stands near its beginning or its end, and
some rules take time that grows with the square of the length."""

_REASONS: dict[IntentKind, str] = {
    "lookup": "The question asks for something that a few passages can hold.",
    "comparison": "The question compares whole documents or versions.",
    "summary": "The question asks for a summary of a whole document.",
    "synthesis": "The question asks what many documents, or all of one, say together.",
}
_WORD = re.compile(r"<([a-z]+)>")
_FILE_NAME = re.compile(r"[\w.()+-]*\w\.(?:md|markdown|pdf|docx?|html?|txt|rst|rtf|odt|pptx?|xlsx?|csv)\b")
"""What stands for a document as 'the document' does."""
_PLAIN = str.maketrans({"’": "'", "¿": None, "¡": None})


@dataclass(frozen=True, slots=True)
class Intent:
    """What is asked for; `reason` is one sentence for the reader, `rule` names what decided."""

    kind: IntentKind
    reason: str
    rule: str

    @property
    def whole_documents(self) -> bool:
        """Whether a few passages cannot be enough."""
        return self.kind != "lookup"


def classify(question: str) -> Intent:
    """What `question` asks for, by the first rule that matches; in English, German, French and Spanish."""
    text = _plain(question)
    for rule, pattern in _compiled():
        if pattern.search(text):
            return Intent(rule.kind, _REASONS[rule.kind], rule.name)
    return Intent("lookup", _REASONS["lookup"], "no rule matches")


def _plain(question: str) -> str:
    """Lower case without accents, its white space and apostrophes as on a plain keyboard."""
    if len(question) > LONGEST:
        question = f"{question[: LONGEST // 2]} {question[-LONGEST // 2 :]}"
    question = _FILE_NAME.sub("the document", question.casefold().translate(_PLAIN))
    letters = unicodedata.normalize("NFKD", question)
    return " ".join("".join(one for one in letters if not unicodedata.combining(one)).split())


@cache
def _compiled() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    """The rules with the vocabulary filled in."""
    return tuple((rule, re.compile("|".join(map(_filled, rule.patterns)))) for rule in RULES)


def _filled(pattern: str) -> str:
    return _WORD.sub(lambda word: f"(?:{_filled(VOCABULARY[word[1]])})", pattern)
