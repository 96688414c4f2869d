"""What the containers are made of: read, not built. docs/operations.md says what was checked besides."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag.settings import PREFIX, Settings, load_settings, variable_of

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    (word.upper(), rest)
    for word, _, rest in (
        line.partition(" ")
        for line in re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M)).splitlines()
    )
    if word.strip()
]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
KNOWN = {variable_of(name) for name in Settings.model_fields}
SECRETS = {
    variable_of(name) for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
}
TAG = re.compile(r"\d+\.\d+")
LOOKS_SECRET = re.compile(r"sk-ant-|[A-Za-z0-9+/_-]{32,}")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No setting of whoever runs the tests, from the environment or a file."""
    for name in [name for name in os.environ if name.startswith(PREFIX) or name in KNOWN]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def settings_of(clean: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    for name, value in variables.items():
        clean.setenv(name, value)
    return load_settings()


def last_stage() -> list[tuple[str, str]]:
    starts = [index for index, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM"]
    return INSTRUCTIONS[starts[-1] :]


def example_variables() -> dict[str, str]:
    """Each variable of .env.example, those that are commented out too, with its value."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.M))


# ---------------------------------------------------------------- images


@pytest.mark.parametrize("image", [service["image"] for service in SERVICES.values()])
def test_an_image_of_compose_is_pinned_to_a_version(image: str) -> None:
    assert pinned(image)


@pytest.mark.parametrize("image", [rest.split()[0] for word, rest in INSTRUCTIONS if word == "FROM"])
def test_a_base_of_the_dockerfile_is_pinned_to_a_version(image: str) -> None:
    assert pinned(image)


@pytest.mark.parametrize(
    "image", ["qdrant/qdrant", "qdrant/qdrant:latest", "host:5000/qdrant", "python:slim"]
)
def test_a_moving_image_would_be_found(image: str) -> None:
    assert not pinned(image)


def pinned(image: str) -> bool:
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return bool(colon) and "latest" not in tag and TAG.search(tag) is not None


# ---------------------------------------------------------------- the Dockerfile


def test_the_image_runs_as_a_user_without_rights() -> None:
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users
    assert users[-1].split(":")[0].isdigit()
    assert int(users[-1].split(":")[0]) >= 1000


def test_the_image_says_whether_it_lives() -> None:
    [check] = [rest for word, rest in last_stage() if word == "HEALTHCHECK"]
    assert "/healthz" in check
    assert "curl" not in check


def test_the_image_holds_the_models_and_takes_its_data_from_a_volume() -> None:
    variables = image_environment()
    assert variables["RAG_DATA_DIR"] in [rest for word, rest in last_stage() if word == "VOLUME"]
    assert any(word == "RUN" and "rag models fetch" in rest for word, rest in INSTRUCTIONS)
    assert f"COPY --from=build {variables['RAG_MODELS_DIR']} {variables['RAG_MODELS_DIR']}" in DOCKERFILE


def test_the_settings_of_the_image_are_settings(clean: pytest.MonkeyPatch) -> None:
    variables = {name: value for name, value in image_environment().items() if name.startswith(PREFIX)}
    assert settings_of(clean, variables).host == variables["RAG_HOST"]
    assert set(variables) <= KNOWN - SECRETS


def test_what_the_image_copies_is_let_through_to_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = {
        name
        for word, rest in INSTRUCTIONS
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
    }
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


def image_environment() -> dict[str, str]:
    pairs = [pair for word, rest in last_stage() if word == "ENV" for pair in shlex.split(rest)]
    return dict(pair.split("=", 1) for pair in pairs)


# ---------------------------------------------------------------- compose


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_open_to_this_machine_only(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert [port for port in ports if not str(port).startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "ipc"}


def test_the_service_waits_until_qdrant_can_answer() -> None:
    assert SERVICES["citebox"]["depends_on"]["qdrant"]["condition"] == "service_healthy"
    assert "/readyz" in " ".join(SERVICES["qdrant"]["healthcheck"]["test"])


def test_both_keep_what_they_store_in_named_volumes() -> None:
    for name, folder in (("qdrant", "/qdrant/storage"), ("citebox", "/data")):
        mounted = dict(reversed(entry.split(":")[:2]) for entry in SERVICES[name]["volumes"])
        assert mounted[folder] in COMPOSE["volumes"]


def test_the_settings_of_the_service_are_settings(clean: pytest.MonkeyPatch) -> None:
    given = SERVICES["citebox"]["environment"]
    assert set(given) <= KNOWN
    assert settings_of(clean, given).qdrant_url == "http://qdrant:6333"


def test_qdrant_asks_for_the_key_that_the_service_sends() -> None:
    key = SERVICES["qdrant"]["environment"]["QDRANT__SERVICE__API_KEY"]
    assert key.startswith("${RAG_QDRANT_API_KEY:?")
    assert ".env" in SERVICES["citebox"]["env_file"]


# ---------------------------------------------------------------- the environment


def test_the_variables_of_the_example_are_settings() -> None:
    assert set(example_variables()) <= KNOWN


def test_the_example_names_every_secret_and_gives_none() -> None:
    variables = example_variables()
    assert set(variables) >= SECRETS
    assert {name: variables[name] for name in SECRETS if variables[name]} == {}


def test_the_example_can_be_used_as_it_is(clean: pytest.MonkeyPatch) -> None:
    plain = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.M))
    assert settings_of(clean, plain).admin_key is None


def test_the_lines_of_the_example_that_are_commented_out_can_be_used(clean: pytest.MonkeyPatch) -> None:
    settings_of(clean, example_variables())


def test_every_variable_of_the_example_has_a_line_that_says_what_it_is_for() -> None:
    lines = EXAMPLE.splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if re.match(r"#?[A-Z][A-Z0-9_]*=", line) and not before.startswith("# ")
    ]
    assert bare == []


@pytest.mark.parametrize("name", ["docker-compose.yml", "Dockerfile", ".env.example", ".dockerignore"])
def test_no_file_holds_what_looks_like_a_secret(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert looks_secret(text) == []


def test_a_secret_would_be_found() -> None:
    assert looks_secret("ANTHROPIC_API_KEY=sk-ant-api03-x")
    assert looks_secret("RAG_ADMIN_KEY=0f3c9a0e6d0f5d3c9f0e1f6f0c7f9b11d2")


def looks_secret(text: str) -> list[str]:
    # Without a digit it is a path or a long word.
    return [word for word in LOOKS_SECRET.findall(text) if word.startswith("sk-") or re.search(r"\d", word)]
