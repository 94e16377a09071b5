"""``gridtrace meter``: your meters and what they measured."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from api.cli.orders import DEFAULT_URL, ApiUrl, AsJson, KeyFile, signed_in

if TYPE_CHECKING:
    from contracts.typed_data import Reading

REFUSED: Final = 1
BATCH: Final = 5_000
NOBODYS_KEY: Final = bytes(31) + b"\x01"

app = typer.Typer(
    help="List your meters, read their energy per delivery slot, import signed readings.", no_args_is_help=True
)

Moment = Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"])]


@app.command("list")
def list_(key_file: KeyFile, url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List your meters."""
    from api.cli.output import show

    show(signed_in(key_file, url, lambda client: client.meters()), as_json=as_json)


@app.command("read")
def read(
    meter_id: Annotated[int, typer.Argument(min=1)],
    start: Moment,
    end: Moment,
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Energy of each delivery slot that starts in [start, end)."""
    from api.cli.output import show

    span = (start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    show(signed_in(key_file, url, lambda client: client.meter_energy(meter_id, *span)), as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: meter_id,time,counter,import_wh,export_wh,power_w,signature")],
    url: ApiUrl = DEFAULT_URL,
) -> None:
    """Send readings that the meters have signed, from a CSV file. Exit code 1: some were refused.

    Their signatures are all the authority they need. Sending a file again changes nothing.
    """
    import asyncio

    from api.cli.readings_file import read as lines_of

    tally = asyncio.run(send(list(lines_of(file)), url))
    for (state, code), count in sorted(tally.items()):
        typer.echo(f"{count} {state}{f' {code}' if code else ''}")
    if not tally:
        typer.echo("nothing")
    if any(state == "REFUSED" for state, _ in tally):
        raise typer.Exit(REFUSED)


async def send(readings: "list[tuple[Reading, bytes]]", url: str) -> Counter[tuple[str, str]]:
    """How many readings became what: by state and, where refused, reason."""
    from api.client import Client

    tally: Counter[tuple[str, str]] = Counter()
    # Readings carry their own signatures; the key is nobody's.
    async with Client(url, NOBODYS_KEY) as client:
        for first in range(0, len(readings), BATCH):
            for result in await client.send_readings(readings[first : first + BATCH]):
                tally[result.state, result.code or ""] += 1
    return tally
