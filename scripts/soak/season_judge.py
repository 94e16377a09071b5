"""What a season came to: every slot audited against the chain, all money counted, every reading looked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from node.audit import service as audit
from scripts.soak.season_meters import Meters
from scripts.soak.table import Row
from tests.integration.node.settlement.onchain import Node
from tests.integration.node.settlement.village import CHAIN_ID, ZONE

DOUBLED: Final = """
select slot, sum(times - 1)::bigint as doubled from (
    select extract(epoch from delivery_start)::bigint as slot, count(*) as times
    from blockchain.settled_orders group by delivery_start, trader, lane, nonce
    union all
    select extract(epoch from delivery_start)::bigint, count(*)
    from blockchain.settled_imbalances group by delivery_start, version, account
) paid group by slot
"""
"""Payments beyond the first of an order, or of an account in one version of a slot."""
UNEQUAL: Final = """
select extract(epoch from s.delivery_start)::bigint as slot
from trading.settlements s join trading.settlement_accounts a using (settlement_id)
group by s.settlement_id, s.delivery_start
having sum(a.trade_money_nano - a.grid_fee_nano - a.rent_nano + a.imbalance_money_nano)
    <> -(s.grid_fee_nano + s.rent_nano)
"""
"""Versions whose accounts and fees do not sum to zero."""
UNSETTLED: Final = """
select extract(epoch from delivery_start)::bigint as slot from trading.settlements where state <> 'settled'
"""
CASH: Final = """
select (select sum(cash) from blockchain.account_balances where chain_id = $1)
    + (select fees from blockchain.exchange_totals where chain_id = $1)
"""


async def judge(
    market: Node,
    meters: Meters,
    played: Sequence[int],
    times: Mapping[str, int],
    faults_of: Mapping[int, Sequence[str]],
    deposited: int,
) -> list[Row]:
    """A row for each fault, and one for all slots; what is wrong with a slot counts for each fault in it."""
    lost = Counter(meters.slot_of[key] for key in await meters.missing(market.pool))
    async with market.pool.acquire() as db:
        doubled = {record["slot"]: record["doubled"] for record in await db.fetch(DOUBLED)}
        found = await audit.check_range(db, market.reader, market.ctx, ZONE, played[0], played[-1] + 1)
        different = Counter({slot: len(findings) for slot, findings in found.items()})
        for findings in found.values():
            for finding in findings[:3]:
                print("difference:", finding)
        different.update(record["slot"] for record in await db.fetch(UNEQUAL))
        unsettled = [record["slot"] for record in await db.fetch(UNSETTLED)]
        for slot in unsettled:
            print("not settled:", slot, await _why(market, slot))
        different.update(unsettled)
        different.update(slot for slot in played if slot not in found)
        balances = await audit.check_balances(db, market.reader, market.ctx)
        total = await db.fetchval(CASH, CHAIN_ID)
        revised = await db.fetchval("select count(*) from trading.settlements where version > 0")
    rows = [Row(name, times[name]) for name in sorted(times)]
    for row in rows:
        slots = {slot for slot, names in faults_of.items() if row.fault in names}
        row.lost = sum(lost[slot] for slot in slots)
        row.doubled = sum(doubled.get(slot, 0) for slot in slots)
        row.differences = sum(different[slot] for slot in slots)
    rows.append(
        Row(
            f"slots of random faults ({len(meters.said):,} readings, {revised:,} revisions)",
            len(played),
            sum(lost.values()),
            sum(doubled.values()),
            sum(different.values()) + len(balances) + (total != deposited),
        )
    )
    return rows


async def _why(market: Node, slot: int) -> str | None:
    reason: str | None = await market.pool.fetchval(
        "select state || ': ' || coalesce(state_reason, '') from trading.settlements"
        " where delivery_start = to_timestamp($1::bigint) and state <> 'settled' limit 1",
        slot,
    )
    return reason
