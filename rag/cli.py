"""The `rag` command: serve, ask, batch, search, gaps, eval, doctor, models, key, token."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rag import ask_cli, batch_cli, eval_cli, gaps_cli
from rag.ask_cli import (
    CollectionOption,
    DocumentOption,
    JsonOption,
    check_question,
    filters_of,
    open_here,
    place,
)
from rag.errors import InvalidRequest, SettingsError
from rag.terminal import (
    MISUSED,
    err,
    fail,
    log_for_operators,
    options,
    out,
    plain,
    print_json,
    quiet_libraries,
    run,
    settings_or_exit,
)

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
app.add_typer(eval_cli.app, name="eval")


app.callback()(options)


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
    log_for_operators()
    update = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    sys.exit(serve_http(settings.model_copy(update=update)))


app.command(epilog=ask_cli.EXAMPLES)(ask_cli.ask)
app.command(epilog=batch_cli.EXAMPLES)(batch_cli.batch)
app.command(epilog=gaps_cli.EXAMPLES)(gaps_cli.gaps)


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
    check_question(query, "QUERY")

    async def work() -> None:
        async with open_here() as service:
            filters = await filters_of(service, document, collection)
            found = await service.retriever.search(query, service.reader, filters, limit)
        if json:
            print_json(found.model_dump(mode="json"))
            return
        for number, hit in enumerate(found.hits, 1):
            out.print(
                f"[bold]{number}. {place(hit.title, hit.headings, hit.page)}[/]  [dim]{plain(hit.uri)}[/]"
            )
            out.print(plain(" ".join(hit.text.split())[:300]) + "\n")
        if found.notice:
            err.print(f"[yellow]{plain(found.notice)}[/]")
        if not found.hits:
            some = await service.store.visible_records(service.reader)
            err.print(
                "Nothing found." if some else "There are no documents: add some with `ingest add PATH`."
            )

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
def fetch_models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Built-in models. [those that the settings name]")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every built-in model.")] = False,
) -> None:
    """Download built-in models into the model cache and check every file."""
    from rag.models import catalogue, fetch

    settings = settings_or_exit()
    if unknown := [name for name in names or () if name not in catalogue()]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(catalogue())}")
    chosen = [catalogue()[name] for name in (catalogue() if every else names or ())]

    async def work() -> None:
        fetch(settings, lambda words: err.print(plain(words)), chosen or None)

    run(work)


@app.command(
    epilog="Example:\n\n  rag key intranet --group everyone --group hr --max-usd-per-day 5 >> keys.toml"
)
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is: the name on the account.")],
    group: Annotated[
        list[str] | None, typer.Option("--group", help="An access group it brings; repeatable. [everyone]")
    ] = None,
    max_usd_per_day: Annotated[
        float | None, typer.Option(metavar="DOLLARS", min=0, help="Most that it may spend in a day (UTC).")
    ] = None,
) -> None:
    """Make an API key: its table for RAG_KEYS_FILE on standard output, the key itself on standard error."""
    from rag.keys import new_key, table

    made = new_key()
    try:
        out.print(plain(table(name, made, group, max_usd_per_day)))
    except InvalidRequest as error:
        fail(error, MISUSED)
    err.print(f"The key, which is not stored anywhere: [bold]{made}[/]")


@app.command(epilog="Example:\n\n  rag token --sub anna --group everyone --group hr --minutes 10")
def token(
    sub: Annotated[str, typer.Option(help="Whom it stands for: user:SUB on the account.")],
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="An access group it brings; repeatable. [RAG_READER_GROUPS]"),
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, help="How long it is good for.")] = 10,
) -> None:
    """Sign a token for trying, as a host's token endpoint does for its users; needs RAG_TOKEN_SECRET."""
    from rag.tokens import sign

    settings = settings_or_exit()
    try:
        typer.echo(sign(settings, sub, group, minutes))  # on one line, however narrow the terminal
    except (InvalidRequest, SettingsError) as error:
        fail(error, MISUSED)


def main() -> None:
    """Entry point of `rag`."""
    app()
