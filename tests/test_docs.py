"""The documents against the code: what they list is what there is, and what they show is what comes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import PydanticUndefined

import ingest.cli
import rag.cli
from ingest.report import Report
from rag.api import admin_questions, ask, documents, feedback, health, session, usage
from rag.api.app import create_app
from rag.api.problems import Problem
from rag.documents import Answer, Citation, DocumentRecord, Hit, Receipt, SearchResult
from rag.errors import CiteboxError
from rag.pictures.marks import Marks
from rag.settings import Settings, variable_of

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
API = (ROOT / "docs/api.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md"))),
]

FENCE = re.compile(r"(?:^<!-- (?P<name>\S+) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")

IN_PART = (Problem, health.Readiness, ask.AskRequest, ask.SearchRequest)
"""What need not have all of its fields: of some replies, those that are null are left out."""
SHOWN: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        Answer,
        Citation,
        DocumentRecord,
        SearchResult,
        Marks,
        Problem,
        ask.AskRequest,
        ask.SearchRequest,
        documents.Added,
        documents.DocumentList,
        documents.Source,
        health.Health,
        health.Readiness,
        usage.Usage,
        session.Session,
        feedback.FeedbackRequest,
        admin_questions.Questions,
        admin_questions.GapList,
    )
}
"""The names by which an example in the documents says what it is."""


@dataclass(frozen=True)
class Example:
    page: str
    name: str | None
    body: str


# ---------------------------------------------------------------- settings


def test_the_settings_table_of_the_readme_is_that_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/you")
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    expected = settings_table()
    assert rows_of(README, "Variable") == rows_of(expected, "Variable"), f"the table should be:\n{expected}"


def test_every_setting_says_what_it_means() -> None:
    assert [
        name for name, field in Settings.model_fields.items() if not (field.description or "").strip()
    ] == []


def settings_table() -> str:
    """The table as it belongs into the README."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        assert default is not PydanticUndefined, f"{name} has no default"
        lines.append(f"| `{variable_of(name)}` | {shown_default(default)} | {field.description} |")
    return "\n".join(lines)


def shown_default(value: object) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return f"`{str(value).lower()}`"
        case SecretStr():
            raise AssertionError("a secret has no default")
        case ():
            return "not set"
        case tuple():
            return f"`{','.join(value)}`"
        case Path():
            return f"`{str(value).replace('/home/you', '~')}`"
        case _:
            return f"`{value}`"


# ---------------------------------------------------------------- endpoints and errors


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"))).openapi()


def test_the_endpoints_of_the_api_page_are_those_of_the_service(openapi: Any) -> None:
    there = {f"{method.upper()} {path}" for path, methods in openapi["paths"].items() for method in methods}
    told = set(re.findall(r"^### `((?:GET|POST|PUT|PATCH|DELETE) /\S*)`$", API, re.M))
    assert told == there


def test_every_parameter_of_an_endpoint_is_on_the_api_page(openapi: Any) -> None:
    named = {
        parameter["name"]
        for methods in openapi["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    forms = {
        name
        for key, schema in openapi["components"]["schemas"].items()
        if key.startswith("Body_")
        for name in schema["properties"]
    }
    assert {name for name in named | forms if f"`{name}`" not in API} == set()


@pytest.mark.parametrize(
    "model",
    [
        Answer,
        Citation,
        Hit,
        DocumentRecord,
        SearchResult,
        Problem,
        ask.AskRequest,
        ask.SearchRequest,
        documents.Source,
        session.Session,
        Marks,
    ],
)
def test_every_field_is_on_the_api_page(model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in API] == []


def test_the_error_codes_of_the_api_page_are_those_of_the_code() -> None:
    there = {error.code: str(error.status) for error in errors(CiteboxError)}
    told = {row[0].strip("`"): row[1] for row in rows_of(API, "Code")}
    assert told == there


def errors(base: type[CiteboxError]) -> Iterator[type[CiteboxError]]:
    if base.__module__.startswith(("rag.", "ingest.")):
        yield base
    for derived in base.__subclasses__():
        yield from errors(derived)


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize(("program", "app"), [("ingest", ingest.cli.app), ("rag", rag.cli.app)])
def test_the_commands_and_options_of_the_guide_are_those_of_the_program(
    program: str, app: typer.Typer
) -> None:
    there = dict(commands(program, typer.main.get_command(app)))
    told = {}
    for command, options, *_ in rows_of(GUIDE, "Command"):
        words = command.strip("`").split()
        if words[0] == program:
            name = " ".join(word for word in words if re.fullmatch(r"[a-z-]+", word))
            told[name] = set(re.findall(r"`(-[^`\s]+)", options))
    assert told == there


def commands(path: str, command: Any) -> Iterator[tuple[str, set[str]]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        options = (option for option in command.params if option.param_type_name == "option")
        names = {name for option in options for name in (*option.opts, *option.secondary_opts)}
        yield path, names - {"--help"}
        return
    for name, each in inner.items():
        yield from commands(f"{path} {name}", each)


def test_the_two_commands_of_the_readme_are_what_the_gate_runs() -> None:
    gate = (ROOT / ".ci/run").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for command in ("make demo", "make test"):
        assert re.search(rf"^{command}\b", README, re.M)
        assert re.search(rf"^(?:[A-Z_]+=\S+ )*{command}\b", gate, re.M)
        assert command.removeprefix("make ") in targets


def test_every_make_target_that_a_page_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {
        target for page in PAGES for target in re.findall(r"\bmake ([a-z][a-z-]*)", code_of(page.read_text()))
    }
    assert named <= targets


def test_the_messages_of_the_guide_are_in_the_code() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "ingest").rglob("*.py")))
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    rows = rows_of(GUIDE, "Message")
    assert len(rows) > 10
    missing = [
        message
        for message, *_ in rows
        for part in message.strip("`").split("…")
        if part.strip() and part.strip() not in source
    ]
    assert missing == []


# ---------------------------------------------------------------- examples


def examples(language: str) -> list[Example]:
    return [
        Example(page.name, found["name"], found["body"])
        for page in PAGES
        for found in FENCE.finditer(page.read_text(encoding="utf-8"))
        if found["language"] == language
    ]


@pytest.mark.parametrize("example", examples("json"), ids=lambda example: f"{example.page}:{example.name}")
def test_an_example_of_json_is_what_it_says_it_is(example: Example) -> None:
    value = json.loads(example.body)
    if example.name == "Report":
        assert set(value) == set(Report().as_json())
        return
    assert example.name in SHOWN, "name the model on the line before: <!-- Answer -->"
    fits(SHOWN[example.name], value)


def test_the_readme_and_the_api_page_have_examples() -> None:
    assert {example.page for example in examples("json")} >= {"README.md", "api.md"}


def test_a_wrong_example_would_be_found() -> None:
    right = json.loads(next(example.body for example in examples("json") if example.name == "Answer"))
    fits(Answer, right)
    for wrong in (right | {"colour": "blue"}, {key: right[key] for key in right if key != "route"}):
        with pytest.raises((ValidationError, AssertionError)):
            fits(Answer, wrong)


def test_what_curl_sends_in_the_examples_is_a_request() -> None:
    bodies = [
        (path, json.loads(body))
        for example in examples("sh")
        for path, body in re.findall(r"(/v1/\w+)[^\n]*?(?:\\\n[^\n]*?)?-d '([^']*)'", example.body)
    ]
    assert {path for path, _ in bodies} >= {"/v1/ask", "/v1/search"}
    for path, body in bodies:
        fits({"/v1/ask": ask.AskRequest, "/v1/search": ask.SearchRequest}[path], body)


def test_the_transcript_of_a_stream_is_one_that_the_service_could_send() -> None:
    [transcript] = [example.body for example in examples("text") if "event: done" in example.body]
    events = [
        (found[1], json.loads(found[2]))
        for found in re.finditer(r"^event: (\w+)\ndata: (.*)$", transcript, re.M)
    ]
    names = [name for name, _ in events]
    assert names[0] == "sources"
    assert names[-1] == "done"
    assert set(names) == {"sources", "delta", "citation", "done"}
    sources, done = events[0][1], events[-1][1]
    hits = [Hit.model_validate(hit) for hit in sources["hits"]]
    fits(Answer, done)
    assert set(sources) == {"hits", "route"}
    assert "".join(data["text"] for name, data in events if name == "delta") == done["text"]
    assert [data for name, data in events if name == "citation"] == done["citations"]
    for citation in done["citations"]:
        [hit] = [hit for hit in hits if hit.chunk_id == citation["chunk_id"]]
        assert hit.text[citation["start"] - hit.start : citation["end"] - hit.start] == citation["quote"]


def fits(model: type[BaseModel], value: Any) -> None:
    """The value is one of this model, with no field that it does not have, and all that a reply has."""
    model.model_validate(value)
    assert set(value) <= set(model.model_fields), f"{set(value) - set(model.model_fields)} are not fields"
    if model in IN_PART:
        return
    assert set(value) == set(model.model_fields), f"{set(model.model_fields) - set(value)} are missing"
    if model is Answer:
        fits(Receipt, value["receipt"])


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_the_pages_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        goal = (page.parent / path) if path else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_is_there(page: Path) -> None:
    shown = PICTURE.findall(page.read_text(encoding="utf-8"))
    assert [target for target in shown if not (page.parent / target).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_a_place_that_waits_to_be_filled(page: Path) -> None:
    assert not re.search(r"@@|TODO|TBD|XXX", page.read_text("utf-8"))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 180


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# ---------------------------------------------------------------- reading Markdown


def rows_of(text: str, first_column: str) -> list[list[str]]:
    """The rows of every table whose first column has this name."""
    rows: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first_column:
            inside = True
        elif inside and not set(line) <= set("|-: "):
            rows.append(cells)
    return rows


def code_of(text: str) -> str:
    """The code of a page, in blocks and in lines."""
    blocks = [found["body"] for found in FENCE.finditer(text)]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])
