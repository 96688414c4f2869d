"""A question that names a function gets the passage that defines it; imports come last."""

from __future__ import annotations

import pytest

from rag.code_order import names_asked_for, order_code
from rag.documents import Hit
from tests.fakes import hit_with

USES = "def main():\n    print(read_timeout(client))\n    return read_timeout(client) or 0"
DEFINES = "def read_timeout(client):\n    return client.config.get('timeout', 30)"


def order(question: str, *passages: tuple[str, float]) -> list[str]:
    hits = [hit(text, score) for text, score in passages]
    return [one.text for one in order_code(names_asked_for(question), hits)]


def hit(text: str, score: float, uri: str = "file:///a.py") -> Hit:
    return hit_with(text=text, score=score, uri=uri)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What does read_timeout do?", {"read_timeout"}),
        ("How is readTimeout computed, and what is HTTPError for?", {"readtimeout", "httperror"}),
        ("What is the purpose of the decode function in the codebase?", {"decode"}),
        ("What happens in function decode when it fails?", {"decode"}),
        ("Where is `Parser.run` called?", {"run"}),
        ("What does run() return?", {"run"}),
        ("Where is listen defined?", {"listen"}),
        ("listen", {"listen"}),
        ("How long are backups kept?", set()),
        ("What is the class of this?", set()),
        ("", set()),
    ],
)
def test_a_name_is_told_from_the_words_of_a_question(question: str, names: set[str]) -> None:
    assert names_asked_for(question) == names


@pytest.mark.parametrize(
    ("question", "defines", "uri"),
    [
        ("What does read_timeout do?", DEFINES, "file:///a.py"),
        ("What does Reader do?", "pub struct Reader<R> {\n    inner: R,\n}", "file:///a.rs"),
        (
            "What does Read do?",
            "func (r *Reader) Read(p []byte) (int, error) {\n\treturn 0, nil",
            "file:///a.go",
        ),
        ("What does readAll do?", "  async readAll(limit) {\n    return this.body\n  }", "file:///a.js"),
        ("What does read_all do?", "static int read_all(int fd)\n{\n\treturn 0;\n}", "file:///a.c"),
        ("What does DiffExecutor do?", "impl<E> Executor for DiffExecutor<E> {\n}", "file:///a.rs"),
    ],
)
def test_what_defines_a_name_comes_before_what_uses_it(question: str, defines: str, uri: str) -> None:
    name = next(iter(names_asked_for(question)))
    uses = hit(f"x = {name}({name}, {name})", 1.0, uri)
    found = order_code(names_asked_for(question), [uses, hit(defines, 0.8, uri)])
    assert [one.text for one in found] == [defines, uses.text]


def test_a_definition_that_was_found_for_nothing_else_does_not_come_before_the_best() -> None:
    assert order("What does read_timeout do?", (USES, 1.0), (DEFINES, 0.6)) == [USES, DEFINES]


def test_where_words_alone_are_searched_the_scores_have_another_range() -> None:
    assert order("What does read_timeout do?", (USES, 20.0), (DEFINES, 16.0)) == [DEFINES, USES]


def test_imports_come_after_what_says_as_much() -> None:
    imports = "from scrapy.http import (\n    Request,\n    Response,\n)\nimport scrapy as s, os\n"
    assert order("How does Scrapy retry?", (imports, 1.0), (USES, 0.85)) == [USES, imports]
    assert order("How does Scrapy retry?", (imports, 1.0), (USES, 0.7)) == [imports, USES]


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


@pytest.mark.parametrize(
    "prose",
    [
        "use the command to\nimport the keys of your\npackage maintainer, using\nfrom one to three of them",
        "A class action is a suit.\nThe function of the committee is to read_timeout.",
    ],
)
def test_prose_is_left_as_it_is(prose: str) -> None:
    question = "What is the function of read_timeout, committee class?"
    hits = [hit(prose, 1.0, "file:///a.txt"), hit("Another.", 0.9, "file:///a.txt")]
    assert order_code(names_asked_for(question), hits) == hits


def test_nothing_found_stays_nothing() -> None:
    assert order_code(frozenset({"read"}), []) == []
