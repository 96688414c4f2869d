"""The originals and the parsed texts, one folder per document and version, at any fsspec location.

    <files>/<index>/<document id>/<version>/original.pdf     the bytes as they came
                                            text.txt         the text that every offset refers to
                                            structure.json   title, media type, pages, headings, what OCR read
                                                             on which place of a page; written last

A version counts as stored once its structure.json is there, and each file appears under its name whole:
by a rename on a local disk, by a single put on an object store. Names are made of our own ids alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import threading
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from rag.documents import is_document_id
from rag.errors import NotFound, SettingsError, StoreError, StoreUnavailable
from rag.parsed import Heading, Page, ParsedDocument
from rag.scanned import scanned_page_of
from rag.settings import Settings

T = TypeVar("T")

TEXT = "text.txt"
STRUCTURE = "structure.json"
ORIGINAL = "original"

_VERSION = re.compile(r"[0-9A-Za-z_-]{1,128}")
_SUFFIX = re.compile(r"\.[0-9a-z]{1,16}")
_BLOCK = 1 << 20
_KEPT_DOCUMENTS = 64
_KEPT_CHARACTERS = 32_000_000


class FileStore:
    """Stored files. Versions are immutable, so what was read once may be kept.

    All methods raise StoreUnavailable when the location fails, and ValueError for ids that are not ours.
    """

    def __init__(self, settings: Settings) -> None:
        location = settings.files_url or str((settings.data_dir / "files").resolve())
        try:
            self._fs, self._root = fsspec.core.url_to_fs(location)
        except (ImportError, ValueError) as error:
            raise SettingsError(
                f"RAG_FILES_URL cannot be used: {error}",
                remedy="install the fsspec package of that protocol, such as `pip install s3fs`",
            ) from None
        # An index has files of its own, or one that is built anew beside it would remove them.
        self._root = str(self._root).rstrip("/") + "/" + settings.index
        self._local = isinstance(self._fs, LocalFileSystem)
        self._kept: OrderedDict[tuple[str, str], ParsedDocument] = OrderedDict()
        self._lock = threading.Lock()

    # ------------------------------------------------------------ writing

    async def save(
        self, document_id: str, version: str, *, original: bytes | Path, suffix: str, parsed: ParsedDocument
    ) -> None:
        """Store one version, durable on return; saving it again overwrites it with the same.

        Args:
            original: the bytes, or the file to copy them from.
            suffix: of the original, such as `.pdf`; one that is not plain is dropped.
        """
        await self._in_thread(lambda: self._save(document_id, version, original, suffix, parsed))

    def _save(
        self, document_id: str, version: str, original: bytes | Path, suffix: str, parsed: ParsedDocument
    ) -> None:
        folder = self._folder(document_id, version)
        name = ORIGINAL + (suffix.lower() if _SUFFIX.fullmatch(suffix.lower()) else "")
        try:
            body = parsed.text.encode()
        except UnicodeEncodeError as error:
            raise StoreError(f"the text cannot be stored as UTF-8: {error}") from None
        structure = {
            "title": parsed.title,
            "media_type": parsed.media_type,
            "pages": [asdict(page) for page in parsed.pages],
            "headings": [asdict(heading) for heading in parsed.headings],
            "scanned": [asdict(page) for page in parsed.scanned],
            "original": name,
            "characters": len(parsed.text),
        }
        if self._local:
            # Whoever may read the disk must not read what the access groups keep from them.
            os.makedirs(self._root, mode=0o700, exist_ok=True)
        self._fs.makedirs(folder, exist_ok=True)
        self._write(f"{folder}/{name}", original)
        self._write(f"{folder}/{TEXT}", body)
        self._write(f"{folder}/{STRUCTURE}", json.dumps(structure, ensure_ascii=False).encode())
        if self._local:
            # The names of the new folders must survive a power cut as well.
            root = Path(self._root)
            for made in (Path(folder), Path(folder).parent, root, root.parent):
                _sync_folder(made)
        with self._lock:
            self._kept.pop((document_id, version), None)

    def _write(self, path: str, body: bytes | Path) -> None:
        if not self._local:
            # One put is atomic on object stores; fsspec removes a multi-part upload that was broken off.
            if isinstance(body, Path):
                self._fs.put_file(str(body), path)
            else:
                self._fs.pipe_file(path, body)
            return
        temporary = Path(f"{path}.{uuid.uuid4().hex}.part")
        try:
            with temporary.open("xb") as file:
                if isinstance(body, Path):
                    with body.open("rb") as source:
                        shutil.copyfileobj(source, file)
                else:
                    file.write(body)
                _sync(file)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    async def remove_version(self, document_id: str, version: str) -> None:
        """Delete the files of one version, if there are any."""
        await self._in_thread(lambda: self._remove(self._folder(document_id, version)))
        self._forget(document_id, version)

    async def remove_document(self, document_id: str) -> None:
        """Delete the files of all versions of a document, if there are any."""
        await self._in_thread(lambda: self._remove(self._folder(document_id)))
        self._forget(document_id, None)

    def _remove(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(folder, recursive=True)

    def _forget(self, document_id: str, version: str | None) -> None:
        with self._lock:
            for key in list(self._kept):
                if key[0] == document_id and version in (None, key[1]):
                    del self._kept[key]

    # ------------------------------------------------------------ reading

    async def text(self, document_id: str, version: str) -> str:
        """The stored text of a version.

        Raises:
            NotFound: no such version is stored.
        """
        return (await self.parsed(document_id, version)).text

    async def parsed(self, document_id: str, version: str) -> ParsedDocument:
        """The stored text with its title, pages and headings.

        Raises:
            NotFound: no such version is stored.
            StoreError: its files are damaged.
        """
        with self._lock:
            kept = self._kept.get((document_id, version))
            if kept is not None:
                self._kept.move_to_end((document_id, version))
                return kept
        found = await self._in_thread(lambda: self._parsed(document_id, version))
        with self._lock:
            self._kept[document_id, version] = found
            total = sum(map(_weight, self._kept.values()))
            while len(self._kept) > 1 and (len(self._kept) > _KEPT_DOCUMENTS or total > _KEPT_CHARACTERS):
                _, dropped = self._kept.popitem(last=False)
                total -= _weight(dropped)
        return found

    def _parsed(self, document_id: str, version: str) -> ParsedDocument:
        structure = self._structure(document_id, version)
        body = self._read(document_id, version, TEXT)
        try:
            text = body.decode()
            found = ParsedDocument(
                title=structure["title"],
                text=text,
                media_type=structure["media_type"],
                pages=tuple(Page(**page) for page in structure["pages"]),
                headings=tuple(Heading(**heading) for heading in structure["headings"]),
                scanned=tuple(scanned_page_of(page) for page in structure.get("scanned", ())),
            )
        except (UnicodeDecodeError, LookupError, TypeError) as error:
            raise _damaged(document_id, version) from error
        if len(text) != structure["characters"]:
            raise _damaged(document_id, version)
        return found

    async def original(self, document_id: str, version: str) -> tuple[bytes, str]:
        """The bytes as they came, and their stored name, such as `original.pdf`.

        Raises:
            NotFound: no such version is stored.
        """

        def read() -> tuple[bytes, str]:
            name = self._original_name(document_id, version)
            return self._read(document_id, version, name), name

        return await self._in_thread(read)

    async def original_in_blocks(
        self, document_id: str, version: str
    ) -> tuple[AsyncIterator[bytes], int, str]:
        """As `original`, for whoever may be slow to take it: a block at a time, how many bytes, the name."""

        def look() -> tuple[str, int, str]:
            name = self._original_name(document_id, version)
            path = f"{self._folder(document_id, version)}/{name}"
            try:
                return path, int(self._fs.size(path)), name
            except FileNotFoundError:
                raise _gone(document_id, version) from None

        path, size, name = await self._in_thread(look)

        async def blocks() -> AsyncIterator[bytes]:
            file = await self._in_thread(lambda: self._fs.open(path, "rb"))
            try:
                while block := await self._in_thread(lambda: file.read(_BLOCK)):
                    yield block
            finally:
                file.close()

        return blocks(), size, name

    def _original_name(self, document_id: str, version: str) -> str:
        """It decides which file is read, so it must be one that `save` can have written."""
        name = str(self._structure(document_id, version).get("original"))
        ending = name.removeprefix(ORIGINAL)
        if not name.startswith(ORIGINAL) or (ending and not _SUFFIX.fullmatch(ending)):
            raise _damaged(document_id, version)
        return name

    async def sizes(self, versions: Sequence[tuple[str, str]]) -> dict[str, int]:
        """Bytes of the stored originals, by document; without those that are not stored or damaged."""

        def look() -> dict[str, int]:
            found = {}
            for document_id, version in versions:
                with contextlib.suppress(NotFound, StoreError, OSError):
                    name = self._original_name(document_id, version)
                    found[document_id] = int(self._fs.size(f"{self._folder(document_id, version)}/{name}"))
            return found

        return await self._in_thread(look)

    async def versions(self, document_id: str) -> list[str]:
        """The versions of which any file is stored, whole or not, sorted."""
        return await self._in_thread(lambda: self._list(self._folder(document_id), _VERSION.fullmatch))

    async def documents(self) -> list[str]:
        """The documents of which any file is stored, sorted."""
        return await self._in_thread(lambda: self._list(self._root, is_document_id))

    def _list(self, folder: str, ours: Callable[[str], object]) -> list[str]:
        self._fs.invalidate_cache(folder)
        try:
            paths = self._fs.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        names = {str(path).rstrip("/").rsplit("/", 1)[-1] for path in paths}
        return sorted(name for name in names if ours(name))

    def _structure(self, document_id: str, version: str) -> dict[str, Any]:
        body = self._read(document_id, version, STRUCTURE)
        try:
            found: dict[str, Any] = json.loads(body)
        except ValueError as error:
            raise _damaged(document_id, version) from error
        return found

    def _read(self, document_id: str, version: str, name: str) -> bytes:
        try:
            return bytes(self._fs.cat_file(f"{self._folder(document_id, version)}/{name}"))
        except FileNotFoundError:
            raise _gone(document_id, version) from None

    # ------------------------------------------------------------ helpers

    def _folder(self, document_id: str, version: str | None = None) -> str:
        if not is_document_id(document_id):
            raise ValueError(f"not a document id: {document_id!r}")
        if version is None:
            return f"{self._root}/{document_id}"
        if not _VERSION.fullmatch(version):
            raise ValueError(f"not a version: {version!r}")
        return f"{self._root}/{document_id}/{version}"

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(_run, work)


def _weight(parsed: ParsedDocument) -> int:
    """About how many characters of memory a document takes: a line that OCR read comes with its place."""
    return len(parsed.text) + 100 * sum(len(page.lines) for page in parsed.scanned)


def _run(work: Callable[[], T]) -> T:
    with _named():
        return work()


@contextlib.contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"the stored files cannot be reached: {error}", remedy="check RAG_FILES_URL or RAG_DATA_DIR"
        ) from error


def _gone(document_id: str, version: str) -> NotFound:
    return NotFound(f"no files of version {version} of document {document_id} are stored")


def _damaged(document_id: str, version: str) -> StoreError:
    return StoreError(
        f"the stored files of version {version} of document {document_id} are damaged",
        remedy="ingest the document again",
    )


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
