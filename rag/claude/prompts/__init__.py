"""The system prompts, one `.md` file each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def prompt(name: str) -> str:
    """The text of `<name>.md`, the same in every request."""
    return files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()
