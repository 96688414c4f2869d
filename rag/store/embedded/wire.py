"""Qdrant's REST JSON to the engine's types and back. Source: Qdrant's OpenAPI description, version 1.19."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from rag.store.embedded.wire_filters import optional_filter
from rag.store.embedded.wire_values import Json, bad, boolean, fields, items, number, point_id, text, whole

_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}
_DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
}
_INDEX_TYPES = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "datetime": edge.PayloadSchemaType.Datetime,
    "uuid": edge.PayloadSchemaType.Uuid,
}
_INDEX_NAMES = {str(kind): name for name, kind in _INDEX_TYPES.items()}
# Edge refuses a shard without any vector, which Qdrant allows: this one is never written nor shown.
_NO_VECTOR = "none"


# ---------------------------------------------------------------- collections


def check_collection(body: object) -> Json:
    """A validated create-collection request, reduced to what the engine keeps."""
    request = fields(body, "collection", optional=("vectors", "sparse_vectors", "metadata"))
    vectors = request.get("vectors", {})
    if isinstance(vectors, dict) and "size" in vectors:
        raise bad("collection: an unnamed vector is not supported by the embedded engine")
    dense: Json = {}
    for name, params in fields(vectors, "vectors", optional=vectors).items():
        given = fields(params, f"vector {name!r}", required=("size", "distance"), optional=("datatype",))
        if given["distance"] not in _DISTANCES:
            raise bad(f"vector {name!r}: unknown distance {given['distance']!r}")
        if given.get("datatype", "float32") not in _DATATYPES:
            raise bad(f"vector {name!r}: the datatype {given['datatype']!r} is not supported by the engine")
        dense[name] = given | {"size": whole(given["size"], f"vector {name!r}: size", 1, 65536)}
    sparse: Json = {}
    named = request.get("sparse_vectors", {})
    for name, params in fields(named, "sparse_vectors", optional=named).items():
        given = fields(params, f"sparse vector {name!r}", optional=("modifier",))
        if given.get("modifier", "none") not in ("none", "idf"):
            raise bad(f"sparse vector {name!r}: unknown modifier {given['modifier']!r}")
        sparse[name] = given
    if _NO_VECTOR in dense or _NO_VECTOR in sparse:
        raise bad(f"the vector name {_NO_VECTOR!r} is reserved by the embedded engine")
    metadata = request.get("metadata", {})
    return {
        "vectors": dense,
        "sparse_vectors": sparse,
        "metadata": fields(metadata, "metadata", optional=metadata),
    }


def edge_config(config: Json) -> edge.EdgeConfig:
    """The engine's configuration: exact search only; building HNSW stalls every reader for minutes."""
    sparse = {
        name: edge.EdgeSparseVectorParams(
            modifier=edge.Modifier.Idf if params.get("modifier") == "idf" else None
        )
        for name, params in config["sparse_vectors"].items()
    }
    dense = {
        name: edge.EdgeVectorParams(
            size=params["size"],
            distance=_DISTANCES[params["distance"]],
            # Collections of 0.1 name none.
            datatype=_DATATYPES[params.get("datatype", "float32")],
        )
        for name, params in config["vectors"].items()
    }
    if not dense and not sparse:
        sparse = {_NO_VECTOR: edge.EdgeSparseVectorParams()}
    return edge.EdgeConfig(
        vectors=dense or None,
        sparse_vectors=sparse or None,
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1_000_000_000),
    )


def collection_info(config: Json, info: edge.ShardInfo) -> Json:
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": info.indexed_vectors_count,
        "points_count": info.points_count,
        "segments_count": info.segments_count,
        "config": {
            "params": {
                "vectors": config["vectors"],
                "sparse_vectors": config["sparse_vectors"],
                "shard_number": 1,
                "replication_factor": 1,
                "write_consistency_factor": 1,
                "on_disk_payload": True,
            },
            "hnsw_config": {"m": 0, "ef_construct": 100, "full_scan_threshold": 10_000},
            "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 0},
            "metadata": config["metadata"],
        },
        "payload_schema": {
            name: {"data_type": _INDEX_NAMES[str(index.data_type)], "points": index.points}
            for name, index in info.payload_schema.items()
        },
    }


def index_type(schema: object) -> edge.PayloadSchemaType:
    name = fields(schema, "field_schema", required=("type",))["type"] if isinstance(schema, dict) else schema
    if name not in _INDEX_TYPES:
        raise bad(f"an index of type {name!r} is not supported by the embedded engine")
    return _INDEX_TYPES[name]


# ---------------------------------------------------------------- filters


# ---------------------------------------------------------------- points


def vector(value: object, where: str) -> Any:
    """A dense vector as a list of floats, or a sparse one."""
    if isinstance(value, list):
        return [number(item, where) for item in value]
    given = fields(value, where, required=("indices", "values"))
    indices = [whole(i, f"{where}: indices", 0, 2**32 - 1) for i in items(given["indices"], where)]
    values = [number(v, f"{where}: values") for v in items(given["values"], where)]
    if len(indices) != len(values):
        raise bad(f"{where}: must be the same length as indices")
    if len(set(indices)) != len(indices):
        raise bad(f"{where}: indices must be unique")
    return edge.SparseVector(indices, values)


def point(value: object) -> edge.Point:
    given = fields(value, "point", required=("id", "vector"), optional=("payload",))
    vectors = given["vector"]
    if not isinstance(vectors, dict):
        raise bad("point: an unnamed vector is not supported by the embedded engine")
    payload = given.get("payload", {})
    return edge.Point(
        point_id(given["id"]),
        {name: vector(item, f"vector {name!r}") for name, item in vectors.items()},
        fields(payload, "payload", optional=payload) and payload,
    )


def with_payload(value: object) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [text(item, "with_payload") for item in value]
    given = fields(value, "with_payload", optional=("include", "exclude"))
    if len(given) != 1:
        raise bad("with_payload: exactly one of include, exclude is needed")
    if "include" in given:
        return edge.PayloadSelector.Include(items(given["include"], "with_payload"))
    return edge.PayloadSelector.Exclude(items(given["exclude"], "with_payload"))


def with_vector(value: object) -> Any:
    if isinstance(value, bool):
        return value
    return [text(item, "with_vector") for item in items(value, "with_vector")]


def _vectors_out(vectors: Any) -> Json:
    return {
        name: {"indices": item.indices, "values": item.values}
        if isinstance(item, edge.SparseVector)
        else item
        for name, item in (vectors or {}).items()
        if name != _NO_VECTOR
    }


def _point_out(record: Any, wants_payload: bool, wants_vector: bool) -> Json:
    out: Json = {"id": record.id if isinstance(record.id, int) else str(record.id)}
    if wants_payload:
        out["payload"] = record.payload or {}
    if wants_vector:
        out["vector"] = _vectors_out(record.vector)
    return out


def record_out(record: edge.Record, wants_payload: Any, wants_vector: Any) -> Json:
    return _point_out(record, wants_payload is not False, wants_vector is not False)


def scored_out(found: edge.ScoredPoint, wants_payload: Any, wants_vector: Any) -> Json:
    out = _point_out(found, wants_payload is not False, wants_vector is not False)
    return out | {"version": found.version, "score": found.score}


# ---------------------------------------------------------------- queries

_STAGE = ("prefetch", "query", "using", "filter", "params", "score_threshold", "limit")
QUERY_FIELDS = (*_STAGE, "offset", "with_vector", "with_payload")


def query(body: object) -> edge.QueryRequest:
    given = fields(body, "query request", optional=QUERY_FIELDS)
    return edge.QueryRequest(
        limit=whole(given.get("limit", 10), "limit", 1),
        offset=whole(given.get("offset", 0), "offset"),
        with_vector=with_vector(given.get("with_vector", False)),
        with_payload=with_payload(given.get("with_payload", False)),
        **_stage(given),
    )


def _prefetch(value: object) -> edge.Prefetch:
    given = fields(value, "prefetch", optional=_STAGE)
    stage = _stage(given)
    return edge.Prefetch(limit=whole(given.get("limit", 10), "prefetch: limit", 1), **stage)


def _stage(given: Json) -> Json:
    """What a query and a prefetch have in common, as keyword arguments of the engine's types."""
    inner = given.get("prefetch", [])
    prefetches = [_prefetch(item) for item in (inner if isinstance(inner, list) else [inner])]
    return {
        "prefetches": prefetches,
        "query": _scoring(given.get("query"), given.get("using"), bool(prefetches)),
        "filter": optional_filter(given),
        "params": _params(given["params"]) if "params" in given else None,
        "score_threshold": number(given["score_threshold"], "score_threshold")
        if "score_threshold" in given
        else None,
    }


def _params(value: object) -> edge.SearchParams:
    # Every search is exact and nothing is quantised here, so all values of these are honoured.
    given = fields(value, "params", optional=("exact", "quantization"))
    quantised = fields(
        given.get("quantization", {}), "quantization", optional=("ignore", "rescore", "oversampling")
    )
    for name in ("ignore", "rescore"):
        boolean(quantised.get(name, False), f"quantization: {name}")
    number(quantised.get("oversampling", 1.0), "quantization: oversampling")
    return edge.SearchParams(exact=boolean(given.get("exact", False), "params: exact"))


def _scoring(value: object, using: object, has_prefetch: bool) -> Any:
    if value is None:
        raise bad("a query without `query` is not supported by the embedded engine")
    if isinstance(value, dict) and ("fusion" in value or "rrf" in value):
        if not has_prefetch:
            raise bad("a fusion needs at least one prefetch")
        if using is not None:
            raise bad("a fusion takes no `using`")
        return _fusion(value)
    if isinstance(value, dict) and "nearest" in value:
        value = fields(value, "query", required=("nearest",))["nearest"]
    if not isinstance(value, list) and not (isinstance(value, dict) and "indices" in value):
        raise bad("this kind of query is not supported by the embedded engine")
    if using is None:
        raise bad("`using` must name the vector")
    return edge.Query.Nearest(vector(value, "query"), using=text(using, "using"))


def _fusion(value: Json) -> Any:
    if "rrf" in value:
        rrf = fields(fields(value, "query", required=("rrf",))["rrf"], "rrf", optional=("k", "weights"))
        weights = None
        if "weights" in rrf:
            weights = [number(weight, "rrf: weights") for weight in items(rrf["weights"], "rrf: weights")]
        return edge.Fusion.Rrf(k=whole(rrf.get("k", 2), "rrf: k", 1), weights=weights)
    name = fields(value, "query", required=("fusion",))["fusion"]
    if name == "rrf":
        return edge.Fusion.Rrf(k=2)
    if name == "dbsf":
        return edge.Fusion.Dbsf()
    raise bad(f"unknown fusion {name!r}")
