"""Collections, vectors and payload indexes: their names, and making sure that they exist.

The chunks lie in a physical collection named after the embedding model, behind an alias, so that another
model's vectors can be built beside them and swapped in. Every step is safe to repeat and to run in two
processes at once; a crash between two steps is mended by the next one who opens the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from rag.errors import IndexMismatch, StoreError
from rag.store.payload import BM25, DENSE

_KEYWORD = models.PayloadSchemaType.KEYWORD
_INTEGER = models.PayloadSchemaType.INTEGER
_DATETIME = models.PayloadSchemaType.DATETIME

CHUNK_INDEXES = {
    "document_id": _KEYWORD,
    "version": _KEYWORD,
    "collection": _KEYWORD,
    "groups": _KEYWORD,
    "uri": _KEYWORD,
    "sha256": _KEYWORD,
    "page": _INTEGER,
    "headings": _KEYWORD,
    "position": _INTEGER,
    "added": _DATETIME,
}
RECORD_INDEXES = {"document_id": _KEYWORD, "collection": _KEYWORD, "groups": _KEYWORD, "state": _KEYWORD}
# Qdrant allows 255 bytes, which are also the name of a folder.
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Names:
    """The collections of one index and one embedding model."""

    chunks: str
    physical: str
    documents: str

    @classmethod
    def of(cls, index: str, model: str, dimension: int) -> Names:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "--", model).strip("-.") or "model"
        physical = f"{index}_chunks_{slug}_{dimension}"
        if len(physical) > _LONGEST_NAME:
            digest = hashlib.sha256(model.encode()).hexdigest()[:16]
            physical = f"{index}_chunks_{digest}_{dimension}"
        return cls(chunks=f"{index}_chunks", physical=physical, documents=f"{index}_documents")


async def ensure(client: AsyncQdrantClient, names: Names, *, model: str, dimension: int) -> None:
    """Create what is missing.

    Raises:
        IndexMismatch: the alias stands for vectors of another model.
    """
    target = await _alias_target(client, names.chunks)
    if target is not None and target != names.physical:
        raise await _mismatch(client, names, target, model, dimension)
    await _ensure_collection(
        client,
        names.physical,
        vectors={
            DENSE: models.VectorParams(
                size=dimension,
                distance=models.Distance.COSINE,
                # Half the memory, and the same neighbours (docs/benchmarks.md, Scale).
                datatype=models.Datatype.FLOAT16,
            )
        },
        sparse={BM25: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        indexes=CHUNK_INDEXES,
        metadata={"model": model, "dimension": dimension},
    )
    await _ensure_collection(client, names.documents, vectors={}, sparse={}, indexes=RECORD_INDEXES)
    if target is None:
        alias = models.CreateAlias(collection_name=names.physical, alias_name=names.chunks)
        await client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
        # Another process with another model may have been faster or slower: the alias is what counts.
        target = await _alias_target(client, names.chunks)
        if target != names.physical:
            raise await _mismatch(client, names, str(target), model, dimension)


async def _alias_target(client: AsyncQdrantClient, alias: str) -> str | None:
    aliases = (await client.get_aliases()).aliases
    return next((each.collection_name for each in aliases if each.alias_name == alias), None)


async def _ensure_collection(
    client: AsyncQdrantClient,
    name: str,
    *,
    vectors: dict[str, models.VectorParams],
    sparse: dict[str, models.SparseVectorParams],
    indexes: dict[str, models.PayloadSchemaType],
    metadata: dict[str, object] | None = None,
) -> None:
    try:
        info = await client.get_collection(name)
    except UnexpectedResponse as error:
        if error.status_code != 404:
            raise
        await _create(client, name, vectors, sparse, metadata)
        info = await client.get_collection(name)
    _check(name, info, vectors)
    missing = [field for field in indexes if field not in info.payload_schema]
    await asyncio.gather(
        *(
            client.create_payload_index(name, field, field_schema=indexes[field], wait=True)
            for field in missing
        )
    )


async def _create(
    client: AsyncQdrantClient,
    name: str,
    vectors: dict[str, models.VectorParams],
    sparse: dict[str, models.SparseVectorParams],
    metadata: dict[str, object] | None,
) -> None:
    try:
        await client.create_collection(
            name, vectors_config=vectors, sparse_vectors_config=sparse or None, metadata=metadata
        )
    except UnexpectedResponse as error:
        # Another process created it in between; older servers answer 400 for that.
        if error.status_code not in (400, 409) or b"already exists" not in error.content:
            raise


def _check(name: str, info: models.CollectionInfo, wanted: dict[str, models.VectorParams]) -> None:
    found = info.config.params.vectors
    sizes = {key: params.size for key, params in found.items()} if isinstance(found, dict) else None
    if sizes != {key: params.size for key, params in wanted.items()}:
        raise StoreError(
            f"the collection {name} exists but is not one of Citebox's: its vectors are {sizes}",
            remedy="set RAG_INDEX to a name of its own",
        )


async def _mismatch(
    client: AsyncQdrantClient, names: Names, target: str, model: str, dimension: int
) -> IndexMismatch:
    built_by = target
    try:
        info = await client.get_collection(target)
        built_by = str((info.config.metadata or {}).get("model", target))
    except UnexpectedResponse:
        pass
    return IndexMismatch(
        f"the index {names.chunks!r} was built by {built_by}, but the embedding model is {model} "
        f"({dimension} dimensions)",
        remedy=f"set RAG_EMBEDDING_MODEL to {built_by}, or set RAG_INDEX to a new name and ingest again",
    )
