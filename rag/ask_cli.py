"""`rag ask`, and what it shares with the other commands that open the service."""

from __future__ import annotations

import json as json_module
import logging
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rag.documents import LONGEST_QUESTION
from rag.terminal import FAILED, busy, err, out, plain, print_json, quiet_libraries, run, settings_or_exit

if TYPE_CHECKING:
    from rag.asking import Asked
    from rag.documents import Answer, Citation, Filters, Receipt, ShortAnswer
    from rag.routing import Mode
    from rag.service import Service
    from rag.settings import Settings

EXAMPLES = (
    "Examples:\n\n  rag ask 'Who may read the audit log?'\n\n"
    "  rag ask 'Summarise the security policy' --mode thorough\n\n"
    "  rag ask 'How long are backups kept?' --json"
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for machines.")]
DocumentOption = Annotated[
    list[str] | None, typer.Option("--document", help="Only this document: id, path or name; repeatable.")
]
CollectionOption = Annotated[
    list[str] | None, typer.Option("--collection", help="Only this collection; repeatable.")
]


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    mode: Annotated[str, typer.Option(help="auto, fast (Haiku) or thorough (Sonnet).")] = "auto",
    document: DocumentOption = None,
    collection: CollectionOption = None,
    conversation: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Go on with this conversation; `new` begins one and prints its id."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out sentences that their citations do not support.")
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Let a stronger model check the answer against its sources.")
    ] = False,
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON Schema of the value to extract in place of prose."),
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option(metavar="DOLLARS", min=0, help="Most that the answer may cost.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Answer a question from the documents, with citations. Exit code 0 also when they do not hold it."""
    if mode not in ("auto", "fast", "thorough"):
        raise typer.BadParameter("choose auto, fast or thorough", param_hint="--mode")
    check_question(question, "QUESTION")
    if review and schema:
        raise typer.BadParameter("it checks sentences; --schema asks for a value", param_hint="--review")
    wanted = None if schema is None else _schema(schema)

    async def work() -> Answer:
        from rag.asking import Asked

        async with open_here() as service:
            asked = Asked(
                question,
                mode=cast("Mode", mode),
                filters=await filters_of(service, document, collection),
                strict=strict,
                review=review,
                schema=wanted,
                max_usd=max_usd,
                conversation_id=conversation,
            )
            return await (service.desk.answer(asked, service.caller) if json else _stream(service, asked))

    answer = run(work)
    if json:
        print_json(answer.model_dump(mode="json"))


def check_question(question: str, hint: str) -> None:
    """Refuse what no door takes for a question."""
    if not question.strip():
        raise typer.BadParameter("it is empty", param_hint=hint)
    if len(question) > LONGEST_QUESTION:
        raise typer.BadParameter(f"it is longer than {LONGEST_QUESTION} characters", param_hint=hint)


@asynccontextmanager
async def open_here(settings: Settings | None = None) -> AsyncIterator[Service]:
    """The service, opened in this process; with the settings of the environment unless given."""
    settings = settings or settings_or_exit()
    quiet_libraries(logging.ERROR)  # what a warning says, the notice of the answer says too
    from rag.service import open_service

    async with AsyncExitStack() as stack:
        with busy("Loading the models"):
            service = await stack.enter_async_context(open_service(settings))
        yield service


async def filters_of(service: Service, documents: list[str] | None, collections: list[str] | None) -> Filters:
    """What a question is limited to; documents by id, path or name.

    Raises:
        InvalidRequest, NotFound: no document, or more than one, is called so; or a collection holds none.
    """
    from rag.document_names import expect_collections, find_document
    from rag.documents import Filters
    from rag.errors import NotFound

    records = await service.store.visible_records(service.reader) if documents or collections else []
    expect_collections(records, collections or ())
    found = [find_document(records, wanted) for wanted in documents or ()]
    for record in found:
        if record.version is None:
            raise NotFound(f"{record.name} never went in: {record.failure}")
    ids = tuple(record.id for record in found)
    return Filters(document_ids=ids, collections=tuple(collections or ()))


def place(title: str, headings: tuple[str, ...], page: int | None) -> str:
    parts = [title, *(part for part in headings if part != title)]
    return plain(" > ".join(parts)) + (f", page {page}" if page else "")


async def _stream(service: Service, asked: Asked) -> Answer:
    """Print an answer as it comes, then its citations and the receipt."""
    from rag.events import Delta, Done, Progress

    streamed, answer = "", None
    async for event in service.desk.stream(asked, service.caller):
        if isinstance(event, Delta):
            streamed += event.text
            sys.stdout.write(_safe(event.text))
            sys.stdout.flush()
        elif isinstance(event, Progress):
            err.print(f"[dim]Read {event.done} of {event.total} parts ({plain(event.title)})[/]")
        elif isinstance(event, Done):
            answer = event.answer
    if answer is None:
        sys.exit(FAILED)
    if streamed.strip() != answer.text:
        if streamed:
            err.print("\n[yellow]What was written so far does not stand; this is the answer:[/]")
        sys.stdout.write(_safe(answer.text))
    sys.stdout.write("\n")
    sys.stdout.flush()
    _print_proof(answer)
    err.print(f"[dim]{plain(receipt_line(answer.receipt))}[/]")
    return answer


def _print_proof(answer: Answer) -> None:
    """Citations, doubts, nearest documents and notices: all that lets a reader check the answer."""
    out.print()
    if answer.data is not None:
        print_json(answer.data)
    for citation in answer.citations:
        out.print(_cited(citation, answer.short_answer))
    for one in answer.grounding.sentences if answer.grounding else ():
        if not one.supported:
            why = f": {one.reason}" if one.reason else ""
            err.print(f"[yellow]Not supported by its citations:[/] {plain(one.text)}[dim]{plain(why)}[/]")
    for text in answer.grounding.removed if answer.grounding else ():
        err.print(f"[yellow]Left out, not supported:[/] {plain(text)}")
    if answer.nearest:
        out.print("Nearest documents:")
        for near in answer.nearest:
            out.print(f"  - {place(near.title, near.headings, near.page)}  [dim]{plain(near.uri)}[/]")
    if answer.question:
        err.print(f"[dim]Understood as: {plain(answer.question)}[/]")
    if answer.notice:
        err.print(f"[yellow]{plain(answer.notice)}[/]")
    if answer.conversation_id:
        err.print(f"[dim]Go on with --conversation {plain(answer.conversation_id)}[/]")


def receipt_line(receipt: Receipt) -> str:
    """The receipt in one line: who answered and why, tokens, dollars, time, chunks."""
    took = sum(receipt.stages_ms.values()) / 1000
    parts = [f"{took:.1f} s"]
    if receipt.cached:
        parts.append("from the cache")
    if receipt.charges:
        cached = f" ({receipt.cache_read_tokens} cached)" if receipt.cache_read_tokens else ""
        read = receipt.input_tokens + receipt.cache_read_tokens + receipt.cache_write_tokens
        parts.append(f"{read}{cached} tokens in, {receipt.output_tokens} out")
    parts.append(f"${receipt.usd:.5f}")
    parts.append(
        f"chunks: {receipt.chunks_retrieved} found, {receipt.chunks_sent} sent, {receipt.chunks_cited} cited"
    )
    return f"{receipt.model}: {receipt.reason} ({'; '.join(parts)})"


def _cited(citation: Citation, short: ShortAnswer | None) -> str:
    """A citation with its quote, in which the short answer stands out."""
    quote = plain(" ".join(citation.quote.split()))
    if short is not None and short.marker == citation.marker:
        first, last = short.start - citation.start, short.end - citation.start
        parts = (citation.quote[:first], citation.quote[first:last], citation.quote[last:])
        before, words, after = (plain(re.sub(r"\s+", " ", part)) for part in parts)
        quote = f"{before}[bold underline]{words}[/]{after}"
    where = place(citation.title, citation.headings, citation.page) + (" (by OCR)" if citation.ocr else "")
    return f"[bold]{plain(f'[{citation.marker}]')}[/] {where}  [dim]{plain(citation.uri)}[/]\n    {quote}"


def _safe(text: str) -> str:
    """Text of a document or model without control characters, which could steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _schema(path: Path) -> dict[str, object]:
    try:
        found = json_module.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--schema") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path} holds no JSON object", param_hint="--schema")
    return found
