"""The work and the words of ``gridtrace audit``."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from contracts.addresses import Deployment
from indexer.db import open_pool
from indexer.errors import ConfigError
from node.audit import assets, log, onchain, service
from node.audit.chain import ChainReader
from node.audit.compare import Finding
from node.config import NodeConfig
from node.outbox import HttpRpc
from node.settlement.context import SettlementContext

SHOWN: Final = 5
"""Differences of one slot that are shown without ``--all``."""
LONGEST: Final = 66


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
    """Differences in what is looked at whole: the log of changes, batches on chain that no settlement made, and the
    revenue of assets."""

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
            changes = await log.check_log(db, config.indexer.chain_id)
            changes += await onchain.check_numbers(db, config.indexer.chain_id)
            async with db.transaction(isolation="repeatable_read", readonly=True):
                changes += await assets.check_assets(db, rpc, config.indexer.chain_id)
    finally:
        await rpc.close()
    return Checked(found, changes)


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
        said = {"slots": len(slots), "differences": differences, "checked": slots, "log": checked.log}
        return msgspec.json.encode(said).decode()
    lines = [line for slot in slots if slot.findings for line in told(slot, every=every)]
    lines += some("log of changes", [found for found in checked.log if found.kind == "log"], every=every)
    lines += some("chain", [found for found in checked.log if found.kind != "log"], every=every)
    return "\n".join([*lines, f"{len(slots)} slots recomputed, {differences} differences"])


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
