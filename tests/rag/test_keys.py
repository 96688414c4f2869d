"""Who asks: keys are known by their hashes, and bring groups and a budget."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest
from pydantic import SecretStr

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


# ---------------------------------------------------------------- a file that changes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def kept(settings: Settings, folder: Path, text: str) -> tuple[KeyRing, Path, Clock]:
    file, clock = folder / "keys.toml", Clock()
    file.write_text(text)
    return KeyRing(settings.model_copy(update={"keys_file": file}), clock), file, clock


def test_a_changed_file_counts_without_a_restart_and_is_looked_at_once_a_second(
    settings: Settings, tmp_path: Path
) -> None:
    old, new = new_key(), new_key()
    keys, file, clock = kept(settings, tmp_path, table("a", old, None, None))
    file.write_text(table("b", new, ["hr"], None) + "\n")
    assert keys.caller(old).name == "a"
    clock.now += 1.0
    assert keys.caller(new).reader.groups == {"hr"}
    with pytest.raises(Unauthorised):
        keys.caller(old)


@pytest.mark.parametrize("broken", ["not toml", "[keys.admin]\nsha256 = 'x'\n", None])
def test_a_file_that_cannot_be_used_any_more_changes_nothing_and_is_in_the_log(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str | None
) -> None:
    key = new_key()
    keys, file, clock = kept(settings, tmp_path, table("a", key, None, None))
    if broken is None:
        file.unlink()
    else:
        file.write_text(broken)
    for _ in range(3):
        clock.now += 1.0
        assert keys.caller(key).name == "a"
    assert caplog.text.count("the keys stay as they were") == 1
    file.write_text("revoked = ['anna']\n")
    clock.now += 1.0
    with pytest.raises(Unauthorised):
        keys.caller(key)


@pytest.mark.parametrize("name", ["user:anna", "origin:https://docs.example.com", "a b", ""])
def test_no_key_can_have_the_name_of_a_user_or_an_origin(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    with pytest.raises(SettingsError, match="cannot be the name of a key"):
        ring(settings, tmp_path, f"[keys.\"{name}\"]\nsha256 = '{'0' * 64}'\n")


def test_a_key_that_stands_in_place_of_its_hash_is_not_shown(settings: Settings, tmp_path: Path) -> None:
    key = new_key()
    with pytest.raises(SettingsError, match=r"keys\.a\.sha256") as refused:
        ring(settings, tmp_path, f'[keys.a]\nsha256 = "{key}"\n')
    assert key not in str(refused.value)


# ---------------------------------------------------------------- tokens and the public


SECRET = "a secret of the tests with more than 32 bytes"


@pytest.mark.parametrize(
    ("common", "own", "limit"), [(1.0, None, 1.0), (1.0, 0.5, 0.5), (1.0, 5.0, 1.0), (None, 5.0, 5.0)]
)
def test_a_token_lowers_the_common_budget_and_never_raises_it(
    settings: Settings, common: float | None, own: float | None, limit: float
) -> None:
    claims = {"sub": "anna", "aud": "citebox", "exp": int(time.time()) + 60}
    if own is not None:
        claims["max_usd_per_day"] = own
    known = settings.model_copy(update={"token_secret": SecretStr(SECRET), "max_usd_per_day": common})
    assert KeyRing(known).caller(jwt.encode(claims, SECRET, "HS256")).max_usd_per_day == limit


def test_the_public_of_an_origin_has_a_name_of_its_own_and_what_everyone_reads(settings: Settings) -> None:
    known = settings.model_copy(update={"reader_groups": ("public",), "max_usd_per_day": 2.0})
    caller = KeyRing(known).visitor("https://docs.example.com")
    assert (caller.name, caller.reader.groups) == ("origin:https://docs.example.com", {"public"})
    assert caller.max_usd_per_day == 2.0
