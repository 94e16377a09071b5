"""``gridtrace order post`` and ``replace``: orders that are signed here and sent."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.cli.trader import DEFAULT_URL, ApiUrl, AsJson, KeyFile, signed_in, utc

if TYPE_CHECKING:
    from api.client import Client

Nonce = Annotated[int | None, typer.Option(min=0, help="Market time in ms where left out.")]
MinFill = Annotated[int | None, typer.Option(min=0, help="Trade at least so many Wh, or nothing.")]
GoodTill = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="Leaves the book then, UTC.")]
Display = Annotated[int | None, typer.Option(min=1, help="Show so many Wh at a time (continuous trading).")]
PostOnly = Annotated[
    bool | None, typer.Option("--post-only/--no-post-only", help="Rather not enter than trade at once (continuous).")
]


def post(
    side: Annotated[Literal["buy", "sell"], typer.Argument(help="buy or sell.")],
    energy_wh: Annotated[int, typer.Argument(min=1, help="Quantity in Wh.")],
    limit_price_per_kwh: Annotated[
        int, typer.Argument(help="Limit in micro-currency per kWh; a buyer's includes the grid fee.")
    ],
    delivery_start: Annotated[datetime, typer.Argument(formats=["%Y-%m-%dT%H:%M:%SZ"], help="Start of the slot, UTC.")],
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    zone: Annotated[int, typer.Option(min=0)] = 1,
    lane: Annotated[int, typer.Option(min=0, max=1023, help="Nonces grow within a lane.")] = 0,
    nonce: Nonce = None,
    min_fill_wh: MinFill = None,
    time_in_force: Annotated[
        Literal["good_till_gate", "immediate_or_cancel", "fill_or_kill"],
        typer.Option(help="How long it may wait; the last two in continuous trading."),
    ] = "good_till_gate",
    good_till: GoodTill = None,
    display_wh: Display = None,
    post_only: PostOnly = None,
    block: Annotated[str | None, typer.Option(help="Name of its block, 0x and 64 digits (day-ahead).")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign and send one order. Exit code 1: it is refused, and the code says why."""
    from api.cli.order_report import show_orders
    from api.client import OrderTerms

    asking = _asking(good_till, display_wh, post_only) | ({"block": block} if block else {})

    async def work(client: "Client") -> Any:
        terms = OrderTerms(
            zone=zone,
            delivery_start=delivery_start.replace(tzinfo=UTC),
            side=side,
            energy_wh=energy_wh,
            limit_price_per_kwh=limit_price_per_kwh,
            nonce=await _nonce(client, nonce),
            lane=lane,
            min_fill_wh=min_fill_wh or 0,
            time_in_force="good_till_time" if good_till else time_in_force,
            asking=asking,
        )
        return await client.post_order(terms)

    show_orders([signed_in(key_file, url, work)], as_json=as_json)


def replace(
    order_id: Annotated[str, typer.Argument(help="The order's 0x-prefixed id.")],
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    energy_wh: Annotated[int | None, typer.Option(min=1, help="New total in Wh: what was traded counts.")] = None,
    limit_price_per_kwh: Annotated[int | None, typer.Option("--limit", help="New limit, micro per kWh.")] = None,
    min_fill_wh: MinFill = None,
    good_till: GoodTill = None,
    display_wh: Display = None,
    post_only: PostOnly = None,
    nonce: Nonce = None,
    as_json: AsJson = False,
) -> None:
    """Put a newly signed order in the place of an open one: both change or neither does. What is not given stays.

    Exit code 1: it is refused, and the old order stays where it was.
    """
    from api.cli.order_report import show_orders
    from api.client import OrderTerms

    def new(given: int | None, old: int) -> int:
        return old if given is None else given

    async def work(client: "Client") -> Any:
        old = await client.order(order_id)
        asking = {
            "post_only": old.post_only,
            "display_wh": str(old.display_wh),
            "self_trade": old.self_trade,
            **({"good_till": old.good_till.strftime("%Y-%m-%dT%H:%M:%SZ")} if old.good_till else {}),
            **({"block": old.block} if old.block else {}),
            **_asking(good_till, display_wh, post_only),
        }
        terms = OrderTerms(
            zone=old.zone,
            delivery_start=old.delivery_start,
            side=old.side,
            energy_wh=new(energy_wh, old.energy_wh),
            limit_price_per_kwh=new(limit_price_per_kwh, old.limit_price_per_kwh),
            nonce=max(await _nonce(client, nonce), old.nonce + 1) if nonce is None else nonce,
            lane=old.lane,
            min_fill_wh=new(min_fill_wh, old.min_fill_wh),
            time_in_force="good_till_time" if good_till else old.time_in_force,
            source=old.source,
            asking=asking,
        )
        return await client.replace_order(order_id, terms)

    show_orders([signed_in(key_file, url, work)], as_json=as_json)


async def _nonce(client: "Client", given: int | None) -> int:
    return int((await client.status()).clock.now.timestamp() * 1_000) if given is None else given


def _asking(good_till: datetime | None, display_wh: int | None, post_only: bool | None) -> dict[str, Any]:
    until = utc(good_till)
    asked = {
        "good_till": None if until is None else until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "display_wh": None if display_wh is None else str(display_wh),
        "post_only": post_only,
    }
    return {name: value for name, value in asked.items() if value is not None}
