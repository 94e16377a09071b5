"""Judges again, by the contract itself, every order that a settlement left out."""

import logging
from collections.abc import Mapping, Sequence

from contracts.settlement_batch import ACCOUNT_LANE
from contracts.typed_data import Order
from node.audit.chain import ChainReads
from node.audit.compare import Finding, compare
from node.audit.evidence import RecordedVoid
from node.outbox import RpcError
from node.settlement.outcome import Slot
from node.settlement.voids import Exchange, Lane, Standing, judge

logger = logging.getLogger(__name__)

CONTRACT = "SettlementExchange at the block"
STORED = "trading.settlement_voids"


async def check_voids(
    chain: ChainReads | None,
    recorded: Sequence[RecordedVoid],
    slot: Slot,
    orders: Mapping[bytes, Order],
    *,
    batch_blocks: Mapping[int, int | None],
) -> list[Finding]:
    """Compares the recorded voids of every batch with those that follow from the block that they name.

    Where the contract cannot be asked about that block, only that they are of traded orders, and of one block before
    that of the batch.
    """
    findings = []
    for batch in sorted({item.batch for item in recorded}):
        before = {item.digest: item.batch for item in recorded if item.batch < batch}
        fallen = [item for item in recorded if item.batch == batch]
        findings += await _check_batch(chain, fallen, slot, orders, before, batch_blocks.get(batch))
    return findings


async def _check_batch(
    chain: ChainReads | None,
    recorded: Sequence[RecordedVoid],
    slot: Slot,
    orders: Mapping[bytes, Order],
    before: Mapping[bytes, int],
    batch_block: int | None,
) -> list[Finding]:
    """The orders that fell out with one batch."""
    traded = {digest for trade in slot.trades for digest in (trade.buy_order, trade.sell_order)}
    findings = compare(
        "void",
        {_name(item.digest): {"account": orders[item.digest].trader} for item in recorded if item.digest in traded},
        {_name(item.digest): {"account": item.account} for item in recorded},
        "published book",
        STORED,
    )
    first = recorded[0]
    places = {f"{_name(item.digest)} block": {"hash": item.block_hash} for item in recorded}
    findings += compare("void", {name: {"hash": first.block_hash} for name in places}, places, STORED, STORED)
    if batch_block is not None and first.block_number >= batch_block:
        expected, actual = f"judged before block {batch_block}", f"judged at block {first.block_number}"
        findings.append(Finding("void", _name(first.digest), expected, actual, "trading.settlements", STORED))
    exchange = await _exchange(chain, first, slot, [orders[digest] for digest in sorted(traded)])
    if exchange is None:
        return findings
    voids = judge(slot, orders, exchange, first.batch, before).voids
    reasons = {_name(digest): {"reason": str(reason)} for digest, reason in voids.items()}
    stored = {_name(item.digest): {"reason": item.reason} for item in recorded}
    return findings + compare("void", reasons, stored, f"{CONTRACT} {first.block_number}", STORED)


async def _exchange(chain: ChainReads | None, at: RecordedVoid, slot: Slot, orders: Sequence[Order]) -> Exchange | None:
    """What the contract said as of the block, where it can still be asked."""
    if chain is None or not at.canonical:
        return None
    accounts = sorted({account for trade in slot.trades for account in (trade.buyer, trade.seller)})
    lanes = sorted({(order.trader, order.lane) for order in orders if order.lane != ACCOUNT_LANE})
    try:
        vaults = await chain.accounts_of(accounts, at.block_hash)
        clearances = await chain.clearances_of(accounts, at.block_hash)
        own = await chain.account_lanes_of(accounts, at.block_hash)
        live = await chain.lanes_of(lanes, at.block_hash)
    except RpcError as error:
        logger.info("the chain no longer has the state of block %d: %s", at.block_number, error)
        return None
    standings = {
        account: Standing(
            vault.cash, vault.energy_wh, vault.min_nonce, cleared_until, lane.last_slot, lane.side, lane.filled_wh
        )
        for account, vault, cleared_until, lane in zip(accounts, vaults, clearances, own, strict=True)
    }
    filled = {key: Lane(lane.nonce, lane.filled_wh) for key, lane in zip(lanes, live, strict=True)}
    return Exchange(standings, filled)


def _name(digest: bytes) -> str:
    return f"order 0x{digest.hex()}"
