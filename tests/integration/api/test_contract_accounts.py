"""Accounts that are contracts sign in: ERC-1271, ERC-6492, and code that means harm."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.typed_data import address_of, checksum, sign
from indexer.errors import RpcUnavailable
from node import contract_accounts, eip4361
from node.outbox.rpc import HttpRpc
from tests.integration.api.conftest import ALICE_KEY, BASE_URL, BOB_KEY, CHAIN_ID, Market
from tests.integration.conftest import AnvilChain

pytestmark = pytest.mark.integration

FACTORY = b"\xfa" * 20
WALLET = b"\xaa" * 20
BOMB = b"\xbb" * 20
LOOP = bytes.fromhex("5b600056")
DEPLOYS_CALLDATA = bytes.fromhex("3660006000376000366000600" + "0f500")
"""CREATE2 with salt 0 of what it is called with."""


def wallet_of(owner: bytes) -> bytes:
    """Code that takes the signatures of one key, as ERC-1271 asks."""
    recovered = bytes.fromhex("602060046000376" + "0a43560f81c602052" + "604060646040376020608060806000" + "60015afa50")
    return recovered + bytes.fromhex("60805173") + owner + bytes.fromhex("14631626ba7e0260e01b60005260206000f3")


def deploying(code: bytes) -> bytes:
    """A constructor that leaves this code."""
    return bytes([0x60, len(code), 0x60, 12, 0x60, 0, 0x39, 0x60, len(code), 0x60, 0, 0xF3]) + code


def undeployed(factory: bytes, call: bytes, signature: bytes) -> bytes:
    fields = ("0x" + factory.hex(), call, signature)
    return encode(("address", "bytes", "bytes"), fields) + contract_accounts.UNDEPLOYED


@pytest.fixture
async def chain(market: Market, anvil: AnvilChain, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The market asks a real node, and does not mind that this machine is busy."""
    monkeypatch.setattr(contract_accounts, "TIME_LIMIT_S", 60.0)
    for account, code in ((WALLET, wallet_of(address_of(ALICE_KEY))), (FACTORY, DEPLOYS_CALLDATA), (BOMB, LOOP)):
        anvil.rpc("anvil_setCode", ["0x" + account.hex(), "0x" + code.hex()])
    rpc = HttpRpc([anvil.url], timeout_s=60)
    given(market, rpc)
    yield anvil
    await rpc.close()


def given(market: Market, rpc: Any) -> None:
    state = market.transport.app.state  # type: ignore[attr-defined]
    state.services = replace(state.services, rpc=rpc)


async def attempt(http: httpx.AsyncClient, account: bytes, signed: Any) -> httpx.Response:
    """Signs in as an account; ``signed`` makes the signature of a digest."""
    nonce = (await http.post("/v1/auth/nonce")).json()["nonce"]
    text = eip4361.compose(
        domain="market.test",
        address=checksum(account),
        uri=BASE_URL,
        chain_id=CHAIN_ID,
        nonce=nonce,
        issued_at=datetime.now(UTC),
        statement="Sign in.",
    )
    body = {"message": text, "signature": "0x" + signed(eip4361.digest(text)).hex()}
    return await http.post("/v1/auth/verify", json=body)


def by(key: bytes) -> Any:
    return lambda digest: sign(digest, key)


async def test_sign_in__contract_that_takes_the_signature__opens_its_session(market: Market, chain: Any) -> None:
    async with market.http() as http:
        answer = await attempt(http, WALLET, by(ALICE_KEY))
        assert (answer.status_code, answer.json()["account"]) == (200, checksum(WALLET))
        assert (await http.get("/v1/auth/session")).json()["account"] == checksum(WALLET)


@pytest.mark.parametrize(
    ("account", "signed"),
    [
        (WALLET, by(BOB_KEY)),
        (WALLET, lambda digest: b""),
        (WALLET, lambda digest: sign(bytes(32), ALICE_KEY)),
        (BOMB, by(ALICE_KEY)),
        (b"\xcc" * 20, by(ALICE_KEY)),
        (b"\xcc" * 20, lambda digest: contract_accounts.UNDEPLOYED),
        (BOMB, lambda digest: undeployed(BOMB, b"x", b"")),
        (WALLET, lambda digest: undeployed(FACTORY, b"x", sign(digest, BOB_KEY))),
    ],
    ids=["key", "empty", "message", "bomb", "nothing", "not-6492", "bomb-factory", "deployed"],
)
async def test_sign_in__contract_that_does_not_take_it__is_refused(
    market: Market, chain: Any, account: bytes, signed: Any
) -> None:
    async with market.http() as http:
        answer = await attempt(http, account, signed)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign-in-refused")


async def test_sign_in__contract_not_deployed_yet__is_believed_and_not_deployed(market: Market, chain: Any) -> None:
    code = deploying(wallet_of(address_of(BOB_KEY)))
    account = bytes(keccak(b"\xff" + FACTORY + bytes(32) + keccak(code))[12:])
    async with market.http() as http:
        answer = await attempt(http, account, lambda digest: undeployed(FACTORY, code, sign(digest, ALICE_KEY)))
        assert answer.json()["code"] == "sign-in-refused"
        answer = await attempt(http, account, lambda digest: undeployed(FACTORY, code, sign(digest, BOB_KEY)))
        assert (answer.status_code, answer.json()["account"]) == (200, checksum(account))
    assert chain.rpc("eth_getCode", ["0x" + account.hex(), "latest"]) == "0x"


class Asked:
    """A node that never answers; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def call(self, method: str, *params: Any) -> Any:
        self.calls.append(params[0])
        await asyncio.Event().wait()


async def test_sign_in__code_that_loops__ends_after_a_third_of_a_second_and_3m_gas(market: Market) -> None:
    assert contract_accounts.TIME_LIMIT_S <= 0.3
    silent = Asked()
    given(market, silent)
    async with market.http() as http:
        answer = await attempt(http, BOMB, by(ALICE_KEY))
    assert (answer.status_code, answer.json()["code"]) == (401, "sign-in-refused")
    assert [int(call["gas"], 16) for call in silent.calls] == [3_000_000]


async def test_sign_in__contract_while_no_node_answers__is_told_to_come_again(market: Market) -> None:
    class Away:
        async def call(self, method: str, *params: Any) -> Any:
            raise RpcUnavailable("nobody")

    given(market, Away())
    async with market.http() as http:
        answer = await attempt(http, WALLET, by(ALICE_KEY))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (await attempt(http, address_of(ALICE_KEY), by(ALICE_KEY))).status_code == 200
