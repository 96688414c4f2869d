"""Settings: where they come from, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import SettingsError
from rag.settings import load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_environment_sets_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PORT", "9000")
    monkeypatch.setenv("RAG_READER_GROUPS", "hr, board")
    settings = load_settings()
    assert settings.port == 9000
    assert settings.reader_groups == ("hr", "board")


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("citebox.toml").write_text('port = 7000\nindex = "wiki"\n', encoding="utf-8")
    monkeypatch.setenv("RAG_PORT", "9000")
    settings = load_settings()
    assert (settings.port, settings.index) == (9000, "wiki")


def test_a_key_alone_or_a_server_alone_switches_claude_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings().claude_configured
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:4010")
    assert load_settings().claude_configured
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    settings = load_settings()
    assert settings.claude_configured
    assert "sk-secret" not in repr(settings)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    assert not load_settings().claude_configured


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("RAG_QDRANT_URL", "qdrant:6333", "RAG_QDRANT_URL is not a URL.*did you mean http://qdrant:6333"),
        ("RAG_PORT", "many", "RAG_PORT .many.: .*integer"),
        ("RAG_QDRNT_URL", "http://q", "RAG_QDRNT_URL is not a setting.*RAG_QDRANT_URL"),
        ("RAG_CHUNK_TOKENS", "3", "RAG_CHUNK_TOKENS"),
        ("RAG_CONFIG", "nowhere.toml", "RAG_CONFIG names no file.*unset"),
    ],
)
def test_a_wrong_setting_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=expected):
        load_settings()


def test_no_setting_is_suggested_that_is_not_like_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_FOO", "1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "did you mean" not in str(caught.value)


def test_switching_both_searches_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_DENSE", "false")
    monkeypatch.setenv("RAG_SPARSE", "false")
    with pytest.raises(SettingsError, match="RAG_DENSE"):
        load_settings()


def test_an_unknown_key_in_the_file_is_an_error() -> None:
    Path("citebox.toml").write_text("prot = 7000\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"prot is not a setting.*port"):
        load_settings()


def test_a_file_that_is_not_toml_is_an_error() -> None:
    Path("citebox.toml").write_text("port: 7000\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings()


def test_an_admin_key_of_nothing_is_refused_for_a_request_without_a_key_would_match_it() -> None:
    Path("citebox.toml").write_text('admin_key = " "\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="RAG_ADMIN_KEY is empty"):
        load_settings()
