"""The work and the words of ``gridtrace audit balances``."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from contracts.typed_data import checksum
from indexer import reconcile
from indexer.config import Environment, positive, urls
from indexer.db import connect
from indexer.errors import RpcUnavailable
from indexer.reconcile import Difference, NotPossible, Pin, Report
from indexer.rpc import open_rpc

NOWHERE = Pin(0, bytes(32))


def settings(env: Environment) -> tuple[str, tuple[str, ...], int]:
    """The database, the chain's endpoints, the chain's number."""
    return env.secret("DATABASE_URL"), env.read("RPC_URL", urls), env.read("GRIDTRACE_CHAIN_ID", positive)


async def check(variables: Mapping[str, str]) -> Report:
    """Compares everything and keeps the result; one that was not possible says so and is not kept.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    env = Environment(variables)
    database_url, rpc_urls, chain_id = settings(env)
    env.check()
    db = await connect(database_url)
    try:
        async with open_rpc(rpc_urls, chain_id) as rpc:
            try:
                async with db.transaction(isolation="repeatable_read", readonly=True):
                    report = await reconcile.audit(db, rpc, chain_id)
            except (NotPossible, RpcUnavailable) as error:
                return Report("whole", NOWHERE, "latest", datetime.now(UTC), notes=[str(error)], impossible_at=0)
        async with db.transaction():
            await reconcile.store(db, chain_id, report)
        return report
    finally:
        await db.close()


def as_document(report: Report) -> str:
    """The result for a program."""
    return msgspec.json.encode(
        {
            "outcome": report.outcome,
            "block_number": report.pin.number,
            "block_hash": "0x" + report.pin.hash.hex(),
            "finality": report.finality,
            "compared": report.compared,
            "differences": report.different,
            "found": [
                {
                    "contract": checksum(found.contract),
                    "account": found.account and checksum(found.account),
                    "quantity": found.quantity,
                    "mirrored": str(found.mirrored),
                    "on_chain": str(found.on_chain),
                    "difference": str(found.mirrored - found.on_chain),
                    "block_number": found.block_number,
                }
                for found in report.differences
            ],
            "notes": report.notes,
        }
    ).decode()


def told(report: Report) -> str:
    """The result for a person."""
    lines = [*map(_line, report.differences), *(f"note: {note}" for note in report.notes)]
    if report.outcome == "impossible":
        lines.append(f"not everything could be compared: {report.compared} values compared")
    lines.append(
        f"{report.compared} values compared at {report.finality} block {report.pin.number}, "
        f"{report.different} differences"
    )
    return "\n".join(lines)


def _line(found: Difference) -> str:
    subject = "total" if found.account is None else checksum(found.account)
    return (
        f"{checksum(found.contract)} {subject} {found.quantity}: the mirror has {found.mirrored}, the contract "
        f"{found.on_chain} at block {found.block_number} (difference {found.mirrored - found.on_chain})"
    )
