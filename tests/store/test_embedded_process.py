"""The life of the engine process: shared, guarded, restarted after a crash, gone after its last user."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rag.documents import DocumentRecord
from rag.errors import StoreUnavailable
from rag.settings import Settings
from rag.store import open_store
from rag.store.embedded.process import EngineUser

from .making import DIMENSION, MODEL, add, ask, chunk_of, record_of

ROOT = Path(__file__).resolve().parents[2]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.asynccontextmanager
async def engine_user(data_dir: Path, grace: float = 0.3) -> AsyncIterator[EngineUser]:
    user = EngineUser(data_dir, grace=grace)
    try:
        yield user
    finally:
        user.close()


async def test_two_users_share_one_engine_which_ends_after_the_last(tmp_path: Path, until: Until) -> None:
    async with engine_user(tmp_path) as first:
        endpoint = await first.attach()
        async with engine_user(tmp_path) as second:
            assert await second.attach() == endpoint
        await asyncio.sleep(0.6)  # twice the grace: what must not happen has no event to wait for
        assert alive(endpoint.pid)
        assert await first.attach() == endpoint
    await until(lambda: not alive(endpoint.pid))
    assert not (tmp_path / "qdrant" / "endpoint.json").exists()


async def test_users_who_come_at_once_get_the_same_engine(tmp_path: Path) -> None:
    users = [EngineUser(tmp_path, grace=0.3) for _ in range(6)]
    try:
        endpoints = await asyncio.gather(*(user.attach() for user in users))
        assert len({endpoint.pid for endpoint in endpoints}) == 1
    finally:
        for user in users:
            user.close()


async def test_a_user_who_comes_while_the_engine_ends_gets_a_live_one(tmp_path: Path) -> None:
    for _ in range(3):
        async with engine_user(tmp_path, grace=0.03) as user:
            endpoint = await user.attach()
        await asyncio.sleep(0.05)
        async with engine_user(tmp_path, grace=0.03) as user:
            endpoint = await user.attach()
            await asyncio.sleep(0.2)
            assert alive(endpoint.pid)


async def test_the_engine_ends_when_its_only_user_is_killed(tmp_path: Path, until: Until) -> None:
    code = (
        "import asyncio, sys, time; from pathlib import Path\n"
        "from rag.store.embedded.process import EngineUser\n"
        "user = EngineUser(Path(sys.argv[1]), grace=0.3)\n"
        "print(asyncio.run(user.attach()).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as user:
        assert user.stdout is not None
        pid = int(await asyncio.to_thread(user.stdout.readline))
        assert alive(pid)
        user.kill()
    await until(lambda: not alive(pid))


async def test_what_was_acknowledged_survives_a_killed_engine_and_the_store_goes_on(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with open_store(settings, dimension=DIMENSION, model=MODEL) as store:
        record = await add(store, record_of("a.txt"))
        for _ in range(2):
            pid = json.loads((tmp_path / "qdrant" / "endpoint.json").read_bytes())["pid"]
            os.kill(pid, signal.SIGKILL)
            found = await asyncio.gather(*(ask(store) for _ in range(5)), store.records())
            assert [len(each) for each in found] == [1] * 6
            await add(store, record)
        assert json.loads((tmp_path / "qdrant" / "endpoint.json").read_bytes())["pid"] != pid


async def test_an_engine_that_is_told_to_end_closes_and_is_started_again(
    tmp_path: Path, until: Until
) -> None:
    async with engine_user(tmp_path) as user:
        first = await user.attach()
        os.kill(first.pid, signal.SIGTERM)
        await until(lambda: not alive(first.pid))
        assert not (tmp_path / "qdrant" / "endpoint.json").exists()
        assert (await user.attach()).pid != first.pid


WRITER = """
import asyncio, sys
from pathlib import Path
from rag.settings import Settings
from rag.store import open_store
from tests.store.making import DIMENSION, MODEL, chunk_of, record_of

async def main():
    async with open_store(Settings(data_dir=Path(sys.argv[1])), dimension=DIMENSION, model=MODEL) as store:
        for n in range(1000):
            record = record_of("a.txt", f"v{n}")
            for position in range(3):
                await store.upsert_chunks(record, [chunk_of(record, position)])
            await store.make_live(record)
            print(n, flush=True)
            await store.remove_other_versions(record.id, keep=record.version)

asyncio.run(main())
"""


async def test_a_killed_writer_leaves_one_whole_version_and_its_leftovers_can_be_swept(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path)
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    async with open_store(settings, dimension=DIMENSION, model=MODEL) as store:
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:  # noqa: ASYNC220
            assert writer.stdout is not None
            acknowledged = [int(await asyncio.to_thread(writer.stdout.readline)) for _ in range(4)]
            writer.kill()
            acknowledged += [int(line) for line in writer.stdout.read().split()]
        (record,) = await store.records()
        later = [record_of("a.txt", f"v{n}").version for n in range(acknowledged[-1], acknowledged[-1] + 2)]
        assert record.version in later
        assert sorted(hit.position for hit in await ask(store)) == [0, 1, 2]
        await store.remove_orphans()
        assert await store.stored_versions() == {record.id: {record.version: 3}}


async def test_an_endpoint_file_of_a_dead_engine_is_not_believed(tmp_path: Path) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"title": "something else"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        (tmp_path / "qdrant").mkdir()
        for stale in (
            json.dumps({"pid": 1, "port": other.server_port, "key": "old"}),
            json.dumps({"pid": 1, "port": 9, "key": "old"}),
            json.dumps(["not", "an", "endpoint"]),
            "{",
        ):
            (tmp_path / "qdrant" / "endpoint.json").write_text(stale)
            async with engine_user(tmp_path, grace=0.05) as user:
                endpoint = await user.attach()
                assert endpoint.pid != 1
                os.kill(endpoint.pid, signal.SIGKILL)
        other.shutdown()


async def test_other_users_of_the_machine_can_read_nothing(tmp_path: Path) -> None:
    (tmp_path / "qdrant").mkdir(mode=0o755)
    async with engine_user(tmp_path) as user:
        await user.attach()
        folder = tmp_path / "qdrant"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_an_engine_that_cannot_start_is_reported_and_the_end_of_its_log_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "qdrant").mkdir()
    (tmp_path / "qdrant" / "manifest.json").write_text('{"format": 99}')
    async with engine_user(tmp_path) as user:
        with pytest.raises(StoreUnavailable, match=r"code 1 \(see engine\.log"):
            await user.attach()
    assert "a format this version" in caplog.text


async def test_shards_without_their_manifest_are_not_thrown_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "qdrant" / "shards" / "kept").mkdir(parents=True)
    async with engine_user(tmp_path) as user:
        with pytest.raises(StoreUnavailable):
            await user.attach()
    assert "manifest.json is missing" in caplog.text
    assert (tmp_path / "qdrant" / "shards" / "kept").is_dir()


async def test_a_data_folder_that_cannot_be_made_is_reported_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with engine_user(tmp_path / "file") as user:
        with pytest.raises(StoreUnavailable, match="RAG_DATA_DIR"):
            await user.attach()


def test_the_engine_process_loads_neither_the_client_nor_any_model_library() -> None:
    code = (
        "import sys, rag.store.embedded.server\n"
        "heavy = {'torch', 'llama_index', 'qdrant_client', 'numpy', 'pydantic', 'fastapi'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    assert output.stdout.strip() == b"[]"


async def test_records_of_many_documents_survive_a_killed_engine_while_they_are_written(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path)
    async with open_store(settings, dimension=DIMENSION, model=MODEL) as store:
        written: list[DocumentRecord] = []

        async def write(n: int) -> None:
            record = record_of(f"{n:02}.txt")
            await add(store, record, chunk_of(record, 0), chunk_of(record, 1))
            written.append(record)

        tasks = [asyncio.create_task(write(n)) for n in range(12)]
        while not written:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        os.kill(json.loads((tmp_path / "qdrant" / "endpoint.json").read_bytes())["pid"], signal.SIGKILL)
        await asyncio.gather(*tasks)
        assert await store.records() == sorted(written, key=lambda record: record.uri)
        assert set((await store.stored_versions()).keys()) == {record.id for record in written}
        assert len(await ask(store)) == 24
