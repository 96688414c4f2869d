"""The pictures and the marks of pages, kept for a while once they are made."""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict

from rag.errors import NotFound, PictureFailed
from rag.parsed import ParsedDocument
from rag.pictures.marks import Letters, Marks, find_marks
from rag.pictures.process import Workers
from rag.pictures.scans import letters_of_scan
from rag.store.files import FileStore

PDF = "application/pdf"
NARROWEST, WIDEST = 200, 2000
KEPT_BYTES = 64_000_000


class Pictures:
    """Draws pages on demand. It must not be asked for a reader before it is known that they may read."""

    def __init__(self, workers: Workers | None = None) -> None:
        self._workers = workers or Workers()
        self._kept = _Kept(KEPT_BYTES)

    async def picture(
        self, files: FileStore, document_id: str, version: str, number: int, *, width: int
    ) -> bytes:
        """Page `number` of a stored PDF as PNG, `width` pixels wide, less where it would be huge.

        Raises:
            NotFound: the document is no PDF, or has no such page.
            PictureFailed: the page cannot be drawn.
            Overloaded: too many pages are asked for at once.
        """
        await _page_of(files, document_id, version, number)
        return await self._made(files, document_id, version, {"do": "draw", "page": number, "width": width})

    async def marks(
        self, files: FileStore, document_id: str, version: str, number: int, *, start: int, end: int
    ) -> Marks:
        """Where on the picture of a page the stored text from `start` to `end` stands, as far as it is there.

        Raises: as `picture`.
        """
        parsed = await _page_of(files, document_id, version, number)
        scan = next((page for page in parsed.scanned if page.number == number and page.lines), None)
        if scan is not None:
            letters = await asyncio.to_thread(letters_of_scan, scan)
        else:
            letters = letters_of(
                await self._made(files, document_id, version, {"do": "read", "page": number})
            )
        page = next(page for page in parsed.pages if page.number == number)
        return await asyncio.to_thread(
            find_marks,
            letters,
            number,
            parsed.text[page.start : page.end],
            max(start, page.start) - page.start,
            min(end, page.end) - page.start,
        )

    async def close(self) -> None:
        await self._workers.close()

    async def _made(
        self, files: FileStore, document_id: str, version: str, request: dict[str, str | int]
    ) -> bytes:
        key = (document_id, version, *request.values())
        found = self._kept.get(key)
        if found is None:

            async def load() -> bytes:
                return (await files.original(document_id, version))[0]

            _, found = await self._workers.ask(f"{document_id}/{version}", load, request)
            self._kept.put(key, found)
        return found


class _Kept:
    """The last used, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._made: OrderedDict[tuple[str | int, ...], bytes] = OrderedDict()

    def get(self, key: tuple[str | int, ...]) -> bytes | None:
        found = self._made.get(key)
        if found is not None:
            self._made.move_to_end(key)
        return found

    def put(self, key: tuple[str | int, ...], made: bytes) -> None:
        self._bytes += len(made) - len(self._made.pop(key, b""))
        self._made[key] = made
        while self._bytes > self._most:
            _, dropped = self._made.popitem(last=False)
            self._bytes -= len(dropped)


async def _page_of(files: FileStore, document_id: str, version: str, number: int) -> ParsedDocument:
    parsed = await files.parsed(document_id, version)
    if parsed.media_type != PDF:
        raise NotFound("only PDFs have pictures of their pages")
    if all(page.number != number for page in parsed.pages):
        raise NotFound(f"the document has no page {number}")
    return parsed


_SIZE_BYTES = 16
_LETTER_BYTES = 4 + 4 * 4


def letters_of(made: bytes) -> Letters:
    """What `worker` says of a page: its size, the code of each letter, the box of each."""
    count, odd = divmod(len(made) - _SIZE_BYTES, _LETTER_BYTES)
    if odd or count < 0:
        raise PictureFailed("the page cannot be read: its letters and their places do not match")
    width, height = array("d", made[:_SIZE_BYTES])
    codes = array("I", made[_SIZE_BYTES : _SIZE_BYTES + 4 * count])
    return Letters(width, height, codes, array("f", made[_SIZE_BYTES + 4 * count :]))
