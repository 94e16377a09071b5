"""Recomputes what assets paid: each distribution from the settled trades of the plant's meters, each payment on chain
from the distribution, each claim from the fractions that were held while the revenue came. Every difference is named.

The slots themselves are recomputed by ``slot``; here stands what follows from them.
"""

import dataclasses
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

from contracts.abi import decode_result, encode_call
from contracts.typed_data import checksum
from contracts.units import NANO_PER_CASH
from indexer import read
from indexer.db import Connection, queries
from node.audit.compare import Finding, compare
from node.audit.holders import Claimed, Event, Holders, Moved, PaidIn, Taken
from node.outbox import Rpc, RpcError

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
AT_ONCE: Final = 20
KINDS: Final = frozenset({"distribution", "deposit", "revenue", "claim", "holding"})
"""Of findings that this module makes."""


async def check_assets(db: Connection, rpc: Rpc | None, chain_id: int) -> list[Finding]:
    """Every difference of all assets that are on chain. Without ``rpc`` the contracts themselves are not asked.

    Raises:
        RpcUnavailable: the chain does not answer.
    """
    if not await db.fetchval(_SQL["mirrored"]):
        return []
    plants = await db.fetch(_SQL["plants"], chain_id, None)
    return [finding for plant in plants for finding in await _check(db, rpc, chain_id, plant)]


async def check_due(db: Connection, rpc: Rpc | None, chain_id: int) -> int:
    """Looks again at assets of which something happened, and keeps the results; returns how many.

    Needs a transaction that sees one state of the database (repeatable read).
    """
    if not await db.fetchval(_SQL["mirrored"]):
        return 0
    due = await db.fetch(_SQL["due"], chain_id, AT_ONCE)
    head = await read.head(db, chain_id)
    for row in due:
        (plant,) = await db.fetch(_SQL["plants"], chain_id, row["id"])
        findings = await _check(db, rpc, chain_id, plant)
        stored = [dataclasses.asdict(finding) for finding in findings]
        await db.execute(_SQL["store"], row["id"], len(stored), stored, head.number if head else 0, row["seen"])
        for finding in findings:
            logger.error("audit difference: asset=%s %s", row["id"], finding)
    return len(due)


async def _check(db: Connection, rpc: Rpc | None, chain_id: int, plant: Any) -> list[Finding]:
    findings = []
    for row in await db.fetch(_SQL["distributions"], chain_id, plant["token"], plant["id"]):
        findings += await _distribution(db, plant, row)
    holders, found = await _replayed(db, chain_id, plant)
    findings += found
    findings += await _mirrored(db, chain_id, plant, holders)
    if rpc is not None:
        findings += await _on_chain(db, rpc, chain_id, plant, holders)
    return findings


async def _distribution(db: Connection, plant: Any, row: Any) -> list[Finding]:
    """One distribution against the trades of its slots, and the payment on chain against it."""
    subject = f"{plant['name']} {row['period_start']} to {row['period_end']}"
    days = _midnight(row["period_start"]), _midnight(row["period_end"])
    slots = await db.fetch(_SQL["brought"], plant["plant_id"], *days)
    findings = []
    for slot in slots:
        name = f"{subject} slot {slot['delivery_start']}"
        traded = {"money_nano": int(slot["traded_nano"]), "sold_wh": slot["traded_wh"], "is_final": True}
        kept = {
            "money_nano": slot["trade_money_nano"],
            "sold_wh": slot["sold_wh"],
            "is_final": slot["is_final"],
        }
        findings += compare("distribution", {name: traded}, {name: kept}, "settled trades", "trading.settlements")
    nano = sum(int(slot["traded_nano"]) + slot["other_nano"] for slot in slots)
    expected = {
        "amount": max(0, nano) // NANO_PER_CASH,
        "energy_wh": sum(slot["injection_wh"] for slot in slots),
        "sold_wh": sum(slot["traded_wh"] for slot in slots),
    }
    stored = {"amount": int(row["amount"]), "energy_wh": row["energy_wh"], "sold_wh": row["sold_wh"]}
    origin = "assets.revenue_distributions"
    findings += compare("distribution", {subject: expected}, {subject: stored}, "settled trades", origin)
    if row["payments"] or row["status"] == "distributed":
        agreed = {"amount": int(row["amount"]), "payments": 1}
        paid = {"amount": int(row["paid"]), "payments": row["payments"]}
        findings += compare("deposit", {subject: agreed}, {subject: paid}, origin, "blockchain")
    return findings


async def _replayed(db: Connection, chain_id: int, plant: Any) -> tuple[Holders, list[Finding]]:
    holders, findings = Holders(), []
    async for row in db.cursor(_SQL["events"], chain_id, plant["token"], prefetch=1_000):
        name = f"{plant['name']} block {row['block_number']} log {row['log_index']}"
        findings += holders.take(name, _event(row))
    return holders, findings


def _event(row: Any) -> Event:
    amount = int(row["amount"])
    match row["kind"]:
        case "moved":
            return Moved(row["one"], row["other"], amount)
        case "paid_in":
            return PaidIn(amount, int(row["rate"]))
        case "claimed":
            return Claimed(row["one"], amount)
        case _:
            return Taken(row["one"], row["other"], amount)


async def _mirrored(db: Connection, chain_id: int, plant: Any, holders: Holders) -> list[Finding]:
    """Who holds what, and all that was paid in, against the mirror's sums."""
    name = plant["name"]
    held = {f"{name} of {checksum(a)}": {"fractions": n} for a, n in holders.fractions.items() if n}
    rows = await db.fetch(_SQL["held"], chain_id, plant["token"])
    kept = {f"{name} of {checksum(row['account'])}": {"fractions": int(row["balance"])} for row in rows}
    sums = {"supply": holders.supply, "deposited": holders.deposited}
    said = {"supply": int(plant["supply"]), "deposited": int(plant["revenue"])}
    return [
        *compare("holding", held, kept, "transfers", "blockchain.token_balances"),
        *compare("revenue", {name: sums}, {name: said}, "deposits and transfers", "blockchain.asset_tokens"),
    ]


async def _on_chain(db: Connection, rpc: Rpc, chain_id: int, plant: Any, holders: Holders) -> list[Finding]:
    """What the token itself says at the mirrored block."""
    head = await read.head(db, chain_id)
    if head is None:
        return []
    accounts = [account for account, fractions in holders.fractions.items() if fractions]
    calls = [("revenue", ()), *(("claimable", (account,)) for account in accounts)]
    answers = await _ask(rpc, plant["token"], calls, head.hash)
    if answers is None:
        return []
    name = plant["name"]
    expected = {name: {"deposited": holders.deposited, "per_fraction": holders.per_fraction}}
    actual = {name: {"deposited": answers[0][0], "per_fraction": answers[0][1]}}
    owed = {f"{name} of {checksum(account)}": {"claimable": holders.claimable(account)} for account in accounts}
    paid = {
        f"{name} of {checksum(account)}": {"claimable": answer[0]}
        for account, answer in zip(accounts, answers[1:], strict=True)
    }
    origin = "deposits and transfers"
    return [
        *compare("revenue", expected, actual, origin, "AssetToken"),
        *compare("claim", owed, paid, origin, "AssetToken"),
    ]


async def _ask(
    rpc: Rpc, token: bytes, calls: Sequence[tuple[str, tuple[Any, ...]]], block_hash: bytes
) -> list[tuple[int, ...]] | None:
    """As of exactly this block (EIP-1898); None where the chain does not have it any more: the mirror will follow."""
    block = {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}
    to, found = "0x" + token.hex(), []
    data = ["0x" + encode_call("AssetToken", function, *given).hex() for function, given in calls]
    answers = await rpc.batch([("eth_call", ({"to": to, "data": call}, block)) for call in data])
    for (function, _), answer in zip(calls, answers, strict=True):
        if isinstance(answer, RpcError):
            logger.info("block %s is not asked: %s", block["blockHash"], answer)
            return None
        found.append(decode_result("AssetToken", function, bytes.fromhex(answer.removeprefix("0x"))))
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
