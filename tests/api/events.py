"""Server-sent events as a browser would read them, and raw requests whose sender can hang up."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    data: Any


def read(lines: Iterator[str]) -> Iterator[Event]:
    """The events of a stream: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    name, data = "message", []
    for line in lines:
        if not line:
            if data:
                yield Event(name, json.loads("\n".join(data)))
            name, data = "message", []
        elif line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))


def stream(client: httpx.Client, question: str, **asked: Any) -> list[Event]:
    """All events of the answer to a question."""
    body = {"question": question, "stream": True, **asked}
    with client.stream("POST", "/v1/ask", json=body) as response:
        assert response.status_code == 200
        return list(read(response.iter_lines()))


def send_and_leave_open(url: str, path: str, body: dict[str, Any]) -> socket.socket:
    """Send a request and wait for nothing; closing the socket is the hanging up."""
    parts = urlsplit(url)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return connection
