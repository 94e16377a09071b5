"""Our own launchers: what is acknowledged stays, and what is started ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from api.devnet.chain import Anvil
from api.devnet.postgres import PostgresServer
from api.devnet.process import ServiceFailed, wrapped
from api.devnet.redis import RedisServer
from api.devnet.steerer import ChainControl, Steerer
from indexer.clock import SimulatedClock

pytestmark = pytest.mark.integration


async def test_postgres__killed__keeps_every_acknowledged_row(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "pg", tmp_path / "log")
    server.start()
    try:
        db = await asyncpg.connect(server.url)
        await db.execute("create table kept (x int)")
        await db.executemany("insert into kept values ($1)", [(number,) for number in range(50)])
        assert server.process is not None
        server.process.kill()
        server.process.wait(5)
        db.terminate()
        server.start()
        db = await asyncpg.connect(server.url)
        assert await db.fetchval("select count(*) from kept") == 50
        await db.close()
    finally:
        server.stop()


async def test_postgres__over_tcp__wants_the_password(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "pg", tmp_path / "log")
    server.start()
    try:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://gridtrace:wrong@127.0.0.1:{server.port}/postgres")
        assert server.folder.joinpath("password").stat().st_mode & 0o777 == 0o600
        assert server.folder.joinpath("socket").stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()


async def test_postgres__still_running_from_before__is_adopted(tmp_path: Path) -> None:
    first = PostgresServer(tmp_path / "pg", tmp_path / "log")
    first.start()
    second = PostgresServer(tmp_path / "pg", tmp_path / "log")
    second.start()
    try:
        assert second.port == first.port
        assert second.process is None
        assert second.alive()
    finally:
        second.stop()
    assert not second.alive()
    first.stop()


def test_service__that_ends_at_once__says_why(tmp_path: Path) -> None:
    first = RedisServer(tmp_path / "a", tmp_path / "a.log")
    first.start()
    try:
        second = RedisServer(tmp_path / "b", tmp_path / "b.log", port=first.port)
        with pytest.raises(ServiceFailed, match="ended while starting"):
            second.spawn()
            assert second.process is not None
            second.process.wait(5)
            second.wait_ready()
    finally:
        first.stop()


async def test_anvil__killed_after_a_snapshot__goes_on_from_it(tmp_path: Path) -> None:
    state = tmp_path / "chain.json.gz"
    server = Anvil(tmp_path / "log", state=state, genesis_s=1_750_150_800, mining=False)
    server.start()
    control = ChainControl(server.url)
    try:
        steerer = Steerer(control, SimulatedClock(time.time(), 1_750_151_000.0, 45.0), state)
        for _ in range(5):
            await steerer.mine_one()
        await steerer.save()
        kept = await control.call("eth_getBlockByNumber", "0x5", False)
        await steerer.mine_one()
        assert server.process is not None
        server.process.kill()
        server.process.wait(5)
        server.start()
        assert await control.call("eth_blockNumber") == "0x5"
        found = await control.call("eth_getBlockByNumber", "0x5", False)
        assert found["hash"] == kept["hash"]
        assert await control.mine(await control.latest_time_s() + 10) == 6
    finally:
        await control.close()
        server.stop()


def test_child__its_parent_is_killed__dies_too() -> None:
    command = ["sleep", "60"]
    script = (
        "import subprocess,signal,time\n"
        "from api.devnet.process import wrapped\n"
        f"child = subprocess.Popen(wrapped({command!r}, signal.SIGKILL))\n"
        "time.sleep(0.5)\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
        parent.kill()
    end = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(pid)


def test_wrapped__a_program__becomes_it_and_not_its_parent() -> None:
    done = subprocess.run(wrapped(["echo", "here"], signal.SIGTERM), capture_output=True, text=True, check=True)
    assert done.stdout == "here\n"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
