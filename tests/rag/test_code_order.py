"""A question that names a function gets the passage that defines it; imports come last."""

from __future__ import annotations

import pytest

from rag.code_order import MOST_NAMES, are_code, names_asked_for, order_code
from rag.documents import Hit
from tests.fakes import hit_with

USES = "def main():\n    print(read_timeout(client))\n    return read_timeout(client) or 0"
DEFINES = "def read_timeout(client):\n    return client.config.get('timeout', 30)"
LAST = "x = [(1, 2), (3, 4)]"
PROSE = "Timeouts are set by the administrator of each office."


def order(question: str, *passages: tuple[str, float], uri: str = "file:///a.py") -> list[str]:
    """The texts in their order, with a last one at 0, so that scores stand for shares."""
    hits = [hit(text, score, uri) for text, score in (*passages, (LAST, 0.0))]
    return [one.text for one in order_code(question, hits) if one.text != LAST]


def hit(text: str, score: float, uri: str = "file:///a.py") -> Hit:
    return hit_with(text=text, score=score, uri=uri)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What does read_timeout do?", {"read_timeout"}),
        ("How is readTimeout computed, and what is HTTPError for?", {"readtimeout", "httperror"}),
        ("What is the purpose of the decode function in the codebase?", {"decode"}),
        ("What happens in function decode when it fails?", {"decode"}),
        ("What does `Parser.run(timeout=3)` return?", {"run"}),
        ("What is `std::io::Read<T>` for?", {"read"}),
        ("Why does decode(text) fail?", {"decode"}),
        ("What does run() return?", {"run"}),
        ("What does listen do?", {"listen"}),
        ("Where is listen defined?", {"listen"}),
        ("How does listen work, exactly?", {"listen"}),
        ("listen", {"listen"}),
        ("What is read_timeout used for?", {"read_timeout"}),
        ("Was macht größe_lesen?", {"größe_lesen"}),
    ],
)
def test_a_name_is_told_from_the_words_of_a_question(question: str, names: set[str]) -> None:
    assert names_asked_for(question) == names


@pytest.mark.parametrize(
    "question",
    [
        "How long are backups kept?",
        "How long is message history kept?",
        "What is the class of this?",
        "Who may join the class action?",
        "Where is object storage billed?",
        "What does property damage mean?",
        "Which table lists the fees?",
        "What do I get with `git push origin main`?",
        "Как настроить VPN и почту?",
        "Where is read_timeout called?",
        "Which tests use read_timeout?",
        "What are the callers of read_timeout?",
        "",
    ],
)
def test_prose_and_questions_after_uses_ask_for_no_definition(question: str) -> None:
    assert names_asked_for(question) == set()


@pytest.mark.parametrize(
    ("question", "defines", "ending"),
    [
        ("What does read_timeout do?", DEFINES, "py"),
        ("What does read_timeout do?", "class A:\n    async def read_timeout(self):\n        pass", "py"),
        ("What does the Reader struct do?", "pub struct Reader<R> {\n    inner: R,\n}", "rs"),
        ("What does DiffExecutor do?", "impl<E> Executor for DiffExecutor<E> {\n}", "rs"),
        ("What does the Read method do?", "func (r *Reader) Read(p []byte) (int, error) {\n\treturn 0", "go"),
        ("What does HttpReader do?", "type HttpReader struct {\n\tr int\n}", "go"),
        ("What does readAll do?", "  async readAll(limit) {\n    return this.body\n  }", "js"),
        ("What does HttpClient do?", "export class HttpClient extends Emitter {\n}", "ts"),
        ("What does read_all do?", "static int read_all(int fd)\n{\n\treturn 0;\n}", "c"),
    ],
)
def test_what_defines_a_name_comes_before_what_uses_it(question: str, defines: str, ending: str) -> None:
    (name,) = names_asked_for(question)
    uses = f"x = {name}({name}, {name})"
    assert order(question, (uses, 1.0), (defines, 0.8), uri=f"file:///a.{ending}") == [defines, uses]


def test_a_subclass_is_no_definition_of_its_base() -> None:
    sub, base = "class RetryingClient extends HttpClient {", "class HttpClient extends Emitter {"
    asked = "What does HttpClient do?"
    assert order(asked, (sub, 1.0), (base, 0.8), uri="file:///a.ts") == [base, sub]


def test_a_definition_that_was_found_for_nothing_else_does_not_come_before_the_best() -> None:
    assert order("What does read_timeout do?", (USES, 1.0), (DEFINES, 0.55)) == [USES, DEFINES]


@pytest.mark.parametrize("best", [0.02, 0.6, 20.0])
def test_a_gain_is_a_share_of_the_scores_whatever_their_range(best: float) -> None:
    asked = "What does read_timeout do?"
    assert order(asked, (USES, best), (DEFINES, 0.8 * best)) == [DEFINES, USES]
    assert order(asked, (USES, best), (DEFINES, 0.55 * best)) == [USES, DEFINES]


def test_imports_come_after_what_says_as_much() -> None:
    imports = "from scrapy.http import (  # (old\n    Request,\n    Response,\n)\nimport scrapy as s, os\n"
    assert order("How does Scrapy retry?", (imports, 1.0), (USES, 0.85)) == [USES, imports]
    assert order("How does Scrapy retry?", (imports, 1.0), (USES, 0.75)) == [imports, USES]
    assert order("What does Scrapy import?", (imports, 1.0), (USES, 0.85)) == [imports, USES]


@pytest.mark.parametrize(
    "imports",
    [
        '#include <stdio.h>\n#include "a.h"',
        "use std::io::{\n    Read,\n    Write,\n};\npub use crate::a::B;",
        "using System.Text;\nusing A = B.C;",
        'package main\nimport (\n\t"fmt"\n)',
        "import static org.junit.Assert.*;\nimport java.util.List;",
        "import { a, b } from './a'\nimport c from 'c'\nexport * from './d'\nconst e = require('e')",
    ],
)
def test_imports_are_told_in_many_languages(imports: str) -> None:
    assert order("How?", (imports, 1.0), (USES, 0.81)) == [USES, imports]


def test_what_comes_below_an_import_is_no_import() -> None:
    text = "from a import b  # (since 2.0\nclass A:\n    x = 1\n    y = 2\n    z = 3\n    w = 4\n"
    assert order("How?", (text, 1.0), (USES, 0.95)) == [text, USES]


def test_prose_between_code_keeps_its_score() -> None:
    wrapped = "read_timeout (S3) is read\nimport duties are paid by\nfunction read_timeout of the office"
    asked = "What does read_timeout do?"
    hits = [hit(wrapped, 0.5, "file:///a.txt"), hit(USES, 0.4), hit(LAST, 0.0)]
    assert [one.score for one in order_code(asked, hits)] == [0.5, 0.4, 0.0]


def test_most_of_the_first_hits_tell_whether_a_question_is_about_code() -> None:
    code, prose = hit(USES, 1.0), hit(PROSE, 0.9, "file:///a.md")
    assert are_code([code, prose, code, prose, prose])
    assert not are_code([prose, code, prose, code, code])
    assert are_code([hit(USES, 1.0, "file:///a.txt")])
    assert are_code([hit(PROSE, 1.0, "upload://wiki/A.PY")])
    assert not are_code([])


@pytest.mark.parametrize(
    "text",
    [
        "import" + " " * 1_000_000 + "x",
        "import a from " * 10_000,
        "from " + "a" * 100_000,
        "import (\n" * 10_000,
        "const a = " + "(" * 100_000,
        "read_timeout(\n" * 10_000,
        "class read_timeout<" * 10_000,
        "read_timeout " * 10_000,
    ],
)
def test_hostile_passages_are_read_in_one_go(text: str) -> None:
    """What costs the square of its length would not come to an end here."""
    hits = [hit(text, 1.0), hit(LAST, 0.0)]
    assert {one.text for one in order_code("What does read_timeout do?", hits)} == {text, LAST}


@pytest.mark.parametrize("part", ["a", "a_", "`", "a(", "what does ", "where is the ", "a::", " "])
def test_hostile_questions_are_read_in_one_go(part: str) -> None:
    assert len(names_asked_for(part * 200_000)) <= 1


def test_of_many_names_some_are_looked_for() -> None:
    assert len(names_asked_for(" ".join(f"read_{number}" for number in range(500)))) == MOST_NAMES


def test_nothing_found_stays_nothing() -> None:
    assert order_code("What does read_timeout do?", []) == []
