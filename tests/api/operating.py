"""A service with two readers' keys and an operator, on a library of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from rag.keys import digest
from tests.live import LiveService

from .library import BACKUPS, SALARIES

ADMIN_KEY = "the operator's key of the tests"
KEYS = {"anna": "cbx_anna", "ben": "cbx_ben"}
UNANSWERED = "Which football team won the world cup in 1998?"


class Operated:
    """The service, and clients of it in the name of its operator and of readers."""

    def __init__(self, live: LiveService) -> None:
        self.live = live
        self.admin = client(live, ADMIN_KEY)
        self.anna = client(live, KEYS["anna"])
        self.ben = client(live, KEYS["ben"])

    def questions(self, **query: Any) -> list[Any]:
        return list(
            self.admin.get("/v1/admin/questions", params=query).raise_for_status().json()["questions"]
        )

    def close(self) -> None:
        for http in (self.admin, self.anna, self.ben):
            http.close()


@contextmanager
def operated(folder: Path, **env: str) -> Iterator[Operated]:
    """Start it; everything is in `folder`, so that another may be started on the same data later."""
    folder.mkdir(exist_ok=True)
    keys = folder / "keys.toml"
    keys.write_text("\n".join(f'[keys.{name}]\nsha256 = "{digest(key)}"' for name, key in KEYS.items()))
    with LiveService(folder / "data") as live:
        live.start({"RAG_ADMIN_KEY": ADMIN_KEY, "RAG_KEYS_FILE": str(keys), "RAG_RERANK": "false", **env})
        service = Operated(live)
        for document in (BACKUPS, SALARIES):
            files = {"file": (document.name, document.text.encode())}
            sent = service.admin.post("/v1/documents", files=files, data={"groups": document.groups})
            sent.raise_for_status()
        yield service
        service.close()


def client(live: LiveService, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=live.url, headers=headers, trust_env=False, timeout=60)


def ask(http: httpx.Client, question: str, **asked: Any) -> Any:
    return http.post("/v1/ask", json={"question": question, **asked}).raise_for_status().json()


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, json.loads(response.content)["code"]
