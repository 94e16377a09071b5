"""Our digests against the deployed exchange's and token's own, on many random messages."""

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from contracts.abi import decode_result, encode_call
from contracts.typed_data import (
    PAYMENT_TOKEN_NAME,
    PAYMENT_TOKEN_VERSION,
    Domain,
    Mandate,
    Order,
    address_of,
    mandate_digest,
    order_digest,
    permit_digest,
    sign,
)
from node.deploy import deploy
from node.outbox import HttpRpc
from tests.integration.conftest import AnvilChain

pytestmark = pytest.mark.integration

KEY = bytes.fromhex("8f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f40312233445566")


def edge(rng: random.Random, bits: int) -> int:
    return int(rng.choice([rng.randrange(2**bits), 0, 2**bits - 1]))


def random_order(rng: random.Random) -> Order:
    return Order(
        trader=rng.randbytes(20),
        zone=edge(rng, 32),
        delivery_start=edge(rng, 64),
        side=edge(rng, 8),
        energy_wh=edge(rng, 48),
        limit_price_per_kwh=edge(rng, 48) - 2**47,
        min_fill_wh=edge(rng, 48),
        time_in_force=edge(rng, 8),
        source=edge(rng, 8),
        expiry=edge(rng, 32),
        lane=edge(rng, 16),
        nonce=edge(rng, 48),
    )


def random_mandate(rng: random.Random) -> Mandate:
    return Mandate(rng.randbytes(20), edge(rng, 64), edge(rng, 64), edge(rng, 32), edge(rng, 32))


async def digests(rpc: HttpRpc, exchange: bytes, function: str, messages: Sequence[Order | Mandate]) -> list[bytes]:
    """What the exchange says to each message."""
    calls = [encode_call("SettlementExchange", function, dataclasses.astuple(message)) for message in messages]
    answers = await rpc.batch(
        [("eth_call", ({"to": "0x" + exchange.hex(), "data": "0x" + call.hex()}, "latest")) for call in calls]
    )
    return [decode_result("SettlementExchange", function, bytes.fromhex(answer[2:]))[0] for answer in answers]


async def test_digests__random_messages__equal_the_contracts(anvil: AnvilChain, tmp_path: Path) -> None:
    anvil.rpc("anvil_setBalance", ["0x" + address_of(KEY).hex(), hex(10**20)])
    deployment = await deploy(anvil.url, anvil.chain_id, KEY, b"\x0b" * 20, tmp_path / "deployment.json")
    exchange, token = deployment.address("SettlementExchange"), deployment.address("PaymentToken")
    domain = Domain(anvil.chain_id, exchange)
    rng = random.Random(7)
    rpc = HttpRpc([anvil.url])
    orders = [random_order(rng) for _ in range(300)]
    found = [order_digest(domain, order) for order in orders]
    assert found == await digests(rpc, exchange, "orderDigest", orders)
    mandates = [random_mandate(rng) for _ in range(300)]
    found = [mandate_digest(domain, mandate) for mandate in mandates]
    assert found == await digests(rpc, exchange, "mandateDigest", mandates)
    await rpc.close()
    owner, deadline = address_of(KEY), 2**40
    digest = permit_digest(
        PAYMENT_TOKEN_NAME, PAYMENT_TOKEN_VERSION, anvil.chain_id, token, owner, exchange, 5, 0, deadline
    )
    signature = sign(digest, KEY)
    r, s, v = signature[:32], signature[32:64], signature[64]
    permit = encode_call("PaymentToken", "permit", owner, exchange, 5, deadline, v, r, s)
    anvil.rpc("eth_call", [{"to": "0x" + token.hex(), "data": "0x" + permit.hex()}, "latest"])
