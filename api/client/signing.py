"""What a participant signs, and the JSON that carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from eth_hash.auto import keccak

from api.client.results import Contracts, Permit
from contracts import typed_data
from contracts.typed_data import checksum, parse_address
from node import eip4361

SIDES: Final[Mapping[str, int]] = {"buy": 0, "sell": 1}
TIMES_IN_FORCE: Final[Mapping[str, int]] = {
    "good_till_gate": 0,
    "good_till_time": 1,
    "immediate_or_cancel": 2,
    "fill_or_kill": 3,
}
SOURCES: Final[Mapping[str, int]] = {"any": 0, "solar": 1, "wind": 2, "hydro": 3, "storage": 4}


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What a trader decides. Energy in Wh, price in micro-currency per kWh.

    A buyer's limit includes the grid fee; a seller's is what he gets at least.
    """

    zone: int
    delivery_start: datetime
    side: str
    energy_wh: int
    limit_price_per_kwh: int
    nonce: int
    lane: int = 0
    """0 is the account's own: one order for each slot, one side at a time, later slots first void earlier ones. Orders
    beside it take other lanes."""
    min_fill_wh: int = 0
    time_in_force: str = "good_till_gate"
    source: str = "any"
    expiry: datetime | None = None
    """When the signature ends; the end of the delivery slot's following day where not given."""
    asking: Mapping[str, Any] = field(default_factory=dict)
    """What is asked of the market beside the signed order: post_only, display_wh, self_trade, good_till, block."""


def rfc3339(moment: datetime) -> str:
    """Whole seconds in UTC, as every time in a request."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(time_s: int) -> datetime:
    """Aware UTC of Unix seconds."""
    return datetime.fromtimestamp(time_s, UTC)


def exchange(contracts: Contracts) -> typed_data.Domain:
    """The EIP-712 domain orders and mandates are signed in."""
    domain = contracts.exchange_domain
    return typed_data.Domain(domain.chain_id, parse_address(domain.verifying_contract))


def sign_order(contracts: Contracts, key: bytes, terms: OrderTerms) -> dict[str, Any]:
    """The body of ``POST /v1/orders``."""
    delivery_start = int(terms.delivery_start.timestamp())
    expiry = delivery_start + 86_400 if terms.expiry is None else int(terms.expiry.timestamp())
    order = typed_data.Order(
        trader=typed_data.address_of(key),
        zone=terms.zone,
        delivery_start=delivery_start,
        side=SIDES[terms.side],
        energy_wh=terms.energy_wh,
        limit_price_per_kwh=terms.limit_price_per_kwh,
        min_fill_wh=terms.min_fill_wh,
        time_in_force=TIMES_IN_FORCE[terms.time_in_force],
        source=SOURCES[terms.source],
        expiry=expiry,
        lane=terms.lane,
        nonce=terms.nonce,
    )
    signature = typed_data.sign(typed_data.order_digest(exchange(contracts), order), key)
    return {
        "trader": checksum(order.trader),
        "zone": order.zone,
        "delivery_start": rfc3339(terms.delivery_start),
        "side": terms.side,
        "energy_wh": str(order.energy_wh),
        "limit_price_per_kwh": str(order.limit_price_per_kwh),
        "min_fill_wh": str(order.min_fill_wh),
        "time_in_force": terms.time_in_force,
        "source": terms.source,
        "expiry": rfc3339(instant(expiry)),
        "lane": order.lane,
        "nonce": str(order.nonce),
        "signature": "0x" + signature.hex(),
        **terms.asking,
    }


def sign_mandate(contracts: Contracts, key: bytes, mandate: typed_data.Mandate) -> dict[str, Any]:
    """The body of ``POST /v1/mandates``."""
    signature = typed_data.sign(typed_data.mandate_digest(exchange(contracts), mandate), key)
    return {
        "account": checksum(mandate.account),
        "budget_per_slot": str(mandate.budget_per_slot),
        "budget": str(mandate.budget),
        "expiry": rfc3339(instant(mandate.expiry)),
        "nonce": str(mandate.nonce),
        "signature": "0x" + signature.hex(),
    }


def sign_permit(permit: Permit, key: bytes) -> dict[str, Any]:
    """The body of ``POST /v1/deposits``."""
    digest = typed_data.permit_digest(
        permit.token.name,
        permit.token.version,
        permit.token.chain_id,
        parse_address(permit.token.verifying_contract),
        parse_address(permit.owner),
        parse_address(permit.spender),
        permit.value,
        permit.nonce,
        int(permit.deadline.timestamp()),
    )
    return {
        "account": permit.owner,
        "amount": str(permit.value),
        "nonce": str(permit.nonce),
        "deadline": rfc3339(permit.deadline),
        "signature": "0x" + typed_data.sign(digest, key).hex(),
    }


def sign_in_body(domain: str, base_url: str, chain_id: int, nonce: str, key: bytes, now: datetime) -> dict[str, str]:
    """The body of ``POST /v1/auth/verify``: an EIP-4361 message and its EIP-191 signature."""
    message = eip4361.compose(
        domain=domain,
        address=checksum(typed_data.address_of(key)),
        uri=base_url,
        chain_id=chain_id,
        nonce=nonce,
        issued_at=now,
        statement="Sign in to Gridtrace.",
    )
    text = message.encode()
    digest = keccak(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)
    return {"message": message, "signature": "0x" + typed_data.sign(digest, key).hex()}
