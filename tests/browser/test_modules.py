"""The page's modules one by one, in the browser that runs them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.claude_server import ClaudeServer


@pytest.fixture
def blank(context: BrowserContext, claude: ClaudeServer) -> Page:
    page = context.new_page()
    page.goto("/")
    return page


def _html(page: Page, text: str, markers: list[int]) -> str:
    """The markup of an answer's text, its buttons written as {n}."""
    html = page.evaluate(
        """async ([text, markers]) => {
          const { AnswerText } = await import('/assets/home/format.js');
          const target = document.createElement('div');
          const citations = new Map(markers.map((marker) => [marker, { marker, title: 'T' }]));
          new AnswerText(target).show(text, citations);
          for (const button of target.querySelectorAll('sup')) button.replaceWith(`{${button.textContent}}`);
          return target.innerHTML;
        }""",
        [text, markers],
    )
    return str(html)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One.[1]\n\nTwo.[2]", "<p>One.{1}</p><p>Two.[2]</p>"),
        ("- a[1]\n- **b**\n\nc", "<ul><li>a{1}</li><li><strong>b</strong></li></ul><p>c</p>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("Run `rm **x** y`[1] now", "<p>Run <code>rm **x** y</code>{1} now</p>"),
        ("**so `it` is[1]**", "<p><strong>so <code>it</code> is{1}</strong></p>"),
        ("docs/**/*.md and ** open", "<p>docs/**/*.md and ** open</p>"),
        ("```\na\n\n- b\n```[1]\nc", "<pre><code>a\n\n- b</code></pre><p>{1}</p><p>c</p>"),
        ("## Head[1]\ntext", "<h3>Head{1}</h3><p>text</p>"),
        ("<b>x</b> & [9999]", "<p>&lt;b&gt;x&lt;/b&gt; &amp; [9999]</p>"),
        ("", ""),
    ],
)
def test_an_answer_is_formatted_lightly(blank: Page, text: str, html: str) -> None:
    assert _html(blank, text, [1]) == html


FESTIVE = "🎉 At the 🏳️‍🌈 festival lemonade 🍋 is served."


def _short(quote: str, words: str, start: int = 77) -> tuple[dict[str, Any], dict[str, Any]]:
    """A citation and the short answer within it, as the service counts: in code points."""
    first = start + quote.index(words)
    citation = {"marker": 1, "title": "T", "quote": quote, "start": start, "end": start + len(quote)}
    return citation, {"marker": 1, "text": words, "start": first, "end": first + len(words)}


@pytest.mark.parametrize("words", ["lemonade 🍋", "🎉", "served", FESTIVE])
def test_a_quote_is_parted_at_the_short_answer_by_code_points(blank: Page, words: str) -> None:
    parts = blank.evaluate(
        """async ([citation, short]) => {
          const { parted } = await import('/assets/home/format.js');
          return parted(citation, short);
        }""",
        [*_short(FESTIVE, words)],
    )
    before, after = FESTIVE.split(words)
    assert parts == [before, words, after]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (f"{FESTIVE}[1]", "<p>🎉 At the 🏳️‍🌈 festival <strong>lemonade 🍋</strong> is served.{1}</p>"),
        (
            f"More 🥳.[2]\n- And: {FESTIVE}[1]",
            "<p>More 🥳.[2]</p>"
            "<ul><li>And: 🎉 At the 🏳️‍🌈 festival <strong>lemonade 🍋</strong> is served.{1}</li></ul>",
        ),
        ("Lemonade 🍋 is served.[1]", "<p>Lemonade 🍋 is served.{1}</p>"),  # not as it was quoted
        (FESTIVE, f"<p>{FESTIVE}</p>"),  # not marked
    ],
)
def test_the_short_answer_stands_out_in_the_sentence_it_is_of(blank: Page, text: str, html: str) -> None:
    shown = blank.evaluate(
        """async ([text, citation, short]) => {
          const { AnswerText, emphasise } = await import('/assets/home/format.js');
          const target = document.createElement('div');
          new AnswerText(target).show(text, new Map([[1, citation]]));
          emphasise(target, short, [citation]);
          for (const button of target.querySelectorAll('sup')) button.replaceWith(`{${button.textContent}}`);
          return target.innerHTML;
        }""",
        [text, *_short(FESTIVE, "lemonade 🍋")],
    )
    assert shown == html


def test_blocks_that_are_finished_keep_their_elements_while_the_answer_grows(blank: Page) -> None:
    same = blank.evaluate(
        """async () => {
          const { AnswerText } = await import('/assets/home/format.js');
          const target = document.createElement('div');
          const view = new AnswerText(target);
          const citations = new Map([[1, { marker: 1, title: 'T' }]]);
          view.show('One.[1]\\n\\nTw', citations);
          const before = [...target.children];
          view.show('One.[1]\\n\\nTwo.', citations);
          const after = [...target.children];
          view.show('', citations);
          return [before[0] === after[0], before[1] === after[1], target.childNodes.length];
        }"""
    )
    assert same == [True, False, 0]


def test_code_points_become_utf_16_units(blank: Page) -> None:
    text = "a😀b👩‍🚀é漢z"
    points = [*range(len(text) + 1)]
    units = blank.evaluate(
        """async ([text, points]) => {
          const { codeUnits } = await import('/assets/home/stored.js');
          const unitOf = codeUnits(text, points);
          return points.map(unitOf);
        }""",
        [text, points],
    )
    assert units == [len(text[:point].encode("utf-16-le")) // 2 for point in points]


@pytest.mark.parametrize("filler", ["x", "😀"])
def test_a_document_of_megabytes_is_drawn_at_once_and_whole(blank: Page, filler: str) -> None:
    drawn: dict[str, Any] = blank.evaluate(
        """async (filler) => {
          const { drawSource } = await import('/assets/home/stored.js');
          const target = document.querySelector('#stored');
          const line = 'word '.repeat(15) + filler + '\\n';
          const text = line.repeat(40000);
          const start = 77 * 30000;
          const headings = Array.from({ length: 400 }, (_, n) => ({ level: 2, title: 'h', start: n * 7700 }));
          const begun = performance.now();
          document.querySelector('dialog').show();
          const mark = drawSource(target, { text, pages: [], headings }, start, start + 20);
          mark.scrollIntoView({ block: 'center' });
          return {
            took: performance.now() - begun,
            whole: target.textContent === text,
            marked: mark.textContent,
            sections: target.childElementCount,
          };
        }""",
        filler,
    )
    assert drawn["whole"]
    assert drawn["marked"] == "word word word word "
    assert drawn["sections"] > 100
    assert drawn["took"] < 2000


def test_events_are_read_however_the_network_cuts_them(blank: Page) -> None:
    stream = (
        ': ping\r\n\r\nevent: delta\r\ndata: {"text":\ndata: "é😀"}\n\nevent: done\ndata: {"id": "1"}\n\n'
    )
    events = blank.evaluate(
        """async (stream) => {
          const { ask } = await import('/assets/home/stream.js');
          const bytes = new TextEncoder().encode(stream);
          const real = window.fetch;
          window.fetch = async () => new Response(new ReadableStream({
            start(controller) {
              for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
              controller.close();
            },
          }));
          const heard = [];
          for await (const event of ask('q', 'auto', new AbortController().signal)) heard.push(event);
          window.fetch = real;
          return heard;
        }""",
        stream,
    )
    assert events == [{"event": "delta", "data": {"text": "é😀"}}, {"event": "done", "data": {"id": "1"}}]
