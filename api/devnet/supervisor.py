"""``gridtrace run``: brings a whole community up on this machine, keeps it up, and tells how it goes.

Reading order: ``play`` names every step.
"""

import asyncio
import logging
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import typer
from rich.console import Console

from api.client import Client
from api.devnet import broker, chain, enrol, external, plants, postgres, programs, redis, report
from api.devnet.community import ZONE, Member, fuses_w, members, meter_spec
from api.devnet.follow import Follower
from api.devnet.keys import KeyRing
from api.devnet.lag import LagMeter
from api.devnet.meter_spec import write_spec
from api.devnet.participant import Identity
from api.devnet.participants import write_spec as write_participants
from api.devnet.process import Service, ServiceFailed, listens, reserve
from api.devnet.programs import Program, Server
from api.devnet.settings import FIRST_MARKET_S, SLOT_S, Folder, Memory, Wishes, remembered
from api.devnet.steerer import ChainCallFailed, ChainControl, Steerer, check_pace, replace
from api.devnet.view import View
from api.devnet.watcher import Watcher
from contracts.addresses import Deployment
from contracts.typed_data import checksum
from indexer import migrate
from indexer.clock import SimulatedClock
from indexer.config import urls
from indexer.errors import GridtraceError
from node.deploy import DeploymentMismatch, Parameters, deploy

logger = logging.getLogger(__name__)

DEFAULT_PORT: Final = 8_600
ETHER: Final = 10**18
HOME_DEFAULT_WH: Final = 150
PLANT_DEFAULT_SHARE: Final = 8
READY_S: Final = 60.0
MODBUS_PORTS: Final = (20_000, 32_000)
INTERRUPTED: Final = 130


class Unfunded(GridtraceError):
    """The accounts that send transactions have no money for gas."""

    code = "unfunded"


@dataclass(slots=True)
class Run:
    """What the steps of one run share."""

    wishes: Wishes
    folder: Folder
    memory: Memory
    view: View
    keys: KeyRing
    services: Mapping[str, str]
    """What the environment names in place of ours."""
    place: socket.socket
    """Keeps the page's port until the API takes it."""
    watcher: Watcher = field(default_factory=Watcher)
    started: float = field(default_factory=time.monotonic)

    @property
    def people(self) -> list[Member]:
        return members(self.memory)


def run(wishes: Wishes) -> int:
    """Plays until the wished slots are settled or until interrupted; returns the exit code."""
    console = Console(stderr=wishes.json)
    folder = Folder(wishes.state_dir)
    folder.lock()
    try:
        # Whatever is wrong is told before anything of an earlier run is forgotten.
        wishes.check()
        with reserve(wishes.port, DEFAULT_PORT) as place:
            services = external.named(os.environ)
            if not wishes.fresh:
                external.check_resumed(services, folder)
            asyncio.run(external.check(services, os.environ, None if wishes.fresh else folder.deployed()))
            if wishes.fresh:
                folder.clear()
            memory = remembered(folder, wishes, _modbus_port())
            _set_up_logging(folder)
            this = Run(wishes, folder, memory, View(console), KeyRing(folder.keys), services, place)
            summary = asyncio.run(_until_signalled(this))
    finally:
        folder.unlock()
    if summary is None:
        return INTERRUPTED if wishes.exit else 0
    if wishes.json:
        typer.echo(summary.as_json())
    return 1 if summary.differences else 0


def _set_up_logging(folder: Folder) -> None:
    folder.logs.mkdir(exist_ok=True)
    logging.basicConfig(
        filename=folder.logs / "supervisor.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for noisy in ("httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


async def _until_signalled(this: Run) -> report.Summary | None:
    task = asyncio.create_task(play(this))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except BaseExceptionGroup as group:
        # Background tasks end with the run; what ended it first is what a person needs to know.
        raise first_of(group) from group
    except asyncio.CancelledError:
        this.view.note("stopped; the same command goes on from here")
        return None
    finally:
        this.view.rest()


def first_of(error: BaseException) -> BaseException:
    """The first fault in a group of faults."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def play(this: Run) -> report.Summary | None:
    """Every step of a run, in order."""
    async with AsyncExitStack() as stack:
        port = this.place.getsockname()[1]
        stack.push_async_callback(this.watcher.stop)
        database_url, redis_url, mqtt_url, rpc_url, anvil = await start_services(this)
        control = ChainControl(external.control_url(rpc_url))
        stack.push_async_callback(control.close)
        steered = await check_pace(control, this.wishes.rate)
        clock = await set_clock(this, control) if steered else SimulatedClock()
        chain_id = await external.chain_id(control)
        steerer = Steerer(control, clock, anvil.state if isinstance(anvil, chain.Anvil) else None)
        stack.push_async_callback(_last_snapshot, steerer)
        lag = LagMeter(database_url, steerer.mined_at)
        background = await stack.enter_async_context(_background())
        background(this.watcher.run())
        background(_remember_time(this, clock))
        if steered:
            await control.take_over()
            steerer.hurried = True
            background(steerer.run())
            await fund(control, this.keys)
        else:
            await check_funded(control, this.keys, chain_id)
        await deploy_contracts(this, rpc_url, chain_id)
        page = f"http://127.0.0.1:{port}"
        variables = programs.settings(
            this.folder, this.keys, clock,
            database_url=database_url, rpc_url=rpc_url, redis_url=redis_url, mqtt_url=mqtt_url,
            port=port, slot_s=SLOT_S, chain_id=chain_id, trading=this.wishes.trading,
        )  # fmt: skip
        replace(this.folder.environment, msgspec.json.format(msgspec.json.encode(variables)))
        background(lag.run())
        # Until now nobody else could take the port.
        this.place.close()
        await start_processes(this, variables, port)
        await start_meters(this, clock, mqtt_url)
        await take_in(this, page)
        await tokenise_plants(this, page, control if steered else None)
        steerer.hurried = False
        lag.lags_s.clear()
        await start_participants(this, page)
        this.view.step(f"the community trades: {page}/")
        journal = this.folder.orders.stat().st_size if this.folder.orders.exists() else 0
        follower = Follower(
            this.wishes, this.folder, this.view, this.watcher, lag, clock, database_url, chain_id, page, journal,
            this.started,
        )  # fmt: skip
        summary = await follower.follow()
        this.view.summary(summary)
        return summary


async def start_services(this: Run) -> tuple[str, str, str, str, Service]:
    """PostgreSQL, Redis, broker and chain; ours, or those that the environment names. Returns their addresses."""
    logs, place = this.folder.logs, this.folder.services
    database = postgres.service(place / "postgres", logs / "postgres.log", this.services)
    cache = redis.service(place / "redis", logs / "redis.log", this.services)
    bus = broker.service(logs / "broker.log", this.services)
    ledger = chain.service(place, logs / "anvil.log", this.services, FIRST_MARKET_S)
    place.mkdir(exist_ok=True)
    this.view.working("starting PostgreSQL, Redis, MQTT broker and chain")
    await this.watcher.start(database, cache, bus, ledger)
    this.view.step("PostgreSQL, Redis, MQTT broker and chain are up")
    url = database.url
    if isinstance(database, postgres.PostgresServer):
        url = await database.ensure("gridtrace")
    # Alembic runs an event loop of its own.
    await asyncio.to_thread(migrate.upgrade, url)
    this.view.step("the database has its schema")
    return url, cache.url, bus.url, ledger.url, ledger


async def set_clock(this: Run, control: ChainControl) -> SimulatedClock:
    """Market time goes on from the newest thing that knows it: the chain, or the folder's memory."""
    market_s = max(this.memory.market_s, float(await control.latest_time_s()) + 1.0)
    return SimulatedClock(time.time(), market_s, this.wishes.rate)


async def fund(control: ChainControl, keys: KeyRing) -> None:
    """Gives those who send transactions what they pay for gas."""
    for name in ("operator", "deployer"):
        await control.call("anvil_setBalance", "0x" + keys.address(name).hex(), hex(1_000 * ETHER))


async def check_funded(control: ChainControl, keys: KeyRing, chain_id: int) -> None:
    """Raises Unfunded where those who send transactions could not pay for gas; nobody but a person can help that."""
    poor = [
        f"the {name} {checksum(keys.address(name))}"
        for name in ("deployer", "operator")
        if not int(await control.call("eth_getBalance", "0x" + keys.address(name).hex(), "latest"), 16)
    ]
    if poor:
        raise Unfunded(f"on chain {chain_id} {' and '.join(poor)} need money for gas; send some and run this again")


async def deploy_contracts(this: Run, rpc_url: str, chain_id: int) -> None:
    """The contracts, where they are not there yet."""
    this.view.working("deploying the contracts")
    try:
        await deploy(
            urls(rpc_url)[0],
            chain_id,
            this.keys.key("deployer"),
            this.keys.address("operator"),
            this.folder.deployment,
            parameters=Parameters.of_devnet(),
            holders={"faucet": this.keys.address("operator")},
            progress=lambda report: this.view.progress("deploying the contracts", report.done, report.total),
        )
    except DeploymentMismatch as error:
        raise DeploymentMismatch(
            f"the contracts in {this.folder.path} are of another version ({error}); start anew with --fresh"
        ) from error
    this.view.step("the contracts are deployed")


async def start_processes(this: Run, variables: dict[str, str], port: int) -> None:
    """The indexer, the node and the API."""
    index = Program("index", this.folder, programs.command("index"), variables)
    node = Program("node", this.folder, programs.command("node"), variables)
    serve = Server("serve", this.folder, programs.command("serve"), variables, port)
    this.view.working("starting index, node and serve")
    await this.watcher.start(index, node, serve)
    this.view.step("index, node and serve run")


async def take_in(this: Run, page: str) -> None:
    """The operator clears everybody and takes the meters into service."""
    limits = await asyncio.to_thread(fuses_w, this.memory, this.people)
    async with Client(page, this.keys.key("operator")) as operator:
        await enrol.wait_until("the API", operator.ready, READY_S)
        await check_own(this, operator)
        await operator.sign_in()
        what = "registering participants and meters"
        sent = await enrol.enrol(
            operator, this.people, this.keys, limits, lambda done, total: this.view.progress(what, done, total)
        )
    async with Client(page, this.keys.key("grid")) as grid:
        await grid.sign_in()
        await enrol.supply(grid)
    this.view.step(f"{len(this.people)} participants and their meters are registered ({sent} transactions)")


async def tokenise_plants(this: Run, page: str, control: ChainControl | None) -> None:
    """The plants become assets whose fractions can be bought."""
    this.view.working("making assets of the plants")
    async with Client(page, this.keys.key("operator")) as operator:
        await operator.sign_in()
        made = await plants.list_plants(operator, this.people, this.keys, control)
    this.view.step(f"the plants are assets ({made} new)")


async def check_own(this: Run, client: Client) -> None:
    """Raises ServiceFailed where another Gridtrace took the port and answers in place of ours."""
    ours = {name: checksum(address) for name, address in Deployment.load(this.folder.deployment).addresses.items()}
    if (await client.contracts()).contracts != ours:
        raise ServiceFailed("another Gridtrace answers on the port of the page: choose another --port")


async def start_meters(this: Run, clock: SimulatedClock, mqtt_url: str) -> None:
    """The simulated meters."""
    path = this.folder.path / "meters.json"
    write_spec(
        path,
        meter_spec(
            this.memory, this.people, this.keys,
            clock=str(clock), epoch_s=FIRST_MARKET_S, mqtt_url=mqtt_url,
            interval_s=max(60, int(0.5 * clock.rate) // 60 * 60), state_file=this.folder.path / "meters-state.json",
            dead=this.wishes.dead_meters,
        ),
    )  # fmt: skip
    arguments = ["api.devnet.meters", "--spec", str(path)]
    await this.watcher.start(Program("meters", this.folder, arguments, programs.plain_environment()))


async def start_participants(this: Run, page: str) -> None:
    """A program for each participant."""
    path = this.folder.path / "participants.json"
    write_participants(path, [_identity(this, member, page) for member in this.people])
    arguments = ["api.devnet.participants", "--spec", str(path)]
    await this.watcher.start(Program("participants", this.folder, arguments, programs.plain_environment()))


def _identity(this: Run, member: Member, page: str) -> Identity:
    return Identity(
        name=member.name,
        api_url=page,
        key_file=str(this.keys.file(member.name)),
        role=member.role,
        meter_id=member.meter_id,
        zone=ZONE,
        seed=this.memory.seed,
        default_wh=HOME_DEFAULT_WH if member.kind == "home" else HOME_DEFAULT_WH * PLANT_DEFAULT_SHARE,
        journal=str(this.folder.orders),
    )


@asynccontextmanager
async def _background() -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Starts tasks that end with the run; a fault in one of them ends the run."""
    started: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as tasks:
        yield lambda work: started.append(tasks.create_task(work))
        for task in started:
            task.cancel()


async def _remember_time(this: Run, clock: SimulatedClock) -> None:
    while True:
        this.memory.market_s = clock.now_s()
        await asyncio.to_thread(this.folder.save, this.memory)
        await asyncio.sleep(1.0)


async def _last_snapshot(steerer: Steerer) -> None:
    try:
        await steerer.save()
    except ChainCallFailed as error:
        logger.warning("no last snapshot error=%s", error)


def _modbus_port() -> int:
    """A port below those that the kernel hands out, so that it is still free in the next run."""
    while True:
        port = random.randint(*MODBUS_PORTS)  # noqa: S311 -- not a secret
        if not listens("127.0.0.1", port):
            return port
