"""Words in PDFs whose fonts draw no spaces, as TeX makes them."""

from __future__ import annotations

import io
from pathlib import Path

from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
)

from ingest.parsing import parse

CMAP = (
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /x def /CMapType 2 def\n"
    "1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
    "26 beginbfchar\n"
    + "\n".join(f"<{100 + i:04x}> <{ord('a') + i:04x}>" for i in range(26))
    + "\nendbfchar endcmap CMapName currentdict /CMap defineresource pop end end"
)


def pdf_without_space_glyphs(words: list[str], gap: int, *, width_of_glyph_32: int) -> bytes:
    """One line of words in a composite font, set apart by moving the pen `gap` thousandths of an em."""
    writer = PdfWriter()
    page = writer.add_blank_page(400, 200)
    tounicode = DecodedStreamObject()
    tounicode.set_data(CMAP.encode())
    widths = ArrayObject(
        [
            NumberObject(32),
            ArrayObject([NumberObject(width_of_glyph_32)]),
            NumberObject(100),
            ArrayObject([NumberObject(500)] * 26),
        ]
    )
    descendant = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/CIDFontType2"),
            NameObject("/BaseFont"): NameObject("/ABCDEF+Serif"),
            NameObject("/DW"): NumberObject(563),
            NameObject("/W"): widths,
        }
    )
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type0"),
            NameObject("/BaseFont"): NameObject("/ABCDEF+Serif"),
            NameObject("/Encoding"): NameObject("/Identity-H"),
            NameObject("/DescendantFonts"): ArrayObject([writer._add_object(descendant)]),
            NameObject("/ToUnicode"): writer._add_object(tounicode),
        }
    )
    shown = f" {FloatObject(-gap)} ".join(
        "<" + "".join(f"{100 + ord(letter) - ord('a'):04x}" for letter in word) + ">" for word in words
    )
    content = DecodedStreamObject()
    content.set_data(f"BT /F1 10 Tf 20 100 Td [{shown}] TJ ET".encode())
    page[NameObject("/Contents")] = writer._add_object(content)
    fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_words_stay_apart_where_the_pen_moves_instead_of_a_space(tmp_path: Path) -> None:
    path = tmp_path / "tex.pdf"
    path.write_bytes(pdf_without_space_glyphs(["complete", "source", "code"], 313, width_of_glyph_32=1000))
    assert "complete source code" in parse(path).text


def test_kerning_within_a_word_is_no_space(tmp_path: Path) -> None:
    path = tmp_path / "tex.pdf"
    path.write_bytes(pdf_without_space_glyphs(["com", "plete"], 40, width_of_glyph_32=1000))
    assert "complete" in parse(path).text
