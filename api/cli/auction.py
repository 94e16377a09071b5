"""``gridtrace auction``: clear books, and run published auctions again."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api.cli.orders import DEFAULT_URL
from api.cli.slot_log import replay

DIFFERENT = 1

app = typer.Typer(help="Clear order books; run a published auction again.", no_args_is_help=True)

app.command("replay")(replay)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command("verify")
def verify(
    document: Annotated[
        Path | None,
        typer.Argument(help="Answer of /v1/markets/{zone}/book, a file of --save, or a book's raw bytes; - for stdin."),
    ] = None,
    url: Annotated[str, typer.Option(help="Ask this API instead of a file.", envvar="GRIDTRACE_API_URL")] = DEFAULT_URL,
    zone: Annotated[int, typer.Option(min=0, help="With --slot: whose auction.")] = 1,
    slot: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="Start of delivery, UTC; asks the API.")
    ] = None,
    book_hash: Annotated[str | None, typer.Option(help="The book's sha256 as you know it, 0x…")] = None,
    result_hash: Annotated[str | None, typer.Option(help="The result's sha256 as you know it, 0x…")] = None,
    chain_id: Annotated[
        int | None, typer.Option(min=1, help="Chain of the exchange that orders are signed for.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="Address of that exchange, 0x…")] = None,
    save: Annotated[Path | None, typer.Option(help="Keep what the API published, to verify it elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run an auction again from its published bytes: hashes, every signature, limits, energy and money.

    Exit code 1: something differs, or the bytes are no book.
    """
    from api.cli import auction_document, auction_report
    from indexer.errors import ConfigError
    from node.market.rerun import rerun

    if (document is None) == (slot is None):
        raise ConfigError(["name either a file or --slot with --url and --zone"])
    known = auction_document.Known(book_hash, result_hash, chain_id, exchange)
    if slot is not None:
        content = auction_document.fetch(url, zone, slot)
        if save is not None:
            auction_document.write(save, content)
    else:
        content = auction_document.read(document)
    published, domain = auction_document.parse(content, known)
    found = rerun(published, domain)
    typer.echo(auction_report.document(found) if as_json else auction_report.told(found))
    if found.differences:
        raise typer.Exit(DIFFERENT)


@app.command("clear")
def clear(
    books: Annotated[str, typer.Argument(help="File with a book in each line; - for stdin, each answered at once.")],
    workers: Annotated[int, typer.Option(min=0, help="Spread all books over so many processes.")] = 0,
    cluster: Annotated[str | None, typer.Option(help="Spread them over this Dask scheduler, tcp://…")] = None,
) -> None:
    """Clear one-zone books given as JSON lines; tests/conformance/README.md describes them.

    Exit code 1: a line is no book; its answer says why.
    """
    from api.cli import auction_books

    if not auction_books.clear(books, workers, cluster):
        raise typer.Exit(DIFFERENT)
