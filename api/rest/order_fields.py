"""How an order is written in JSON, and how that becomes the signed struct."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from api.rest.fields import Address, Answer, Hash, Instant, Natural, Request, Second, Signature, Whole, seconds
from contracts.typed_data import Order

SIDES: Final = ("buy", "sell")
TIMES_IN_FORCE: Final = ("good_till_gate", "good_till_time", "immediate_or_cancel", "fill_or_kill")
SOURCES: Final = ("any", "solar", "wind", "hydro", "storage")

Side = Literal["buy", "sell"]
TimeInForce = Literal["good_till_gate", "good_till_time", "immediate_or_cancel", "fill_or_kill"]
Source = Literal["any", "solar", "wind", "hydro", "storage"]
Uint32 = Annotated[int, Field(ge=0, lt=1 << 32)]
Uint16 = Annotated[int, Field(ge=0, lt=1 << 16)]


class NewOrder(Request):
    """Every field of the EIP-712 struct ``Order``, and the trader's signature over it.

    ``limit_price_per_kwh`` is in micro-currency per kWh: a buyer's most, grid fee included; a seller's least.
    """

    trader: Address
    zone: Uint32
    delivery_start: Second
    side: Side
    energy_wh: Natural
    limit_price_per_kwh: Whole
    min_fill_wh: Natural = 0
    time_in_force: TimeInForce = "good_till_gate"
    source: Source = "any"
    expiry: Second
    lane: Uint16
    nonce: Natural
    signature: Signature

    def signed_struct(self) -> Order:
        """What the signature covers."""
        return Order(
            trader=self.trader,
            zone=self.zone,
            delivery_start=seconds(self.delivery_start),
            side=SIDES.index(self.side),
            energy_wh=self.energy_wh,
            limit_price_per_kwh=self.limit_price_per_kwh,
            min_fill_wh=self.min_fill_wh,
            time_in_force=TIMES_IN_FORCE.index(self.time_in_force),
            source=SOURCES.index(self.source),
            expiry=seconds(self.expiry),
            lane=self.lane,
            nonce=self.nonce,
        )


class OrderAnswer(Answer):
    """An order as the market keeps it. ``order_id`` is its EIP-712 digest; ``received_at`` is market time."""

    order_id: Hash
    sequence: int
    status: str
    received_at: Instant
    trader: Address
    zone: int
    delivery_start: Instant
    side: Side
    energy_wh: Natural
    limit_price_per_kwh: Whole
    min_fill_wh: Natural
    time_in_force: TimeInForce
    source: Source
    expiry: Second
    lane: int
    nonce: Natural
    matched_wh: Natural
    locked_cash: Natural
    signature: Signature


def order_answer(row: Mapping[str, Any]) -> OrderAnswer:
    """A row of ``trading.orders``, with its ``expiry`` as a time."""
    words = {
        "order_id": row["digest"],
        "time_in_force": TIMES_IN_FORCE[row["time_in_force"]],
        "source": SOURCES[row["source"]],
    }
    return OrderAnswer.model_validate({**row, **words})
