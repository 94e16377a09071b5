"""Makes every fault that a node has to live through, and counts what came of it.

    python -m scripts.soak [--kills 100] [--slots 1000] [--only outbox|meters|slots] [--minutes N] [--seed N]

- outbox, meters: SIGKILL at each step of the outbox, and of a reading's way from the disk to the database.
- slots: a market of four meters on real contracts, node and indexer in processes of their own, and in the middle of its
  slots: processes killed; PostgreSQL, Redis, MQTT broker and RPC stopped and started; reorganisations; and readings
  that come twice, in the wrong order, late, or from a meter whose clock is wrong.

It brings its own PostgreSQL, Redis, broker and chain. Exit code 0 only where nothing was lost, doubled or different.
``--minutes`` ends the slots after that time; the table tells how many there were.
"""

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from api.devnet.chain import Anvil
from api.devnet.postgres import PostgresServer
from indexer import migrate
from scripts.soak import dying, meter_kill, outbox_kill
from scripts.soak.season import Season
from scripts.soak.table import Row, shown

IMPORTED = ("scripts.soak.outbox_kill", "scripts.soak.meter_kill", "scripts.soak.processes")


async def kill(folder: Path, only: str | None, rounds: int, told: Callable[[str], None]) -> list[Row]:
    """Kills at every step of a reading's way, and of the outbox."""
    rows: list[Row] = []
    server, anvil = PostgresServer(folder / "postgres", folder / "postgres.log"), Anvil(folder / "anvil.log")
    server.start()
    try:
        anvil.start()
        if only != "outbox":
            rows += await meter_kill.Kills(await database(server, "meters"), folder / "buffer").run(rounds, told)
        if only != "meters":
            rows += await outbox_kill.Kills(await database(server, "outbox"), anvil.url).run(rounds, told)
    finally:
        anvil.stop()
        server.stop()
    return rows


async def database(server: PostgresServer, name: str) -> str:
    """A migrated database."""
    url = await server.ensure(name)
    await asyncio.to_thread(migrate.upgrade, url)
    return url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="at each step")
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--only", choices=("outbox", "meters", "slots"))
    parser.add_argument("--minutes", type=float, help="for the slots")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_s = time.monotonic()
    rows: list[Row] = []

    def told(what: str) -> None:
        print(f"{time.monotonic() - began_s:7.0f} s  {what}", flush=True)

    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # it tells every outage
    dying.preload(IMPORTED)
    with tempfile.TemporaryDirectory(prefix="gridtrace-soak-") as name:
        folder = Path(name)
        if options.only != "slots":
            rows += asyncio.run(kill(folder, options.only, options.kills, told))
        if options.only in (None, "slots"):
            limit_s = None if options.minutes is None else options.minutes * 60
            rows += asyncio.run(Season(folder / "season", options.seed, told).run(options.slots, limit_s))
    print(shown(rows))
    if not all(row.is_clean for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
