"""Bad settings end a command at once, with variable and remedy; help is quick and loads nothing heavy."""

from __future__ import annotations

import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from .commands import Commands

WRONG = {
    "RAG_PORT": ("http", "RAG_PORT"),
    "RAG_QDRANT_URL": ("qdrant:6333", "did you mean http://qdrant:6333"),
    "RAG_CHUNK_TOKENS": ("1", "RAG_CHUNK_TOKENS"),
    "RAG_FAST_MODLE": ("claude-haiku-5-5", "did you mean RAG_FAST_MODEL"),
    "RAG_NO_SUCH_THING": ("1", "RAG_NO_SUCH_THING"),
    "RAG_CONFIG": ("/nowhere/citebox.toml", "/nowhere/citebox.toml"),
}


@pytest.mark.parametrize("variable", WRONG)
def test_a_bad_setting_is_misuse_and_named(elsewhere: Commands, variable: str) -> None:
    value, told = WRONG[variable]
    ran = elsewhere.rag("serve", **{variable: value})
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert len(ran.rows) <= 2
    assert not elsewhere.data_dir.exists()


def test_a_key_that_is_wrong_in_the_settings_file_is_named_with_the_file(elsewhere: Commands) -> None:
    (elsewhere.cwd / "citebox.toml").write_text("prot = 9000\n")
    ran = elsewhere.ingest("list")
    assert ran.code == 2
    assert "citebox.toml" in ran.err
    assert "port" in ran.err


def test_the_environment_overrules_the_settings_file(elsewhere: Commands, tmp_path: Path) -> None:
    (elsewhere.cwd / "citebox.toml").write_text(f'data_dir = "{tmp_path / "from-the-file"}"\nport = 9000\n')
    assert elsewhere.ingest("list", "--json").code == 0
    assert not (tmp_path / "from-the-file").exists()
    assert elsewhere.data_dir.exists()


# ---------------------------------------------------------------- help

COMMANDS = {
    "ingest": ((), ("add",), ("list",), ("show",), ("remove",), ("doctor",)),
    "rag": (
        (),
        ("serve",),
        ("ask",),
        ("search",),
        ("eval",),
        ("eval", "run"),
        ("eval", "compare"),
        ("eval", "report"),
        ("eval", "make"),
        ("doctor",),
        ("models",),
        ("models", "list"),
        ("models", "fetch"),
    ),
}
HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "llama_index",
    "anthropic",
    "onnxruntime",
    "fastapi",
    "numpy",
    "ir_measures",
)
MOST_CPU_SECONDS = 3.0


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_quick(elsewhere: Commands, command: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = elsewhere.wait(elsewhere.start(command, "--help"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.code == 0
    assert "Examples" in ran.out
    spent = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    assert spent < MOST_CPU_SECONDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_version_is_that_of_the_package(elsewhere: Commands, command: str) -> None:
    ran = elsewhere.wait(elsewhere.start(command, "--version"))
    assert (ran.code, ran.out) == (0, f"citebox {version('citebox')}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_exits_well_and_loads_nothing_heavy(command: str) -> None:
    script = f"""
import sys
from {command}.cli import app
for words in {COMMANDS[command]!r}:
    try:
        app([*words, "--help"])
    except SystemExit as ended:
        assert ended.code == 0, (words, ended.code)
    else:
        raise AssertionError(words)
loaded = set({HEAVY!r}) & set(sys.modules)
assert not loaded, loaded
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("Usage:") == len(COMMANDS[command])


@pytest.mark.parametrize("command", ["ingest", "rag"])
def test_an_unknown_command_is_misuse(elsewhere: Commands, command: str) -> None:
    ran = elsewhere.wait(elsewhere.start(command, "nonsense"))
    assert ran.code == 2
    assert "nonsense" in ran.err
