"""From sent to final: receipts, reorganisations, finality."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from indexer.db import Connection
from node.outbox import rows
from node.outbox.policy import SendPolicy
from node.outbox.refusals import is_failure, reason
from node.outbox.rows import Live
from node.outbox.rpc import Call, Rpc, RpcError

logger = logging.getLogger(__name__)

LOOK_BACK_BLOCKS = 2
"""A revert is replayed on the state before its block, then after it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's newest block, and the newest that cannot be reorganised away."""

    number: int
    hash: str
    final: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a transaction is mined."""

    transaction_hash: bytes
    block_number: int
    gas_used: int
    succeeded: bool


class Follower:
    """Watches one account's live transactions. Looks only when the head has changed."""

    def __init__(self, rpc: Rpc, sender: bytes, policy: SendPolicy) -> None:
        self._rpc = rpc
        self._sender = "0x" + sender.hex()
        self._policy = policy
        self._head: Head | None = None
        self._spent: set[int] = set()

    def nonce_used(self, row_id: int) -> None:
        """A node says that a block holds this row's nonce: look for its receipt even if the head stands still."""
        self._spent.add(row_id)

    async def follow(self, db: Connection, live: Sequence[Live]) -> None:
        """Brings the rows to the state of the chain."""
        head, reorganised = await self._look()
        if not reorganised and self._head is not None and head.hash == self._head.hash and not self._spent:
            return
        watched = [
            row for row in live if row.unmined or reorganised or (row.block_number or 0) <= head.final
        ]  # A final row is looked at once more before it is called so.
        receipts = await self._receipts(watched, head)
        for row in watched:
            if (receipt := receipts.get(row.id)) is not None:
                await self._found(db, row, receipt)
            elif not row.unmined:
                logger.warning("transaction lost in reorganisation outbox_id=%d nonce=%d", row.id, row.nonce)
                await rows.mark_lost(db, row.id)
        final = [row_id for row_id, receipt in receipts.items() if receipt.block_number <= head.final]
        if final:
            await rows.mark_final(db, final)
        await self._give_up_nonces(db, [row for row in watched if row.id not in receipts], head)
        self._spent.clear()
        self._head = head

    async def _look(self) -> tuple[Head, bool]:
        """The head, and whether blocks below the last seen head may have been exchanged."""
        calls: list[Call] = [
            ("eth_getBlockByNumber", ("latest", False)),
            ("eth_getBlockByNumber", ("finalized", False)),
        ]
        if self._head is not None:
            calls.append(("eth_getBlockByNumber", (hex(self._head.number), False)))
        latest, finalized, *before = await self._rpc.batch(calls)
        if isinstance(latest, RpcError):
            raise latest
        number = int(latest["number"], 16)
        # Chains without finality refuse the tag or answer null.
        final = int(finalized["number"], 16) if isinstance(finalized, dict) else number - self._policy.confirmations
        same = self._head is not None and isinstance(before[0], dict) and before[0]["hash"] == self._head.hash
        return Head(number, latest["hash"], final), not same

    async def _receipts(self, watched: Sequence[Live], head: Head) -> dict[int, Receipt]:
        """Receipts by row, of blocks up to ``head``: later ones are for the next look."""
        asked = [(row.id, transaction_hash) for row in watched for transaction_hash in row.hashes]
        answers = await self._rpc.batch([("eth_getTransactionReceipt", ("0x" + hash_.hex(),)) for _, hash_ in asked])
        found: dict[int, Receipt] = {}
        for (row_id, transaction_hash), answer in zip(asked, answers, strict=True):
            if isinstance(answer, RpcError):
                raise answer
            if answer and answer.get("blockNumber") and int(answer["blockNumber"], 16) <= head.number:
                found[row_id] = _receipt(transaction_hash, answer)
        return found

    async def _found(self, db: Connection, row: Live, receipt: Receipt) -> None:
        if row.block_number == receipt.block_number and row.transaction_hash == receipt.transaction_hash:
            return
        error = None if receipt.succeeded else await self._why(db, row, receipt)
        await rows.mark_mined(db, row.id, receipt.transaction_hash, receipt.block_number, receipt.gas_used, error)
        logger.info(
            "transaction mined outbox_id=%d nonce=%d block=%d gas=%d error=%s",
            row.id, row.nonce, receipt.block_number, receipt.gas_used, error,
        )  # fmt: skip

    async def _why(self, db: Connection, row: Live, receipt: Receipt) -> str:
        """The reason of a revert, by running the call again around its block."""
        target, calldata = await rows.payload(db, row.id)
        call = {"from": self._sender, "to": "0x" + target.hex(), "data": "0x" + calldata.hex()}
        for block in range(receipt.block_number - 1, receipt.block_number - 1 + LOOK_BACK_BLOCKS):
            try:
                await self._rpc.call("eth_call", call, hex(block))
            except RpcError as refusal:
                if is_failure(refusal):
                    return reason(refusal)
        return "reverted on chain; the call does not fail when it is run again"

    async def _give_up_nonces(self, db: Connection, missing: Sequence[Live], head: Head) -> None:
        """Queues rows again whose nonce a final block gave to a transaction that is not ours."""
        spent = [row for row in missing if row.id in self._spent]
        if not spent:
            return
        used = int(await self._rpc.call("eth_getTransactionCount", self._sender, hex(max(head.final, 0))), 16)
        for row in spent:
            if row.nonce < used:
                logger.error("nonce used by a foreign transaction outbox_id=%d nonce=%d", row.id, row.nonce)
                await rows.requeue(db, row.id)


def _receipt(transaction_hash: bytes, answer: dict[str, Any]) -> Receipt:
    return Receipt(
        transaction_hash=transaction_hash,
        block_number=int(answer["blockNumber"], 16),
        gas_used=int(answer["gasUsed"], 16),
        succeeded=int(answer["status"], 16) == 1,
    )
