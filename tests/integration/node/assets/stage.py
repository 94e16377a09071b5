"""Everything an asset needs, for real: contracts on a chain, the outbox that sends, the indexer that mirrors."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from contracts.abi import decode_result, encode_call
from contracts.typed_data import (
    PAYMENT_TOKEN_NAME,
    PAYMENT_TOKEN_VERSION,
    Purchase,
    address_of,
    permit_digest,
    purchase_digest,
    sign,
)
from indexer import app, read
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.db import Pool, open_pool, transaction
from node import outbox, participants
from node.assets.permit import TokenPermit
from node.deploy import Parameters, deploy
from node.outbox import HttpRpc, Sender
from node.participants import ChainContext
from node.wallet import KeyFileSigner

T = TypeVar("T")
CHAIN_ID = 31_337
PATIENCE_S = 30.0
DEPLOYER, OPERATOR, OWNER, ALICE, BOB, STRANGER = (number.to_bytes(32, "big") for number in range(1_001, 1_007))
YEAR = timedelta(days=365)


class Stage:
    """A node with its chain."""

    def __init__(self, pool: Pool, chain: ChainContext, anvil: Any) -> None:
        self.pool = pool
        self.chain = chain
        self.anvil = anvil

    async def mined(self, outbox_id: int) -> outbox.Status:
        """Waits until the transaction is on chain and mirrored; fails where it was refused."""

        async def look() -> outbox.Status | None:
            async with self.pool.acquire() as db:
                found = await outbox.state(db, outbox_id)
                assert found.state != "failed", found.error
                head = await read.head(db, CHAIN_ID)
                mirrored = head is not None and found.block_number is not None and head.number >= found.block_number
                return found if found.succeeded and mirrored else None

        return await self.until(look)

    async def until(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """The first answer that is not None."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError("it did not come")

    async def mirrored(self) -> None:
        """Waits for the mirror to reach the chain's head."""
        wanted = int(self.anvil.rpc("eth_blockNumber"), 16)

        async def look() -> bool | None:
            async with self.pool.acquire() as db:
                head = await read.head(db, CHAIN_ID)
                return True if head is not None and head.number >= wanted else None

        await self.until(look)

    async def as_wallet(self, key: bytes, target: bytes, calldata: bytes) -> None:
        """What a wallet would send by itself, mirrored."""
        sender = "0x" + address_of(key).hex()
        self.anvil.rpc("anvil_impersonateAccount", [sender])
        self.anvil.rpc("anvil_setBalance", [sender, hex(10**20)])
        call = {"from": sender, "to": "0x" + target.hex(), "data": "0x" + calldata.hex(), "gas": hex(2_000_000)}
        receipt = None
        sent = self.anvil.rpc("eth_sendTransaction", [call])
        while receipt is None:
            receipt = self.anvil.rpc("eth_getTransactionReceipt", [sent])
        assert receipt["status"] == "0x1"
        await self.mirrored()

    def ask(self, contract: str, target: bytes, function: str, *arguments: object) -> Any:
        """What a contract answers now."""
        call = {"to": "0x" + target.hex(), "data": "0x" + encode_call(contract, function, *arguments).hex()}
        return decode_result(contract, function, bytes.fromhex(self.anvil.rpc("eth_call", [call, "latest"])[2:]))[0]

    async def clear(self, *keys: bytes, until: datetime | None = None) -> None:
        """Clears accounts to hold fractions."""
        for key in keys:
            async with transaction(self.pool) as db:
                sent = await participants.register(
                    db,
                    self.chain,
                    account=address_of(key),
                    roles=["producer"],
                    kyc_until=until or datetime.now(UTC) + YEAR,
                    country=756,
                    request_id=str(time.monotonic_ns()),
                )
            await self.mined(sent)

    async def fund(self, key: bytes, amount: int) -> None:
        """Gives an account payment tokens."""
        async with transaction(self.pool) as db:
            sent = await participants.faucet(
                db, self.chain, account=address_of(key), amount=amount, request_id=str(time.monotonic_ns())
            )
        await self.mined(sent)

    def permit(self, key: bytes, token: bytes, value: int, deadline: int) -> TokenPermit:
        """A permit for an asset's token to take payment tokens."""
        money = self.chain.deployment.address("PaymentToken")
        nonce = self.ask("PaymentToken", money, "nonces", address_of(key))
        digest = permit_digest(
            PAYMENT_TOKEN_NAME, PAYMENT_TOKEN_VERSION, CHAIN_ID, money, address_of(key), token, value, nonce, deadline
        )
        return TokenPermit(value, nonce, deadline, sign(digest, key))

    def purchase(
        self, key: bytes, token: bytes, fractions: int, max_cost: int, *, deadline: int | None = None
    ) -> tuple[Purchase, bytes, TokenPermit]:
        """A signed purchase with its permit."""
        until = int(time.time()) + 600 if deadline is None else deadline
        nonce = self.ask("AssetToken", token, "nonces", address_of(key))
        wanted = Purchase(address_of(key), fractions, max_cost, nonce, until)
        signature = sign(purchase_digest(CHAIN_ID, token, wanted), key)
        return wanted, signature, self.permit(key, token, max_cost, until)


@asynccontextmanager
async def open_stage(database_url: str, anvil: Any, folder: Path) -> AsyncIterator[Stage]:
    """Deploys everything and starts what mirrors and sends."""
    for key in (DEPLOYER, OPERATOR):
        anvil.rpc("anvil_setBalance", ["0x" + address_of(key).hex(), hex(10**20)])
    path = folder / "deployment.json"
    operator = address_of(OPERATOR)
    deployment = await deploy(anvil.url, CHAIN_ID, DEPLOYER, operator, path, parameters=Parameters.of_devnet())
    config = IndexerConfig(
        database_url=database_url,
        rpc_urls=(anvil.url,),
        chain_id=CHAIN_ID,
        deployment=path,
        clock=SimulatedClock(),
        poll_interval_s=0.05,
        metrics_port=None,
    )
    rpc = HttpRpc([anvil.url])
    async with open_pool(database_url, size=6) as pool:
        sender = Sender(pool, rpc, KeyFileSigner(OPERATOR, chain_id=CHAIN_ID), CHAIN_ID)
        tasks = [asyncio.create_task(sender.run()), asyncio.create_task(app.run(config))]
        try:
            yield Stage(pool, ChainContext(CHAIN_ID, deployment, operator), anvil)
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await rpc.close()
