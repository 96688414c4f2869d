"""The built-in models: the catalogue, the fetching, and that the models are what they say."""

from __future__ import annotations

import hashlib
import math
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from rag.embedding import Embedder, load_embedder
from rag.errors import ModelUnavailable
from rag.models import (
    BuiltInModel,
    catalogue,
    expect_on_hub,
    fetch,
    fetching,
    installed_path,
    model_dimension,
    verify,
)
from rag.reranking import load_reranker
from rag.settings import Settings, load_settings

CONTENT = b"weights"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(load_settings())


def tiny_model(name: str = "tiny", *, content: bytes = CONTENT, licence: str = "Apache-2.0") -> BuiltInModel:
    return BuiltInModel(
        name=name,
        role="embedding",
        dimension=3,
        max_tokens=8,
        origin="nobody/tiny",
        licence=licence,
        package="citebox-tiny-model==1.0",
        package_sha256="",
        folder="tiny/model",
        notices=("citebox_tiny_model-1.0.dist-info/LICENSE",),
        files={"model.bin": hashlib.sha256(content).hexdigest()},
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the package index, with the package of one tiny model in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "citebox_tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/model/model.bin", CONTENT)
        archive.writestr("tiny/__init__.py", "raise RuntimeError('imported')")
        archive.writestr("citebox_tiny_model-1.0.dist-info/LICENSE", "the licence")
        archive.writestr(
            "citebox_tiny_model-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: citebox-tiny-model\nVersion: 1.0\n",
        )
        archive.writestr("citebox_tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("citebox_tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return wheel


def settings_at(tmp_path: Path) -> Settings:
    return Settings(models_dir=tmp_path / "models")


def test_a_model_is_fetched_whole_with_its_licence_and_only_once(tmp_path: Path, index: Path) -> None:
    model = tiny_model().model_copy(update={"package_sha256": hashlib.sha256(index.read_bytes()).hexdigest()})
    said: list[str] = []
    (folder,) = fetch(settings_at(tmp_path), said.append, [model])
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert (folder / "notices" / "LICENSE").read_text() == "the licence"
    index.unlink()
    fetch(settings_at(tmp_path), said.append, [model])
    assert [line.split(": ")[1].split(" ")[0] for line in said] == ["fetching", "present"]


def test_a_package_of_two_models_is_downloaded_once(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    both = [tiny_model(name).model_copy(update={"package_sha256": digest}) for name in ("one", "two")]
    downloads: list[str] = []
    download = fetching._download

    def counted(model: BuiltInModel, scratch: Path) -> Path:
        downloads.append(model.package)
        return download(model, scratch)

    monkeypatch.setattr(fetching, "_download", counted)
    folders = fetch(settings_at(tmp_path), models=both)
    assert [(folder.name, (folder / "model.bin").read_bytes()) for folder in folders] == [
        ("one", CONTENT),
        ("two", CONTENT),
    ]
    assert downloads == ["citebox-tiny-model==1.0"]
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"one", "two", ".fetch.lock"}


def test_what_the_settings_name_is_what_is_fetched() -> None:
    assert [model.role for model in fetching.named_by(Settings())] == ["embedding", "reranking"]
    of_a_hub = Settings(embedding_model="someone/model", reranker_model="all-of-a-hub")
    assert fetching.named_by(of_a_hub) == []


def test_a_package_that_was_tampered_with_is_refused(tmp_path: Path, index: Path) -> None:
    model = tiny_model().model_copy(update={"package_sha256": "0" * 64})
    with pytest.raises(ModelUnavailable, match="not the one the catalogue names"):
        fetch(settings_at(tmp_path), models=[model])
    assert not (tmp_path / "models" / "tiny").exists()


def test_a_file_that_differs_from_the_catalogue_is_refused(tmp_path: Path, index: Path) -> None:
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    model = tiny_model(content=b"other").model_copy(update={"package_sha256": digest})
    with pytest.raises(ModelUnavailable, match=r"checksum of model\.bin"):
        fetch(settings_at(tmp_path), models=[model])


def test_a_package_out_of_reach_is_a_clear_error(tmp_path: Path, index: Path) -> None:
    index.unlink()
    with pytest.raises(ModelUnavailable, match="could not be downloaded") as caught:
        fetch(settings_at(tmp_path), models=[tiny_model()])
    assert "rag models fetch" in (caught.value.remedy or "")


def test_a_model_that_was_not_fetched_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="rag models fetch"):
        installed_path(settings_at(tmp_path), "all-MiniLM-L6-v2")


def test_the_catalogue_says_everything_of_each_model() -> None:
    for model in catalogue().values():
        assert model.licence in ("Apache-2.0", "MIT")
        assert "==" in model.package
        assert model.notices
        assert all(len(digest) == 64 for digest in (model.package_sha256, *model.files.values()))


def test_the_models_in_the_cache_are_those_of_the_catalogue() -> None:
    settings = load_settings()
    for model in catalogue().values():
        assert verify(model, installed_path(settings, model.name)) == []


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weightz")
    assert verify(tiny_model(), tmp_path) == ["model.bin"]


def test_the_embedder_gives_unit_vectors_that_know_meaning(embedder: Embedder) -> None:
    vectors = embedder.embed_passages(["The cat sits on the mat.", "Interest rates rose by a quarter point."])
    assert vectors.shape == (2, 384) == (2, model_dimension(load_settings()))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    near, far = vectors @ embedder.embed_query("Where is the kitten?")
    assert near > far + 0.2
    assert embedder.embed_passages([]).shape == (0, 384)


def test_a_text_has_one_vector_whatever_shares_its_batch(embedder: Embedder) -> None:
    texts = ["Backups are kept for ninety days.", "retry(timeout=30) " * 40, "Ein Satz auf Deutsch."]
    together = embedder.embed_passages(texts)
    assert np.array_equal(together, np.vstack([embedder.embed_passages([text]) for text in texts]))


def test_a_question_is_told_from_a_passage(embedder: Embedder) -> None:
    prompt = catalogue()[embedder.name].query_prompt
    asked = embedder.embed_query("backup retention")
    said, prompted = embedder.embed_passages(["backup retention", f"{prompt}backup retention"])
    assert prompt
    assert np.array_equal(asked, prompted)
    assert not np.allclose(asked, said, atol=0.01)


def test_tokens_are_counted_beyond_the_length_of_the_model(embedder: Embedder) -> None:
    assert embedder.count_tokens("word " * 1000) == 1000


def test_a_question_as_long_as_may_be_asked_is_scored() -> None:
    reranker = load_reranker(load_settings())
    for question in ("Why? " * 800, "1,2,3," * 600, "\u8cea" * 4000):
        (score,) = reranker.score(question, ["Backups are kept for ninety days. " * 40])
        assert math.isfinite(score)


def test_the_reranker_gives_the_scores_of_the_model_card() -> None:
    reranker = load_reranker(load_settings())
    question = "How many people live in Berlin?"
    scores = reranker.score(
        question,
        [
            "New York City is famous for the Metropolitan Museum of Art.",
            "Berlin had a population of 3,520,031 registered inhabitants in an area of "
            "891.82 square kilometers.",
        ],
    )
    assert scores[1] == pytest.approx(9.21, abs=0.1)  # 8.87 where 8-bit products are added in 16 bits
    assert scores[0] < -4
    assert reranker.score(question, []) == []


def test_a_batch_scores_as_each_passage_alone() -> None:
    reranker = load_reranker(load_settings())
    passages = [f"Berlin {'really ' * n}has 3.5 million people." for n in range(0, 40, 4)]
    alone = [reranker.score("How many people live in Berlin?", [passage])[0] for passage in passages]
    assert reranker.score("How many people live in Berlin?", passages) == pytest.approx(alone, abs=0.35)


def test_a_model_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    settings = Settings(embedding_model=str(tmp_path / "nothing"), reranker_model=str(tmp_path / "nothing"))
    with pytest.raises(ModelUnavailable, match="RAG_EMBEDDING_MODEL"):
        load_embedder(settings)
    with pytest.raises(ModelUnavailable, match="RAG_RERANKER_MODEL"):
        load_reranker(settings)


# ---------------------------------------------------------------- of a hub


@pytest.mark.parametrize(
    ("name", "role", "meant"),
    [
        ("bge-small-en", "embedding", "bge-small-en-v1.5"),
        ("BGE-SMALL-EN-V1.5", "embedding", "bge-small-en-v1.5"),
        ("sentence-transformers/all-MiniLM-L6-v2", "embedding", "all-MiniLM-L6-v2"),
        ("ms-marco-MiniLM-L-12", "reranking", "ms-marco-MiniLM-L-12-v2"),
        ("ms-marco", "reranking", "ms-marco-MiniLM-L-12-v2"),
        ("ms-marco-MiniLM-L-12", "embedding", None),
        ("cross-encoder/ms-marco-MiniLM-L-6-v2", "reranking", None),
        ("e5-large", "embedding", None),
    ],
)
def test_a_name_that_cannot_be_had_is_guessed_only_where_a_built_in_model_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, role: Literal["embedding", "reranking"], meant: str | None
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", _refused)
    with pytest.raises(ModelUnavailable) as caught:
        expect_on_hub(name, role)
    variable = {"embedding": "RAG_EMBEDDING_MODEL", "reranking": "RAG_RERANKER_MODEL"}[role]
    assert variable in caught.value.remedy
    assert ("did you mean" in caught.value.remedy) == (meant is not None)
    assert meant is None or f"did you mean {meant}?" in caught.value.remedy


def _refused(*_: object, **__: object) -> None:
    raise ConnectionError("nobody is there")
