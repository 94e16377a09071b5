from datetime import UTC, datetime

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from api.client.results import Contracts, ExchangeDomain, Permit
from api.client.signing import OrderTerms, sign_in_body, sign_mandate, sign_order, sign_permit
from api.rest.deposits import NewDeposit
from api.rest.mandates import NewMandate
from api.rest.order_fields import NewOrder
from contracts.typed_data import (
    Domain,
    Mandate,
    address_of,
    checksum,
    mandate_digest,
    order_digest,
    parse_address,
    permit_digest,
    recover,
)
from node import eip4361

KEY = bytes(31) + b"\x07"
EXCHANGE = "0x" + "e0" * 20
CONTRACTS = Contracts(
    31_337,
    {},
    ExchangeDomain("Gridtrace Exchange", "1", 31_337, EXCHANGE),
    ExchangeDomain("Gridtrace Devnet Euro", "1", 31_337, "0x" + "d0" * 20),
)
DOMAIN = Domain(31_337, parse_address(EXCHANGE))
START = datetime(2026, 6, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_order__as_the_server_reads_it__is_signed_by_its_trader(side: str) -> None:
    body = sign_order(CONTRACTS, KEY, OrderTerms(1, START, side, 1_500, -20_000, nonce=3, lane=2, source="any"))
    read = NewOrder.model_validate(body)
    order = read.signed_struct()
    assert (order.side, order.energy_wh, order.limit_price_per_kwh) == (("buy", "sell").index(side), 1_500, -20_000)
    assert recover(order_digest(DOMAIN, order), read.signature) == address_of(KEY) == order.trader


def test_mandate__as_the_server_reads_it__is_signed_by_its_account() -> None:
    mandate = Mandate(address_of(KEY), 10, 20, 1_800_000_000, 4)
    read = NewMandate.model_validate(sign_mandate(CONTRACTS, KEY, mandate))
    assert read.expiry.timestamp() == mandate.expiry
    assert recover(mandate_digest(DOMAIN, mandate), read.signature) == mandate.account


def test_permit__as_the_server_reads_it__is_signed_by_its_owner() -> None:
    token = CONTRACTS.payment_token_domain
    terms = Permit(token, checksum(address_of(KEY)), EXCHANGE, 5, 1, START)
    read = NewDeposit.model_validate(sign_permit(terms, KEY))
    digest = permit_digest(
        token.name,
        token.version,
        31_337,
        parse_address(token.verifying_contract),
        read.account,
        parse_address(EXCHANGE),
        read.amount,
        read.nonce,
        int(read.deadline.timestamp()),
    )
    assert recover(digest, read.signature) == address_of(KEY)


def test_sign_in__message__follows_eip4361_and_is_signed_as_wallets_do() -> None:
    body = sign_in_body("market.test", "http://market.test", 31_337, "abcdef0123456789x", KEY, START)
    message = eip4361.parse(body["message"])
    assert (message.domain, message.nonce, message.issued_at) == ("market.test", "abcdef0123456789x", START)
    signer = Account.recover_message(encode_defunct(text=body["message"]), signature=body["signature"])
    assert signer == checksum(address_of(KEY))
