"""The work and the words of ``gridtrace audit``."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from contracts.addresses import Deployment
from indexer import read
from indexer.db import Connection, open_pool
from indexer.errors import ConfigError
from node.audit import anchors, assets, log, onchain, service
from node.audit.chain import ChainReader
from node.audit.chained import LogCheck
from node.audit.compare import Finding
from node.config import NodeConfig
from node.outbox import HttpRpc, Rpc
from node.settlement.context import SettlementContext

SHOWN: Final = 5
"""Differences of one slot that are shown without ``--all``."""
LONGEST: Final = 66
LOGS: Final = {anchors.AUDIT_LOGS: "log of changes", anchors.EVENTS: "market sequence"}
ANCHORS: Final = "anchors"
CHAIN: Final = "chain"
ASSETS: Final = "assets"


@dataclass(frozen=True, slots=True)
class CheckedSlot:
    """One settled slot and every difference in it."""

    zone: int
    delivery_start: datetime
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Checked:
    """All that an audit looked at."""

    slots: list[CheckedSlot]
    log: list[Finding]
    """Differences in what is looked at whole: the chained logs, batches on chain that no settlement made, and the
    revenue of assets."""
    logs: Sequence[LogCheck] = ()
    """How long each chained log is, and up to where it is anchored."""

    @property
    def differences(self) -> int:
        return sum(len(slot.findings) for slot in self.slots) + len(self.log)


async def check(config: NodeConfig, start: str | None, end: str | None) -> Checked:
    """Recomputes every settled slot of all zones with ``start <= delivery_start < end`` (RFC 3339), and the log."""
    first, last = moment("--from", start, 0), moment("--to", end, sys.maxsize >> 24)
    deployment = Deployment.load(config.indexer.deployment)
    context = SettlementContext(
        rules=config.market,
        chain_id=config.indexer.chain_id,
        deployment=deployment,
        operator=config.operator,
        grid_account=config.grid_account,
        salt_secret=config.readings_salt_file.read_bytes(),
    )
    rpc = HttpRpc(config.indexer.rpc_urls)
    chain = ChainReader(rpc, deployment.address("SettlementExchange"))
    found = []
    try:
        async with open_pool(config.indexer.database_url, size=1) as pool, pool.acquire() as db:
            for zone in config.zones:
                async with db.transaction(isolation="repeatable_read", readonly=True):
                    slots = await service.check_range(db, chain, context, zone, first, last)
                found += [
                    CheckedSlot(zone, datetime.fromtimestamp(slot, UTC), findings) for slot, findings in slots.items()
                ]
            async with db.transaction(isolation="repeatable_read", readonly=True):
                logs, changes = await check_logs(db, rpc, config.indexer.chain_id, deployment)
            changes += await onchain.check_numbers(db, config.indexer.chain_id)
            async with db.transaction(isolation="repeatable_read", readonly=True):
                changes += await assets.check_assets(db, rpc, config.indexer.chain_id)
    finally:
        await rpc.close()
    return Checked(found, changes, logs)


async def check_logs(
    db: Connection, rpc: Rpc, chain_id: int, deployment: Deployment
) -> tuple[list[LogCheck], list[Finding]]:
    """Both chained logs against the anchors that the chain itself has, up to where the mirror is."""
    head = await read.head(db, chain_id)
    mirror = {name: await anchors.mirrored(db, chain_id, name) for name in anchors.ZONES}
    ledger, last = deployment.address("ProductionLedger"), head.number if head else -1
    chain = await anchors.on_chain(rpc, ledger, deployment.start_block, last)
    found = [item for name in mirror for item in anchors.mirror_findings(name, chain.get(name, []), mirror[name])]
    logs = [
        await log.check_log(db, chain_id, chain.get(anchors.AUDIT_LOGS, [])),
        await log.check_events(db, chain_id, chain.get(anchors.EVENTS, [])),
    ]
    return logs, [item for one in logs for item in one.findings] + found


def moment(option: str, text: str | None, default_s: int) -> int:
    """Unix seconds of an RFC 3339 time; raises ConfigError for anything else."""
    if text is None:
        return default_s
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"{option} {text!r} is not a time like 2025-06-17T10:00:00Z"]) from None
    if parsed.tzinfo is None:
        raise ConfigError([f"{option} {text!r} has no time zone: write 2025-06-17T10:00:00Z"])
    return int(parsed.timestamp())


def report(checked: Checked, *, as_json: bool, every: bool = False) -> str:
    """The differences, and how many there are in how many slots.

    What is wrong in a reading is wrong in all that follows from it: of each slot the first differences stand here,
    nearest to the meter, and how many more there are; ``every`` shows them all and whole.
    """
    slots, differences = checked.slots, checked.differences
    if as_json:
        logs = [
            {"log": one.log, "entries": one.entries, "anchored": one.anchored, "anchored_in_block": one.block_number}
            for one in checked.logs
        ]
        said = {"slots": len(slots), "differences": differences, "checked": slots, "log": checked.log, "logs": logs}
        return msgspec.json.encode(said).decode()
    lines = [line for slot in slots if slot.findings for line in told(slot, every=every)]
    for name in (*LOGS.values(), ANCHORS, CHAIN, ASSETS):
        lines += some(name, [found for found in checked.log if place(found) == name], every=every)
    lines += [anchored(one) for one in checked.logs]
    return "\n".join([*lines, f"{len(slots)} slots recomputed, {differences} differences"])


def place(finding: Finding) -> str:
    """Where a difference is that is in no slot."""
    if finding.kind == "log":
        return LOGS.get(finding.origin_actual, ANCHORS)
    return ASSETS if finding.kind in assets.KINDS else CHAIN


def anchored(one: LogCheck) -> str:
    """How much of a log the chain fixes."""
    if one.block_number is None:
        return f"{LOGS[one.log]}: {one.entries} rows, none anchored on chain"
    return f"{LOGS[one.log]}: {one.entries} rows, {one.anchored} anchored on chain (block {one.block_number})"


def told(slot: CheckedSlot, *, every: bool) -> list[str]:
    """One slot's differences, a line each."""
    return some(f"zone {slot.zone} {slot.delivery_start:%Y-%m-%dT%H:%M:%SZ}", slot.findings, every=every)


def some(name: str, findings: Sequence[Finding], *, every: bool) -> list[str]:
    """The first differences of one thing, a line each, and how many more there are."""
    shown = findings if every else findings[:SHOWN]
    lines = [
        f"{name} {finding.kind} {finding.subject}: {finding.origin_expected} gives {short(finding.expected, every)}, "
        f"{finding.origin_actual} says {short(finding.actual, every)}"
        for finding in shown
    ]
    if left := len(findings) - len(shown):
        lines.append(f"{name} and {left} more that follow from these or stand beside them (--all shows them)")
    return lines


def short(value: object, every: bool) -> str:
    """A value for a line; long bytes by their beginning."""
    text = str(value)
    return text if every or len(text) <= LONGEST else f"{text[:LONGEST]}…"
