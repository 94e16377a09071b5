"""The loop that brings one account's outbox on chain. There is one writer for each account, by an advisory lock."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from indexer.db import Connection, Pool
from indexer.errors import RpcUnavailable, WrongChain
from node.outbox import rows
from node.outbox.follow import Follower
from node.outbox.policy import SendPolicy
from node.outbox.rpc import Rpc, RpcError
from node.outbox.submit import Submitter
from node.wallet import Signer, SignerUnavailable

logger = logging.getLogger(__name__)

CHANNEL: Final = "gridtrace_outbox"
LOCK: Final = "select pg_try_advisory_lock(hashtextextended('gridtrace outbox ' || $1, 0))"

_OUTSIDE_FAULTS = (
    RpcUnavailable,
    RpcError,
    SignerUnavailable,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut off in the middle of a call
    asyncpg.OperatorInterventionError,
    asyncpg.QueryCanceledError,
    OSError,
    TimeoutError,
)
"""Failures of the node, the signer or the database, which pass."""


class Sender:
    """Sends what is enqueued for one account, until cancelled.

    Every step is stored before the next one is taken, so it may be stopped anywhere, at any time, and another Sender
    goes on: a transaction is signed and stored before a node sees it, and the stored bytes are sent again.
    """

    def __init__(self, pool: Pool, rpc: Rpc, signer: Signer, chain_id: int, policy: SendPolicy | None = None) -> None:
        self._pool = pool
        self._rpc = rpc
        self._signer = signer
        self._chain_id = chain_id
        self._policy = policy or SendPolicy()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Runs until cancelled; waits while another process sends for the same account.

        Raises:
            WrongChain: the node serves another chain than the configured one.
            WrongSignature, SignerRefused: the account's key is not to be had.
        """
        while True:
            try:
                await self._check_chain()
                async with self._writer() as db:
                    await self._work(db)
            except _OUTSIDE_FAULTS as error:
                logger.warning("outbox pauses: %s: %s", type(error).__name__, error)
            await asyncio.sleep(self._policy.back_off_s)

    async def _check_chain(self) -> None:
        served = int(await self._rpc.call("eth_chainId"), 16)
        if served != self._chain_id:
            raise WrongChain(f"the node serves chain {served}, not {self._chain_id}")

    @asynccontextmanager
    async def _writer(self) -> AsyncIterator[Connection]:
        """The connection that holds the lock. All writes go through it: who loses the lock can write no more."""
        async with self._pool.acquire() as db:
            await db.add_listener(CHANNEL, self._woken)
            try:
                while not await db.fetchval(LOCK, self._signer.address.hex()):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(self._policy.poll_s)
                logger.info("outbox sender has the lock sender=0x%s", self._signer.address.hex())
                yield db
            finally:
                if not db.is_closed():
                    await db.remove_listener(CHANNEL, self._woken)

    def _woken(self, *_: Any) -> None:
        self._wake.set()

    async def _work(self, db: Connection) -> None:
        follower = Follower(self._rpc, self._signer.address, self._policy)
        submitter = Submitter(self._rpc, self._signer, self._chain_id, self._policy)
        while True:
            self._wake.clear()
            try:
                await self._pass(db, follower, submitter)
            except (RpcUnavailable, RpcError) as error:
                logger.warning("outbox waits for the node: %s", error)
                await asyncio.sleep(self._policy.back_off_s)
            except SignerUnavailable as error:
                logger.warning("outbox waits for the signer: %s (%s)", error, error.code)
                await asyncio.sleep(self._policy.back_off_s)
            await self._rest()

    async def _pass(self, db: Connection, follower: Follower, submitter: Submitter) -> None:
        live = await rows.live(db, self._signer.address)
        if live:
            await follower.follow(db, live)
            live = await rows.live(db, self._signer.address)
        for row_id in await submitter.push(db, [row for row in live if row.unmined]):
            follower.nonce_used(row_id)
        await submitter.submit(db, live)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._policy.poll_s):
                await self._wake.wait()
