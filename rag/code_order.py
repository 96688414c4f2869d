"""The order of hits in source code: a question that names a function or a class wants what defines it.

Neither embeddings nor BM25 tell that from what uses it: passages that use a name say it as often, and in
fewer words; and imports say more names than anything else. Measured in docs/decisions.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from rag.definitions import is_python, title_at
from rag.documents import Hit
from rag.sparse import STOPWORDS

DEFINES = 0.3
"""What a passage gains that defines a name that is asked for, in shares of the best fused score."""
IMPORTS = 0.2
"""The share that a passage loses that is nothing but imports: it holds many names and answers nothing."""

_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_LOOKS_LIKE_CODE = re.compile(r"[^\W_]_[^\W_]|^_+[^\W_]|[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
_QUOTED = re.compile(r"`([^`\n]+)`|([A-Za-z_$][\w$]*)\(\)")
_KINDS = frozenset(
    "attribute class component constant constructor decorator enum field fixture function hook interface"
    " macro message method module object procedure property struct structure table test trait type"
    " variable".split()
)
_ASKING = frozenset(
    "called calls code codebase declared defined describe do does explain exactly file find function handle"
    " implement implementation implemented implements located mean means purpose return returns role show use"
    " used uses work works".split()
)
"""Words of which a question about a name consists, beside the name."""
_TYPE_PARAMETERS = re.compile(r"<[^<>]*>")
_IMPORTING = re.compile(r"\b(?:import|include|use|using|package|require|from)\b")
_MODULE = r"[\w.*]+(?:\s+as\s+\w+)?"
_IMPORT = re.compile(
    rf"\s*(?:import\s+(?:{_MODULE}(?:\s*,\s*{_MODULE})*\s*;?\s*(?:#.*|//.*)?$"
    r"|static\s+[\w.*]+;|[\w$*{},\s]+\s+from\b|[\"'({])"
    r"|from\s+\S+\s+import\b|#\s*include\b|(?:pub\s+)?use\s+[\w:]+(?:::|;)|using\s+[\w.:]+\s*[;=]"
    r"|package\s+[\w.]+\s*;?\s*$|(?:const|let|var)\s.*\brequire\(|export\s+\*\s+from\b)"
)


def names_asked_for(question: str) -> frozenset[str]:
    """The names, in lower case, whose definition a question is after; empty for most questions.

    A name is what is spelt as one (`read_timeout`, `readTimeout`), what stands in backquotes or before
    `()`, what stands beside its kind (the `decode` function), and the only word that says anything.
    """
    words = _WORD.findall(question)
    found = {word for word in words if _LOOKS_LIKE_CODE.search(word)}
    found |= {name for quoted in _QUOTED.findall(question) for name in _WORD.findall("".join(quoted))[-1:]}
    for before, word in pairwise(words):
        if word.lower() in _KINDS:
            found.add(before)
        if before.lower() in _KINDS:
            found.add(word)
    telling = {word for word in words if not _says_nothing(word)}
    if len(telling) == 1:
        found |= telling
    return frozenset(word.lower() for word in found if not _says_nothing(word))


def order_code(names: frozenset[str], hits: Sequence[Hit]) -> list[Hit]:
    """The hits, best first: of code, what defines one of the `names` gains, and what is imports loses."""
    best = max((hit.score for hit in hits), default=0.0)
    gain = DEFINES * max(1.0, best)  # by words alone, scores have no upper end
    moved = []
    for hit in hits:
        score = hit.score * (1 - IMPORTS * _share_of_imports(hit.text))
        score += gain if names and _defines(hit, names) else 0.0
        moved.append(hit if score == hit.score else hit.model_copy(update={"score": score}))
    return sorted(moved, key=lambda hit: -hit.score)


def _says_nothing(word: str) -> bool:
    return word.lower() in STOPWORDS or word.lower() in _ASKING or word.lower() in _KINDS


def _defines(hit: Hit, names: frozenset[str]) -> bool:
    lines, python = hit.text.split("\n"), is_python(hit.uri)
    for index, line in enumerate(lines):
        small = line.lower()
        if any(name in small for name in names):
            title = title_at(lines, index, python)
            if title is not None and _name(title) in names:
                return True
    return False


def _name(title: str) -> str:
    """`read` of `func (r *Reader) Read`, `client` of `class Client`."""
    names = _WORD.findall(_TYPE_PARAMETERS.sub("", title))
    return names[-1].lower() if names else ""


def _share_of_imports(text: str) -> float:
    """The share of its lines that import something; a list in brackets goes on until they close."""
    if not _IMPORTING.search(text):
        return 0.0
    lines = [line for line in text.split("\n") if line.strip()]
    importing, opened = 0, False
    for line in lines:
        begins = _IMPORT.match(line) is not None
        importing += begins or opened
        if begins:
            opened = False
        if begins or opened:
            opened = (opened or "(" in line or "{" in line) and not (")" in line or "}" in line)
    return importing / len(lines) if lines else 0.0
