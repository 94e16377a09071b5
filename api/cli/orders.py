"""``gridtrace order``: a trader's orders, through the public API and signed with his own key."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from api.client import Client

T = TypeVar("T")

app = typer.Typer(help="Post, list and cancel your orders.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Option(help="Your key file (0x-prefixed hex).", envvar="GRIDTRACE_KEY_FILE")]
ApiUrl = Annotated[str, typer.Option(help="Where the API is.", envvar="GRIDTRACE_API_URL")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:8600"


@app.command("post")
def post(
    side: Annotated[str, typer.Argument(help="buy or sell.")],
    energy_wh: Annotated[int, typer.Argument(min=1, help="Quantity in Wh.")],
    limit_price_per_kwh: Annotated[
        int, typer.Argument(help="Limit in micro-currency per kWh; a buyer's includes the grid fee.")
    ],
    delivery_start: Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="Start of the slot, UTC.")],
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    zone: Annotated[int, typer.Option(min=0)] = 1,
    lane: Annotated[int, typer.Option(min=0, max=1023, help="Nonces grow within a lane.")] = 0,
    nonce: Annotated[int | None, typer.Option(min=0, help="Market time in ms where left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign and send one order."""
    from datetime import UTC

    from api.cli.output import show
    from api.client import OrderTerms

    if side not in ("buy", "sell"):
        raise typer.BadParameter("must be buy or sell")

    async def work(client: "Client") -> object:
        number = nonce
        if number is None:
            number = int((await client.status()).clock.now.timestamp() * 1000)
        terms = OrderTerms(
            zone=zone,
            delivery_start=delivery_start.replace(tzinfo=UTC),
            side=side,
            energy_wh=energy_wh,
            limit_price_per_kwh=limit_price_per_kwh,
            nonce=number,
            lane=lane,
        )
        return await client.post_order(terms)

    show([signed_in(key_file, url, work)], as_json=as_json)


@app.command("list")
def list_(
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    status: Annotated[str | None, typer.Option(help="open, cancelled, matched or unmatched.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """List your orders, the newest first."""
    from api.cli.output import show

    show(signed_in(key_file, url, lambda client: client.orders(status, limit=limit)), as_json=as_json)


@app.command("cancel")
def cancel(
    order_id: Annotated[str, typer.Argument(help="The order's 0x-prefixed id.")],
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Take back an open order."""
    from api.cli.output import show

    show([signed_in(key_file, url, lambda client: client.cancel_order(order_id))], as_json=as_json)


def signed_in(key_file: Path, url: str, work: "Callable[[Client], Coroutine[Any, Any, T]]") -> T:
    """Runs ``work`` with a client that has signed in with the key."""
    import asyncio

    from api.client import Client
    from api.devnet.keys import read_key

    async def session() -> T:
        async with Client(url, read_key(key_file)) as client:
            await client.sign_in()
            return await work(client)

    return asyncio.run(session())
