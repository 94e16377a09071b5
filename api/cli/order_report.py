"""Orders for a person, or for a program."""

from collections.abc import Sequence

import msgspec
import typer

from api.client.results import Order

COLUMNS = (
    "order_id",
    "status",
    "side",
    "delivery_start",
    "zone",
    "energy_wh",
    "limit_price_per_kwh",
    "matched_wh",
    "close_reason",
)


def show_orders(orders: Sequence[Order], *, as_json: bool) -> None:
    """A line for each with what matters, or everything as a JSON array."""
    from api.cli.output import show

    plain = [msgspec.to_builtins(order) for order in orders]
    show(plain if as_json else [{name: row[name] for name in COLUMNS} for row in plain], as_json=as_json)


def show_order(order: Order, *, as_json: bool) -> None:
    """Every field, a line for each, or one JSON document."""
    plain = msgspec.to_builtins(order)
    if as_json:
        typer.echo(msgspec.json.encode(plain).decode())
        return
    width = max(map(len, plain))
    for name, value in plain.items():
        typer.echo(f"{name.ljust(width)}  {'' if value is None else value}")
