"""Why the market refuses an order or a cancellation: the published list of codes."""

from node.errors import Conflict, NotFound, Refused


def _message(error: type[Exception], facts: dict[str, object]) -> str:
    reason = (error.__doc__ or error.__name__).splitlines()[0].rstrip(".")
    return ": ".join((reason, ", ".join(f"{name}={value}" for name, value in facts.items()))) if facts else reason


class OrderRefused(Refused):
    """The market does not take the order."""

    code = "order-refused"

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(_message(type(self), facts))


class WrongSignature(OrderRefused):
    """The order is not signed by its trader."""

    code = "bad-signature"


class FieldInvalid(OrderRefused):
    """A field of the order has no meaning."""

    code = "field-invalid"


class TimeInForceUnsupported(OrderRefused):
    """The auction takes orders that are good till the gate; a minimum fill says all or none.

    Only continuous trading takes orders that trade at once or not at all.
    """

    code = "time-in-force"


class InstructionUnsupported(OrderRefused):
    """The order asks for what the market's way of trading, or the rest of the order, does not allow."""

    code = "instruction"


class GoodTillInvalid(OrderRefused):
    """A good-till time lies after now and not after the gate, on an order that is good till time."""

    code = "good-till"


class ReplacesNothing(OrderRefused):
    """The order to be replaced is not an open order of the same trader, slot, side and lane."""

    code = "replaced-order"


class SourceUnsupported(OrderRefused):
    """The zone has one book for all sources; a bid cannot choose one."""

    code = "source"


class BlockUnsupported(OrderRefused):
    """Blocks are taken by the day-ahead auction alone, until its gate."""

    code = "block"


class SlotMisaligned(OrderRefused):
    """Delivery starts at a multiple of the slot length."""

    code = "slot-misaligned"


class GateNotOpen(OrderRefused):
    """The slot does not take orders yet."""

    code = "gate-not-open"
    retryable = True


class GateClosed(OrderRefused):
    """The gate of the slot has closed."""

    code = "gate-closed"


class OrderExpired(OrderRefused):
    """The order expires before its delivery starts."""

    code = "order-expired"


class OffTick(OrderRefused):
    """The limit price is not a multiple of the tick."""

    code = "tick"


class OffLot(OrderRefused):
    """The energy is not a multiple of the lot."""

    code = "lot"


class OutsidePriceBand(OrderRefused):
    """The limit price is outside the price band."""

    code = "price-band"


class UnknownZone(OrderRefused):
    """No meter is in this zone."""

    code = "unknown-zone"


class NotCleared(OrderRefused):
    """The account is not cleared for trading until the end of the slot."""

    code = "not-cleared"


class Frozen(OrderRefused):
    """The account is frozen."""

    code = "frozen"


class WrongRole(OrderRefused):
    """The account is not registered for this side: sellers are producers, buyers consumers."""

    code = "wrong-role"


class OverPositionLimit(OrderRefused):
    """The account's meters in this zone cannot move that much energy in one slot."""

    code = "position-limit"


class TooManyOrders(OrderRefused):
    """The account has as many orders in this slot as one may have; cancel one, or make one larger."""

    code = "too-many-orders"


class MandateMissing(OrderRefused):
    """The account has no imbalance mandate that outlasts the settlement of the slot."""

    code = "mandate-missing"


class MandateTooSmall(OrderRefused):
    """The imbalance mandate does not cover the energy offered in this slot."""

    code = "mandate-budget"


class InsufficientCollateral(OrderRefused):
    """The vault does not hold enough free cash for what the order may cost."""

    code = "insufficient-collateral"
    retryable = True


class StaleNonce(OrderRefused):
    """The nonce must be above every nonce used in its lane, and not below the account's floor."""

    code = "stale-nonce"


class LaneInUse(OrderRefused):
    """The lane holds an order that is not settled yet; use another lane."""

    code = "lane-in-use"
    retryable = True


class OrderNotFound(NotFound):
    """There is no such order of this trader."""

    code = "order-not-found"


class CancelTooLate(Conflict):
    """The gate has closed on the order; it cannot be cancelled any more."""

    code = "cancel-too-late"


class GateStillOpen(Conflict):
    """The slot still takes orders and cannot be cleared."""

    code = "gate-open"
    retryable = True
