"""Pictures of pages and the marks on them: what PDFium sees against where the words were put."""

from __future__ import annotations

import asyncio
import io
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen import canvas

from ingest.parsing import parse, parse_bytes
from ingest.parsing.ocr import read_page
from rag.documents import document_id_of
from rag.errors import NotFound, PictureFailed
from rag.parsed import Page, ParsedDocument
from rag.pictures.marks import Marks
from rag.pictures.pictures import Pictures
from rag.pictures.process import Workers
from rag.scanned import turned
from rag.settings import Settings
from rag.store.files import FileStore
from tests.ingest.scans import scan_of

FONT, SIZE = "Helvetica", 12
WIDTH, HEIGHT = A4
VERSION = "v1"

Line = tuple[float, float, str]


def pdf(*pages: Sequence[Line]) -> bytes:
    """A4 pages with lines at (x, y), y from the bottom as PDF counts."""
    out = io.BytesIO()
    drawing = canvas.Canvas(out, pagesize=A4, invariant=1)
    for lines in pages:
        drawing.setFont(FONT, SIZE)
        for x, y, text in lines:
            drawing.drawString(x, y, text)
        drawing.showPage()
    drawing.save()
    return out.getvalue()


@dataclass
class Stored:
    """One document in a store, and what draws it."""

    pictures: Pictures
    files: FileStore
    parsed: ParsedDocument
    document_id: str

    async def picture(self, number: int = 1, width: int = 400) -> Image.Image:
        drawn = await self.pictures.picture(self.files, self.document_id, VERSION, number, width=width)
        return Image.open(io.BytesIO(drawn))

    async def marks(self, passage: str, number: int = 1, *, turn: int = 0) -> Marks:
        """Of the passage where it stands in the stored text for the first time, or the next ones."""
        start = -1
        for _ in range(turn + 1):
            start = self.parsed.text.index(passage, start + 1)
        return await self.of_range(start, start + len(passage), number)

    async def of_range(self, start: int, end: int, number: int = 1) -> Marks:
        return await self.pictures.marks(self.files, self.document_id, VERSION, number, start=start, end=end)


class Shelf:
    """Stores documents, and draws them with processes that have this much time."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._files = FileStore(settings)
        self._folder = folder
        self._count = 0
        self.workers = Workers(count=1)
        self.pictures = Pictures(self.workers)

    def give_time(self, seconds: float) -> None:
        self.workers = Workers(count=1, seconds=seconds)
        self.pictures = Pictures(self.workers)

    async def put(self, data: bytes, parsed: ParsedDocument | None = None) -> Stored:
        self._count += 1
        path = self._folder / f"{self._count}.pdf"
        path.write_bytes(data)
        parsed = parsed or parse(path, name=path.name)
        ident = document_id_of(path.as_uri())
        await self._files.save(ident, VERSION, original=data, suffix=".pdf", parsed=parsed)
        return Stored(self.pictures, self._files, parsed, ident)


@pytest.fixture
async def shelf(settings: Settings, tmp_path: Path) -> AsyncIterator[Shelf]:
    shelf = Shelf(settings, tmp_path)
    yield shelf
    await shelf.pictures.close()


def stands_at(marks: Marks, index: int, x: float, y: float, text: str) -> bool:
    """Whether a rectangle covers a line that begins at (x, y), and no more than half a letter besides."""
    box = marks.rectangles[index]
    left, right = box.left * WIDTH, (box.left + box.width) * WIDTH
    top, bottom = HEIGHT * (1 - box.top), HEIGHT * (1 - box.top - box.height)
    slack = SIZE / 2
    return (
        abs(left - x) < slack
        and abs(right - x - stringWidth(text, FONT, SIZE)) < slack
        and y - slack < bottom <= y
        and y + SIZE * 0.7 <= top < y + SIZE + slack
    )


# ---------------------------------------------------------------- marks


async def test_the_marks_lie_on_the_words(shelf: Shelf) -> None:
    before, words = "The gate is closed at night. ", "The key hangs beside the door."
    stored = await shelf.put(pdf([(72, 700, before + words), (72, 600, "Another line.")]))
    marks = await stored.marks(words)
    assert (marks.page, round(marks.width), round(marks.height), marks.exact) == (1, 595, 842, True)
    assert len(marks.rectangles) == 1
    assert stands_at(marks, 0, 72 + stringWidth(before, FONT, SIZE), 700, words)


async def test_a_passage_of_several_lines_has_a_rectangle_for_each(shelf: Shelf) -> None:
    lines = [
        (72, 700, "A restore is tested once in every quarter by the duty offi-"),
        (72, 685, "cer, and the result is filed by the night shift, which keeps it"),
        (72, 670, "for ninety days."),
    ]
    stored = await shelf.put(pdf(lines))
    assert "duty officer" in stored.parsed.text
    marks = await stored.marks(stored.parsed.text)
    assert marks.exact
    assert [stands_at(marks, index, *line) for index, line in enumerate(lines)] == [True] * 3


@pytest.mark.parametrize(("quarters", "crooked"), [(0, 0.8), (1, 0.0)])
async def test_on_a_scan_the_marks_lie_where_ocr_read_the_words(
    shelf: Shelf, tmp_path: Path, quarters: int, crooked: float
) -> None:
    lines = [(72, 700, "The gate is closed at night."), (72, 640, "The key hangs beside the door.")]
    scan = scan_of(pdf(lines), quarters=quarters, crooked=crooked)
    (tmp_path / "scan.pdf").write_bytes(scan)
    page = read_page(tmp_path / "scan.pdf", 1)
    stored = await shelf.put(scan, parse_bytes(scan, "scan.pdf", [page]))
    words = "hangs beside the door"
    marks = await stored.marks(words)
    assert marks.exact
    left = 72 + stringWidth("The key ", FONT, SIZE)
    # Where the words stand on the paper, turned about its middle as the paper was.
    x, y = turned(
        left + stringWidth(words, FONT, SIZE) / 2 - WIDTH / 2, HEIGHT / 2 - 644, 90 * quarters + crooked
    )
    width, height = (HEIGHT, WIDTH) if quarters % 2 else (WIDTH, HEIGHT)
    boxes = marks.rectangles
    right, bottom = (max(b.left + b.width for b in boxes), max(b.top + b.height for b in boxes))
    middle_x = (min(b.left for b in boxes) + right) / 2 * width
    middle_y = (min(b.top for b in boxes) + bottom) / 2 * height
    assert abs(middle_x - (x + width / 2)) < SIZE
    assert abs(middle_y - (y + height / 2)) < SIZE / 2


async def test_the_second_of_two_equal_passages_is_marked_when_it_is_meant(shelf: Shelf) -> None:
    words = "See the register."
    stored = await shelf.put(pdf([(72, 700, words), (72, 500, "Between."), (72, 300, words)]))
    assert stands_at(await stored.marks(words), 0, 72, 700, words)
    assert stands_at(await stored.marks(words, turn=1), 0, 72, 300, words)


async def test_a_passage_over_the_end_of_a_page_is_marked_on_both(shelf: Shelf) -> None:
    stored = await shelf.put(
        pdf([(72, 100, "The vault is opened by the")], [(72, 700, "officer of the day and nobody else.")])
    )
    passage = "opened by the officer of the day"
    assert stands_at(
        await stored.marks(passage, 1), 0, 72 + stringWidth("The vault is ", FONT, SIZE), 100, "opened by the"
    )
    assert stands_at(await stored.marks(passage, 2), 0, 72, 700, "officer of the day")


async def test_a_page_that_the_range_does_not_touch_has_no_marks(shelf: Shelf) -> None:
    stored = await shelf.put(pdf([(72, 700, "One.")], [(72, 700, "Two.")]))
    marks = await stored.marks("Two.", 1)
    assert (marks.rectangles, marks.exact) == ([], False)


async def test_a_turned_and_cropped_page_is_marked_where_it_is_shown(shelf: Shelf) -> None:
    words = "The key hangs beside the door."
    page = PdfReader(io.BytesIO(pdf([(100, 700, words)]))).pages[0]
    page.cropbox = RectangleObject((50, 600, 450, 800))
    page.rotate(90)
    writer = PdfWriter()
    writer.add_page(page)
    with io.BytesIO() as out:
        writer.write(out)
        stored = await shelf.put(out.getvalue())
    marks = await stored.marks(words)
    assert (round(marks.width), round(marks.height), marks.exact) == (200, 400, True)
    box = await ink(stored)
    found = (
        min(one.left for one in marks.rectangles),
        min(one.top for one in marks.rectangles),
        max(one.left + one.width for one in marks.rectangles),
        max(one.top + one.height for one in marks.rectangles),
    )
    assert all(abs(a - b) < 0.03 for a, b in zip(found, box, strict=True))


async def ink(stored: Stored) -> tuple[float, ...]:
    """Where the picture is not white: left, top, right, bottom as fractions."""
    shown = (await stored.picture()).convert("L").point(lambda value: 255 if value < 128 else 0)
    box = shown.getbbox()
    assert box is not None
    return tuple(side / shown.size[index % 2] for index, side in enumerate(box))


async def test_what_the_two_readers_see_in_another_order_is_marked_as_not_exact(shelf: Shelf) -> None:
    left, right = "The front door is locked at nine.", "Bicycles stand behind the house."
    data = pdf([(72, 700, left), (320, 600, right)])
    text = f"{right} {left}"
    parsed = parse_as(text)
    stored = await shelf.put(data, parsed)
    marks = await stored.marks(text)
    assert not marks.exact
    assert {stands_at(marks, index, 72, 700, left) for index in range(2)} == {True, False}
    assert len(marks.rectangles) == 2


async def test_words_that_are_not_on_the_page_are_not_marked(shelf: Shelf) -> None:
    text = "Nothing of this was ever drawn on any page."
    stored = await shelf.put(pdf([(72, 700, "The gate is closed at night.")]), parse_as(text))
    marks = await stored.marks(text)
    assert (marks.rectangles, marks.exact) == ([], False)


def parse_as(text: str) -> ParsedDocument:
    """What the parser would have given, had it read this text from a page."""
    return ParsedDocument(
        title="t", text=text, media_type="application/pdf", pages=(Page(number=1, start=0, end=len(text)),)
    )


# ---------------------------------------------------------------- pictures


async def test_a_picture_is_as_wide_as_asked_for(shelf: Shelf) -> None:
    stored = await shelf.put(pdf([(72, 700, "Words.")], [(72, 700, "More.")]))
    shown = await stored.picture(2, 600)
    assert (shown.format, *shown.size) == ("PNG", 600, 849)


@pytest.mark.parametrize("side", [(1e7, 1e7), (3.0, 1e6), (1e6, 3.0), (14400.0, 14400.0)])
async def test_a_page_of_any_size_is_drawn_small_enough(shelf: Shelf, side: tuple[float, float]) -> None:
    page = PdfReader(io.BytesIO(pdf([(72, 700, "Words.")]))).pages[0]
    page.mediabox = RectangleObject((0, 0, *side))
    writer = PdfWriter()
    writer.add_page(page)
    with io.BytesIO() as out:
        writer.write(out)
        stored = await shelf.put(out.getvalue(), parse_as("Words."))
    shown = await stored.picture(width=2000)
    assert max(shown.size) <= 8001
    assert shown.width * shown.height <= 16_100_000


async def test_a_page_that_is_not_there_is_not_found(shelf: Shelf) -> None:
    stored = await shelf.put(pdf([(72, 700, "Words.")]))
    with pytest.raises(NotFound):
        await stored.picture(2)


async def test_what_is_no_pdf_cannot_be_drawn_and_the_next_one_can(shelf: Shelf) -> None:
    broken = await shelf.put(b"%PDF-1.7 and nothing more", parse_as("Words."))
    with pytest.raises(PictureFailed):
        await broken.picture()
    assert (await (await shelf.put(pdf([(72, 700, "Words.")]))).picture()).width == 400


# ---------------------------------------------------------------- the process


def endless() -> bytes:
    """A page that takes minutes to draw: as many large curves as there is room for."""
    out = io.BytesIO()
    drawing = canvas.Canvas(out, pagesize=A4, pageCompression=1)
    drawing.setFont(FONT, SIZE)
    drawing.drawString(72, 700, "Words.")
    curve = "0 0 m 900 3 -300 700 595 842 c 0 842 l f\n"
    drawing._code.append("0.2 0.4 0.6 rg\n" + curve * 300_000)
    drawing.showPage()
    drawing.save()
    return out.getvalue()


async def test_a_page_that_takes_too_long_is_given_up_and_the_next_one_is_drawn(shelf: Shelf) -> None:
    shelf.give_time(1.0)
    slow = await shelf.put(endless(), parse_as("Words."))
    plain = await shelf.put(pdf([(72, 700, "Words.")]))
    with pytest.raises(PictureFailed, match="more than"):
        await slow.picture()
    assert (await plain.picture()).width == 400


async def test_a_process_killed_while_it_draws_fails_that_page_alone(shelf: Shelf) -> None:
    slow = await shelf.put(endless(), parse_as("Words."))
    plain = await shelf.put(pdf([(72, 700, "Words.")], [(72, 700, "More.")]))
    await plain.picture()
    [pid] = shelf.workers.pids
    drawing = asyncio.create_task(slow.picture())
    waiting = asyncio.create_task(plain.picture(2))
    await asyncio.sleep(0.5)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(PictureFailed, match="ended early"):
        await drawing
    assert (await waiting).width == 400
    assert shelf.workers.pids != [pid]


async def test_a_process_that_died_while_it_was_idle_is_nobodys_fault(shelf: Shelf) -> None:
    plain = await shelf.put(pdf([(72, 700, "Words.")], [(72, 700, "More.")]))
    await plain.picture()
    [pid] = shelf.workers.pids
    os.kill(pid, signal.SIGKILL)
    assert (await plain.picture(2)).width == 400


async def test_a_request_that_was_given_up_does_not_get_its_answer_to_the_next(shelf: Shelf) -> None:
    slow = await shelf.put(endless(), parse_as("Words."))
    plain = await shelf.put(pdf([(72, 700, "Words.")]))
    drawing = asyncio.create_task(slow.picture())
    await asyncio.sleep(0.5)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert (await plain.picture()).size == (400, 566)


def noise() -> bytes:
    """A page that makes a picture of some megabytes."""
    out = io.BytesIO()
    drawing = canvas.Canvas(out, pagesize=A4, invariant=1)
    grains = Image.frombytes("RGB", (1000, 1000), random.Random(1).randbytes(3_000_000))
    drawing.drawImage(ImageReader(grains), 0, 0, WIDTH, HEIGHT)
    drawing.showPage()
    drawing.save()
    return out.getvalue()


async def test_a_reply_that_is_not_read_to_its_end_does_not_hold_up_the_next_page(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = await shelf.put(noise(), parse_as("Words."))
    plain = await shelf.put(pdf([(72, 700, "Words.")]))
    monkeypatch.setattr("rag.pictures.process.REPLY_BYTES", 100_000)
    async with asyncio.timeout(30):
        with pytest.raises(PictureFailed, match="ended early"):
            await large.picture(width=1400)
        assert (await plain.picture()).width == 400


async def test_the_process_knows_nothing_of_our_keys(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-never-to-be-shown")
    plain = await shelf.put(pdf([(72, 700, "Words.")]))
    await plain.picture()
    [pid] = shelf.workers.pids
    known = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
    assert b"sk-ant" not in known
