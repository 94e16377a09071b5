"""Recomputes one settled slot, from signed readings and published books to the ledger, and names every difference.

Nothing that the node computed is taken on trust: what is stored is only ever compared. Recorded facts that cannot
follow from anything else are used as they are: the slot's imbalance prices, the most entries of its batches, the caps
of its charges and the block that its voided orders were judged at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from indexer.db import Connection
from node.audit import evidence, ledger
from node.audit.chain import ChainReads
from node.audit.compare import Finding
from node.audit.market import Traded, check_market
from node.audit.onchain import Settled, check_attested, check_ledger, check_numbers, settled_parts
from node.audit.stored import check_stored
from node.audit.voided import check_voids
from node.audit.zones import check_zone
from node.settlement import reads
from node.settlement.context import SettlementContext
from node.settlement.difference import Before, money_nano
from node.settlement.imbalance import imbalance_prices, local_price
from node.settlement.meters import by_account, roots
from node.settlement.outcome import Outcome, Slot
from node.settlement.reads import NoSettlement, SettlementRow


@dataclass(slots=True)
class _Past:
    """What the versions that were checked already leave to the later ones."""

    voids: dict[bytes, int] = field(default_factory=dict)
    settled: dict[int, Before] = field(default_factory=dict)
    partly: list[int] = field(default_factory=list)
    """Versions that failed and of which something is on chain."""


async def check_slot(
    db: Connection, chain: ChainReads | None, ctx: SettlementContext, zone: int, delivery_start: int
) -> list[Finding]:
    """Every difference in a settled slot, in all its versions. ``zone`` names an area, or the one zone.

    Without ``chain`` the mirror is not compared with the contract.

    Raises:
        NoSettlement: the slot has no settlement.
        RpcUnavailable: the chain does not answer.
    """
    rows = await reads.versions(db, zone, delivery_start)
    if not rows:
        raise NoSettlement(f"zone {zone} slot {delivery_start} is not settled")
    traded, market_findings = await check_market(db, ctx, rows[0])
    findings: list[Finding] = []
    past = _Past()
    accounts: set[bytes] = set()
    for row in rows:
        if row.version and row.state not in ("settled", "failed"):
            continue  # on its way
        outcome, found = await _check_version(db, chain, ctx, row, traded, past)
        findings += found
        accounts |= {line.account for line in outcome.accounts} if outcome else set()
        if not row.version:
            findings += market_findings
    findings += await check_numbers(db, ctx.chain_id, delivery_start)
    if chain is not None and traded is not None:
        findings += await check_balances(db, chain, ctx, sorted(accounts))
    return findings


async def check_balances(
    db: Connection, chain: ChainReads, ctx: SettlementContext, accounts: Sequence[bytes] | None = None
) -> list[Finding]:
    """Mirrored vault accounts against the contract's own at the indexed block; all of them unless some are named."""
    mirror = await evidence.mirror(db, ctx.chain_id, accounts)
    if mirror is None:
        return []
    names = list(mirror.accounts)
    vaults = await chain.accounts_of(names, mirror.block_hash)
    return ledger.balance_findings(mirror, dict(zip(names, vaults, strict=True)))


async def _check_version(
    db: Connection,
    chain: ChainReads | None,
    ctx: SettlementContext,
    row: SettlementRow,
    traded: Traded | None,
    past: _Past,
) -> tuple[Outcome | None, list[Finding]]:
    slot_s = traded.slot_s if traded else ctx.rules.slot_s
    checked = [await check_zone(db, ctx, row, zone, slot_s) for zone in row.zones]
    zones, findings = [found for found, _ in checked], [item for _, found in checked for item in found]
    if traded is None:
        return None, findings
    local = local_price(traded.clearing_prices, traded.trades)
    slot = Slot(
        zone=row.zone,
        delivery_start=row.delivery_start,
        version=row.version,
        trades=traded.trades,
        metered=by_account(meter for found in zones for meter in found.slots),
        prices=imbalance_prices(local, row.price_long_per_kwh, row.price_short_per_kwh),
        readings_root=roots([(found.zone, found.readings_root) for found in zones]),
        grid_account=ctx.grid_account,
        most_entries=row.most_entries,
        together=traded.zones,
        before=None if row.previous_id is None else past.settled[row.previous_id],
    )
    made = await reads.batches(db, row.settlement_id)
    on_chain = [batch for batch in made if batch.block_number is not None]
    if not row.version:
        voids = await evidence.voids(db, ctx.chain_id, row.settlement_id)
        orders = {digest: signed.order for digest, signed in traded.orders.items()}
        blocks = {batch.ordinal: batch.block_number for batch in on_chain}
        findings += await check_voids(chain, voids, slot, orders, batch_blocks=blocks)
        past.voids = {item.digest: item.batch for item in voids}
    findings += _passed_over(row, past)
    if row.state == "failed" and on_chain:
        past.partly.append(row.version)
    outcome = slot.settle(past.voids)
    findings += await check_stored(db, ctx, row, slot, outcome, on_chain, traded.orders)
    settled = await settled_parts(db, ctx, row, outcome, on_chain)
    if row.state in ("settled", "failed"):
        findings += await check_ledger(db, chain, ctx, row, settled, traded.orders)
    if row.state == "settled":
        past.settled[row.settlement_id] = _before(outcome, settled)
        for found in zones:
            findings += await check_attested(db, ctx, row, found, slot_s)
    return outcome, findings


def _passed_over(row: SettlementRow, past: _Past) -> list[Finding]:
    """Versions before this one whose difference is partly paid, and which it settles as if they had not been."""
    if row.previous_id is None or not past.partly:
        return []
    subject = f"slot {row.delivery_start} version {row.version} difference"
    expected = f"no version after {past.partly[0]}, which is partly on chain"
    actual = f"to settlement {row.previous_id}"
    return [Finding("settlement", subject, expected, actual, "trading.settlement_batches", "trading.settlements")]


def _before(outcome: Outcome, settled: Sequence[Settled]) -> Before:
    """What a version leaves to the next one: all that it settled, and what it could not charge."""
    uncovered = dict(outcome.uncovered)
    for charge in (charge for item in settled for charge in item.charges):
        short = charge.owed - min(charge.owed, charge.cap)
        if short:
            uncovered[charge.account] = uncovered.get(charge.account, 0) + short
    return Before({line.account: money_nano(line) for line in outcome.accounts}, uncovered)
