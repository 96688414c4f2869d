"""What the first question needs is imported before the service says that it is ready."""

from __future__ import annotations

import subprocess
import sys

FIRST_QUESTION = """
import asyncio, sys, tempfile
from pathlib import Path
from rag.sentences import sentence_spans
from rag.service import open_service
from rag.settings import Settings

async def main():
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(anthropic_api_key={key!r}, data_dir=Path(folder), rerank=False)
        async with open_service(settings) as service:
            service.warm()
            before = set(sys.modules)
            sentence_spans("One sentence. And another.")
            if {key!r}:
                service.claude._client().messages
            print(len(set(sys.modules) - before), "anthropic" in sys.modules)

asyncio.run(main())
"""


def imported_by_the_first_question(key: str | None) -> str:
    command = [sys.executable, "-c", FIRST_QUESTION.format(key=key)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_sentences_and_the_client_of_claude_are_there_before_they_are_needed() -> None:
    assert imported_by_the_first_question("sk-test") == "0 True\n"


def test_without_a_key_the_client_of_claude_is_not_even_imported() -> None:
    assert imported_by_the_first_question(None) == "0 False\n"
