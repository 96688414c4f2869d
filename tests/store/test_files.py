"""Originals and texts: whole or absent, under names of our own, on a disk and on an object store."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import pytest

from rag.documents import document_id_of
from rag.errors import NotFound, SettingsError, StoreError, StoreUnavailable
from rag.parsed import Heading, Page, ParsedDocument
from rag.settings import Settings
from rag.store import FileStore

from .making import version_of

DOCUMENT = document_id_of("file:///a.pdf")
V1, V2 = version_of("1"), version_of("2")
INDEX = Settings.model_fields["index"].default
PARSED = ParsedDocument(
    title="T\u00eftle",
    text="One\r\ntw\u00f6 \U0001f600\n",
    media_type="application/pdf",
    pages=(Page(1, 0, 5), Page(2, 5, 11)),
    headings=(Heading(1, "One", 0),),
)


@pytest.fixture(params=["folder", "object store"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "folder":
        return FileStore(Settings(data_dir=tmp_path))
    return FileStore(Settings(data_dir=tmp_path, files_url=f"memory://{uuid.uuid4()}"))


async def save(
    files: FileStore, version: str = V1, original: bytes | Path = b"%PDF", suffix: str = ".pdf"
) -> None:
    await files.save(DOCUMENT, version, original=original, suffix=suffix, parsed=PARSED)


async def test_a_version_comes_back_as_it_was_saved(files: FileStore) -> None:
    await save(files)
    assert await files.parsed(DOCUMENT, V1) == PARSED
    assert await files.text(DOCUMENT, V1) == PARSED.text
    assert await files.original(DOCUMENT, V1) == (b"%PDF", "original.pdf")


async def test_a_version_can_be_saved_again(files: FileStore) -> None:
    await save(files)
    await save(files)
    assert await files.versions(DOCUMENT) == [V1]
    assert await files.parsed(DOCUMENT, V1) == PARSED


async def test_an_original_can_be_a_file(files: FileStore, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(b"from a file")
    await save(files, original=path)
    assert (await files.original(DOCUMENT, V1))[0] == b"from a file"


@pytest.mark.parametrize("suffix", ["", ".", "pdf", "./../x", ".p/df", ".very-long-and-strange", ".a.b"])
async def test_a_strange_suffix_is_dropped(files: FileStore, suffix: str) -> None:
    await save(files, suffix=suffix)
    assert (await files.original(DOCUMENT, V1))[1] == "original"


async def test_versions_and_documents_are_removed_and_removing_again_is_no_error(files: FileStore) -> None:
    await save(files, V1)
    await save(files, V2)
    assert await files.documents() == [DOCUMENT]
    assert await files.versions(DOCUMENT) == sorted([V1, V2])
    for _ in range(2):
        await files.remove_version(DOCUMENT, V1)
    assert await files.versions(DOCUMENT) == [V2]
    with pytest.raises(NotFound):
        await files.text(DOCUMENT, V1)
    for _ in range(2):
        await files.remove_document(DOCUMENT)
    assert await files.versions(DOCUMENT) == []
    assert await files.documents() == []
    with pytest.raises(NotFound):
        await files.original(DOCUMENT, V2)


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "", "A" * 129, "a/b", "a.b", "\x00"])
async def test_ids_that_are_not_ours_never_become_paths(files: FileStore, name: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        await files.text(name, V1)
    with pytest.raises(ValueError, match="not a"):
        await files.text(DOCUMENT, name)
    with pytest.raises(ValueError, match="not a"):
        await files.remove_document(name)


async def test_text_that_is_not_unicode_is_refused(files: FileStore) -> None:
    parsed = ParsedDocument(title="t", text="\ud800", media_type="text/plain")
    with pytest.raises(StoreError, match="UTF-8"):
        await files.save(DOCUMENT, V1, original=b"", suffix="", parsed=parsed)
    assert await files.versions(DOCUMENT) == []


async def test_a_save_that_was_cut_short_does_not_count_as_stored(tmp_path: Path) -> None:
    files = FileStore(Settings(data_dir=tmp_path))
    await save(files)
    (tmp_path / "files" / INDEX / DOCUMENT / V1 / "structure.json").unlink()
    with pytest.raises(NotFound):
        await FileStore(Settings(data_dir=tmp_path)).text(DOCUMENT, V1)
    await save(files)
    assert await FileStore(Settings(data_dir=tmp_path)).text(DOCUMENT, V1) == PARSED.text


async def test_no_name_is_given_to_a_file_before_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    files = FileStore(Settings(data_dir=tmp_path))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        await save(files)
    assert list((tmp_path / "files" / INDEX / DOCUMENT / V1).iterdir()) == []


async def test_damaged_files_are_reported_with_the_remedy(tmp_path: Path) -> None:
    files = FileStore(Settings(data_dir=tmp_path))
    folder = tmp_path / "files" / INDEX / DOCUMENT / V1
    for name, body in (
        ("text.txt", b"shorter"),
        ("text.txt", b"\xff"),
        ("structure.json", b"{"),
        ("structure.json", b"{}"),
    ):
        await save(files)
        (folder / name).write_bytes(body)
        with pytest.raises(StoreError, match=r"damaged.*ingest the document again"):
            await files.parsed(DOCUMENT, V1)
    (folder / "structure.json").write_text('{"original": "../../../secret"}')
    with pytest.raises(StoreError, match="damaged"):
        await files.original(DOCUMENT, V1)


async def test_a_text_that_was_read_once_is_kept(tmp_path: Path) -> None:
    files = FileStore(Settings(data_dir=tmp_path))
    await save(files)
    first = await files.parsed(DOCUMENT, V1)
    shutil.rmtree(tmp_path / "files")
    assert await files.parsed(DOCUMENT, V1) is first
    await files.remove_version(DOCUMENT, V1)
    with pytest.raises(NotFound):
        await files.parsed(DOCUMENT, V1)


def test_a_location_of_an_unknown_kind_is_an_error_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RAG_FILES_URL"):
        FileStore(Settings(data_dir=tmp_path, files_url="nonsense://x"))


async def test_the_files_of_one_index_are_not_those_of_another(tmp_path: Path) -> None:
    one, other = (FileStore(Settings(data_dir=tmp_path, index=name)) for name in ("one", "other"))
    await save(one)
    await save(other)
    await other.remove_document(DOCUMENT)
    assert await other.documents() == []
    assert await one.text(DOCUMENT, V1) == PARSED.text


async def test_an_original_comes_in_blocks_as_it_was_saved(files: FileStore) -> None:
    body = bytes(range(256)) * 10_000
    await save(files, original=body)
    blocks, size, name = await files.original_in_blocks(DOCUMENT, V1)
    found = [block async for block in blocks]
    assert (b"".join(found), size, name) == (body, len(body), "original.pdf")
    assert len(found) > 1
    with pytest.raises(NotFound):
        await files.original_in_blocks(DOCUMENT, V2)
