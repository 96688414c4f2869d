"""Sparse vectors: the terms they hold and the weights of BM25."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sparse import AVERAGE_LENGTH, K1, B, _stem, encode_passage, encode_query, names, only_names, terms


def test_words_are_stemmed_and_stop_words_dropped() -> None:
    assert terms("The backups are retained") == terms("backup retaining")


def test_several_threads_stem_as_one_does() -> None:
    endings = ("ing", "ed", "ation", "fulness", "ies", "ively")
    words = [
        f"{chr(97 + a)}{chr(97 + b)}read{ending}" for a in range(26) for b in range(26) for ending in endings
    ]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda text: terms(text), [" ".join(words)] * 4))
    _stem.cache_clear()
    assert found == [terms(" ".join(words))] * 4


def test_names_are_identifiers_of_several_parts() -> None:
    asked = "Is readTimeout the read_timeout of net.read or a re-read of the HTTPClient?"
    assert names(asked) == {"readtimeout", "read_timeout", "net.read", "httpclient"}
    assert not only_names(asked)
    assert only_names("read_timeout net.read")
    assert not only_names("timeout")


@pytest.mark.parametrize("identifier", ["readTimeout", "read_timeout", "read.timeout", "READ-TIMEOUT"])
def test_an_identifier_is_found_by_its_parts_and_by_itself(identifier: str) -> None:
    found = set(terms(f"Set {identifier} to 5"))
    assert set(terms("read timeout")) <= found
    assert set(terms(identifier)) <= found


def test_an_acronym_before_a_word_is_a_part() -> None:
    assert {"http", "server"} <= set(terms("HTTPServer"))


def test_weights_follow_the_formula_of_bm25() -> None:
    vector = encode_passage("vault vault key")
    norm = K1 * (1 - B + B * 3 / AVERAGE_LENGTH)
    expected = sorted([2 * (K1 + 1) / (2 + norm), 1 * (K1 + 1) / (1 + norm)])
    assert sorted(vector.values) == pytest.approx(expected, abs=1e-5)


def test_a_query_counts_each_term_once() -> None:
    vector = encode_query("vault vault key")
    assert vector.values == (1.0, 1.0)
    assert set(vector.indices) == set(encode_passage("key vault").indices)


def test_a_query_of_stop_words_has_no_terms() -> None:
    assert encode_query("what is this?").indices == ()


@given(st.text(max_size=300))
def test_indices_are_distinct_sorted_and_unsigned_32_bit(text: str) -> None:
    vector = encode_passage(text)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert all(value > 0 for value in vector.values)


def test_a_passage_is_also_found_by_what_its_neighbours_say_and_less_than_by_its_own_words() -> None:
    alone, beside = (
        encode_passage("It rotates monthly."),
        encode_passage("It rotates monthly.", around=["The vault key"]),
    )
    weight = dict(zip(beside.indices, beside.values, strict=True))
    (vault,) = encode_query("vault").indices
    (rotates,) = encode_query("rotates").indices
    assert vault not in alone.indices
    assert 0 < weight[vault] < weight[rotates]
