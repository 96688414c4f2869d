from __future__ import annotations

import io
import zipfile

import pytest

from ingest.parsing import docx, parse_bytes
from rag.errors import SourceDamaged, SourceTooLarge
from tests.ingest import files


def test_a_word_document_reads_in_order_with_its_structure() -> None:
    document = parse_bytes(files.docx_report(), "x.docx")
    assert document.text == (
        "Leave policy\n\nAnnual leave\n\nEvery employee has thirty days.\n\nCarry over\n\n"
        "- up to five days\n- until the end of March\n1. ask your manager\n2. then the office\n\n"
        "Years | Days\n0-5 | 30\n\nAfter the table.\n\nSeen."
    )
    assert [(h.level, h.title) for h in document.headings] == [
        (1, "Leave policy"),
        (1, "Annual leave"),
        (2, "Carry over"),
    ]
    assert document.title == "Leave policy"


def test_the_title_of_the_properties_comes_first() -> None:
    assert parse_bytes(files.docx_report(title="Handbook"), "x.docx").title == "Handbook"


def test_tracked_insertions_are_text_and_deletions_are_not() -> None:
    body = (
        "<w:p><w:r><w:t>Pay is </w:t></w:r><w:ins><w:r><w:t>monthly</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>weekly</w:delText></w:r></w:del></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>In a control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    assert parse_bytes(files.docx_with_body(body), "x.docx").text == "Pay is monthly\n\nIn a control"


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = files.rezip(files.docx_of("x"), {"word/document.xml": lambda old: b" " * (docx.MAX_XML + 1)})
    assert len(bomb) < 200_000
    with pytest.raises(SourceTooLarge):
        parse_bytes(bomb, "x.docx")


def test_an_entity_bomb_is_refused() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = files.rezip(
        files.docx_of("x"),
        {
            "word/document.xml": lambda old: old.replace(b"<w:t>x<", b"<w:t>x&e11;<").replace(
                b"<w:document", f'<!DOCTYPE d [<!ENTITY e0 "lol">{entities}]><w:document'.encode(), 1
            )
        },
    )
    with pytest.raises(SourceDamaged):
        parse_bytes(bomb, "x.docx")


def test_an_entity_that_names_a_file_is_not_read() -> None:
    attack = files.rezip(
        files.docx_of("x"),
        {
            "word/document.xml": lambda old: old.replace(b"<w:t>x<", b"<w:t>x&f;<").replace(
                b"<w:document", b'<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><w:document', 1
            )
        },
    )
    assert parse_bytes(attack, "x.docx").text == "x"


def test_a_document_with_a_missing_part_is_damaged() -> None:
    with pytest.raises(SourceDamaged, match="not a whole Word document"):
        parse_bytes(files.rezip(files.docx_of("x"), {"[Content_Types].xml": None}), "x.docx")


def test_a_broken_member_is_damaged() -> None:
    data = bytearray(files.docx_of("words " * 2000))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        offset = archive.getinfo("word/document.xml").header_offset
    data[offset + 200 : offset + 230] = bytes(30)
    with pytest.raises(SourceDamaged):
        parse_bytes(bytes(data), "x.docx")
