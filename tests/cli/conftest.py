"""One folder, ingested once, for all tests that only look; and the steps that change it, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import folder
from .commands import Commands, Ran


@pytest.fixture(scope="package")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of documents."""
    return folder.make(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="package")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """The commands on the data directory that holds the folder's documents, once `added` was asked for."""
    return Commands(tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("cwd"))


@pytest.fixture(scope="package")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one document, which may be changed."""
    path = tmp_path_factory.mktemp("changing")
    (path / "rules.md").write_text("# Rules of the annex\n\nThe annex has no cloakroom.\n")
    return path


@pytest.fixture(scope="package")
def added(commands: Commands, library: Path, changing: Path) -> Ran:
    """`ingest add` of both folders."""
    paths = (str(library), str(changing))
    return commands.ingest("add", *paths, "--json", RAG_MAX_FILE_MB=folder.MAX_FILE_MB)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Commands:
    """The commands on a data directory with nothing in it."""
    (tmp_path / "cwd").mkdir()
    return Commands(tmp_path / "data", tmp_path / "cwd")


@pytest.fixture
def no_models(tmp_path: Path) -> str:
    """A model cache with nothing in it: whatever loads a model fails."""
    return str(tmp_path / "no-models")
