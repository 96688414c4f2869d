"""The order of hits in source code: a question that names a function or a class wants what defines it.

Neither embeddings nor BM25 tell that from what uses it: passages that use a name say it as often, and in
fewer words; and imports say more names than anything else. Measured in docs/decisions.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import PurePosixPath

from rag.definitions import CODE_ENDINGS, defines, is_python
from rag.documents import Hit
from rag.sparse import STOPWORDS

DEFINES = 0.4
"""What a passage gains that defines a name that is asked for, in shares of the way from last hit to best."""
IMPORTS = 0.2
"""What a passage loses, in the same shares, that is nothing but imports: it answers nothing."""
FIRST = 3
"""As many hits tell, by most of them, whether a question is about code."""
SIGNS = 0.05
"""Share of brackets, operators and underscores from which a passage is code, whatever its file is called."""
MOST_NAMES = 8
LONGEST_IMPORT = 30
"""Lines of a list of what is imported."""

_SIGN = re.compile(r"[{}()\[\];<>]|=+|_+")
_WORD = re.compile(r"[^\W\d][\w$]*")
_LOOKS_LIKE_CODE = re.compile(r"[^\W_]_[^\W_]|^_+[^\W_]|[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
_QUOTED = re.compile(r"`([^`\n]{1,200})`")
_CALLED = re.compile(r"(?<![\w$])([^\W\d][\w$]*)\(")
_KINDS = frozenset("function method class struct trait enum macro interface decorator mixin".split())
_KINDS_BEFORE = _KINDS - {"class", "interface"}
"""`class action` and `interface language` are none."""
_ASKING = frozenset(
    "code codebase declared defined describe do does exactly explain file find happen happens implemented"
    " mean means purpose responsible return returns role show tell work works".split()
)
"""Words that a question about a plain name consists of, beside the name: how does listen work."""
_NO_NAMES = STOPWORDS | _KINDS
_SAYS_NOTHING = _NO_NAMES | _ASKING
_USES = re.compile(
    r"\b(?:calls?|called|callers?|us(?:es?|ing|ages?|ed)(?! (?:for|to)\b)|references?)\b", re.IGNORECASE
)
"""A question after what uses a name, which no definition answers."""
_DEPENDS = re.compile(
    r"\b(?:imports?|imported|includes?|headers?|depend\w*|packages?|librar\w+)\b", re.IGNORECASE
)
"""A question that imports may answer."""
_IMPORTING = ("import ", "#include", "# include", "package ", "export * from ")
_IMPORTING_UNTIL_SEMICOLON = ("use ", "pub use ", "using ")


def names_asked_for(question: str) -> frozenset[str]:
    """The names, in lower case, whose definition a question is after; empty for most questions.

    A name is what is spelt as one (`read_timeout`, `readTimeout`), what stands in backquotes or before a
    parenthesis, what stands beside its kind (the `decode` function), and the only word that says anything.
    So a question on prose may have one too, which moves nothing where prose is found.
    """
    if _USES.search(question):
        return frozenset()
    words = _WORD.findall(question)
    found = [word for word in words if _LOOKS_LIKE_CODE.search(word)]
    found += [name for quoted in _QUOTED.findall(question) if (name := _quoted(quoted))]
    found += _CALLED.findall(question)
    telling = [word for word in words if word.lower() not in _SAYS_NOTHING]
    found += telling if len(telling) == 1 else []
    for before, word in pairwise(words):
        if word.lower() in _KINDS:
            found.append(before)
        if before.lower() in _KINDS_BEFORE:
            found.append(word)
    lower = dict.fromkeys(word.lower() for word in found)
    return frozenset(islice((word for word in lower if word not in _NO_NAMES), MOST_NAMES))


def are_code(hits: Sequence[Hit]) -> bool:
    """Whether most of the first hits are source code."""
    first = hits[:FIRST]
    return 2 * sum(map(_is_code, first)) > len(first)


def all_are_code(hits: Sequence[Hit]) -> bool:
    """Whether all of the first hits are source code, so that there is hardly prose to be lost."""
    return bool(hits) and all(map(_is_code, hits[:FIRST]))


def order_code(question: str, hits: Sequence[Hit]) -> list[Hit]:
    """Hits that `are_code`, best first: what defines a name that is asked for gains, what imports loses."""
    names = names_asked_for(question)
    scores = [hit.score for hit in hits]
    spread = max(scores) - min(scores) if scores else 0.0
    imports = 0.0 if _DEPENDS.search(question) else IMPORTS
    moved = []
    for hit in hits:
        if _is_code(hit):
            gain = DEFINES * defines(hit.text, names, is_python(hit.uri))
            move = gain - imports * _share_of_imports(hit.text)
            hit = hit.model_copy(update={"score": hit.score + spread * move})
        moved.append(hit)
    return sorted(moved, key=lambda hit: -hit.score)


def _is_code(hit: Hit) -> bool:
    if PurePosixPath(hit.uri.lower()).suffix in CODE_ENDINGS:
        return True
    return len(_SIGN.findall(hit.text)) >= SIGNS * len(hit.text)


def _quoted(quoted: str) -> str:
    """`run` of `Parser.run(timeout)`; nothing of a command with its arguments."""
    name = re.split(r"[(<\[]", quoted.strip(), maxsplit=1)[0].replace("::", ".").rpartition(".")[2]
    return name if _WORD.fullmatch(name) else ""


def _share_of_imports(text: str) -> float:
    """The share of its lines that import something; a list in brackets goes on until they close."""
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    importing = listed = 0
    for line in lines:
        begins = _imports(line)
        importing += begins or listed > 0
        said = line.partition("#")[0].partition("//")[0] if begins or listed else ""
        if ")" in said or "}" in said:
            listed = 0
        elif begins:
            listed = LONGEST_IMPORT if "(" in said or "{" in said else 0
        elif listed:
            listed -= 1
    return importing / len(lines) if lines else 0.0


def _imports(line: str) -> bool:
    if line.startswith("from "):
        return " import " in line
    if line.startswith(_IMPORTING_UNTIL_SEMICOLON):
        return line.endswith((";", "{"))
    if line.startswith(("const ", "let ", "var ")):
        return "require(" in line
    return line.startswith(_IMPORTING)
