"""Generated event decoders against eth-abi, and logs that are not what they say."""

import random
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.events import (
    CONTRACT_EVENTS,
    AssetCreated,
    CertificatesTransfer,
    EventType,
    LogMalformed,
    MeterSet,
    OrdersSettled,
    ParticipantSet,
    ProposalCreated,
    RevenueDeposited,
    RoleLabel,
    Transfer,
)

ANYONE = bytes(20)
EVENTS = list(dict.fromkeys(event for events in CONTRACT_EVENTS.values() for event in events.values()))


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def random_value(rng: random.Random, kind: str) -> Any:
    if kind.endswith("[]"):
        return tuple(random_value(rng, kind[:-2]) for _ in range(rng.randrange(4)))
    if kind == "address":
        return rng.randbytes(20)
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "bytes":
        return rng.randbytes(rng.randrange(100))
    if kind == "string":
        return "märz" * rng.randrange(20)
    if kind.startswith("bytes"):
        return rng.randbytes(int(kind[5:]))
    bits = int(kind.removeprefix("u").removeprefix("int"))
    value = rng.randrange(2**bits)
    return value if kind.startswith("u") else value - 2 ** (bits - 1)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_from_log__random_values__decoded_as_encoded(event: EventType) -> None:
    assert keccak(event.SIGNATURE.encode()) == event.TOPIC
    rng = random.Random(3)
    for _ in range(20):
        values = [random_value(rng, kind) for _, kind, _ in event.FIELDS]
        pairs = list(zip(event.FIELDS, values, strict=True))
        topics = [event.TOPIC, *(encode([kind], [value]) for (_, kind, indexed), value in pairs if indexed)]
        plain = [(kind, value) for (_, kind, indexed), value in pairs if not indexed]
        data = encode([kind for kind, _ in plain], [value for _, value in plain])
        found = event.from_log(topics, data)
        assert [getattr(found, name) for name, _, _ in event.FIELDS] == values


def test_contract_events__each_contract__knows_its_own() -> None:
    assert CONTRACT_EVENTS["SettlementExchange"][OrdersSettled.TOPIC] is OrdersSettled
    assert CONTRACT_EVENTS["PaymentToken"][Transfer.TOPIC] is Transfer
    assert CONTRACT_EVENTS["Certificates"][Transfer.TOPIC] is CertificatesTransfer
    assert CertificatesTransfer.TOPIC == Transfer.TOPIC
    assert AssetCreated.TOPIC in CONTRACT_EVENTS["AssetFactory"]
    assert RevenueDeposited.TOPIC in CONTRACT_EVENTS["AssetToken"]


@pytest.mark.parametrize("targets", [word(2**255), word(9 * 32), word(8 * 32)])
def test_from_log__array_beyond_the_data__refused(targets: bytes) -> None:
    good = encode(ProposalCreated.SIGNATURE[16:-1].split(","), [1, ANYONE, [], [], [], [], 2, 3, ""])
    assert ProposalCreated.from_log([ProposalCreated.TOPIC], good).targets == ()
    with pytest.raises(LogMalformed):
        ProposalCreated.from_log([ProposalCreated.TOPIC], good[:64] + targets + good[96 : 8 * 32] + word(32))


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ([], b""),
        ([Transfer.TOPIC], word(1)),
        ([Transfer.TOPIC, word(1), word(2), word(3)], word(1)),
        ([MeterSet.TOPIC, word(1), word(2)], word(1)),
        ([Transfer.TOPIC, word(1), word(2)], b""),
        ([Transfer.TOPIC, word(1 << 160), word(2)], word(1)),
    ],
)
def test_from_log__wrong_topics_or_data__refused(topics: list[bytes], data: bytes) -> None:
    with pytest.raises(LogMalformed):
        Transfer.from_log(topics, data)


def test_from_log__value_above_its_type__refused() -> None:
    topics = [ParticipantSet.TOPIC, word(1)]
    good = word(2**64 - 1) + word(255) + word(2**16 - 1)
    assert ParticipantSet.from_log(topics, good).kyc_until == 2**64 - 1
    with pytest.raises(LogMalformed, match="uint64"):
        ParticipantSet.from_log(topics, word(2**64) + word(0) + word(0))


@pytest.mark.parametrize("data", [word(32), word(2**255), word(32) + word(5) + b"abc"])
def test_from_log__bytes_beyond_the_data__refused(data: bytes) -> None:
    with pytest.raises(LogMalformed):
        RoleLabel.from_log([RoleLabel.TOPIC, word(1)], data)
