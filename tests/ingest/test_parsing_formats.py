"""What every format has in common: exact offsets, honest refusals, no surprises."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.parsing import SUPPORTED, parse, parse_bytes
from ingest.parsing.builder import TextBuilder
from ingest.parsing.characters import clean, usable_title
from rag.errors import (
    EmptySource,
    SourceDamaged,
    SourceEncrypted,
    SourceError,
    SourceUnreadable,
    UnsupportedFormat,
)
from rag.parsed import ParsedDocument
from tests.ingest import files

SAMPLES = {
    "a.pdf": files.pdf_report(outline=True, chapters=3),
    "b.pdf": files.pdf_report(outline=False),
    "a.md": files.MARKDOWN,
    "a.html": files.HTML,
    "a.docx": files.docx_report(),
    "a.txt": files.TEXT,
}


def assert_exact(document: ParsedDocument) -> None:
    text = document.text
    text.encode("utf-8")
    assert text == text.strip("\n")
    for heading in document.headings:
        assert text[heading.start :].startswith(heading.title)
        assert heading.start == 0 or text[heading.start - 1] == "\n"
        assert "\n" not in heading.title
    assert [h.start for h in document.headings] == sorted(h.start for h in document.headings)
    end = 0
    for number, page in enumerate(document.pages, start=1):
        assert page.number == number
        assert end <= page.start <= page.end <= len(text)
        assert not text[end : page.start].strip()
        end = page.end
    assert not document.pages or end == len(text)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_offsets_of_headings_and_pages_point_into_the_text(name: str) -> None:
    document = parse_bytes(SAMPLES[name], name)
    assert document.headings
    assert_exact(document)


def test_offsets_stay_exact_whatever_is_built() -> None:
    rng = random.Random(11)
    alphabet = [
        "a",
        "B",
        " ",
        "\n",
        "\r\n",
        "\x00",
        "\u00ad",
        "\ufb01",
        "\u00a0",
        "\ud800",
        "é",
        "\U0001f600",
        "\t",
    ]
    for _ in range(300):
        builder = TextBuilder()
        builder.block("seed")
        for page in range(rng.randrange(4)):
            builder.start_page(page + 1)
            for _ in range(rng.randrange(4)):
                words = "".join(rng.choices(alphabet, k=rng.randrange(12)))
                if rng.random() < 0.4:
                    builder.heading(rng.randrange(8), words)
                else:
                    builder.block(words, separator=rng.choice(["\n", "\n\n", " ", ""]))
            builder.end_page()
        document = builder.finish(media_type="text/plain", name="x.txt")
        document.text.encode("utf-8")
        for heading in document.headings:
            assert document.text[heading.start :].startswith(heading.title)
        for page in document.pages:
            assert 0 <= page.start <= page.end <= len(document.text)


def test_invisible_characters_go_and_visible_ones_stay() -> None:
    assert clean("o\ufb03ce\u00a0hours\r\nsoft\u00adhyphen\x00\ud800\u202e \u00e9 e\u0301") == (
        "office hours\nsofthyphen \u00e9 e\u0301"
    )
    assert clean("tag\U000e0041\U000e007f") == "tag"


@pytest.mark.parametrize(
    "junk",
    ["untitled", "Untitled-1", "Microsoft Word - plan.doc", "C:\\docs\\x", "/tmp/x", "x.docx", "", "  ", "-"],
)
def test_titles_that_programs_leave_behind_are_ignored(junk: str) -> None:
    assert usable_title(junk) is None


@pytest.mark.parametrize("content", [b"", b"  \n\t\r\n", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("extension", sorted(SUPPORTED))
def test_an_empty_file_is_called_empty(extension: str, content: bytes) -> None:
    with pytest.raises(EmptySource):
        parse_bytes(content, f"x{extension}")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.txt", SAMPLES["a.pdf"], "is named .txt but holds a PDF (rename it to .pdf)"),
        ("x.md", files.HTML, "is named .md but holds an HTML page (rename it to .html)"),
        ("x.txt", SAMPLES["a.docx"], "is named .txt but holds a Word document (.docx) (rename it to .docx)"),
        ("x.pdf", SAMPLES["a.docx"], "is named .pdf but holds a Word document (.docx) (rename it to .docx)"),
        ("x.pdf", b"\x89PNG\r\n\x1a\n" + bytes(50), "is named .pdf but holds a PNG image"),
        (
            "x.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "is named .docx but holds an old Office file",
        ),
        ("x.docx", b"{\\rtf1 hello}", "is named .docx but holds an RTF document"),
        ("x.txt", b"\x1f\x8b" + bytes(30), "is named .txt but holds a gzip archive (unpack it first)"),
        ("x.zip", b"PK\x03\x04", ".zip files are not supported"),
        ("README", b"words", "has no extension that tells its format"),
    ],
)
def test_a_wrong_extension_is_told_by_the_content(name: str, content: bytes, says: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        parse_bytes(content, name)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.pdf", b"just words"),
        ("x.docx", b"just words"),
        ("x.docx", SAMPLES["a.docx"][:2000]),
        ("x.txt", bytes(range(256)) * 20),
        ("x.md", random.Random(1).randbytes(5000)),
    ],
)
def test_damaged_content_is_called_damaged(name: str, content: bytes) -> None:
    with pytest.raises(SourceDamaged):
        parse_bytes(content, name)


def test_an_office_file_behind_a_password_is_called_encrypted() -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(SourceEncrypted, match="password"):
        parse_bytes(content, "x.docx")


def test_a_missing_file_a_folder_and_a_pipe_are_unreadable_and_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    for path in (tmp_path / "missing.txt", tmp_path, tmp_path / "pipe.txt"):
        with pytest.raises(SourceUnreadable):
            parse(path)


def test_the_name_of_an_upload_tells_its_format_and_title(tmp_path: Path) -> None:
    stored = tmp_path / "5f3a"
    stored.write_bytes(b"nothing but words")
    assert parse(stored, name="Travel rules.txt").title == "Travel rules"


def test_no_parser_is_loaded_before_its_first_file() -> None:
    code = (
        "import sys, ingest.parsing, ingest.sources\n"
        "print([m for m in ('pypdf', 'docx', 'bs4', 'markdown_it', 'lxml') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def _mutated(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(changed[: rng.randrange(1, len(changed))])
    if kind == 1:
        for _ in range(rng.choice([1, 10, 200])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    elif kind == 2:
        start = rng.randrange(len(changed))
        del changed[start : start + rng.choice([1, 40, 400])]
    else:
        start = rng.randrange(len(changed))
        changed[start:start] = rng.randbytes(rng.choice([1, 40, 400]))
    return bytes(changed)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_damaged_files_raise_source_errors_of_one_line_and_nothing_else(name: str) -> None:
    rng = random.Random(5)
    complaints: list[str] = []
    for _ in range(60):
        try:
            assert_exact(parse_bytes(_mutated(SAMPLES[name], rng), name))
        except SourceError as error:
            complaints.append(str(error))
    assert not [c for c in complaints if "\n" in c]
    # That would be a failure which has no words of its own yet.
    assert not [c for c in complaints if "cannot be read as" in c]
