"""Our digests against eth-account's, and the refusals that eth-account does not make."""

import dataclasses
import random
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils.address import to_checksum_address

from contracts import typed_data
from contracts.typed_data import (
    BadAddress,
    BadSignature,
    Domain,
    FieldOutOfRange,
    Mandate,
    Order,
    Reading,
    TradingMandate,
)

KEY = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
DOMAIN = Domain(31_337, bytes(range(20)))
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

ORDER_BITS = {
    "zone": 32, "delivery_start": 64, "side": 8, "energy_wh": 48, "min_fill_wh": 48, "time_in_force": 8,
    "source": 8, "expiry": 32, "lane": 16, "nonce": 48,
}  # fmt: skip
ORDER_TYPES = [
    ("address", "trader"), ("uint32", "zone"), ("uint64", "deliveryStart"), ("uint8", "side"),
    ("uint48", "energyWh"), ("int48", "limitPricePerKwh"), ("uint48", "minFillWh"), ("uint8", "timeInForce"),
    ("uint8", "source"), ("uint32", "expiry"), ("uint16", "lane"), ("uint48", "nonce"),
]  # fmt: skip
MANDATE_TYPES = [
    ("address", "account"), ("uint64", "budgetPerSlot"), ("uint64", "budget"), ("uint32", "expiry"),
    ("uint32", "nonce"),
]  # fmt: skip
TRADING_MANDATE_TYPES = [
    ("address", "account"), ("uint32", "zone"), ("int48", "maxBuyPricePerKwh"), ("int48", "minSellPricePerKwh"),
    ("uint32", "maxWhPerSlot"), ("uint32", "validFrom"), ("uint32", "expiry"), ("uint48", "nonce"),
]  # fmt: skip
PERMIT_TYPES = [
    ("address", "owner"), ("address", "spender"), ("uint256", "value"), ("uint256", "nonce"), ("uint256", "deadline"),
]  # fmt: skip
READING_TYPES = [
    ("uint32", "meterId"), ("uint64", "time"), ("uint64", "counter"), ("uint64", "importWh"), ("uint64", "exportWh"),
    ("int64", "powerW"),
]  # fmt: skip


def random_order(rng: random.Random) -> Order:
    price = rng.choice([rng.randrange(-(2**47), 2**47), -(2**47), 2**47 - 1, 0])
    fields = {name: rng.choice([rng.randrange(2**bits), 0, 2**bits - 1]) for name, bits in ORDER_BITS.items()}
    return Order(trader=rng.randbytes(20), limit_price_per_kwh=price, **fields)


def reference_digest(name: str, types: list[tuple[str, str]], values: tuple[Any, ...], domain: dict[str, Any]) -> bytes:
    message = {field: value for (_, field), value in zip(types, values, strict=True)}
    members = [{"name": field, "type": kind} for kind, field in types]
    return bytes(_hash_eip191_message(encode_typed_data(domain, {name: members}, message)))


def exchange_domain(domain: Domain = DOMAIN) -> dict[str, Any]:
    return {
        "name": "Gridtrace Exchange",
        "version": "1",
        "chainId": domain.chain_id,
        "verifyingContract": to_checksum_address(domain.exchange),
    }


def test_order_digest__random_orders__equal_eth_account() -> None:
    rng = random.Random(1)
    for _ in range(100):
        order = random_order(rng)
        expected = reference_digest("Order", ORDER_TYPES, dataclasses.astuple(order), exchange_domain())
        assert typed_data.order_digest(DOMAIN, order) == expected


def test_mandate_digest__bounds__equal_eth_account() -> None:
    for mandate in (
        Mandate(bytes(20), 0, 0, 0, 0),
        Mandate(b"\xff" * 20, 2**64 - 1, 2**64 - 1, 2**32 - 1, 2**32 - 1),
    ):
        expected = reference_digest("Mandate", MANDATE_TYPES, dataclasses.astuple(mandate), exchange_domain())
        assert typed_data.mandate_digest(DOMAIN, mandate) == expected


def test_trading_mandate_digest__bounds__equal_eth_account() -> None:
    for mandate in (
        TradingMandate(bytes(20), 0, -(2**47), -(2**47), 0, 0, 0, 0),
        TradingMandate(b"\xff" * 20, 2**32 - 1, 2**47 - 1, 2**47 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**48 - 1),
    ):
        values = dataclasses.astuple(mandate)
        expected = reference_digest("TradingMandate", TRADING_MANDATE_TYPES, values, exchange_domain())
        assert typed_data.trading_mandate_digest(DOMAIN, mandate) == expected


def test_permit_digest__largest_value__equals_eth_account() -> None:
    values = (b"\x01" * 20, b"\x02" * 20, 2**256 - 1, 7, 2**255)
    domain = {"name": "Token", "version": "2", "chainId": 1, "verifyingContract": "0x" + "03" * 20}
    expected = reference_digest("Permit", PERMIT_TYPES, values, domain)
    assert typed_data.permit_digest("Token", "2", 1, b"\x03" * 20, *values) == expected


def test_reading_digest__negative_power__equals_eth_account() -> None:
    reading = Reading(7, 1_750_000_000, 12, 1_000, 2_000, -3_500)
    domain = {"name": "Gridtrace Meter", "version": "1"}
    expected = reference_digest("Reading", READING_TYPES, dataclasses.astuple(reading), domain)
    assert typed_data.reading_digest(reading) == expected


def test_order_digest__another_chain_or_exchange__differs() -> None:
    order = random_order(random.Random(2))
    digests = {
        typed_data.order_digest(domain, order)
        for domain in (DOMAIN, Domain(1, DOMAIN.exchange), Domain(31_337, bytes(20)))
    }
    assert len(digests) == 3


@pytest.mark.parametrize("field", [*ORDER_BITS, "limit_price_per_kwh"])
def test_order_digest__field_too_large_or_too_small__refused(field: str) -> None:
    order = random_order(random.Random(3))
    high, low = (2**47, -(2**47) - 1) if field == "limit_price_per_kwh" else (2 ** ORDER_BITS[field], -1)
    for value in (high, low, True, "1", 1.0):
        with pytest.raises(FieldOutOfRange, match=field):
            typed_data.order_digest(DOMAIN, dataclasses.replace(order, **{field: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize("trader", [b"", bytes(19), bytes(21), bytes(32), "0x" + "00" * 20])
def test_order_digest__trader_not_20_bytes__refused(trader: object) -> None:
    order = dataclasses.replace(random_order(random.Random(4)), trader=trader)  # type: ignore[arg-type]
    with pytest.raises(FieldOutOfRange, match="trader"):
        typed_data.order_digest(DOMAIN, order)


def test_sign__many_digests__recovered_and_equal_to_eth_account() -> None:
    rng = random.Random(5)
    for _ in range(20):
        digest = rng.randbytes(32)
        signature = typed_data.sign(digest, KEY)
        assert signature == bytes(Account.unsafe_sign_hash(digest, KEY).signature)
        assert typed_data.recover(digest, signature) == typed_data.address_of(KEY)
    assert typed_data.checksum(typed_data.address_of(KEY)) == Account.from_key(KEY).address


def test_recover__other_digest__gives_another_address() -> None:
    signature = typed_data.sign(bytes(32), KEY)
    assert typed_data.recover(b"\x01" * 32, signature) != typed_data.address_of(KEY)


def test_recover__high_s_twin__refused() -> None:
    signature = typed_data.sign(b"\x07" * 32, KEY)
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes((55 - signature[64],))
    with pytest.raises(BadSignature, match="upper half"):
        typed_data.recover(b"\x07" * 32, twin)


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_recover__v_not_27_or_28__refused(v: int) -> None:
    with pytest.raises(BadSignature, match="27 or 28"):
        typed_data.recover(bytes(32), typed_data.sign(bytes(32), KEY)[:64] + bytes((v,)))


@pytest.mark.parametrize("length", [0, 64, 66])
def test_recover__length_not_65__refused(length: int) -> None:
    with pytest.raises(BadSignature, match="65 bytes"):
        typed_data.recover(bytes(32), bytes(length))


@pytest.mark.parametrize("r", [0, CURVE_ORDER, 2**256 - 1, 5])
def test_recover__r_of_no_point__refused(r: int) -> None:
    with pytest.raises(BadSignature, match="no key"):
        typed_data.recover(bytes(32), r.to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b")


def test_recover__s_zero__refused() -> None:
    with pytest.raises(BadSignature, match="no key"):
        typed_data.recover(bytes(32), PrivateKey(KEY).secret + bytes(32) + b"\x1b")


def test_parse_address__good_forms__round_trip() -> None:
    text = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
    for form in (text, text.lower(), "0x" + text[2:].upper()):
        assert typed_data.checksum(typed_data.parse_address(form)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "dAC17F958D2ee523a2206206994597C13D831ec7",
        "0xdAC17F958D2ee523a2206206994597C13D831eC7",
        "0xdAC17F958D2ee523a2206206994597C13D831e",
        "0xdAC17F958D2ee523a2206206994597C13D831ec7 ",
        "0xzAC17F958D2ee523a2206206994597C13D831ec7",
        "0x0xC17F958D2ee523a2206206994597C13D831ec7",
    ],
)
def test_parse_address__malformed_or_mistyped__refused(text: str) -> None:
    with pytest.raises(BadAddress):
        typed_data.parse_address(text)
