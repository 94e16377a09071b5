"""The outbox with a key that another machine keeps: away, it waits; forbidden, it fails; another's key ends it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from contracts.abi import encode_call
from indexer.db import Pool, open_pool
from node import outbox
from node.outbox import HttpRpc, Sender, SendPolicy
from node.signers.http import Http
from node.signers.policy import Guarded, Policy
from node.signers.remote import Web3Signer
from node.wallet import WrongSignature
from tests.integration.conftest import AnvilChain
from tests.integration.node.signers import keepers
from tests.integration.node.signers.keepers import ADDRESS, OTHER_KEY

pytestmark = pytest.mark.integration

CHAIN_ID = 31_337
QUICK = SendPolicy(poll_s=0.02, back_off_s=0.05, refuse_after_s=0.1)
CALL = encode_call("PaymentToken", "approve", ADDRESS, 1)


@pytest.fixture
def keeper() -> Iterator[keepers.Keeper]:
    with keepers.keeping() as keeper:
        yield keeper


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=3) as pool:
        yield pool


@pytest.fixture
def target(anvil: AnvilChain) -> bytes:
    """A contract that takes every call."""
    anvil.rpc("anvil_setBalance", ["0x" + ADDRESS.hex(), hex(10**20)])
    anvil.rpc("anvil_setCode", ["0x" + "77" * 20, "0x00"])
    return b"\x77" * 20


async def state(pool: Pool, row_id: int) -> outbox.Status:
    async with pool.acquire() as db:
        return await outbox.state(db, row_id)


async def reach(pool: Pool, row_id: int, wanted: str) -> outbox.Status:
    async with asyncio.timeout(60):
        while (await state(pool, row_id)).state != wanted:
            await asyncio.sleep(0.02)
    return await state(pool, row_id)


async def test_run__key_at_web3signer__waits_for_it_refuses_and_ends(
    pool: Pool, anvil: AnvilChain, target: bytes, keeper: keepers.Keeper
) -> None:
    web3signer = Web3Signer(Http(keeper.url, 20), ADDRESS)
    signer = Guarded(web3signer, Policy(CHAIN_ID, frozenset({(target, CALL[:4])}), frozenset()))
    rpc = HttpRpc([anvil.url])
    sending = asyncio.create_task(Sender(pool, rpc, signer, CHAIN_ID, QUICK).run())

    async def ask(key: str, calldata: bytes) -> int:
        async with pool.acquire() as db:
            return await outbox.enqueue(
                db, key=key, kind=key, sender=ADDRESS, target=target, calldata=calldata, gas_limit=100_000
            )

    try:
        keeper.answer = 503, b"starting"
        first = await ask("first", CALL)
        async with asyncio.timeout(60):
            while len(keeper.asked) < 3:  # it keeps asking
                await asyncio.sleep(0.02)
        assert (await state(pool, first)).state == "queued"
        keeper.answer = None
        assert (await reach(pool, first, "mined")).nonce == 0

        forbidden = await reach(pool, await ask("second", b"\xde\xad\xbe\xef"), "failed")
        assert forbidden.error is not None
        assert forbidden.error.endswith("is not in the policy (signing-forbidden)")
        assert forbidden.nonce is None

        keeper.key = OTHER_KEY
        third = await ask("third", CALL)
        async with asyncio.timeout(60):
            with pytest.raises(WrongSignature):
                await sending
        assert (await state(pool, third)).state == "queued"
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError, WrongSignature):
            await sending
        await rpc.close()
