"""Lines of source code that define something, in any language.

Definitions are told by the form of their lines, and their nesting by indentation. That is true of code as
people write it, needs no grammar of each language, and holds for files that no compiler would take. What is
wrongly taken for a definition costs a heading, or some of the order of hits, never a character of the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

CODE_ENDINGS = frozenset(
    ".py .pyi .js .mjs .cjs .jsx .ts .mts .tsx .java .kt .kts .scala .groovy .c .h .cc .cpp .cxx .hh .hpp"
    " .cs .go .rs .swift .rb .php .pl .pm .lua .dart .sh .bash .sql .proto".split()
)
"""Of the names of files that are source code."""

_LONGEST_LINE = 400
"""A longer one is data or minified code."""
_LONGEST_TITLE = 100
_MOST_LINES = 20
"""Of a text that are looked at, since they hold a name."""
_LONGEST_HEAD = 8
"""Lines over which the head of a function may run until its body begins."""

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
_LEADING = frozenset("const let var macro_rules".split()) | frozenset(re.findall(r"\w+", _KEYWORDS))
_TYPE_PARAMETERS = re.compile(r"<[^<>]*>")
_PART = re.compile(r"\([^()]*\)|~?[^\W\d][\w$]*(?:(?:::|\.)~?[^\W\d][\w$]*)*")
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


@dataclass(frozen=True, slots=True)
class Definition:
    """What a line defines, in its own words.

    Comments and decorators above it begin at the line `first`, from 0; `width` is how far in it begins, in
    columns.
    """

    title: str
    first: int
    width: int


def is_python(name: str) -> bool:
    """Whether a file is Python by its name, where only `class` and `def` define."""
    return name.lower().endswith((".py", ".pyi"))


def definitions(lines: Sequence[str], python: bool) -> Iterator[Definition]:
    """The definitions of a text, in order."""
    before = 0
    for index, line in enumerate(lines):
        if (title := title_at(lines, index, python)) is not None:
            yield Definition(title, _first_line(lines, index, before), _width(line))
            before = index + 1


def title_at(lines: Sequence[str], index: int, python: bool) -> str | None:
    """What a line defines, in its own words, without what follows the name and its owner; None if nothing."""
    line = lines[index]
    if not line or len(line) > _LONGEST_LINE:
        return None
    if named := _NAMED.match(line):
        if not _PYTHON.match(named["title"]) if python else _DECLARED.match(named["title"]):
            return None
        return _title(named["title"], named["rest"])
    if python:
        return None
    if found := _ASSIGNED.match(line) or _TABLE.match(line) or _BLOCK.match(line):
        return _one_line(found["title"])
    called = _CALLABLE.match(line)
    if called and called["title"].split()[0] not in _STATEMENTS and _has_body(lines, index, called.end() - 1):
        return _one_line(called["title"])[:_LONGEST_TITLE]
    return None


def name_of(title: str) -> str:
    """The name alone: `Client` of `class Client extends Base`, `Read` of `func (r *Reader) Read`."""
    while (without := _TYPE_PARAMETERS.sub(" ", title)) != title:  # List<Map<K, V>>
        title = without
    parts: list[str] = _PART.findall(title)
    at = 0
    while at < len(parts) and parts[at] in _LEADING:
        at += 1
    if 0 < at < len(parts) and parts[at].startswith("("):  # the receiver of a method in Go
        at += 1
    if "impl" in parts[:at] and "for" in parts[at:-1]:
        at = parts.index("for", at) + 1
    if not parts:
        return ""
    # Without a keyword the name comes last: `static int read_all`, `CREATE TABLE users`.
    name = parts[at] if 0 < at < len(parts) else parts[-1]
    return name.replace("::", ".").rpartition(".")[2].lstrip("~")


def defines(text: str, names: Collection[str], python: bool) -> bool:
    """Whether a line of a text defines one of these names, which are in lower case."""
    if not names:
        return False
    lines = text.split("\n")
    lower = [line.lower() for line in lines]
    holding = (index for index, line in enumerate(lower) if any(name in line for name in names))
    titles = (title_at(lines, index, python) for index in islice(holding, _MOST_LINES))
    return any(name_of(title).lower() in names for title in titles if title is not None)


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
    words = _one_line(words)
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


def _one_line(text: str) -> str:
    return " ".join(text.split())
