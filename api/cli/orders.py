"""``gridtrace order``: a trader's orders, through the public API and signed with his own key."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api.cli import order_entry
from api.cli.trader import DEFAULT_URL, ApiUrl, AsJson, KeyFile, SlotStart, signed_in, utc

if TYPE_CHECKING:
    from api.client import Client
    from api.client.results import CancelResult, Order

__all__ = ["DEFAULT_URL", "ApiUrl", "AsJson", "KeyFile", "app", "signed_in"]

REFUSED = 1
NOTHING_TRADED = 3
STILL_OPEN = 4
FOLLOW_S = 0.5

app = typer.Typer(help="Post, follow, replace and cancel your orders.", no_args_is_help=True)
app.command("post")(order_entry.post)
app.command("replace")(order_entry.replace)

OrderId = Annotated[str, typer.Argument(help="The order's 0x-prefixed id.")]


@app.command("list")
def list_(
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    status: Annotated[
        Literal["open", "cancelled", "matched", "unmatched", "expired"] | None, typer.Option(help="Only such.")
    ] = None,
    slot: SlotStart = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """List your orders, the newest first."""
    from api.cli.order_report import show_orders

    found = signed_in(key_file, url, lambda client: client.orders(status, delivery_start=utc(slot), limit=limit))
    show_orders(found, as_json=as_json)


@app.command("show")
def show(order_id: OrderId, key_file: KeyFile, url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one order: yours at any time, others' once their gate has closed."""
    from api.cli.order_report import show_order

    show_order(signed_in(key_file, url, lambda client: client.order(order_id)), as_json=as_json)


@app.command("follow")
def follow(
    order_id: OrderId,
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Real seconds; for ever if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell every change of an order until it is over; with --json a document in each line.

    Exit code 0: it has traded; 3: it is over and has traded nothing; 4: it was still open when the time was up.
    """
    import asyncio
    import time

    import msgspec

    until_s = None if timeout_s is None else time.monotonic() + timeout_s

    async def work(client: "Client") -> "Order":
        told = None
        while True:
            order = await client.order(order_id)
            if told != (told := (order.status, order.matched_wh)):
                if as_json:
                    typer.echo(msgspec.json.encode(order).decode())
                else:
                    reason = f" ({order.close_reason})" if order.close_reason else ""
                    typer.echo(f"{order.status}{reason}, {order.matched_wh} of {order.energy_wh} Wh traded")
            if order.status not in ("open", "cancelling") or (until_s is not None and time.monotonic() >= until_s):
                return order
            await asyncio.sleep(FOLLOW_S)

    order = signed_in(key_file, url, work)
    if order.status in ("open", "cancelling"):
        raise typer.Exit(STILL_OPEN)
    if not order.matched_wh:
        raise typer.Exit(NOTHING_TRADED)


@app.command("cancel")
def cancel(
    key_file: KeyFile,
    order_ids: Annotated[list[str] | None, typer.Argument(help="The orders' 0x-prefixed ids.")] = None,
    url: ApiUrl = DEFAULT_URL,
    every: Annotated[bool, typer.Option("--all", help="All your open orders; --zone and --slot narrow it.")] = False,
    zone: Annotated[int | None, typer.Option(min=0, help="With --all: of this zone.")] = None,
    slot: SlotStart = None,
    as_json: AsJson = False,
) -> None:
    """Take back open orders. Exit code 1: one of them is refused; the others are taken back all the same."""
    from api.cli.output import show as show_rows
    from indexer.errors import ConfigError

    if every == bool(order_ids):
        raise ConfigError(["name orders, or --all"])
    if not every and (zone is not None or slot is not None):
        raise ConfigError(["--zone and --slot go with --all"])

    async def work(client: "Client") -> "list[CancelResult]":
        return await client.cancel_orders(order_ids or None, zone=zone, delivery_start=utc(slot))

    results = signed_in(key_file, url, work)
    show_rows(results, as_json=as_json)
    if any(result.code for result in results):
        raise typer.Exit(REFUSED)
