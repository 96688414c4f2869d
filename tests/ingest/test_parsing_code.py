"""Source files: the text as it stands, and definitions as headings, so that a passage says where it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import Chunker
from ingest.parsing import parse_bytes
from rag.errors import EmptySource, SourceDamaged
from rag.parsed import ParsedDocument
from tests.ingest.test_chunking import DOCUMENT_ID

PYTHON = '''"""Talks to the server."""

import socket


@dataclass(frozen=True)
class Client(Base):
    """One connection.

    class of service: the best one
    """

    # How long to wait.
    timeout: float = 3.0

    async def send(
        self, request: Request
    ) -> Response:
        def retry() -> None:
            type = "x"
        return await self._send(request)


def connect(url: str) -> Client:
    return Client(url)
'''
RUST = """//! Bodies.

use std::io;

/// A body that is read in pieces.
#[derive(Debug)]
pub struct Body<T> {
    inner: T,
}

impl<T: Read> Stream for Body<T> {
    pub(crate) async fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.inner.read(cx) {
            Some(x) => x,
        }
    }
}

pub trait Retry {}
macro_rules! pin {
    () => {};
}
"""
GO = """package mux

// Vars gives the variables of a route.
func Vars(r *http.Request) map[string]string {
\tif rv := contextGet(r); rv != nil {
\t\treturn rv
\t}
\treturn nil
}

type Router struct {
\tstrict bool
}

func (r *Router) Match(req *http.Request) bool {
\treturn true
}
"""
TYPESCRIPT = """import { a } from "b";

/** What a host sees. */
export class Box extends Element implements Host {
  constructor(
    readonly name: string,
  ) {
    super();
  }

  async open(query = ""): Promise<void> {
    if (query) {
      run(() => {
        done();
      });
    }
    for (const x of list(query)) {
      use(x);
    }
  }
}

export const close = async (box: Box): Promise<void> => {
  await box.close();
};

export interface Host {
  name: string;
}
"""
C = """#include <stdio.h>
#define MAX(a, b) ((a) > (b) ? (a) : (b))

struct buffer {
    int size;
};

/* Grows it. */
static int
grow(struct buffer *b, int by)
{
    if (by < 0) {
        return -1;
    }
    return resize(b, b->size + by);
}

int used(const struct buffer *b) { return b->size; }
int declared(int x);
"""
JAVA = """package a.b;

public final class Pool<T extends Item> implements Closeable {
    private final int size = count(3);

    @Override
    public synchronized void close() throws IOException {
        while (busy()) {
            wait(10);
        }
    }
}
"""
SQL = """-- Who may read.
CREATE TABLE IF NOT EXISTS readers (
  id integer
);
create or replace function may(reader integer) returns boolean as $$ select true $$;
"""


def outline(document: ParsedDocument) -> list[str]:
    return ["  " * (heading.level - 1) + heading.title for heading in document.headings]


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        (
            "client.py",
            PYTHON,
            ["client.py", "  class Client", "    def send", "      def retry", "  def connect"],
        ),
        (
            "body.rs",
            RUST,
            [
                "body.rs",
                "  struct Body<T>",
                "  impl<T: Read> Stream for Body<T>",
                "    fn poll_next",
                "  trait Retry",
                "  macro_rules! pin",
            ],
        ),
        ("mux.go", GO, ["mux.go", "  func Vars", "  type Router struct", "  func (r *Router) Match"]),
        (
            "box.ts",
            TYPESCRIPT,
            [
                "box.ts",
                "  class Box extends Element implements Host",
                "    constructor",
                "    async open",
                "  const close",
                "  interface Host",
            ],
        ),
        ("buffer.c", C, ["buffer.c", "  struct buffer", "  grow", "  int used"]),
        (
            "Pool.java",
            JAVA,
            [
                "Pool.java",
                "  class Pool<T extends Item> implements Closeable",
                "    public synchronized void close",
            ],
        ),
        (
            "schema.sql",
            SQL,
            ["schema.sql", "  CREATE TABLE IF NOT EXISTS readers", "  create or replace function may"],
        ),
        ("run.sh", "#!/bin/sh\n# Says so.\nsay() {\n  echo $1\n}\nsay hello\n", ["run.sh", "  say"]),
    ],
)
def test_the_outline_of_a_source_file_is_its_definitions(name: str, source: str, expected: list[str]) -> None:
    assert outline(parse_bytes(source.encode(), name)) == expected


def test_the_text_of_a_source_file_is_kept_line_by_line() -> None:
    document = parse_bytes(GO.replace("\n", "  \r\n").encode(), "mux.go")
    assert document.text == GO.rstrip("\n")
    assert document.title == "mux.go"


def test_what_stands_above_a_definition_belongs_to_it() -> None:
    document = parse_bytes(RUST.encode(), "body.rs")
    assert document.text[document.headings[1].start :].startswith(
        "/// A body that is read in pieces.\n#[derive"
    )
    document = parse_bytes(PYTHON.encode(), "client.py")
    assert document.text[document.headings[1].start :].startswith("@dataclass(frozen=True)\nclass Client")


def test_a_passage_of_code_says_which_definition_it_is_from() -> None:
    document = parse_bytes(TYPESCRIPT.encode(), "box.ts")
    at = document.text.index("list(query)")
    assert document.heading_path_at(at)[-2:] == ("class Box extends Element implements Host", "async open")


def test_long_functions_are_cut_between_lines() -> None:
    body = "".join(f"    total += weigh(item_{n}, scale={n}.5); check(total)\n" for n in range(60))
    document = parse_bytes(f"def weigh_all(items):\n{body}".encode(), "weigh.py")
    chunks = Chunker(lambda text: len(text.split()), 40).chunk(document, DOCUMENT_ID, "v1")
    assert len(chunks) > 3
    lines = {line.strip() for line in document.text.split("\n")}
    assert all(line.strip() in lines for chunk in chunks for line in chunk.text.split("\n"))


def test_binary_data_with_the_name_of_code_is_refused() -> None:
    with pytest.raises(SourceDamaged):
        parse_bytes(bytes(range(1, 32)) * 50, "a.py")
    with pytest.raises(EmptySource):
        parse_bytes(b"\n\n  \n", "a.py")


@given(
    st.text(st.sampled_from(list("ab{}()<>;:=,*&'\"\t\n #/@")), max_size=400),
    st.sampled_from(["x.c", "x.ts", "x.py"]),
)
def test_any_text_can_be_read_as_code(source: str, name: str) -> None:
    try:
        document = parse_bytes(source.encode(), name)
    except (EmptySource, SourceDamaged):
        return
    starts = [heading.start for heading in document.headings]
    assert starts == sorted(starts)
    assert all(start == 0 or document.text[start - 1] == "\n" for start in starts)


@pytest.mark.parametrize(
    "hostile",
    [
        "a " * 150 + "(" * 40,
        "foo() throws a " + "throws a " * 16 + "<{",
        "foo() " + ":a" * 22 + "}{",
        "a " + " ".join(["&" * 26] * 6) + " -",
        "export " * 50 + "class",
        "const a " + ": a" * 60 + "=",
    ],
)
@pytest.mark.timeout(20)
def test_minified_and_hostile_lines_are_read_in_no_time(hostile: str) -> None:
    document = parse_bytes((f"{hostile}\n" * 1000 + "x" * 200_000).encode(), "app.min.js")
    assert {heading.title for heading in document.headings} <= {"app.min.js", "foo"}


def test_what_only_looks_like_a_definition_gets_no_heading() -> None:
    source = """int work(int n)
{
    struct stat st;
    struct foo *p = NULL;
    enum mode m = A;
    get(x)->a = (struct foo) { 1 };
    synchronized (this) {
    }
}
/*
 class of things: the best
 type of thing that is meant
*/
class Forward;
"""
    assert outline(parse_bytes(source.encode(), "work.cpp")) == ["work.cpp", "  int work"]


@pytest.mark.parametrize(
    ("name", "line", "title"),
    [
        ("a.lua", "local function foo(a)", "function foo"),
        ("a.scala", "case class Foo(a: Int)", "class Foo"),
        ("a.proto", "message Foo {", "message Foo"),
        ("a.h", "typedef struct Foo {", "struct Foo"),
        ("a.cs", "public T Get<T>(int id) where T : class {", "public T Get"),
        ("a.cpp", "Foo::Foo(int a) : a_(a), b_() {", "Foo::Foo"),
        ("a.kt", "class Foo : Bar() {", "class Foo : Bar"),
        ("a.rs", "pub struct Meters(f64);", "struct Meters"),
    ],
)
def test_definitions_of_many_languages(name: str, line: str, title: str) -> None:
    document = parse_bytes(f"{line}\n".encode(), name)
    assert [heading.title for heading in document.headings] == [name, title]


def test_a_template_that_begins_as_a_page_is_code() -> None:
    assert (
        parse_bytes(b"<!DOCTYPE html>\n<?php\nfunction head() {\n}\n", "page.php").headings[1].title
        == "function head"
    )
