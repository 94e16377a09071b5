"""``gridtrace auction``: clear books, and run published auctions again."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api.cli.areas import areas
from api.cli.orders import DEFAULT_URL
from api.cli.slot_log import replay

DIFFERENT = 1

app = typer.Typer(help="Clear order books; run a published auction again.", no_args_is_help=True)

app.command("replay")(replay)
app.command("areas")(areas)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command("verify")
def verify(
    document: Annotated[
        Path | None,
        typer.Argument(
            help="Answer of /v1/markets/{zone}/book or …/day-ahead, a file of --save, or a book's bytes; - for stdin."
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="Ask this API instead of a file.", envvar="GRIDTRACE_API_URL")] = DEFAULT_URL,
    zone: Annotated[int, typer.Option(min=0, help="With --slot or --day: whose auction.")] = 1,
    slot: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="Start of delivery, UTC; asks the API.")
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The market's day of a day-ahead session; asks the API."),
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
    """Run an auction again from its published bytes: hashes, every signature, limits, blocks, energy and money.

    Exit code 1: something differs, or the bytes are no book.
    """
    from api.cli import auction_document, auction_report
    from indexer.errors import ConfigError
    from node.market.rerun import rerun
    from node.market.session_rerun import rerun_day

    if sum(given is not None for given in (document, slot, day)) != 1:
        raise ConfigError(["name either a file, or --slot or --day with --url and --zone"])
    known = auction_document.Known(book_hash, result_hash, chain_id, exchange)
    if document is not None:
        content = auction_document.read(document)
    else:
        content = auction_document.fetch(url, zone, slot, day and day.date())
        if save is not None:
            auction_document.write(save, content)
    said = auction_document.parse(content, known)
    if said.is_session:
        session = rerun_day(said.publication, said.domain, said.blocks)
        typer.echo(auction_report.session_document(session) if as_json else auction_report.told_session(session))
        differs = bool(session.differences)
    else:
        found = rerun(said.publication, said.domain)
        typer.echo(auction_report.document(found) if as_json else auction_report.told(found))
        differs = bool(found.differences)
    if differs:
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
