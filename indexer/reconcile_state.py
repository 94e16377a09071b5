"""What is folded of stakes, deals, certificates, credits and votes, as questions to the contracts themselves."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from eth_hash.auto import keccak

from indexer.db import Connection, queries
from indexer.question import Question

SQL = queries(__name__)
WORD: Final = 32


@dataclass(frozen=True, slots=True)
class View:
    """A function that tells one row of a projection."""

    contract: str
    rows: str
    """The statement that reads the projection."""
    function: str
    keys: tuple[str, ...]
    words: tuple[str, ...]
    """Columns in the order of the first words that it returns."""

    def question(self, contract: bytes, row: Any) -> Question:
        """The call for one row, and what the mirror makes of it."""
        calldata = keccak(self.function.encode())[:4] + b"".join(_word(row[key]) for key in self.keys)
        named = " ".join(_told(row[key]) for key in self.keys if key != "account")
        expected = tuple(
            (f"{self.rows} {named} {name}", int.from_bytes(_word(row[name]), "big")) for name in self.words
        )
        account = row["account"] if "account" in self.keys else None
        return Question(contract, account, calldata, expected, row["updated_block"])


VIEWS: Final = (
    View("StakingPools", "staking_pools", "poolOf(uint32)", ("pool_id",),
         ("apy_bps", "lock_seconds", "min_stake", "cap", "open", "staked")),
    View("StakingPools", "staking_positions", "positionOf(uint32,address)", ("pool_id", "account"),
         ("amount", "start", "paid_until", "unlock_at")),
    View("Escrow", "escrow_deals", "statusOf(bytes32)", ("deal_id",),
         ("state", "since", "payee_share", "payer_paid", "payee_paid")),
    View("Certificates", "certificates", "verify(uint256)", ("code",), ("state", "owner", "issuer")),
    View("CarbonCredits", "carbon_vintages", "vintageOf(uint256)", ("id",), ("cap_g", "issued_g", "retired_g")),
    View("TraceGovernor", "proposals", "proposalVotes(uint256)", ("proposal_id",),
         ("against", "in_favour", "abstained")),
)  # fmt: skip


async def everything(db: Connection, chain_id: int, at_once: int) -> AsyncIterator[list[Question]]:
    """All questions there are, a stretch at a time. Needs a transaction of one snapshot."""
    for view in VIEWS:
        contract = await db.fetchval(SQL["contract"], chain_id, view.contract)
        start = 0
        while contract and (rows := await db.fetch(SQL[view.rows], chain_id, start, at_once)):
            yield [view.question(contract, row) for row in rows]
            start += at_once


def _word(value: Any) -> bytes:
    return value.rjust(WORD, b"\0") if isinstance(value, bytes) else int(value).to_bytes(WORD, "big")


def _told(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
