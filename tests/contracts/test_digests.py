"""What people and devices sign: the same digest in Solidity's bytecode, in Python and in viem."""

import json
import random
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from contracts import typed_data
from contracts.abi import encode_call
from contracts.typed_data import Domain, Mandate, Order, Reading, TradingMandate, checksum
from scripts.bench.evm import Revm
from tests.contracts.world import NOW_S, STRANGER, World, person

ORDERS = 10_000
OTHERS = 1_000
PERMITS = 200
VIEM = Path(__file__).with_name("digests.mjs")

BITS = {
    "zone": 32, "delivery_start": 64, "side": 8, "energy_wh": 48, "limit_price_per_kwh": -48, "min_fill_wh": 48,
    "time_in_force": 8, "source": 8, "lane": 16, "nonce": 48, "expiry": 32,
}  # fmt: skip
MANDATE_BITS = {"budget_per_slot": 64, "budget": 64, "expiry": 32, "nonce": 32}
TRADING_BITS = {
    "zone": 32, "max_buy_price_per_kwh": -48, "min_sell_price_per_kwh": -48, "max_wh_per_slot": 32, "valid_from": 32,
    "expiry": 32, "nonce": 48,
}  # fmt: skip
READING_BITS = {"meter_id": 32, "time": 64, "counter": 64, "import_wh": 64, "export_wh": 64, "power_w": -64}


@dataclass(frozen=True)
class Permit:
    owner: bytes
    spender: bytes
    value: int
    nonce: int
    deadline: int


def number(rng: random.Random, bits: int) -> int:
    """Of a field's type, often at its ends; negative bits are a signed type."""
    low, high = (-(1 << -bits - 1), (1 << -bits - 1) - 1) if bits < 0 else (0, (1 << bits) - 1)
    return rng.choice((low, high, 0, 1, rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)))


def numbers(rng: random.Random, sizes: dict[str, int]) -> dict[str, int]:
    return {name: number(rng, bits) for name, bits in sizes.items()}


def viem_digests(kind: str, domain: dict[str, Any], messages: Iterable[Any]) -> list[bytes]:
    """One node process for all of them."""
    lines = [json.dumps([kind, domain, {camel(k): text(v) for k, v in asdict(m).items()}]) for m in messages]
    ran = subprocess.run(
        ["node", VIEM.name],
        cwd=VIEM.parent,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [bytes.fromhex(line[2:]) for line in ran.stdout.split()]


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def text(value: Any) -> str:
    return checksum(value) if isinstance(value, bytes) else str(value)


def domain_of(name: str, domain: Domain) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1",
        "chainId": domain.chain_id,
        "verifyingContract": checksum(domain.exchange),
    }


@pytest.fixture(scope="module")
def world() -> World:
    return World(Revm(NOW_S))


def solidity(world: World, contract: str, function: str) -> Callable[[Any], bytes]:
    """The digest as the deployed bytecode makes it."""

    def digest(message: Any) -> bytes:
        values = tuple(getattr(message, field.name) for field in fields(message))
        return world.evm.transact(STRANGER, world.at[contract], encode_call(contract, function, values)).data

    return digest


@pytest.mark.timeout(300)
def test_order_digests__random_orders__equal_in_solidity_python_and_viem(world: World) -> None:
    rng = random.Random(1)
    orders = [Order(trader=rng.randbytes(20), **numbers(rng, BITS)) for _ in range(ORDERS)]
    mine = [typed_data.order_digest(world.domain, order) for order in orders]
    assert mine == list(map(solidity(world, "SettlementExchange", "orderDigest"), orders))
    assert mine == viem_digests("Order", domain_of("Gridtrace Exchange", world.domain), orders)
    assert len(set(mine)) == len(set(orders))


def test_mandate_digests__random_mandates__equal_in_solidity_python_and_viem(world: World) -> None:
    rng = random.Random(2)
    mandates = [Mandate(account=rng.randbytes(20), **numbers(rng, MANDATE_BITS)) for _ in range(OTHERS)]
    mine = [typed_data.mandate_digest(world.domain, mandate) for mandate in mandates]
    assert mine == list(map(solidity(world, "SettlementExchange", "mandateDigest"), mandates))
    assert mine == viem_digests("Mandate", domain_of("Gridtrace Exchange", world.domain), mandates)


def test_trading_mandate_digests__random_mandates__equal_in_solidity_python_and_viem(world: World) -> None:
    rng = random.Random(6)
    mandates = [TradingMandate(account=rng.randbytes(20), **numbers(rng, TRADING_BITS)) for _ in range(OTHERS)]
    mine = [typed_data.trading_mandate_digest(world.domain, mandate) for mandate in mandates]
    assert mine == list(map(solidity(world, "SettlementExchange", "tradingMandateDigest"), mandates))
    assert mine == viem_digests("TradingMandate", domain_of("Gridtrace Exchange", world.domain), mandates)


def test_reading_digests__random_readings__equal_in_solidity_python_and_viem(world: World) -> None:
    rng = random.Random(3)
    readings = [Reading(**numbers(rng, READING_BITS)) for _ in range(OTHERS)]
    mine = [typed_data.reading_digest(reading) for reading in readings]
    assert mine == list(map(solidity(world, "ProductionLedger", "readingDigest"), readings))
    assert mine == viem_digests("Reading", {"name": "Gridtrace Meter", "version": "1"}, readings)


def test_permits__random_permits__signed_by_python_digest_and_taken_by_the_token(world: World) -> None:
    rng = random.Random(4)
    owner, token = person("permit"), world.at["PaymentToken"]
    values = [(number(rng, 256), rng.randbytes(20)) for _ in range(PERMITS)]
    permits = [
        Permit(owner.address, spender, value, nonce, NOW_S + number(rng, 64))
        for nonce, (value, spender) in enumerate(values)
    ]
    domain = Domain(world.domain.chain_id, token)
    name, version = typed_data.PAYMENT_TOKEN_NAME, typed_data.PAYMENT_TOKEN_VERSION
    mine = [typed_data.permit_digest(name, version, domain.chain_id, token, *astuple(permit)) for permit in permits]
    assert mine == viem_digests("Permit", domain_of(name, domain), permits)
    for permit, digest in zip(permits, mine, strict=True):
        signed = typed_data.sign(digest, owner.key)
        parts = (signed[64], signed[:32], signed[32:64])
        terms = (permit.owner, permit.spender, permit.value, permit.deadline)
        world.send(STRANGER, "PaymentToken", "permit", *terms, *parts)
        assert world.read("PaymentToken", "allowance", permit.owner, permit.spender) == permit.value


def astuple(permit: Permit) -> tuple[Any, ...]:
    return tuple(getattr(permit, field.name) for field in fields(permit))


def test_digests__one_bit_of_any_field_changed__differ(world: World) -> None:
    rng = random.Random(5)
    order = Order(trader=rng.randbytes(20), **numbers(rng, BITS))
    digests = {typed_data.order_digest(world.domain, order)}
    for name, bits in BITS.items():
        for bit in range(abs(bits) - (bits < 0)):
            changed = Order(**{**asdict(order), name: getattr(order, name) ^ 1 << bit})
            digests.add(typed_data.order_digest(world.domain, changed))
    assert len(digests) == 1 + sum(abs(bits) - (bits < 0) for bits in BITS.values())
