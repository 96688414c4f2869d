"""HTML, Markdown and plain text."""

from __future__ import annotations

import pytest

from ingest.parsing import parse_bytes
from rag.errors import EmptySource
from tests.ingest.files import HTML, MARKDOWN, TEXT


def html(body: str) -> str:
    return parse_bytes(f"<html><body>{body}</body></html>".encode(), "x.html").text


def test_markdown_reads_as_text() -> None:
    document = parse_bytes(MARKDOWN, "x.md")
    assert document.text == (
        "Title of it\n\nSome text with a link and code.\n\n- one\n- two\n\n"
        "Part two\n\na | b\n1 | 2\n\nverbatim   code"
    )
    assert [(h.level, h.title) for h in document.headings] == [(1, "Title of it"), (2, "Part two")]


def test_markdown_front_matter_gives_the_title_and_is_not_text() -> None:
    document = parse_bytes(b'---\ntitle: "On leave"\ntags: [a]\n---\n# First\n\nBody\n', "x.md")
    assert document.title == "On leave"
    assert document.text == "First\n\nBody"


def test_a_rule_at_the_top_of_markdown_is_not_front_matter() -> None:
    assert "not a key" in parse_bytes(b"---\nnot a key\n---\nBody\n", "x.md").text


def test_markdown_images_html_and_nested_lists() -> None:
    source = (
        b"1. a\n   - b\n\n   more\n2. c\n\n![a chart](x.png) see <b>bold</b><!-- gone -->\n\n<!-- x -->\n"
    )
    assert parse_bytes(source, "x.md").text == "1. a\n  - b\n  more\n2. c\n\na chart see bold"


def test_html_reads_as_text() -> None:
    document = parse_bytes(HTML, "x.html")
    assert document.title == "Page"
    assert document.text == (
        "Headline\n\nText of the page.\n\n1. one\n2. two\n\na | b\n1 | 2\n\nNext part\n\n  verbatim"
    )


@pytest.mark.parametrize(
    "unseen",
    [
        "<script>UNSEEN</script>",
        "<style>UNSEEN</style>",
        "<nav>UNSEEN</nav>",
        "<header>UNSEEN</header>",
        "<footer>UNSEEN</footer>",
        "<aside>UNSEEN</aside>",
        "<form><button>UNSEEN</button><select><option>UNSEEN</select></form>",
        "<!-- UNSEEN -->",
        "<template>UNSEEN</template>",
        "<p hidden>UNSEEN</p>",
        "<p aria-hidden='true'>UNSEEN</p>",
        "<p style='display: none'>UNSEEN</p>",
        "<div style='visibility:hidden'><p>UNSEEN</p></div>",
        "<span style='font-size:0px'>UNSEEN</span>",
        "<span style='opacity: 0.0;color:red'>UNSEEN</span>",
        "<div style='position:absolute;left:-9999px'>UNSEEN</div>",
        "<div role='navigation'>UNSEEN</div>",
        "<table><tr hidden><td>UNSEEN<td>UNSEEN<tr><td>a<td>b</table>",
    ],
)
def test_what_a_reader_cannot_see_and_page_furniture_are_dropped(unseen: str) -> None:
    text = html(f"<p>Before</p>{unseen}<p>After</p>")
    assert "UNSEEN" not in text
    assert text.startswith("Before")
    assert text.endswith("After")


def test_the_main_content_is_preferred_when_it_holds_most_of_the_text() -> None:
    assert html("<div>Menu</div><main><p>The long words of the page itself.</p></main>") == (
        "The long words of the page itself."
    )
    assert "long words" in html("<div>The long words of the page itself.</div><main><p>Tiny</p></main>")


@pytest.mark.parametrize(
    "page",
    [
        "<meta charset=windows-1252><p>Café – naïve</p>".encode("cp1252"),
        "<meta http-equiv=Content-Type content='text/html; charset=iso-8859-15'><p>Café – naïve</p>".replace(
            "–", "-"
        ).encode("iso-8859-15"),
        "\ufeff<p>Café – naïve</p>".encode("utf-16"),
        "<p>Café – naïve</p>".encode(),
    ],
)
def test_html_in_any_declared_encoding(page: bytes) -> None:
    assert parse_bytes(page, "x.html").text.replace("–", "-") == "Café - naïve"


def test_deep_nesting_is_read_without_recursion() -> None:
    assert html("<div>" * 10_000 + "deep" + "</div>" * 10_000) == "deep"


def test_a_page_of_furniture_only_is_empty() -> None:
    with pytest.raises(EmptySource):
        html("<nav>Menu</nav><script>x()</script>")


def test_text_keeps_its_lines_and_takes_certain_headings_only() -> None:
    document = parse_bytes(TEXT, "x.txt")
    assert document.text == "Main title\n\nA paragraph\nof two lines.\n\n1. GENERAL TERMS\n\nMore text."
    assert [h.title for h in document.headings] == ["Main title", "1. GENERAL TERMS"]


@pytest.mark.parametrize(
    "line", ["1. buy milk", "IMPORTANT", "Name  Value\n----  -----", "a\n----------------------"]
)
def test_text_that_only_resembles_a_heading_is_none(line: str) -> None:
    assert parse_bytes(f"Before.\n\n{line}\n\nAfter.".encode(), "x.txt").headings == ()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_text_in_any_usual_encoding(encoding: str) -> None:
    words = "Die Prüfung über die Größe dauert – wie immer – drei Tage."
    assert parse_bytes(words.encode(encoding), "x.txt").text == words


def test_one_broken_byte_does_not_turn_utf8_into_something_else() -> None:
    words = "Größe und Prüfung " * 20
    assert "Größe" in parse_bytes(words.encode() + b"\xff end", "x.txt").text
