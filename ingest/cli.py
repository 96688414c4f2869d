"""The `ingest` command: documents in, documents out."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated, Any

import typer
from rich.table import Table

from rag.documents import EVERYONE, DocumentRecord
from rag.errors import NotFound
from rag.terminal import (
    FAILED,
    counted,
    err,
    options,
    out,
    plain,
    print_json,
    quiet_libraries,
    run,
    settings_or_exit,
)

app = typer.Typer(
    name="ingest",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Bring documents into Citebox: parse, chunk, embed, store.\n\n"
    "PDF, Markdown, HTML, DOCX, plain text and source code. Files that cannot be read are named with the "
    "reason and the rest goes in. What is unchanged costs nothing, and an interrupted run is finished by the "
    "next one.",
    epilog="Examples:\n\n"
    "  ingest add handbook.pdf policies/        a file and a folder\n\n"
    "  ingest add 'docs/**/*.md' --collection wiki\n\n"
    "  ingest list\n\n"
    "  ingest remove handbook.pdf",
)

WIDE = 500
"""Columns of a table that goes into a pipe."""
INTERRUPTED = "Interrupted. What was done is whole; the same command finishes the rest."
BATCH_GOES_ON = f"{INTERRUPTED} A batch that was sent goes on at Claude, and is fetched then."
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for machines.")]
DocumentArgument = Annotated[
    str,
    typer.Argument(
        metavar="DOCUMENT", help="Its id, path, URI, file name (with or without its end) or title."
    ),
]


app.callback()(options)


@app.command(
    epilog="Examples:\n\n  ingest add data/library\n\n"
    "  ingest add report.pdf --group finance --group board\n\n"
    "  ingest add 'docs/**/*.md' --json | jq .failed\n\n"
    "  ingest add handbook/ --contextualize now\n\n"
    "  ingest add archive/ --contextualize batch --yes --max-usd 2"
)
def add(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files, folders or quoted globs.")],
    collection: Annotated[
        str | None, typer.Option(help="The collection they belong to. \\[default: as before, else 'default']")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            help=f"An access group that may read them; repeatable. \\[default: as before, else '{EVERYONE}']"
        ),
    ] = None,
    contextualize: Annotated[
        str | None,
        typer.Option(
            metavar="batch|now|off",
            help="Have Claude write a sentence or two for each chunk that place it in its document. It is "
            "then found by them too, and shown without them. batch: half price, up to a day; now: at once; "
            "off: take them out again. \\[default: as before, and nobody is asked]",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Contexts: start without asking.")] = False,
    max_usd: Annotated[
        float | None,
        typer.Option(
            metavar="DOLLARS",
            min=0,
            help="Contexts: stop before more than this is spent; the rest goes in without.",
        ),
    ] = None,
    poll: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=1, help="Contexts: how often to look whether a batch is done."),
    ] = 30.0,
    json: JsonOption = False,
) -> None:
    """Add files, or bring changed ones up to date. Exit code 1 when anything failed.

    With --contextualize the cost is shown, and agreed to, before anything is sent or goes in.

    What was paid for is kept: the same command again goes on where it stopped, and pays only for what is new.
    """
    from ingest.contexts_cli import prepared
    from ingest.pipeline import Placement
    from ingest.progress import show_progress, summary
    from ingest.report import Report
    from ingest.run import add as ingest_paths

    settings = settings_or_exit()
    choice, contextualizer = prepared(settings, contextualize, yes=yes, max_usd=max_usd, poll=poll)
    quiet_libraries()
    report = Report()
    if contextualizer is not None:
        report.contexts = contextualizer.report()
    placement = Placement(collection, tuple(group) if group else None)
    with show_progress(name_failures=json) as watcher:
        code = 0
        try:
            run(
                lambda: ingest_paths(
                    settings,
                    paths,
                    placement,
                    watcher,
                    report,
                    contexts=choice,
                    contextualizer=contextualizer,
                ),
                interrupted=BATCH_GOES_ON if choice == "batch" else INTERRUPTED,
            )
        except SystemExit as ended:
            code = int(ended.code or 0)
        except Exception:  # a fault of our own: what was done is reported all the same
            err.print_exception()
            code = FAILED
    if json:
        print_json(report.as_json())
    elif not (report.outcomes or report.skipped or report.spent or code or report.error):
        err.print("There is no file to add.")
    elif report.outcomes or report.spent or not (code or report.error):
        # Else zeros below an error would say that nothing failed.
        summary(report)
    missed = report.contexts is not None and report.contexts.failed
    sys.exit(code or (FAILED if report.failed or report.error or missed else 0))


@app.command("list", epilog="Example:\n\n  ingest list --json | jq -r '.[].title'")
def list_documents(json: JsonOption = False) -> None:
    """List the documents that are in, and those that failed."""
    records = _records()
    if json:
        print_json([_listed(record) for record in records])
        return
    if not records:
        err.print("No documents yet. Add some: ingest add PATH…")
        return
    table = Table(box=None, pad_edge=False)
    names = Counter(record.name for record in records)
    for name in ("document", "title", "state"):
        table.add_column(name, overflow="fold")
    for name in ("pages", "chunks"):
        table.add_column(name, justify="right")
    for record in records:
        state = (
            "[green]ready[/]" if record.state == "ready" else f"[red]failed[/]: {plain(record.failure or '')}"
        )
        name = record.name if names[record.name] == 1 else record.uri
        table.add_row(plain(name), plain(record.title), state, str(record.pages), str(record.chunks))
    # In a pipe a document is a line, however long it is.
    out.print(table, width=None if out.is_terminal else WIDE)


@app.command(epilog="Examples:\n\n  ingest show handbook.pdf\n\n  ingest show handbook.pdf --text | less")
def show(
    document: DocumentArgument,
    text: Annotated[bool, typer.Option("--text", help="Print the stored text instead.")] = False,
    chunks: Annotated[bool, typer.Option("--chunks", help="Print each chunk with its place.")] = False,
    json: JsonOption = False,
) -> None:
    """Show one document: where it came from, its version, its state; its text or chunks if asked."""
    if text and chunks:
        raise typer.BadParameter("choose --text or --chunks", param_hint="--text")

    async def work() -> None:
        from ingest.contexts_cli import contexts_of
        from ingest.run import open_index
        from rag.store.files import FileStore

        async with open_index(settings) as store:
            record = _find(await store.records(), document)
            details: dict[str, Any] = {**_listed(record), **record.model_dump(mode="json")}
            if (text or chunks) and record.version is None:
                raise NotFound(f"{record.name} never went in: {record.failure}")
            if text and record.version:
                stored = await FileStore(settings).text(record.id, record.version)
                print_json(details | {"text": stored}) if json else sys.stdout.write(stored + "\n")
                return
            if chunks and record.version:
                found = await store.document_chunks(record.id, record.version)
                contexts = await contexts_of(settings, record, found)
                if json:
                    chunks_shown = [
                        chunk.model_dump(mode="json") | {"context": contexts.get(chunk.position)}
                        for chunk in found
                    ]
                    print_json(details | {"chunks": chunks_shown})
                    return
                for chunk in found:
                    place = f"#{chunk.position} [{chunk.start}:{chunk.end}] page {chunk.page or '-'}"
                    out.print(f"[bold]{place}[/] {plain(' > '.join(chunk.headings))}")
                    if chunk.position in contexts:
                        out.print(f"[dim]context, not in the text: {plain(contexts[chunk.position])}[/]")
                    out.print(plain(chunk.text) + "\n")
                return
            if json:
                print_json(details)
                return
            if record.contexts is not None:
                by = ", ".join(dict.fromkeys(one.model for one in (record.contexts, *record.contexts.older)))
                details["contexts"] = f"{record.contexts.total} of {record.chunks} chunks, by {by}"
            for key, value in details.items():
                out.print(f"[bold]{key:20}[/] {plain(str(value))}")

    settings = settings_or_exit()
    quiet_libraries()
    run(work)


@app.command(epilog="Examples:\n\n  ingest remove handbook.pdf\n\n  ingest remove a.pdf b.pdf --yes")
def remove(
    documents: Annotated[
        list[str], typer.Argument(metavar="DOCUMENT…", help="Ids, paths, URIs or file names.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Take documents out of the index. The files they came from are not touched; `add` undoes it."""

    async def work() -> list[DocumentRecord]:
        from ingest.run import open_pipeline

        async with open_pipeline(settings) as (pipeline, store):
            records = await store.records()
            chosen = [_find(records, document) for document in documents]
            if not yes and sys.stdin.isatty():
                names = ", ".join(record.name for record in chosen)
                if not typer.confirm(f"Remove {names} from the index?", err=True):
                    return []
            for record in chosen:
                await pipeline.remove(record.id)
            return chosen

    settings = settings_or_exit()
    quiet_libraries()
    removed = run(work)
    if json:
        print_json({"removed": [_listed(record) for record in removed]})
    else:
        for record in removed:
            err.print(f"Removed {plain(record.name)} ({counted(record.chunks, 'chunk')})")


@app.command(epilog="Examples:\n\n  ingest doctor\n\n  ingest doctor --repair")
def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what an interrupted run has left behind.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check that every document is whole: its record, its chunks, its stored text. Exit code 1 on FAIL."""
    from ingest.doctor import examine
    from rag.doctor import print_checks

    settings = settings_or_exit()
    quiet_libraries()
    checks = run(lambda: examine(settings, repair=repair))
    sys.exit(print_checks(checks, as_json=json))


def _records() -> list[DocumentRecord]:
    async def work() -> list[DocumentRecord]:
        from ingest.run import open_index

        async with open_index(settings) as store:
            return await store.records()

    settings = settings_or_exit()
    quiet_libraries()
    return run(work)


def _find(records: list[DocumentRecord], wanted: str) -> DocumentRecord:
    """The one document that a person means by `wanted`."""
    from pathlib import Path

    from ingest.sources import uri_of
    from rag.document_names import find_document

    return find_document(records, wanted, uri_of(Path(wanted)))


def _listed(record: DocumentRecord) -> dict[str, Any]:
    fields = {"id", "uri", "title", "version", "state", "pages", "chunks", "sha256"}
    return record.model_dump(mode="json", include=fields) | (
        {"failure": record.failure} if record.failure else {}
    )


def main() -> None:
    """Entry point of `ingest`."""
    app()
