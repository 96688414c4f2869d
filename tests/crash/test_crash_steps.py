"""kill -9 at every step of the write path: what answered goes on answering, and the next run finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.doctor import examine
from ingest.pipeline import Pipeline, Placement
from ingest.sources import Source, uri_of
from rag.documents import DocumentRecord
from rag.settings import Settings
from rag.store.files import FileStore

from .stand_ins import open_pipeline, settings_of
from .whole import assert_whole

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NAMES = ("first.txt", "second.txt", "third.txt")
DYING = "second.txt"

# A step, and whether the document's new version answers after a death there.
STEPS = {
    "before:upsert_chunks": False,
    "after:upsert_chunks": False,
    "before:make_live": False,
    "after:make_live": True,
    "after:remove_other_versions": True,
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "data")


@pytest.fixture
def library(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / name, "old") for name in NAMES]


def write(path: Path, edition: str) -> Path:
    path.write_text(
        "\n\n".join(
            f"Passage {n} of {path.stem} in the {edition} edition, {'about whales ' * 8}." for n in range(7)
        )
    )
    return path


async def ingest(pipeline: Pipeline, files: Sequence[Path]) -> dict[str, str]:
    """What became of each file."""
    outcomes = {}
    for file in files:
        source = Source(file, uri_of(file), file.stat().st_size)
        outcomes[file.name] = (await pipeline.ingest(source, Placement())).status
    return outcomes


def die(settings: Settings, step: str, library: Sequence[Path], *, engine: bool) -> None:
    """Run an ingest that is killed at `step` of its second file."""
    command = [sys.executable, "-m", "tests.crash.dying", settings.data_dir, DYING, step]
    command += ["engine" if engine else "alone", *library]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


async def state(settings: Settings, name: str) -> Any:
    (check,) = [check for check in await examine(settings, repair=False) if check.name == name]
    return check.state


async def edition(settings: Settings, record: DocumentRecord) -> str:
    text = await FileStore(settings).text(record.id, str(record.version))
    found = {word for word in ("old", "new") if f"the {word} edition" in text}
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize("step", STEPS)
async def test_a_new_document_is_whole_or_not_there_and_the_next_run_finishes(
    settings: Settings, library: list[Path], step: str
) -> None:
    die(settings, step, library, engine=False)
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


@pytest.mark.parametrize("step", STEPS)
async def test_a_changed_document_answers_with_one_whole_version_though_the_engine_dies_too(
    settings: Settings, library: list[Path], step: str
) -> None:
    async with open_pipeline(settings) as (pipeline, _):
        await ingest(pipeline, library)
    for file in library:
        write(file, "new")
    die(settings, step, library, engine=True)
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
    settings: Settings, library: list[Path], step: str
) -> None:
    async with open_pipeline(settings) as (pipeline, _):
        await ingest(pipeline, library)
    write(library[1], "new")
    die(settings, step, library, engine=False)
    assert await state(settings, "leftovers") == "WARN"
    checks = {check.name: check for check in await examine(settings, repair=True)}
    assert "removed" in checks["leftovers"].detail
    assert await state(settings, "leftovers") == "OK"
    async with open_pipeline(settings) as (_, store):
        there = await assert_whole(settings, store, words="whales")
        stored = await store.stored_versions()
    assert {ident: list(versions) for ident, versions in stored.items()} == {
        record.id: [record.version] for record in there.values()
    }
    files = FileStore(settings)
    for record in there.values():
        assert await files.versions(record.id) == [record.version]


async def test_the_text_of_a_document_whose_removal_was_killed_is_reported_and_removed(
    settings: Settings, library: list[Path]
) -> None:
    async with open_pipeline(settings) as (pipeline, _):
        await ingest(pipeline, library)
    die(settings, "after:remove_document", library, engine=False)
    async with open_pipeline(settings) as (_, store):
        there = await assert_whole(settings, store, words="whales")
        assert there.keys() == set(NAMES) - {DYING}
    assert await state(settings, "leftovers") == "WARN"
    await examine(settings, repair=True)
    assert await state(settings, "leftovers") == "OK"
    kept = [path for path in (settings.data_dir / "files").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"second" in path.read_bytes()]
    assert os.listdir(settings.data_dir / "files") == sorted(record.id for record in there.values())
