"""Whether every document is whole, and the sweeping up after interrupted runs."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.run import open_pipeline
from rag.doctor import Check
from rag.documents import DocumentRecord
from rag.errors import CiteboxError
from rag.settings import Settings
from rag.store import Store
from rag.store.files import FileStore


async def examine(settings: Settings, *, repair: bool) -> list[Check]:
    """Compare records, chunks and stored texts; with `repair`, remove chunks that no record stands for."""
    async with open_pipeline(settings) as (pipeline, store):
        records = await store.records()
        counts = await store.stored_versions()
        checks = [await _whole(records, counts, FileStore(settings))]
        leftovers = _leftovers(records, counts)
        if repair and leftovers:
            async with pipeline.lock_all():
                removed = await store.remove_orphans()
            checks.append(Check(name="leftovers", state="OK", detail=f"{removed} chunks removed"))
        elif leftovers:
            checks.append(
                Check(
                    name="leftovers",
                    state="WARN",
                    detail=f"{leftovers} chunks of interrupted or running ingests (they never answer)",
                    remedy="run `ingest doctor --repair` when no ingest is running",
                )
            )
        else:
            checks.append(Check(name="leftovers", state="OK", detail="none"))
        checks.append(_failures(records))
        checks.append(await _store(store))
    return checks


async def _whole(
    records: Sequence[DocumentRecord], counts: dict[str, dict[str, int]], files: FileStore
) -> Check:
    broken: list[str] = []
    for record in records:
        if record.version is None:
            continue
        if counts.get(record.id, {}).get(record.version, 0) != record.chunks:
            broken.append(record.name)
            continue
        try:
            await files.parsed(record.id, record.version)
        except CiteboxError:
            broken.append(record.name)
    if broken:
        return Check(
            name="documents",
            state="FAIL",
            detail=f"not whole: {', '.join(broken[:10])}",
            remedy="`ingest remove` and `ingest add` them again",
        )
    return Check(name="documents", state="OK", detail=f"{len(records)} documents, every live version whole")


def _leftovers(records: Sequence[DocumentRecord], counts: dict[str, dict[str, int]]) -> int:
    live = {(record.id, record.version) for record in records}
    return sum(
        count
        for document_id, versions in counts.items()
        for version, count in versions.items()
        if (document_id, version) not in live
    )


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
