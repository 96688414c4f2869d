"""Who asks: keys are known by their hashes, and bring groups and a budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import InvalidRequest, SettingsError, Unauthorised
from rag.keys import KeyRing, digest, new_key, table
from rag.settings import Settings


def ring(settings: Settings, folder: Path, text: str, **changes: object) -> KeyRing:
    file = folder / "keys.toml"
    file.write_text(text)
    return KeyRing(settings.model_copy(update={"keys_file": file, **changes}))


def test_a_key_brings_its_name_groups_and_budget(settings: Settings, tmp_path: Path) -> None:
    key = new_key()
    table = f'[keys.intranet]\nsha256 = "{digest(key)}"\ngroups = ["everyone", "hr"]\nmax_usd_per_day = 2.5\n'
    caller = ring(settings, tmp_path, table).caller(key)
    assert (caller.name, caller.reader.groups) == ("intranet", {"everyone", "hr"})
    assert caller.max_usd_per_day == 2.5


def test_a_key_without_a_budget_of_its_own_has_the_common_one(settings: Settings, tmp_path: Path) -> None:
    key = new_key()
    keys = ring(settings, tmp_path, f'[keys.a]\nsha256 = "{digest(key)}"\n', max_usd_per_day=1.0)
    assert keys.caller(key).max_usd_per_day == 1.0
    assert keys.caller("").max_usd_per_day == 1.0


def test_a_wrong_key_is_refused_though_none_is_needed(settings: Settings, tmp_path: Path) -> None:
    keys = ring(settings, tmp_path, f'[keys.a]\nsha256 = "{digest(new_key())}"\n')
    assert keys.caller("").name == "anonymous"
    with pytest.raises(Unauthorised):
        keys.caller(new_key())


def test_where_keys_are_required_nobody_asks_without_one(settings: Settings) -> None:
    with pytest.raises(Unauthorised, match="Bearer"):
        KeyRing(settings.model_copy(update={"require_key": True})).caller("")


@pytest.mark.parametrize(
    "table",
    [
        "not toml",
        "[keys.a]\nsha256 = 'abc'\n",
        "[keys.a]\nsecret = 1\n",
        f"[keys.anonymous]\nsha256 = '{'0' * 64}'\n",
        f"[keys.a]\nsha256 = '{'0' * 64}'\n[keys.b]\nsha256 = '{'0' * 64}'\n",
    ],
)
def test_a_malformed_file_is_an_error_that_names_the_setting(
    settings: Settings, tmp_path: Path, table: str
) -> None:
    with pytest.raises(SettingsError, match="RAG_KEYS_FILE"):
        ring(settings, tmp_path, table)


def test_an_access_group_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="group"):
        table("a", new_key(), ["hr", " "], None)
