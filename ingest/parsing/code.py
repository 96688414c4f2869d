"""Source code: the text as it stands, and a heading for each definition, which says where a chunk is.

Definitions are told by the form of their lines, and their nesting by indentation. That is true of code as
people write it, needs no grammar of each language, and holds for files that no compiler would take. What is
wrongly taken for a definition costs a heading, never a character of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.parsing.characters import clean, one_line
from ingest.parsing.text import decode
from rag.documents import CODE, Heading, ParsedDocument
from rag.errors import EmptySource

_LONGEST_LINE = 400
"""A longer one is data or minified code."""
_LONGEST_TITLE = 100
_LONGEST_HEAD = 8
"""Lines over which the head of a function may run until its body begins."""
_DEEPEST = 9

_MODIFIERS = (
    r"(?:(?:export|default|pub(?:\([^)\n]*\))?|public|private|protected|internal|static|final|abstract|async|unsafe"
    r"|extern(?:\s+\"[^\"\n]*\")?|const|override|open|data|sealed|suspend|inline|virtual|partial|declare|readonly|local|case|typedef)\s+)*"
)
_KEYWORDS = (
    r"class|def|fn|func|fun|function|struct|enum|trait|interface|impl|mod|module|namespace|protocol|extension"
    r"|object|record|type|union|sub|macro_rules!"
)
_NAMED = re.compile(
    rf"[ \t]*{_MODIFIERS}(?P<title>(?:{_KEYWORDS})(?:\*\s*|\s+|(?=<))(?P<rest>[A-Za-z_$<(&*~'@].*))$"
)
_ASSIGNED = re.compile(
    r"[ \t]*(?:export\s+)?(?:default\s+)?(?P<title>(?:const|let|var)\s+[\w$]+)\s*(?::[^=\n]{1,200})?=\s*"
    r"(?:async\s+)?(?:function\b|\([^()\n]*\)\s*(?::[^=\n]{1,100})?=>|[\w$]+\s*=>|class\b)"
)
_TABLE = re.compile(
    r"\s*(?P<title>CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+|UNIQUE\s+|MATERIALIZED\s+)?"
    r"(?:TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|INDEX|TYPE)\s+(?:IF\s+NOT\s+EXISTS\s+)?[\w.\"`\[\]]+)",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"[ \t]*(?P<title>(?:message|service)\s+\w+)\s*\{")
_CALLABLE = re.compile(
    r"[ \t]*(?P<title>(?:[\w:<>,&*~\[\]?.@$]+[ \t]+){0,6}[&*]*[~\w$:]+)[ \t]*(?:<[^<>()\n]*>)?\("
)
_AFTER_HEAD = re.compile(
    r"\s*(?:(?:const|noexcept|override|final|async)\b\s*)*(?:(?:throws\b|where\b|->|:)[^;{}=]*)?$"
)
_DECLARED = re.compile(
    r"(?:struct|union|enum|class)\s+\w+(?:\s*[*&]+\s*|\s+)\w[^{;=(]*[;=]|(?:class|enum)\s+\w+\s*;"
)
"""A variable of that type, or a name that is defined elsewhere."""
_STATEMENTS = frozenset(
    "if else elif elsif elseif for foreach while do switch case catch return new await yield throw delete"
    " sizeof typeof with using lock synchronized fixed match when unless until except print assert defer go"
    " select import from in not and or".split()
)
_PYTHON = re.compile(r"(?:class|def)\s+\w+\s*[(:\[]")
_TITLE_ENDS = re.compile(r"\s*(?:\{|=>|=(?!=)|;|:\s*$|//|/\*|\bwhere\b).*$")
_NAME_ENDS = re.compile(r"[{(<:;=]")
_ABOVE = re.compile(
    r"[ \t]*(?:#(?!!|\s*include\b|\s*(?:end)?if|\s*else|\s*define\b)|//|/\*|\*|@|--|\"\"\"|;;)"
)


def parse(data: bytes, name: str) -> ParsedDocument:
    """The lines of a source file, its name as the outermost heading, definitions as those within.

    Raises:
        SourceDamaged: the bytes are not text.
        EmptySource: nothing but blanks.
    """
    lines = [line.rstrip() for line in clean(decode(data)).split("\n")]
    text = "\n".join(lines).rstrip("\n")
    if not text.strip():
        raise EmptySource("has no text in it")
    title = one_line(name) or "untitled"
    headings = (
        Heading(level=1, title=title, start=0),
        *_headings(lines, name.lower().endswith((".py", ".pyi"))),
    )
    return ParsedDocument(title=title, text=text, media_type=CODE, headings=headings)


def _headings(lines: Sequence[str], python: bool) -> Iterator[Heading]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    enclosing: list[int] = []
    before = 0
    for index, line in enumerate(lines):
        title = _definition(lines, index, python) if line and len(line) <= _LONGEST_LINE else None
        if title is None:
            continue
        width = _width(line)
        while enclosing and enclosing[-1] >= width:
            enclosing.pop()
        enclosing.append(width)
        first = _first_line(lines, index, before)
        before = index + 1
        yield Heading(level=min(len(enclosing) + 1, _DEEPEST), title=title, start=starts[first])


def _definition(lines: Sequence[str], index: int, python: bool) -> str | None:
    """What is defined by the line, in its own words, without what follows the name and its owner."""
    line = lines[index]
    if named := _NAMED.match(line):
        if not _PYTHON.match(named["title"]) if python else _DECLARED.match(named["title"]):
            return None
        return _title(named["title"], named["rest"])
    if python:
        return None
    if found := _ASSIGNED.match(line) or _TABLE.match(line) or _BLOCK.match(line):
        return one_line(found["title"])
    called = _CALLABLE.match(line)
    if called and called["title"].split()[0] not in _STATEMENTS and _has_body(lines, index, called.end() - 1):
        return one_line(called["title"])[:_LONGEST_TITLE]
    return None


def _title(said: str, rest: str) -> str | None:
    """`class Client` of `class Client(Base):`, `func (r *Reader) Read` of a method in Go."""
    words = _TITLE_ENDS.sub("", said)
    at = words.find("(")
    while at >= 0:
        if words[:at].rstrip() in (
            "func",
            "fn",
            "function",
        ):  # the receiver of a method, or a function without name
            at = words.find("(", words.find(")", at) + 1)
            continue
        words = words[:at]
        break
    words = one_line(words)
    if _is_prose(rest):
        return None
    return words[:_LONGEST_TITLE] if len(words.split()) > 1 or "(" in words else None


def _is_prose(rest: str) -> bool:
    """Whether what follows a keyword is a sentence of a comment that begins with it."""
    ends = _NAME_ENDS.search(rest)
    words = len(rest[: ends.start()].split()) if ends else len(rest.split())
    return words > 1 and (ends is None or ends[0] == ":")


def _has_body(lines: Sequence[str], index: int, opening: int) -> bool:
    """Whether the parenthesis that opens there closes, and a body begins with a brace after it."""
    depth, closed = 0, False
    after: list[str] = []
    for number, line in enumerate(lines[index : index + _LONGEST_HEAD]):
        for sign in line[opening if number == 0 else 0 : _LONGEST_LINE]:
            if closed and sign == "{":
                return bool(_AFTER_HEAD.match("".join(after)))
            if sign in ";{":
                return False
            if closed:
                after.append(sign)
                continue
            depth += (sign == "(") - (sign == ")")
            closed = depth == 0
        if closed:
            after.append("\n")
    return False


def _first_line(lines: Sequence[str], index: int, before: int) -> int:
    """Where the comments and decorators above a definition begin; not before the line `before`."""
    first = index
    while first > before and _ABOVE.match(lines[first - 1]):
        first -= 1
    return first


def _width(line: str) -> int:
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())
