"""Quantised vectors and HNSW graphs against exact search, in the engine itself, on real embeddings.

Each variant is built and asked in a process of its own: the engine holds the interpreter lock while it
builds, and memory is measured by process.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge

from bench.scale.measure import memory_mb
from rag.embedding import Vectors

DEPTH = 10
_VECTOR = "dense"
_BATCH = 500


@dataclass(frozen=True)
class Variant:
    """How vectors are kept, indexed and asked; `m` 0 is no graph, not `indexed` is as they came."""

    name: str
    indexed: bool = True
    m: int = 0
    ef_construct: int = 100
    ef: int | None = None
    half: bool = False
    int8: bool = False
    rescore: bool = True
    oversampling: float | None = None


@dataclass(frozen=True)
class Outcome:
    recall: float
    build_s: float
    query_p50: float
    query_p95: float
    own_mb: float
    file_mb: float


VARIANTS = (
    Variant("exact, as it comes", indexed=False),
    Variant("exact, one sealed segment"),
    Variant("exact, 16 bits, as the store has it", indexed=False, half=True),
    Variant("int8 alone", int8=True, rescore=False),
    Variant("int8, rescored", int8=True),
    Variant("int8, twice as many, rescored", int8=True, oversampling=2.0),
    Variant("int8, twice as many, rescored by 16 bits", int8=True, half=True, oversampling=2.0),
    Variant("HNSW m 16, ef 64", m=16, ef=64),
    Variant("HNSW m 16, ef 128", m=16, ef=128),
    Variant("HNSW m 32, ef 128", m=32, ef_construct=200, ef=128),
    Variant("HNSW m 16, ef 128, int8, rescored", m=16, ef=128, int8=True),
)


def compare(vectors: Vectors, questions: Vectors) -> None:
    """Print a table: a line for each variant."""
    print(f"\nDense search alone, {len(vectors)} real embeddings, {len(questions)} questions, top {DEPTH}:\n")
    print("| index | recall@10 | build s | median ms | p95 ms | memory MB | of files MB |")
    print("|---|---|---|---|---|---|---|")
    nearest = np.argsort(-(questions @ vectors.T), axis=1, kind="stable")[:, :DEPTH]
    truth = [set(map(int, row)) for row in nearest]
    for variant in VARIANTS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            one = pool.submit(_try, variant, vectors, questions, truth).result()
        cells = (f"{one.recall:.3f}", f"{one.build_s:.1f}", f"{one.query_p50:.2f}", f"{one.query_p95:.2f}")
        print(f"| {variant.name} | {' | '.join(cells)} | {one.own_mb:.0f} | {one.file_mb:.0f} |", flush=True)


def _try(variant: Variant, vectors: Vectors, questions: Vectors, truth: Sequence[set[int]]) -> Outcome:
    folder = Path(tempfile.mkdtemp(prefix="citebox-index-"))
    try:
        shard = edge.EdgeShard.create(str(folder), _config(variant))
        for start in range(0, len(vectors), _BATCH):
            points = [
                edge.Point(start + i, {_VECTOR: vector.tolist()}, {})
                for i, vector in enumerate(vectors[start : start + _BATCH])
            ]
            shard.update(edge.UpdateOperation.upsert_points(points))
        shard.flush()
        build_s = _seconds(shard.optimize) if variant.indexed else 0.0
        shard.close()
        before = memory_mb("self")
        shard = edge.EdgeShard.load(str(folder))
        asked = [_request(variant, question.tolist()) for question in questions]
        for request in asked:
            shard.query(request)
        spent, held = [], 0
        for request, wanted in zip(asked, truth, strict=True):
            began = time.perf_counter()
            found = shard.query(request)
            spent.append((time.perf_counter() - began) * 1000)
            held += len(wanted & {int(point.id) for point in found})
        after = memory_mb("self")
        own = after[1] - before[1]
        spent.sort()
        return Outcome(
            recall=held / (DEPTH * len(truth)),
            build_s=build_s,
            query_p50=statistics.median(spent),
            query_p95=spent[int(len(spent) * 0.95)],
            own_mb=own,
            file_mb=after[0] - before[0] - own,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _config(variant: Variant) -> edge.EdgeConfig:
    quantised: Any = None
    if variant.int8:
        quantised = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99, always_ram=True)
    kept = edge.VectorStorageDatatype.Float16 if variant.half else edge.VectorStorageDatatype.Float32
    return edge.EdgeConfig(
        vectors={_VECTOR: edge.EdgeVectorParams(size=384, distance=edge.Distance.Cosine, datatype=kept)},
        hnsw_config=edge.HnswIndexConfig(
            m=variant.m, ef_construct=variant.ef_construct, full_scan_threshold=10
        ),
        quantization_config=quantised,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=10, default_segment_number=1),
    )


def _request(variant: Variant, vector: list[float]) -> edge.QueryRequest:
    quantised = edge.QuantizationSearchParams(rescore=variant.rescore, oversampling=variant.oversampling)
    return edge.QueryRequest(
        limit=DEPTH,
        query=edge.Query.Nearest(vector, using=_VECTOR),
        params=edge.SearchParams(hnsw_ef=variant.ef, quantization=quantised if variant.int8 else None),
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
