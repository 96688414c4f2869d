"""Scanned pages: what OCR reads on them, in which order, and where."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from ingest.parsing import parse_bytes
from ingest.parsing.ocr import is_scan, read_page
from ingest.parsing.ocr_order import in_reading_order
from rag.scanned import ScannedLine, ScannedPage
from tests.ingest import files
from tests.ingest.scans import scan_of

WORDS = "The canary of the records office is called Tweety."


@pytest.mark.parametrize(("quarters", "crooked"), [(0, 0.0), (0, 0.9), (1, 0.0), (2, -0.6), (3, 0.0)])
def test_a_scan_is_read_however_it_lay_in_the_scanner(tmp_path: Path, quarters: int, crooked: float) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(scan_of(files.pdf_report(chapters=1), quarters=quarters, crooked=crooked))
    page = read_page(path, 1)
    document = parse_bytes(path.read_bytes(), "scan.pdf", [page])
    assert files.LOREM in document.text
    assert document.text.index("Backup policy") < document.text.index("Operator | Restore test")
    assert abs((page.turn + 90 * quarters + crooked + 180) % 360 - 180) < 0.3
    assert document.scanned == (page,)


def test_a_blank_page_has_nothing_to_read(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(scan_of(files.pdf_of_texts([""])))
    assert read_page(path, 1).lines == ()


def test_a_page_of_letters_is_no_scan_and_one_that_a_picture_covers_is(tmp_path: Path) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(files.pdf_of_texts([WORDS]))
    assert not is_scan(path, 1)
    path.write_bytes(scan_of(files.pdf_of_texts([WORDS])))
    assert is_scan(path, 1)


@pytest.mark.parametrize(("side", "scale", "covered"), [(1, 590, True), (1000, 0.1, False)])
def test_a_picture_in_a_form_counts_by_the_place_that_it_has_on_the_page(
    tmp_path: Path, side: float, scale: float, covered: bool
) -> None:
    out = io.BytesIO()
    drawing = canvas.Canvas(out, pagesize=A4)
    drawing.beginForm("form", 0, 0, side, 1.4 * side)
    drawing.drawImage(ImageReader(Image.new("L", (20, 28), 128)), 0, 0, side, 1.4 * side)
    drawing.endForm()
    drawing.scale(scale, scale)
    drawing.doForm("form")
    drawing.showPage()
    drawing.save()
    path = tmp_path / "x.pdf"
    path.write_bytes(out.getvalue())
    assert is_scan(path, 1) == covered


def test_pictures_alone_give_an_empty_text_until_they_are_read() -> None:
    scan = scan_of(files.pdf_of_texts([WORDS, WORDS]))
    document = parse_bytes(scan, "the scan.pdf")
    assert (document.text, document.title, document.pages_without_text) == ("", "the scan", (1, 2))


def line(text: str, left: float, top: float, width: float = 0.0) -> ScannedLine:
    return ScannedLine(text, left, top, left + (width or 5.0 * len(text)), top + 10)


def test_columns_are_read_one_after_the_other_between_the_lines_that_span_them() -> None:
    left = [line(f"left column, the line with the number {n}", -250, 20.0 * n) for n in range(1, 7)]
    right = [line(f"right column, a line with the number {n}", 20, 20.0 * n + 3) for n in range(1, 7)]
    title = line("A title that runs over the whole width of the page, as titles of papers do", -250, -40, 480)
    foot = line(
        "Footnote over the whole width of the page, which is read at the very end of it", -250, 400, 480
    )
    mixed = [foot, *(one for pair in zip(right, left, strict=True) for one in pair), title]
    assert in_reading_order(mixed) == [title, *left, *right, foot]
    left[2] = line(left[2].text, -250, left[2].top, 285)  # hangs over into the other column by a little
    assert in_reading_order([*right, *left, title, foot]) == [title, *left, *right, foot]


def test_a_table_is_read_row_by_row() -> None:
    cells = [
        [
            line("Revenue of the year", -250, 20.0 * n),
            line(f"{n}00", 0, 20.0 * n + 2),
            line("7 %", 90, 20.0 * n),
        ]
        for n in range(8)
    ]
    mixed = [cell for column in zip(*cells, strict=True) for cell in column]
    assert in_reading_order(mixed) == [cell for row in cells for cell in row]
    page = ScannedPage(1, 600, 800, 0.0, tuple(in_reading_order(mixed)))
    text = parse_bytes(scan_of(files.pdf_of_texts([""])), "x.pdf", [page]).text
    assert "Revenue of the year | 100 | 7 %\nRevenue of the year | 200 | 7 %" in text
