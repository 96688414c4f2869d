"""Models in ONNX: what comes out for a text depends on nothing but the text, whoever else asks meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rag.embedding import Embedder, load_document_embedder, load_embedder
from rag.models import MODEL_FILE, OnnxModel, installed_path
from rag.reranking import Reranker, load_reranker
from rag.settings import load_settings

TEXTS = [f"Passage {number} of the handbook is about backups. " * (1 + number % 7) for number in range(40)]
QUESTION = "How long are backups kept?"


ODD = ["", " \n", "Ünïcode ß\u200b 契約は12月31日", "a\x00b\tc", "[MASK] [SEP] x", "ﬁ ①② 😀", "word " * 900]


@pytest.fixture(scope="module", params=[load_embedder, load_document_embedder], ids=["alone", "library"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.param(load_settings())
    return made


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    return load_reranker(load_settings())


def test_a_text_has_one_vector_in_any_company_and_from_any_thread(embedder: Embedder) -> None:
    together = embedder.embed_passages(TEXTS)
    assert together.shape == (len(TEXTS), embedder.dimension)
    tens = [TEXTS[first : first + 10] for first in range(0, len(TEXTS), 10)]
    with ThreadPoolExecutor(4) as threads:
        parts = threads.map(embedder.embed_passages, tens)
        assert np.array_equal(np.concatenate(list(parts)), together)
    assert np.array_equal(embedder.embed_passages(TEXTS[3:4])[0], together[3])


def test_texts_are_counted_while_others_are_embedded(embedder: Embedder) -> None:
    counts = [embedder.count_tokens(text) for text in TEXTS]
    with ThreadPoolExecutor(3) as threads:
        embedded = [threads.submit(embedder.embed_passages, TEXTS) for _ in range(2)]
        counted = [embedder.count_tokens(text) for text in TEXTS]
        assert np.array_equal(embedded[0].result(), embedded[1].result())
    assert counted == counts


def test_questions_and_documents_meet_in_one_space_whoever_runs_the_model() -> None:
    alone, library = load_embedder(load_settings()), load_document_embedder(load_settings())
    texts = TEXTS[:7] + ODD
    assert np.abs(alone.embed_passages(texts) - library.embed_passages(texts)).max() < 1e-6
    assert np.abs(alone.embed_queries(texts) - library.embed_queries(texts)).max() < 1e-6
    assert [alone.count_tokens(text) for text in texts] == [library.count_tokens(text) for text in texts]
    assert (alone.name, alone.dimension, alone.longest) == (library.name, library.dimension, library.longest)


def test_a_question_waits_for_neither_torch_nor_nltk() -> None:
    program = """
import sys, rag.service
from rag.embedding import load_embedder
from rag.reranking import load_reranker
from rag.sentences import sentence_spans
from rag.settings import load_settings
load_embedder(load_settings()).embed_query("How?")
load_reranker(load_settings()).score("How?", ["So."])
sentence_spans("One. Two.")
slow = {"torch", "transformers", "sentence_transformers", "nltk", "scipy", "sklearn"}
print(sorted(slow & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_the_score_of_a_passage_does_not_depend_on_the_others(reranker: Reranker) -> None:
    together = reranker.score(QUESTION, TEXTS[:9])
    assert together == [reranker.score(QUESTION, [text])[0] for text in TEXTS[:9]]


def test_an_input_that_the_model_refuses_harms_no_later_one(embedder: Embedder) -> None:
    settings = load_settings()
    model = OnnxModel(installed_path(settings, settings.embedding_model) / MODEL_FILE)
    whole = {name: np.ones((1, 4), dtype=np.int64) for name in model.inputs}
    with pytest.raises(Exception, match="are missing from input feed"):
        model.run_each([whole, {model.inputs[0]: whole[model.inputs[0]]}])
    assert model.run_each([whole])[0].shape == (1, 4, embedder.dimension)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_a_command_of_low_priority_can_embed_and_stays_low() -> None:
    program = f"""
import os
os.nice(15)
from rag.models.onnx import OnnxModel
import numpy, rag.models.onnx as onnx
model = OnnxModel({str(installed_path(load_settings(), load_settings().embedding_model) / MODEL_FILE)!r})
model.run_each([{{name: numpy.ones((1, 4), dtype=numpy.int64) for name in model.inputs}}])
print(model._pool.submit(lambda: os.getpriority(os.PRIO_PROCESS, 0)).result())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.returncode) == ("15", 0), done.stderr
    assert os.getpriority(os.PRIO_PROCESS, 0) < 15
