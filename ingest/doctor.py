"""Whether every document is whole, and the sweeping up after interrupted runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext

from ingest.contexts.kept import ContextStore
from ingest.contexts.run import alone
from ingest.reading import kept_in, unfinished
from ingest.run import open_pipeline
from rag.doctor import Check
from rag.documents import DocumentRecord
from rag.errors import CiteboxError, InvalidRequest
from rag.settings import Settings
from rag.store import Store
from rag.store.files import FileStore

DAY = 24 * 3600.0
"""Seconds for which the work of a run that was not finished is spared by `--repair`."""


async def examine(settings: Settings, *, repair: bool) -> list[Check]:
    """Compare records, chunks and stored texts; with `repair`, remove what no record stands for."""
    files = FileStore(settings)
    async with open_pipeline(settings) as (pipeline, store):
        records = await store.records()
        counts = await store.stored_versions()
        checks = [await _whole(records, counts, store, files)]
        chunks, texts = _leftovers(records, counts), len(await _stray_files(records, files))
        if repair and (chunks or texts):
            async with pipeline.lock_all():
                chunks = await store.remove_orphans()
                texts = await _remove_stray_files(await store.records(), files)
            checks.append(
                Check(
                    name="leftovers", state="OK", detail=f"{chunks} chunks and {texts} stored texts removed"
                )
            )
        elif chunks or texts:
            checks.append(
                Check(
                    name="leftovers",
                    state="WARN",
                    detail=f"{chunks} chunks and {texts} stored texts of interrupted or running ingests "
                    "(they never answer)",
                    remedy="run `ingest doctor --repair` when no ingest is running",
                )
            )
        else:
            checks.append(Check(name="leftovers", state="OK", detail="none"))
        checks.extend(await _contexts(settings, store, repair=repair))
        checks.extend(await asyncio.to_thread(_scans, settings, repair=repair))
        checks.append(_failures(records))
        checks.append(await _store(store))
    return checks


async def _whole(
    records: Sequence[DocumentRecord], counts: dict[str, dict[str, int]], store: Store, files: FileStore
) -> Check:
    broken = [
        record.name
        for record in records
        if record.version is not None
        and not await _is_whole(record, counts.get(record.id, {}).get(record.version, 0), files)
        and not await _is_whole_now(record.id, store, files)
    ]
    if broken:
        return Check(
            name="documents",
            state="FAIL",
            detail=f"not whole: {', '.join(broken[:10])}",
            remedy="`ingest remove` and `ingest add` them again",
        )
    return Check(name="documents", state="OK", detail=f"{len(records)} documents, every live version whole")


async def _is_whole(record: DocumentRecord, chunks: int, files: FileStore) -> bool:
    try:
        await files.parsed(record.id, record.version or "")
    except CiteboxError:
        return False
    return chunks == record.chunks


async def _is_whole_now(document_id: str, store: Store, files: FileStore) -> bool:
    """Look again: it may have been replaced or removed while we looked."""
    record = await store.record(document_id)
    if record is None or record.version is None:
        return True
    return await _is_whole(record, len(await store.document_chunks(record.id, record.version)), files)


def _leftovers(records: Sequence[DocumentRecord], counts: dict[str, dict[str, int]]) -> int:
    live = {(record.id, record.version) for record in records}
    return sum(
        count
        for document_id, versions in counts.items()
        for version, count in versions.items()
        if (document_id, version) not in live
    )


async def _stray_files(records: Sequence[DocumentRecord], files: FileStore) -> list[tuple[str, str]]:
    """The stored (document, version) pairs that no record names."""
    live = {(record.id, record.version) for record in records}
    stored = [(one, version) for one in await files.documents() for version in await files.versions(one)]
    return [pair for pair in stored if pair not in live]


async def _remove_stray_files(records: Sequence[DocumentRecord], files: FileStore) -> int:
    stray = await _stray_files(records, files)
    for document_id, version in stray:
        await files.remove_version(document_id, version)
    for document_id in {document_id for document_id, _ in stray} - {record.id for record in records}:
        await files.remove_document(document_id)
    return len(stray)


async def _contexts(settings: Settings, store: Store, *, repair: bool) -> list[Check]:
    """Contexts outlive their document, which may be added again; told of where there are such.

    A run that has paid for contexts takes their documents in only then. So none is removed while one is at
    it, and none on the day on which it came.
    """
    contexts = ContextStore(settings.data_dir)
    if not contexts.path.exists():
        return []
    try:
        with alone(settings) if repair else nullcontext():
            there = {record.id for record in await store.records()}
            strays = await asyncio.to_thread(contexts.strays, there, remove=repair)
    except InvalidRequest as error:
        return [
            Check(
                name="contexts",
                state="WARN",
                detail=f"none was removed: {error.detail}",
                remedy="run `ingest doctor --repair` again when it is done",
            )
        ]
    if not strays:
        return []
    what = "removed" if repair else "kept for when they are added again; --repair removes them"
    return [Check(name="contexts", state="OK", detail=f"{strays} of documents that are not in: {what}")]


def _scans(settings: Settings, *, repair: bool) -> list[Check]:
    """What OCR read of files that are not in (yet): an hour's work that the next run need not do again."""
    folder = kept_in(settings)
    kept = unfinished(folder)
    if not kept:
        return []
    old = unfinished(folder, older_than=DAY) if repair else []
    for path in old:
        path.unlink(missing_ok=True)
    detail = f"scanned pages of {len(kept)} files whose ingest was not finished"
    if repair:
        detail += f": {len(old)} removed, younger ones are kept for 24 hours"
    else:
        detail += ", kept for the next one; --repair removes those of more than 24 hours ago"
    return [Check(name="OCR", state="OK", detail=detail)]


def _failures(records: Sequence[DocumentRecord]) -> Check:
    failed = [record for record in records if record.state == "failed"]
    if not failed:
        return Check(name="failures", state="OK", detail="none")
    first = failed[0]
    return Check(
        name="failures",
        state="WARN",
        detail=f"{len(failed)}, the first is {first.name}: {first.failure}",
        remedy="`ingest list` says why; mend the files and `ingest add` them again",
    )


async def _store(store: Store) -> Check:
    health = await store.health()
    return Check(name="store", state="OK", detail=f"{health.kind} Qdrant {health.version} at {health.url}")
