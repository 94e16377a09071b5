"""Once a market day the last hash of each chained log is put on chain: what is before it cannot be changed unseen.

An anchor is an attestation of no registers, in a zone that no meter is in, at the number of an entry and with its hash
for a root. Whoever asks the chain for such attestations needs nothing of ours.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final

from contracts.events import RegistersAttested
from indexer.db import Connection, queries
from node import outbox
from node.audit.chained import ANCHORS, Anchor
from node.audit.compare import Finding, compare
from node.outbox import Rpc, RpcError
from node.settlement import calldata
from node.settlement.context import SettlementContext

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
AUDIT_LOGS: Final = "audit.audit_logs"
EVENTS: Final = "trading.events"
ZONES: Final[Mapping[str, int]] = MappingProxyType({AUDIT_LOGS: 2**32 - 1, EVENTS: 2**32 - 2})
"""The zone that stands for each log."""
MOST_BLOCKS: Final = 50_000
"""How many blocks are asked about at once; fewer where a node refuses."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An anchor that this node asked for."""

    log: str
    day: date
    sequence: int
    hash: bytes


async def ask(db: Connection, ctx: SettlementContext, now_s: float) -> list[Asked]:
    """Asks for the day's anchor of each log that has none and has grown. Needs a transaction. Again changes nothing."""
    day = datetime.fromtimestamp(now_s, UTC).date()
    asked = []
    for row in await db.fetch(_SQL["due"], day):
        anchor = Asked(row["log"], day, row["sequence"], row["hash"])
        call = calldata.attest(ZONES[anchor.log], anchor.sequence, anchor.hash, b"", 0)
        outbox_id = await outbox.enqueue(
            db,
            key=f"anchor:{anchor.log}:{anchor.sequence}",
            kind="anchor",
            sender=ctx.operator,
            target=ctx.deployment.address("ProductionLedger"),
            calldata=call.data,
            gas_limit=call.gas_limit,
        )
        await db.execute(_SQL["asked"], anchor.log, day, anchor.sequence, anchor.hash, outbox_id)
        logger.info("anchored: log=%s day=%s entry=%d hash=0x%s", anchor.log, day, anchor.sequence, anchor.hash.hex())
        asked.append(anchor)
    return asked


async def mirrored(db: Connection, chain_id: int, log: str) -> list[Anchor]:
    """The anchors of a log as the mirror has them, in the order in which they came on chain."""
    return [Anchor(*row) for row in await db.fetch(_SQL["mirrored"], chain_id, ZONES[log])]


async def on_chain(rpc: Rpc, ledger: bytes, first: int, last: int) -> dict[str, list[Anchor]]:
    """The anchors of each log in blocks ``first`` to ``last``, from the chain itself.

    Raises:
        RpcError, RpcUnavailable: the chain does not answer.
    """
    names = {zone.to_bytes(32, "big"): log for log, zone in ZONES.items()}
    topics = ["0x" + RegistersAttested.TOPIC.hex(), ["0x" + zone.hex() for zone in names]]
    found: dict[str, list[Anchor]] = defaultdict(list)
    while first <= last:
        end = min(last, first + MOST_BLOCKS - 1)
        for said in await _logs(rpc, {"address": "0x" + ledger.hex(), "topics": topics}, first, end):
            _, zone, sequence = (bytes.fromhex(topic[2:]) for topic in said["topics"])
            hash_ = bytes.fromhex(said["data"][2:66])
            found[names[zone]].append(Anchor(int.from_bytes(sequence, "big"), hash_, int(said["blockNumber"], 16)))
        first = end + 1
    return found


async def _logs(rpc: Rpc, wanted: Mapping[str, Any], first: int, last: int) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = await rpc.call(
            "eth_getLogs", {**wanted, "fromBlock": hex(first), "toBlock": hex(last)}
        )
    except RpcError:
        if first == last:
            raise
        middle = (first + last) // 2
        return [*await _logs(rpc, wanted, first, middle), *await _logs(rpc, wanted, middle + 1, last)]
    return found


def mirror_findings(log: str, chain: Sequence[Anchor], mirror: Sequence[Anchor]) -> list[Finding]:
    """Where the mirror has other anchors than the chain."""
    expected, actual = (
        {f"{log} row {one.sequence} anchor in block {one.block_number}": {"hash": one.hash} for one in anchors}
        for anchors in (chain, mirror)
    )
    return compare("log", expected, actual, ANCHORS, "blockchain.fact_production_ledger_registers_attested")
