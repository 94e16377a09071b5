"""How an order is written in JSON, and how that becomes the signed struct."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from api.rest.fields import Address, Answer, Hash, Instant, Natural, Request, Second, Signature, Whole, seconds
from contracts.typed_data import Order
from node.market.book import BookOrder
from node.market.instructions import Instructions, SelfTrade
from node.market.service import Accepted

SIDES: Final = ("buy", "sell")
TIMES_IN_FORCE: Final = ("good_till_gate", "good_till_time", "immediate_or_cancel", "fill_or_kill")
SOURCES: Final = ("any", "solar", "wind", "hydro", "storage")

Side = Literal["buy", "sell"]
TimeInForce = Literal["good_till_gate", "good_till_time", "immediate_or_cancel", "fill_or_kill"]
Source = Literal["any", "solar", "wind", "hydro", "storage"]
SELF_TRADES: Final = ("cancel_newest", "cancel_oldest", "cancel_both", "decrement")
SelfTradeMode = Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement"]
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
    post_only: bool = Field(False, description="Rather not enter than trade at once; continuous trading only")
    display_wh: Natural = Field(0, description="How much the book shows at a time, 0 for all; continuous trading only")
    self_trade: SelfTradeMode = Field(
        "cancel_newest", description="Instead of a trade between two orders of one trader; continuous trading only"
    )
    good_till: Second | None = Field(
        None, description="When an order that is good till time leaves the book, the gate where not given"
    )
    replaces: Hash | None = Field(
        None, description="Order of the same trader, slot, side and lane whose place this one takes, or neither changes"
    )
    block: Hash | None = Field(
        None, description="Block of orders that are filled together or not at all: 16 bytes of family, 16 of the block"
    )

    def instructions(self) -> Instructions:
        """What the trader asks beside the signed order."""
        return Instructions(
            post_only=self.post_only,
            display_wh=self.display_wh,
            self_trade=SelfTrade(SELF_TRADES.index(self.self_trade)),
            good_till=0 if self.good_till is None else seconds(self.good_till),
            replaces=self.replaces,
            block=self.block,
        )

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
    post_only: bool
    display_wh: Natural
    self_trade: SelfTradeMode
    good_till: Second | None
    replaces: Hash | None
    block: Hash | None
    close_reason: str | None


def order_answer(row: Mapping[str, Any]) -> OrderAnswer:
    """A row of ``trading.orders``, with its ``expiry`` as a time."""
    words = {
        "order_id": row["digest"],
        "time_in_force": TIMES_IN_FORCE[row["time_in_force"]],
        "source": SOURCES[row["source"]],
        "self_trade": SELF_TRADES[row["self_trade"]],
        "good_till": datetime.fromtimestamp(row["good_till"], UTC) if row["good_till"] else None,
    }
    return OrderAnswer.model_validate({**row, **words})


def entered_answer(body: NewOrder, entry: BookOrder, accepted: Accepted) -> OrderAnswer:
    """The order as it has just entered the book."""
    # What was checked on its way in needs no second look.
    return OrderAnswer.model_construct(
        **body.__dict__,
        order_id=entry.digest,
        sequence=accepted.sequence,
        status=accepted.status,
        received_at=accepted.received_at,
        matched_wh=0,
        locked_cash=accepted.locked_cash,
        close_reason=None,
    )
