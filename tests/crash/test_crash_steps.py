"""kill -9 at every step of the write path: what answered goes on answering, and the next run finishes."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.doctor import examine
from ingest.pipeline import Pipeline, Placement
from ingest.sources import Source, uri_of
from rag.documents import DocumentRecord
from rag.settings import Settings, load_settings
from rag.store.files import FileStore

from .stand_ins import SETTINGS, open_pipeline
from .whole import assert_whole

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NAMES = ("first.txt", "second.txt", "third.txt")
DYING = "second.txt"

# A step of a document, and whether its new version answers after a death there.
STEPS = {
    "before:upsert_chunks": False,
    "after:upsert_chunks": False,
    "before:make_live": False,
    "after:make_live": True,
    "after:remove_other_versions": True,
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that the tests share an engine where they leave it alive; each has an index of its own."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def settings(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """In the environment, so that a process that is to die has the same."""
    own = {"RAG_DATA_DIR": str(data_dir), "RAG_INDEX": f"t{uuid.uuid4().hex[:12]}"}
    for name, value in {**SETTINGS, **own}.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.fixture
def library(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / name, "old") for name in NAMES]


Die = Callable[..., None]


@pytest.fixture
def die(settings: Settings, library: list[Path]) -> Die:
    """Runs an ingest of the library that is killed at a step of its second file."""

    def run(step: str, *, engine: bool) -> None:
        command = [sys.executable, "-m", "tests.crash.dying", DYING, step, "engine" if engine else "alone"]
        ran = subprocess.run(
            [*command, *library], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert ran.returncode == -signal.SIGKILL, ran.stderr

    return run


def write(path: Path, edition: str) -> Path:
    whales = "about whales " * 8
    path.write_text(
        "\n\n".join(f"Passage {n} of {path.stem} in the {edition} edition, {whales}." for n in range(7))
    )
    return path


async def ingest(pipeline: Pipeline, files: Sequence[Path]) -> dict[str, str]:
    """What became of each file."""
    outcomes = {}
    for file in files:
        source = Source(file, uri_of(file), file.stat().st_size, file.name)
        outcomes[file.name] = (await pipeline.ingest(source, Placement())).status
    return outcomes


async def state(settings: Settings, name: str) -> Any:
    """What the doctor says of one thing."""
    (check,) = [check for check in await examine(settings, repair=False) if check.name == name]
    return check.state


async def edition(settings: Settings, record: DocumentRecord) -> str:
    text = await FileStore(settings).text(record.id, str(record.version))
    (found,) = [word for word in ("old", "new") if f"the {word} edition" in text]
    return found


@pytest.mark.parametrize("step", ["before:upsert_chunks", "after:upsert_chunks", "after:make_live"])
async def test_a_new_document_is_whole_or_not_there_and_the_next_run_finishes(
    settings: Settings, library: list[Path], die: Die, step: str
) -> None:
    die(step, engine=False)
    async with open_pipeline(settings) as (pipeline, store):
        there = await assert_whole(settings, store, words="whales")
        assert there.keys() == ({"first.txt", DYING} if STEPS[step] else {"first.txt"})
        assert await state(settings, "documents") == "OK"
        outcomes = await ingest(pipeline, library)
        assert outcomes == {
            "first.txt": "unchanged",
            DYING: "unchanged" if STEPS[step] else "new",
            "third.txt": "new",
        }
        assert (await assert_whole(settings, store, words="whales")).keys() == set(NAMES)
        assert await state(settings, "leftovers") == "OK"


@pytest.mark.parametrize("step", list(STEPS)[1:])
async def test_a_changed_document_answers_with_one_whole_version_though_the_engine_dies_too(
    settings: Settings, library: list[Path], die: Die, step: str
) -> None:
    async with open_pipeline(settings) as (pipeline, _):
        await ingest(pipeline, library)
    for file in library:
        write(file, "new")
    die(step, engine=True)
    async with open_pipeline(settings) as (pipeline, store):
        there = await assert_whole(settings, store, words="whales")
        assert there.keys() == set(NAMES)
        assert await edition(settings, there["first.txt"]) == "new"
        assert await edition(settings, there[DYING]) == ("new" if STEPS[step] else "old")
        assert await edition(settings, there["third.txt"]) == "old"
        assert await state(settings, "documents") == "OK"
        await ingest(pipeline, library)
        there = await assert_whole(settings, store, words="whales")
        assert {await edition(settings, record) for record in there.values()} == {"new"}


@pytest.mark.parametrize("step", ["after:upsert_chunks", "after:make_live"])
async def test_what_a_killed_run_leaves_behind_is_reported_and_removed(
    settings: Settings, library: list[Path], die: Die, step: str
) -> None:
    async with open_pipeline(settings) as (pipeline, _):
        await ingest(pipeline, library)
    write(library[1], "new")
    die(step, engine=False)
    assert await state(settings, "leftovers") == "WARN"
    checks = {check.name: check for check in await examine(settings, repair=True)}
    assert "removed" in checks["leftovers"].detail
    assert await state(settings, "leftovers") == "OK"
    async with open_pipeline(settings) as (_, store):
        there = await assert_whole(settings, store, words="whales")
        stored = await store.stored_versions()
    live = {record.id: [record.version] for record in there.values()}
    assert {ident: list(versions) for ident, versions in stored.items()} == live
    assert {ident: await FileStore(settings).versions(ident) for ident in live} == live


async def test_the_text_of_a_document_whose_removal_was_killed_is_reported_and_removed(
    settings: Settings, library: list[Path], die: Die
) -> None:
    async with open_pipeline(settings) as (pipeline, _):
        await ingest(pipeline, library)
    die("after:remove_document", engine=False)
    async with open_pipeline(settings) as (_, store):
        there = await assert_whole(settings, store, words="whales")
        assert there.keys() == set(NAMES) - {DYING}
    assert await state(settings, "leftovers") == "WARN"
    await examine(settings, repair=True)
    assert await state(settings, "leftovers") == "OK"
    assert await FileStore(settings).documents() == sorted(record.id for record in there.values())
