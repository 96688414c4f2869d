"""The `rag` command: serve, ask, search, doctor, models."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rag.errors import SettingsError
from rag.terminal import (
    FAILED,
    busy,
    err,
    out,
    plain,
    print_json,
    quiet_libraries,
    run,
    settings_or_exit,
)

if TYPE_CHECKING:
    from rag.answering import Question
    from rag.documents import Answer, Citation, Filters
    from rag.routing import Mode
    from rag.service import Service

app = typer.Typer(
    name="rag",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Ask your documents and get answers that can be checked.\n\n"
    "With ANTHROPIC_API_KEY set, Claude answers; without it, the sentences that answer are quoted. "
    "Documents go in by the `ingest` command.",
    epilog="Examples:\n\n  rag serve\n\n  rag ask 'How long are backups kept?'\n\n"
    "  rag search 'backup retention' --limit 3\n\n  rag doctor",
)
models_app = typer.Typer(no_args_is_help=True, help="The built-in models: list them, fetch them.")
app.add_typer(models_app, name="models")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for machines.")]
DocumentOption = Annotated[
    list[str] | None, typer.Option("--document", help="Only this document (id); repeatable.")
]
CollectionOption = Annotated[
    list[str] | None, typer.Option("--collection", help="Only this collection; repeatable.")
]


@app.command(epilog="Examples:\n\n  rag serve\n\n  RAG_PORT=9000 rag serve")
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: RAG_HOST]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on. [default: RAG_PORT]")
    ] = None,
) -> None:
    """Serve the search page at / and the HTTP API at /v1, until Ctrl-C."""
    from rag.api.server import serve as serve_http

    settings = settings_or_exit()
    quiet_libraries()
    update = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    sys.exit(serve_http(settings.model_copy(update=update)))


@app.command(
    epilog="Examples:\n\n  rag ask 'Who may read the audit log?'\n\n"
    "  rag ask 'Summarise the security policy' --mode thorough\n\n"
    "  rag ask 'How long are backups kept?' --json"
)
def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    mode: Annotated[str, typer.Option(help="auto, fast (Haiku) or thorough (Sonnet).")] = "auto",
    document: DocumentOption = None,
    collection: CollectionOption = None,
    json: JsonOption = False,
) -> None:
    """Answer a question from the documents, with citations. Exit code 0 also when they do not hold it."""
    if mode not in ("auto", "fast", "thorough"):
        raise typer.BadParameter("choose auto, fast or thorough", param_hint="--mode")
    if not question.strip():
        raise typer.BadParameter("the question is empty", param_hint="QUESTION")

    async def work() -> Answer:
        from rag.answering import Question

        async with _service() as service:
            asked = Question(question, service.reader, cast("Mode", mode), _filters(document, collection))
            return await (service.answerer.answer(asked) if json else _stream(service, asked))

    answer = run(work)
    if json:
        print_json(answer.model_dump(mode="json"))


@app.command(
    epilog="Examples:\n\n  rag search 'backup retention'\n\n  rag search retention --json | jq '.hits[].uri'"
)
def search(
    query: Annotated[str, typer.Argument(help="Words or a question, in quotes.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many passages.")] = 5,
    document: DocumentOption = None,
    collection: CollectionOption = None,
    json: JsonOption = False,
) -> None:
    """Find the best passages, without an answer."""
    if not query.strip():
        raise typer.BadParameter("the query is empty", param_hint="QUERY")

    async def work() -> None:
        async with _service() as service:
            found = await service.retriever.search(
                query, service.reader, _filters(document, collection), limit
            )
        if json:
            print_json(found.model_dump(mode="json"))
            return
        for number, hit in enumerate(found.hits, 1):
            out.print(
                f"[bold]{number}. {_place(hit.title, hit.headings, hit.page)}[/]  [dim]{plain(hit.uri)}[/]"
            )
            out.print(plain(" ".join(hit.text.split())[:300]) + "\n")
        if not found.hits:
            err.print("Nothing found.")

    run(work)


@app.command(epilog="Example:\n\n  rag doctor --json | jq '.[] | select(.state != \"OK\")'")
def doctor(json: JsonOption = False) -> None:
    """Check each thing that can be wrong: OK, WARN or FAIL, and the remedy. Exit code 1 on FAIL."""
    from rag.doctor import examine, print_checks, unusable
    from rag.settings import load_settings

    quiet_libraries()
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(print_checks([unusable(error)], as_json=json))
    sys.exit(print_checks(run(lambda: examine(settings)), as_json=json))


@models_app.command("list")
def list_models(json: JsonOption = False) -> None:
    """The built-in models: role, dimension, licence, origin, and whether they are here."""
    from rag.models import catalogue, verify

    settings = settings_or_exit()
    rows = [
        model.model_dump(include={"name", "role", "dimension", "licence", "origin"})
        | {"present": not verify(model, settings.models_dir / model.name)}
        for model in catalogue().values()
    ]
    if json:
        print_json(rows)
        return
    for row in rows:
        state = "present" if row["present"] else "missing"
        out.print(f"[bold]{row['name']}[/] {row['role']}, {row['licence']}, {state}: {row['origin']}")


@models_app.command("fetch")
def fetch_models() -> None:
    """Download the built-in models into the model cache and check every file."""

    async def work() -> None:
        from rag.models import fetch

        fetch(settings, lambda words: err.print(plain(words)))

    settings = settings_or_exit()
    run(work)


@asynccontextmanager
async def _service() -> AsyncIterator[Service]:
    settings = settings_or_exit()
    quiet_libraries()
    from rag.service import open_service

    async with AsyncExitStack() as stack:
        with busy("Loading the models"):
            service = await stack.enter_async_context(open_service(settings))
        yield service


async def _stream(service: Service, asked: Question) -> Answer:
    """Print an answer as it comes, then its citations and the receipt."""
    from rag.answering import Delta, Done

    streamed, answer = "", None
    async for event in service.answerer.stream(asked):
        if isinstance(event, Delta):
            streamed += event.text
            sys.stdout.write(_safe(event.text))
            sys.stdout.flush()
        elif isinstance(event, Done):
            answer = event.answer
    if answer is None:
        sys.exit(FAILED)
    if streamed.strip() != answer.text:
        sys.stdout.write(("\n\n" if streamed else "") + _safe(answer.text))
    out.print("\n")
    for citation in answer.citations:
        out.print(_cited(citation))
    if answer.nearest:
        out.print("Nearest documents:")
        for near in answer.nearest:
            out.print(f"  - {_place(near.title, near.headings, near.page)}  [dim]{plain(near.uri)}[/]")
    if answer.notice:
        err.print(f"[yellow]{plain(answer.notice)}[/]")
    receipt = answer.receipt
    spent = (
        f"${receipt.usd:.5f}, {receipt.input_tokens}+{receipt.output_tokens} tokens, " if receipt.usd else ""
    )
    took = sum(receipt.stages_ms.values()) / 1000
    err.print(f"[dim]{answer.route.model}: {answer.route.reason} ({spent}{took:.1f} s)[/]")
    return answer


def _cited(citation: Citation) -> str:
    quote = " ".join(citation.quote.split())
    place = _place(citation.title, citation.headings, citation.page)
    return (
        f"[bold]{plain(f'[{citation.marker}]')}[/] {place}  [dim]{plain(citation.uri)}[/]\n    {plain(quote)}"
    )


def _place(title: str, headings: tuple[str, ...], page: int | None) -> str:
    parts = [title, *(part for part in headings if part != title)]
    return plain(" > ".join(parts)) + (f", page {page}" if page else "")


def _safe(text: str) -> str:
    """Text of a document or model without control characters, which could steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _filters(documents: list[str] | None, collections: list[str] | None) -> Filters:
    from rag.documents import Filters

    return Filters(document_ids=tuple(documents or ()), collections=tuple(collections or ()))


def main() -> None:
    """Entry point of `rag`."""
    app()
