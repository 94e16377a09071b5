"""``gridtrace meter``: your meters and what they measured."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from api.cli.orders import DEFAULT_URL, ApiUrl, AsJson, KeyFile, signed_in

app = typer.Typer(help="List your meters and read their energy per delivery slot.", no_args_is_help=True)

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
