"""When OCR is asked, how often, and what becomes of what it read; a stand-in reads the pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingest.parsing import parse
from ingest.pipeline import Pipeline, Placement
from ingest.report import Outcome
from ingest.sources import Source, discover
from rag.documents import DocumentRecord, document_id_of
from rag.errors import SourceDamaged
from rag.parsed import ParsedDocument
from rag.scanned import ScannedLine, ScannedPage
from rag.settings import Settings
from rag.store import Store, open_store
from rag.store.files import FileStore
from tests.fakes import DIMENSION, WordEmbedder
from tests.ingest import files


class Scanner:
    """A parser whose OCR reads a sentence from every page, but for those that it breaks on."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.broken: set[int] = set()
        self.after: Callable[[int], None] = lambda number: None

    async def parse(self, path: Path, name: str, scanned: Sequence[ScannedPage] = ()) -> ParsedDocument:
        return await asyncio.to_thread(parse, path, name=name, scanned=scanned)

    async def read_scan(self, path: Path, number: int, *, has_letters: bool) -> ScannedPage | None:
        self.read.append(number)
        self.after(number)
        if number in self.broken:
            raise SourceDamaged("its parser died on it")
        if has_letters:
            return None
        line = ScannedLine(f"The canary of page {number} is called Tweety.", -250, -300, 0, -288)
        return ScannedPage(number, 595, 842, 0.0, (line,))


@dataclass
class Desk:
    settings: Settings
    store: Store
    path: Path
    scanner: Scanner = field(default_factory=Scanner)
    told: list[tuple[int, int]] = field(default_factory=list)

    async def add(self, pages: Sequence[str] | None = None, **changed: object) -> Outcome:
        if pages is not None:
            self.path.write_bytes(files.pdf_of_texts(pages))
        (source,) = discover([str(self.path)], max_bytes=10**7)
        assert isinstance(source, Source)
        settings = self.settings.model_copy(update=changed)
        pipeline = Pipeline(settings, self.store, WordEmbedder, self.scanner)  # type: ignore[arg-type]
        return await pipeline.ingest(
            source, Placement(), on_pages=lambda done, total: self.told.append((done, total))
        )

    async def record(self) -> DocumentRecord:
        (record,) = await self.store.records()
        assert record.id == document_id_of(self.path.as_uri())
        return record

    async def text(self) -> str:
        record = await self.record()
        return await FileStore(self.settings).text(record.id, str(record.version))

    @property
    def kept(self) -> list[Path]:
        return list((self.settings.data_dir / "ocr").glob("*"))


@pytest.fixture
async def desk(settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_store(settings, dimension=DIMENSION, model=WordEmbedder.name) as store:
        yield Desk(settings, store, tmp_path / "scan.pdf")


WORDS = (
    "A page of words about the cellar of the office, which has no canary and no other bird in it whatever. "
)


async def test_pages_that_are_pictures_are_read_and_pages_of_words_are_not(desk: Desk) -> None:
    outcome = await desk.add([WORDS, "", WORDS, ""])
    assert (outcome.status, outcome.ocr_pages, outcome.pages_without_text) == ("new", (2, 4), ())
    assert desk.scanner.read == [2, 4]
    assert desk.told == [(0, 2), (1, 2), (2, 2)]
    text = await desk.text()
    assert text.index("cellar") < text.index("canary of page 2") < text.index("canary of page 4")
    assert (await desk.record()).ocr_pages == (2, 4)
    assert desk.kept == []


async def test_a_page_of_a_few_letters_is_looked_at_too(desk: Desk) -> None:
    outcome = await desk.add([WORDS, "Page 2 of 2"])
    assert desk.scanner.read == [2]
    assert (outcome.ocr_pages, outcome.pages_without_text) == ((), ())


async def test_what_was_read_is_not_read_again(desk: Desk) -> None:
    await desk.add(["", WORDS])
    assert (await desk.add()).status == "unchanged"
    assert (await desk.add(chunk_tokens=64)).status == "changed"
    assert (await desk.record()).ocr_pages == (1,)
    assert desk.scanner.read == [1]


async def test_a_run_that_was_interrupted_goes_on_with_the_next_page(desk: Desk) -> None:
    def pull_the_plug(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    desk.scanner.after = pull_the_plug
    with pytest.raises(KeyboardInterrupt):
        await desk.add(["", "", "", ""])
    assert len(desk.kept) == 1
    assert desk.kept[0].stat().st_mode & 0o077 == 0
    with desk.kept[0].open("a") as file:
        file.write('{"number": 3, "pa')  # as a process that is killed in the middle of a line leaves it
    desk.scanner.after = lambda number: None
    assert (await desk.add()).ocr_pages == (1, 2, 3, 4)
    assert desk.scanner.read == [1, 2, 3, 3, 4]
    assert desk.kept == []


async def test_a_page_that_breaks_the_reader_has_no_text_and_the_rest_goes_in(desk: Desk) -> None:
    desk.scanner.broken = {2}
    outcome = await desk.add(["", "", ""])
    assert (outcome.ocr_pages, outcome.pages_without_text) == ((1, 3), (2,))


async def test_a_file_whose_every_page_breaks_the_reader_is_given_up_soon(desk: Desk) -> None:
    desk.scanner.broken = set(range(1, 30))
    outcome = await desk.add([""] * 29)
    assert (outcome.status, len(desk.scanner.read)) == ("failed", 3)
    assert outcome.reason == "no text on any of its 29 pages, and none that OCR could read"


async def test_no_more_pages_are_read_than_the_setting_says(desk: Desk) -> None:
    outcome = await desk.add(["", "", ""], ocr_max_pages=2)
    assert (outcome.ocr_pages, outcome.pages_without_text) == ((1, 2), (3,))


async def test_without_ocr_a_scan_fails_and_says_what_to_set(desk: Desk) -> None:
    outcome = await desk.add([""], ocr_max_pages=0)
    assert desk.scanner.read == []
    assert outcome.reason == (
        "no text on its only page; it looks scanned (set RAG_OCR_MAX_PAGES above 0 to have it read by OCR)"
    )


async def test_pages_of_before_ocr_are_read_once_it_is_there_and_stay_when_it_is_turned_off(
    desk: Desk,
) -> None:
    assert (await desk.add([WORDS, ""], ocr_max_pages=0)).pages_without_text == (2,)
    assert (await desk.add(ocr_max_pages=0)).status == "unchanged"
    assert (await desk.add()).ocr_pages == (2,)
    assert (await desk.add(ocr_max_pages=0)).status == "unchanged"
    assert "canary of page 2" in await desk.text()
