"""From queued to sent: simulation, nonces, fees, signing, sending and sending again."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_hash.auto import keccak
from hexbytes import HexBytes

from indexer.db import Connection
from node.outbox import rows
from node.outbox.fees import Fees, offer, raised
from node.outbox.policy import SendPolicy, gas_with_margin
from node.outbox.refusals import Verdict, is_failure, reason, verdict
from node.outbox.rows import Live, Queued
from node.outbox.rpc import Rpc, RpcError
from node.wallet import Signer, SigningForbidden

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The simulation of a call failed."""

    reason: str


class Submitter:
    """Signs and sends one account's transactions, in nonce order."""

    def __init__(self, rpc: Rpc, signer: Signer, chain_id: int, policy: SendPolicy) -> None:
        self._rpc = rpc
        self._signer = signer
        self._chain_id = chain_id
        self._policy = policy
        self._account = "0x" + signer.address.hex()
        self._signed_at: dict[int, float] = {}
        self._sent_at: dict[int, float] = {}
        self._failing: dict[int, tuple[int, float]] = {}
        self._contracts: set[bytes] = set()

    async def push(self, db: Connection, unmined: Sequence[Live]) -> set[int]:
        """Sends what no block holds and is due; returns the rows whose nonce a block already holds."""
        self._forget({row.id for row in unmined})
        spent = set()
        for position, row in enumerate(unmined):
            current = row
            if position == 0 and self._older(self._signed_at, row.id, self._policy.bump_after_s):
                current = await self._bump(db, row)
            if current.state == "signed" or self._older(self._sent_at, row.id, self._policy.resend_after_s):
                last = row is unmined[-1]
                if await self._send(db, current, last=last) is Verdict.NONCE_USED:
                    spent.add(row.id)
        return spent

    async def submit(self, db: Connection, live: Sequence[Live]) -> None:
        """Signs and sends queued rows, oldest first; one that fails holds up those that may depend on it."""
        in_flight = {row.id for row in live if row.unmined}
        room = self._policy.in_flight - len(in_flight)
        waiting = await rows.queued(db, self._signer.address, room, self._policy.lines)
        if not waiting:
            return
        pending = int(await self._rpc.call("eth_getTransactionCount", self._account, "pending"), 16)
        nonce = max([pending, *(row.nonce + 1 for row in live)])
        block, fees = await self._market()
        held_up: set[str] = set()
        for row in waiting:
            line = self._policy.lines.get(row.kind, row.kind)
            if line in held_up or len(in_flight) >= self._policy.in_flight:
                continue
            gas = await self._simulate(row)
            if isinstance(gas, Refusal):
                # It may depend on what went before it and is in flight, or on a block to come.
                if any(before < row.id for before in in_flight) or not self._fails_for_good(row.id, block):
                    held_up |= {line} - self._policy.loose
                    continue
                logger.warning("transaction refused outbox_id=%d reason=%s", row.id, gas.reason)
                await rows.mark_refused(db, row.id, gas.reason)
                continue
            self._failing.pop(row.id, None)
            try:
                raw = await self._sign(row.target, row.calldata, nonce, gas, fees)
            except SigningForbidden as forbidden:
                logger.error("transaction not signed outbox_id=%d: %s", row.id, forbidden)
                await rows.mark_refused(db, row.id, f"{forbidden} ({forbidden.code})")
                continue
            await rows.mark_signed(db, row.id, nonce, raw, keccak(raw))
            self._signed_at[row.id] = _now()
            signed = Live(row.id, "signed", nonce, raw, keccak(raw), [], None)
            if await self._send(db, signed, last=True) is Verdict.NEVER:
                continue
            nonce += 1
            in_flight.add(row.id)

    def _fails_for_good(self, row_id: int, block: int) -> bool:
        """Whether the simulation has failed for long enough, with nothing of ours in flight."""
        first_block, since = self._failing.setdefault(row_id, (block, _now()))
        blocks, seconds = self._policy.refuse_after_blocks, self._policy.refuse_after_s
        if block - first_block < blocks and (seconds is None or _now() - since < seconds):
            return False
        del self._failing[row_id]
        return True

    async def _simulate(self, row: Queued) -> int | Refusal:
        """The gas to offer. Raises RpcError where the node cannot simulate now."""
        call = {"from": self._account, "to": "0x" + row.target.hex(), "data": "0x" + row.calldata.hex()}
        if row.calldata and not await self._is_contract(row.target):
            return Refusal("there is no contract at the target")
        try:
            if row.gas_limit is not None:
                await self._rpc.call("eth_call", {**call, "gas": hex(row.gas_limit)}, "pending")
                return row.gas_limit
            estimate = int(await self._rpc.call("eth_estimateGas", call, "pending"), 16)
        except RpcError as refusal:
            if is_failure(refusal):
                return Refusal(reason(refusal))
            raise
        if estimate > self._policy.gas_cap:
            return Refusal(f"needs {estimate} gas, more than the {self._policy.gas_cap} one transaction may have")
        return gas_with_margin(estimate, self._policy.gas_cap)

    async def _is_contract(self, target: bytes) -> bool:
        """A call to an account without code succeeds and does nothing: it must not pass for the effect."""
        if (
            target not in self._contracts
            and await self._rpc.call("eth_getCode", "0x" + target.hex(), "pending") != "0x"
        ):
            self._contracts.add(target)
        return target in self._contracts

    async def _market(self) -> tuple[int, Fees]:
        """Number of the newest block, and what to offer now."""
        block, tip = await self._rpc.batch(
            [("eth_getBlockByNumber", ("latest", False)), ("eth_maxPriorityFeePerGas", ())]
        )
        if isinstance(block, RpcError):
            raise block
        suggested = None if isinstance(tip, RpcError) else int(tip, 16)
        base_fee = int(block.get("baseFeePerGas", "0x0"), 16)
        return int(block["number"], 16), offer(base_fee, suggested, self._policy.fee_ceiling)

    async def _sign(self, target: bytes, calldata: bytes, nonce: int, gas: int, fees: Fees) -> bytes:
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": nonce,
            "to": target,
            "value": 0,
            "data": calldata,
            "gas": gas,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.tip,
            "accessList": [],
        }
        return await asyncio.to_thread(self._signer.sign_transaction, transaction)  # a signer may be far away

    async def _bump(self, db: Connection, row: Live) -> Live:
        """The row signed again with the same nonce and higher fees; the row itself at the ceiling."""
        assert row.raw is not None
        fields = TypedTransaction.from_bytes(HexBytes(row.raw)).as_dict()
        old = Fees(fields["maxFeePerGas"], fields["maxPriorityFeePerGas"])
        _, current = await self._market()
        fees = raised(old, current, self._policy.fee_ceiling)
        self._signed_at[row.id] = _now()
        if fees is None:
            logger.error("fee ceiling reached outbox_id=%d nonce=%d max_fee=%d", row.id, row.nonce, old.max_fee)
            return row
        raw = await self._sign(bytes(fields["to"]), bytes(fields["data"]), row.nonce, fields["gas"], fees)
        await rows.mark_replaced(db, row.id, raw, keccak(raw))
        logger.warning("fee raised outbox_id=%d nonce=%d max_fee=%d", row.id, row.nonce, fees.max_fee)
        return Live(row.id, "signed", row.nonce, raw, keccak(raw), [row.transaction_hash, *row.replaced_hashes], None)

    async def _send(self, db: Connection, row: Live, *, last: bool) -> Verdict:
        """Sends signed bytes; what the node said."""
        assert row.raw is not None
        self._sent_at[row.id] = _now()
        self._signed_at.setdefault(row.id, _now())
        found = Verdict.KNOWN
        try:
            await self._rpc.call("eth_sendRawTransaction", "0x" + row.raw.hex())
        except RpcError as refusal:
            found = verdict(refusal)
            if found is not Verdict.KNOWN:
                logger.warning("transaction not taken outbox_id=%d nonce=%d: %s", row.id, row.nonce, refusal)
            if found is Verdict.TOO_CHEAP:
                self._signed_at[row.id] = float("-inf")
            if found is Verdict.NEVER and last and row.state == "signed" and not row.replaced_hashes:
                await rows.mark_refused(db, row.id, refusal.message)
                return found
        if row.state == "signed" and found in (Verdict.KNOWN, Verdict.NONCE_USED):
            await rows.mark_sent(db, row.id)
        return found

    def _older(self, times: dict[int, float], row_id: int, age_s: float) -> bool:
        """Whether the row's time is that old. A row of an earlier run counts as sent long ago, and signed now."""
        if row_id not in times:
            if times is self._sent_at:
                return True
            times[row_id] = _now()
        return _now() - times[row_id] >= age_s

    def _forget(self, unmined: set[int]) -> None:
        for times in (self._signed_at, self._sent_at):
            for row_id in times.keys() - unmined:
                del times[row_id]


def _now() -> float:
    return asyncio.get_running_loop().time()
