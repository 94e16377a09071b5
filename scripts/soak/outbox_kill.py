"""Kills the outbox at each of its steps; every transaction whose cause was committed has its effect exactly once.

The effect is a log: the contract says what it was called with. A cause and its request are written together, as in
the product, so a process that dies between them leaves neither.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from contracts.typed_data import address_of
from indexer.db import Connection, connect, open_pool
from node import outbox
from node.outbox import HttpRpc, Sender, SendPolicy
from node.wallet import KeyFileSigner
from scripts.soak.dying import LIMIT_S, Step, die, until_dead
from scripts.soak.table import Row

CHAIN_ID: Final = 31_337
KEY: Final = bytes(31) + b"\x5a"
SENDER: Final = address_of(KEY)
TARGET: Final = b"\x5b" * 20
LOGGING_CODE: Final = "0x60003560006000a100"
"""Logs its first word of calldata as topic."""
QUICK: Final = SendPolicy(poll_s=0.02, resend_after_s=0.2, bump_after_s=60, back_off_s=0.05, refuse_after_s=None)
HURRIED: Final = SendPolicy(poll_s=0.02, resend_after_s=0.2, bump_after_s=0, back_off_s=0.05, refuse_after_s=None)
FINALITY_BLOCKS: Final = 40
CAUSES: Final = "create table if not exists public.soak_causes (number bigint primary key)"
ASKED, COMMITTED = "cause written, not committed", "cause committed"
STEPS: Final = (
    Step("simulated, before signing", "node.outbox.submit:Submitter", "_sign"),
    Step("signed, not stored", "node.outbox.rows", "mark_signed"),
    Step("signing stored, not sent", "node.outbox.rows", "mark_signed", after=True),
    Step("a node has it", "node.outbox.rpc:HttpRpc", "call", after=True, only="eth_sendRawTransaction"),
    Step("noted as sent", "node.outbox.rows", "mark_sent", after=True),
    Step("mined, not noted", "node.outbox.rows", "mark_mined"),
    Step("noted as mined", "node.outbox.rows", "mark_mined", after=True),
)
FINAL: Final = (
    Step("final, not noted", "node.outbox.rows", "mark_final"),
    Step("noted as final", "node.outbox.rows", "mark_final", after=True),
)
BUMPED: Final = (
    Step("fee raised, not stored", "node.outbox.rows", "mark_replaced"),
    Step("raised fee stored, not sent", "node.outbox.rows", "mark_replaced", after=True),
)
LOST: Final = (
    Step("reorganised away, not noted", "node.outbox.rows", "mark_lost"),
    Step("noted as lost, not sent again", "node.outbox.rows", "mark_lost", after=True),
)


def live(step: Step | str, database_url: str, rpc_url: str, number: int | None) -> None:
    """One life of a sender: asks for effect ``number`` and sends until it comes to the step."""
    logging.disable()
    if isinstance(step, Step):
        step.arm()
    asyncio.run(_live(step, database_url, rpc_url, number))


async def _live(step: Step | str | None, database_url: str, rpc_url: str, number: int | None) -> None:
    async with open_pool(database_url, size=1) as pool:
        if number is not None:
            async with pool.acquire() as db, db.transaction():
                await db.execute("insert into public.soak_causes values ($1)", number)
                calldata = number.to_bytes(32, "big")
                await outbox.enqueue(
                    db, key=f"soak {number}", kind="soak", sender=SENDER, target=TARGET, calldata=calldata
                )
                if step == ASKED:
                    die()
            if step == COMMITTED:
                die()
        policy = HURRIED if step in BUMPED else QUICK
        rpc = HttpRpc([rpc_url])
        try:
            await Sender(pool, rpc, KeyFileSigner(KEY, chain_id=CHAIN_ID), CHAIN_ID, policy).run()
        finally:
            await rpc.close()


class Kills:
    """Rounds of one kill each on a chain that mines a block for every transaction."""

    def __init__(self, database_url: str, rpc_url: str) -> None:
        self._urls = (database_url, rpc_url)
        self._rpc = HttpRpc([rpc_url])
        self._number = 0

    async def run(self, rounds: int, told: Callable[[str], None]) -> list[Row]:
        """``rounds`` kills at every step; what came of each.

        Raises:
            NotReached: a step did not happen.
        """
        try:
            await self._set_up()
            return await self._run(rounds, told)
        finally:
            await self._rpc.close()

    async def _run(self, rounds: int, told: Callable[[str], None]) -> list[Row]:
        rows: list[Row] = []
        of: dict[str, range] = {}
        plans: Sequence[tuple[Sequence[Step | str], Callable[[Step | str], Awaitable[None]]]] = (
            ((ASKED, COMMITTED, *STEPS), self._plain),
            (FINAL, self._final),
            (BUMPED, self._bumped),
            (LOST, self._lost),
        )
        for steps, round_ in plans:
            for step in steps:
                name = step if isinstance(step, str) else step.name
                first = self._number + 1
                for _ in range(rounds):
                    await round_(step)
                of[name] = range(first, self._number + 1)
                rows.append(Row(f"outbox killed: {name}", rounds))
                told(f"outbox: {rounds} kills, {name}")
        await self._send_until_final()
        await self._judge(rows, list(of.values()))
        return rows

    async def _set_up(self) -> None:
        db = await connect(self._urls[0])
        await db.execute(CAUSES)
        await db.close()
        await self._rpc.call("anvil_setCode", "0x" + TARGET.hex(), LOGGING_CODE)
        await self._rpc.call("anvil_setBalance", "0x" + SENDER.hex(), hex(10**24))

    async def _plain(self, step: Step | str) -> None:
        self._number += 1
        await until_dead(live, step, *self._urls, self._number)

    async def _final(self, step: Step | str) -> None:
        async def mine() -> None:
            await self._rpc.call("anvil_mine", hex(FINALITY_BLOCKS))
            await asyncio.sleep(0.02)

        self._number += 1
        await until_dead(live, step, *self._urls, self._number, meanwhile=mine)

    async def _bumped(self, step: Step | str) -> None:
        await self._rpc.call("evm_setAutomine", False)
        self._number += 1
        await until_dead(live, step, *self._urls, self._number)
        await self._rpc.call("evm_setAutomine", True)
        await self._rpc.call("evm_mine")

    async def _lost(self, step: Step | str) -> None:
        await self._send_until_final()
        self._number += 1
        await until_dead(live, STEPS[-1], *self._urls, self._number)
        await self._rpc.call("anvil_reorg", 1, [])
        await until_dead(live, step, *self._urls, None)

    async def _send_until_final(self) -> None:
        """A sender that is not killed brings all that there is to its end."""
        db = await connect(self._urls[0])
        sending = asyncio.create_task(_live(None, *self._urls, None))
        try:
            async with asyncio.timeout(LIMIT_S):
                while await db.fetchval("select count(*) from wallet.outbox where state <> 'final'"):
                    await self._rpc.call("anvil_mine", hex(FINALITY_BLOCKS))
                    await asyncio.sleep(0.05)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            await db.close()

    async def _judge(self, rows: Sequence[Row], of: Sequence[range]) -> None:
        effects = await self._effects()
        db = await connect(self._urls[0])
        causes = {row["number"] for row in await db.fetch("select number from public.soak_causes")}
        mined = await _mined(db)
        await db.close()
        for row, numbers in zip(rows, of, strict=True):
            row.lost = sum(number in causes and not effects[number] for number in numbers)
            row.doubled = sum(effects[number] > 1 for number in numbers)
            # An effect without its cause, or that the outbox and the chain tell differently.
            row.differences = sum(effects[number] > 0 and number not in causes for number in numbers)
            row.differences += sum((number in causes) != (number in mined) for number in numbers)

    async def _effects(self) -> Counter[int]:
        asked = {"fromBlock": "0x0", "toBlock": "latest", "address": "0x" + TARGET.hex()}
        logs: list[dict[str, Any]] = await self._rpc.call("eth_getLogs", asked)
        return Counter(int(log["topics"][0], 16) for log in logs)


async def _mined(db: Connection) -> set[int]:
    rows = await db.fetch("select key from wallet.outbox where state = 'final' and kind = 'soak'")
    return {int(row["key"].removeprefix("soak ")) for row in rows}
