"""When OCR is asked, how often, and what becomes of what it read; a stand-in reads the pages."""

from __future__ import annotations

import asyncio
import math
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
        self.blank: set[int] = set()
        self.covered: set[int] = set()
        self.after: Callable[[int], None] = lambda number: None

    async def parse(self, path: Path, name: str, scanned: Sequence[ScannedPage] = ()) -> ParsedDocument:
        return await asyncio.to_thread(parse, path, name=name, scanned=scanned)

    async def read_scan(self, path: Path, number: int, *, has_letters: bool) -> ScannedPage:
        self.read.append(number)
        self.after(number)
        if number in self.broken:
            raise SourceDamaged("its parser died on it")
        if (has_letters and number not in self.covered) or number in self.blank:
            return ScannedPage(number, 595, 842, 0.0, ())
        line = ScannedLine(f"The canary of page {number} is called Tweety.", -250, -300, 0, -288)
        return ScannedPage(number, 595, 842, 0.0, (line,))


@dataclass
class Desk:
    settings: Settings
    store: Store
    path: Path
    scanner: Scanner = field(default_factory=Scanner)
    told: list[tuple[int, int]] = field(default_factory=list)

    async def add(
        self,
        pages: Sequence[str] | None = None,
        groups: tuple[str, ...] | None = None,
        seconds: float = math.inf,
        **changed: object,
    ) -> Outcome:
        if pages is not None:
            self.path.write_bytes(files.pdf_of_texts(pages))
        (source,) = discover([str(self.path)], max_bytes=10**7)
        assert isinstance(source, Source)
        return await self.pipeline(seconds, **changed).ingest(
            source, Placement(groups=groups), on_pages=lambda done, total: self.told.append((done, total))
        )

    def pipeline(self, seconds: float = math.inf, **changed: object) -> Pipeline:
        settings = self.settings.model_copy(update=changed)
        return Pipeline(
            settings,
            self.store,
            WordEmbedder,  # type: ignore[arg-type]
            self.scanner,  # type: ignore[arg-type]
            ocr_seconds=seconds,
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
    record = await desk.record()
    assert record.ocr is not None
    assert (record.ocr.pages, record.ocr.failed, record.ocr.beyond) == ((2, 4), (), ())
    assert desk.kept == []


async def test_a_page_of_a_few_letters_is_looked_at_too(desk: Desk) -> None:
    outcome = await desk.add([WORDS, "Page 2 of 2"])
    assert desk.scanner.read == [2]
    assert (outcome.ocr_pages, outcome.pages_without_text) == ((), ())


async def test_a_stamp_gives_way_to_what_is_read_below_it_and_a_slides_few_words_do_not(desk: Desk) -> None:
    desk.scanner.covered = {1, 2}
    outcome = await desk.add(["No. 17", "The lid of the box is opened at noon, by the canary alone."])
    assert outcome.ocr_pages == (1,)
    assert "canary of page 1" in await desk.text()
    assert "lid of the box" in await desk.text()


async def test_what_was_read_is_not_read_again_nor_what_was_blank(desk: Desk) -> None:
    desk.scanner.blank = {3}
    await desk.add(["", WORDS, ""])
    assert (await desk.add()).status == "unchanged"
    assert (await desk.add(chunk_tokens=64)).status == "changed"
    assert (await desk.record()).pages_without_text == (3,)
    assert desk.scanner.read == [1, 3]


async def test_pages_that_were_found_blank_later_are_not_looked_at_again_either(desk: Desk) -> None:
    desk.scanner.blank = {2}
    await desk.add([WORDS, ""], ocr_max_pages=0)
    assert (await desk.add()).status == "unchanged"
    await desk.add(groups=("hr",))
    assert desk.scanner.read == [2]


async def test_another_ocr_reads_all_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.add(["", WORDS])
    monkeypatch.setattr("ingest.reading.OCR", "ocr2")
    assert (await desk.add()).status == "unchanged"  # it read the same
    assert desk.scanner.read == [1, 1]
    assert (await desk.add()).status == "unchanged"
    assert desk.scanner.read == [1, 1]


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
        file.write('{"by": "ocr1", "page": {"number": 3, "li')  # as a process that was killed leaves it
    with desk.kept[0].open("ab") as torn:
        torn.write("\u9435".encode()[:2])  # in the middle of a letter
    desk.scanner.after = lambda number: None
    assert (await desk.add()).ocr_pages == (1, 2, 3, 4)
    assert desk.scanner.read == [1, 2, 3, 3, 4]
    assert desk.kept == []


async def test_a_page_that_breaks_the_reader_has_no_text_and_is_tried_again(
    desk: Desk,
) -> None:
    desk.scanner.broken = {2}
    outcome = await desk.add(["", "", ""])
    assert (outcome.ocr_pages, outcome.pages_without_text) == ((1, 3), (2,))
    first = await desk.record()
    assert first.ocr is not None
    assert first.ocr.failed == (2,)
    assert (await desk.add()).status == "unchanged"  # tried in vain
    desk.scanner.broken = set()
    assert (await desk.add()).ocr_pages == (1, 2, 3)
    assert desk.scanner.read == [1, 2, 3, 2, 2]
    assert (await desk.record()).version != first.version
    assert (await desk.add()).status == "unchanged"
    assert len(desk.scanner.read) == 5


async def test_a_file_whose_every_page_breaks_the_reader_is_given_up_soon_and_says_why(desk: Desk) -> None:
    desk.scanner.broken = set(range(1, 30))
    outcome = await desk.add([""] * 29)
    assert (outcome.status, len(desk.scanner.read)) == ("failed", 3)
    assert outcome.reason == "no text on any of its 29 pages; OCR failed: its parser died on it"


async def test_no_more_pages_are_read_than_the_setting_says_and_the_rest_once_it_is_raised(
    desk: Desk,
) -> None:
    outcome = await desk.add(["", "", ""], ocr_max_pages=2)
    assert (outcome.ocr_pages, outcome.pages_without_text) == ((1, 2), (3,))
    assert (await desk.add(ocr_max_pages=2)).status == "unchanged"
    assert (await desk.add(ocr_max_pages=3)).ocr_pages == (1, 2, 3)
    assert desk.scanner.read == [1, 2, 3]


async def test_when_its_time_is_over_ocr_goes_on_with_the_next_run(desk: Desk) -> None:
    outcome = await desk.add(["", WORDS, ""], seconds=-1.0)
    assert (outcome.status, outcome.pages_without_text, desk.scanner.read) == ("new", (1, 3), [])
    record = await desk.record()
    assert record.ocr is not None
    assert record.ocr.beyond == (1, 3)
    assert (await desk.add()).ocr_pages == (1, 3)


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


async def test_without_ocr_a_scan_that_was_read_gets_other_groups_and_keeps_its_text(desk: Desk) -> None:
    await desk.add(["", ""])
    outcome = await desk.add(ocr_max_pages=0, groups=("hr",))
    assert (outcome.status, outcome.ocr_pages) == ("changed", (1, 2))
    assert (await desk.record()).groups == ("hr",)
    assert "canary of page 2" in await desk.text()


async def test_a_pdf_of_words_from_before_ocr_keeps_its_version(desk: Desk) -> None:
    await desk.add([WORDS, "Page 2 of 2"], ocr_max_pages=0)
    before = await desk.record()
    assert (await desk.add()).status == "unchanged"
    assert desk.scanner.read == [2]
    assert (await desk.record()).version == before.version
    await desk.add()
    assert desk.scanner.read == [2]


async def test_what_was_kept_of_a_halted_run_goes_with_the_document(desk: Desk) -> None:
    await desk.add(["", WORDS])
    record = await desk.record()
    left = desk.settings.data_dir / "ocr" / f"{record.sha256}.jsonl"
    for again in (desk.add, lambda: desk.pipeline().remove(record.id)):
        left.write_text("{}")
        await again()
        assert desk.kept == []
