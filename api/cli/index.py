"""``gridtrace index``: any contract's events into PostgreSQL."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
import typer

from api.cli import environment
from api.cli.output import Json, tell
from indexer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    from indexer.chains import ChainToIndex
    from indexer.db import Connection
    from indexer.manifest_file import ChainManifest
    from indexer.resolve import Resolved

ASK_TIMEOUT_S: Final = 10.0
SWITCH_TIMEOUT_S: Final = 120.0
T = TypeVar("T")
SINGLE: Final = ("abi", "address", "event", "name", "start-block", "chain-id")
app = typer.Typer(cls=environment.group(environment.of_index), invoke_without_command=True)


@app.callback()
def index(
    context: typer.Context,
    manifest: Annotated[Path | None, typer.Option(help="TOML file with chains, contracts and events.")] = None,
    abi: Annotated[str | None, typer.Option(help="JSON file, or erc20, erc721, erc1155: index one contract.")] = None,
    address: Annotated[list[str] | None, typer.Option(help="The contract's address, 0x…; may be repeated.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="Event to index; all of the ABI where not given.")] = None,
    name: Annotated[str | None, typer.Option(help="The contract's name in its tables' names. [the ABI's]")] = None,
    start_block: Annotated[int | None, typer.Option(min=0, help="First block. [default: 0]")] = None,
    chain_id: Annotated[int | None, typer.Option(min=1, help="Refuse other chains. [taken from the chain]")] = None,
    rpc_url: Annotated[str | None, typer.Option(help="Endpoints, separated by commas, before RPC_URL.")] = None,
    database_url: Annotated[str | None, typer.Option(help="PostgreSQL, before DATABASE_URL.")] = None,
    version_name: Annotated[
        str | None, typer.Option(help="Build this version of the tables beside those served, before switching to it.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Print the tables and end; nothing is written.")] = False,
) -> None:
    """Mirror contracts' events into PostgreSQL, until stopped: our own, those of a manifest, or any one."""
    if context.invoked_subcommand is not None:
        return
    given = {"RPC_URL": rpc_url, "DATABASE_URL": database_url, "GRIDTRACE_CHAIN_ID": chain_id and str(chain_id)}
    given["GRIDTRACE_INDEX_VERSION"] = version_name and _version(version_name)
    variables = {**os.environ, **{key: value for key, value in given.items() if value}}
    if database_url:
        variables.pop("DATABASE_URL_FILE", None)
    single = {"abi": abi, "address": address, "event": event, "name": name, "start-block": start_block}
    used = [f"--{option}" for option, value in single.items() if value not in (None, [])]
    if manifest is None and not used:
        manifest = Path(variables["GRIDTRACE_MANIFEST"]) if variables.get("GRIDTRACE_MANIFEST") else None
    if manifest is not None and used:
        raise ConfigError([f"{', '.join(used)}: say it in {manifest}, or leave --manifest out"])
    if manifest is None and not used:
        _own(variables, check=check)
        return
    if manifest is not None:
        from indexer import manifest_file

        chains: Sequence[ChainManifest] = manifest_file.load(manifest)
    else:
        chains = [_single(abi, address or (), event, name, start_block or 0, variables, check=check)]
    if check:
        show(chains)
        return
    _run(with_endpoints(chains, variables, manifest))


@app.command()
def resolve(
    chain: Annotated[int, typer.Option(min=1, help="Number of the halted chain.")],
    block: Annotated[int | None, typer.Option(min=0, help="Last block to keep. [the last that the chain has]")] = None,
    manifest: Annotated[Path | None, typer.Option(help="TOML file that the chain is indexed by.")] = None,
    as_json: Json = False,
) -> None:
    """Let a chain go on that was replaced below its finalised block: drop what is replaced."""
    import asyncio

    from api.cli.processes import set_up_logging

    set_up_logging()
    variables = {**os.environ, "GRIDTRACE_CHAIN_ID": str(chain)}
    resolved = asyncio.run(_resolved(_configured(chain, manifest, variables), block))
    text = (
        f"chain {chain}: {resolved.blocks} blocks with {resolved.events} events dropped, "
        f"goes on from block {resolved.after.number}"
    )
    result = {
        "chain_id": chain,
        "blocks": resolved.blocks,
        "events": resolved.events,
        "block_number": resolved.after.number,
    }
    tell(text, result, as_json=as_json)


@app.command("versions")
def list_versions(as_json: Json = False) -> None:
    """List the versions of the tables, and which of them is served."""
    found = _with_versions(lambda db, switching: switching.versions(db))
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for version in found:
        blocks = ", ".join(f"chain {chain} block {number}" for chain, number in version.blocks.items()) or "empty"
        typer.echo(f"{version.name}{' (served)' if version.is_live else ''}: {blocks}")


@app.command()
def switch(
    name: Annotated[str, typer.Argument(help="The version to serve.")],
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Remove the version served until now.")] = False,
    as_json: Json = False,
) -> None:
    """Serve another version of the tables, in one transaction: readers see the one or the other."""
    old = _with_versions(lambda db, switching: switching.switch(db, name, drop_old=drop_old))
    text = f"version {name} is served; {old} {'was removed' if drop_old else 'stays'}"
    tell(text, {"served": name, "former": old, "dropped": drop_old}, as_json=as_json)


@app.command("drop")
def drop_version(
    name: Annotated[str, typer.Argument(help="A version that is not served.")], as_json: Json = False
) -> None:
    """Remove a version of the tables that is not served."""
    _with_versions(lambda db, switching: switching.drop(db, name))
    tell(f"version {name} was removed", {"dropped": name}, as_json=as_json)


def _version(name: str) -> str:
    from indexer.version_db import check

    return check(name)


def _with_versions(work: "Callable[[Connection, ModuleType], Awaitable[T]]") -> "T":
    """Does something with versions over a connection of its own."""
    import asyncio

    from api.cli.processes import set_up_logging
    from indexer import version_switch
    from indexer.config import Environment
    from indexer.db import connect

    set_up_logging()
    env = Environment(os.environ)
    url = env.secret("DATABASE_URL")
    env.check()

    async def done() -> "T":
        db = await connect(url, command_timeout_s=SWITCH_TIMEOUT_S)
        try:
            return await work(db, version_switch)
        finally:
            await db.close()

    return asyncio.run(done())


def _configured(chain_id: int, path: Path | None, variables: Mapping[str, str]) -> "ChainToIndex":
    """One chain of the manifest, or of the deployment."""
    from indexer import app as indexing
    from indexer.chains import ChainToIndex
    from indexer.config import IndexerConfig

    if path is None and variables.get("GRIDTRACE_MANIFEST"):
        path = Path(variables["GRIDTRACE_MANIFEST"])
    if path is None:
        config = IndexerConfig.from_environment(variables)
        return ChainToIndex(config, indexing.load_manifest(config))
    from indexer import manifest_file

    chains = [one for one in manifest_file.load(path) if one.manifest.chain_id == chain_id]
    if not chains:
        raise ConfigError([f"{path} has no chain {chain_id}"])
    return with_endpoints(chains, variables, path)[0]


async def _resolved(chain: "ChainToIndex", block: int | None) -> "Resolved":
    from indexer import app as indexing
    from indexer.db import connect
    from indexer.metrics import Metrics
    from indexer.resolve import resolve as drop
    from indexer.rpc import open_rpc

    config = chain.config
    db = await connect(config.database_url, command_timeout_s=indexing.COMMAND_TIMEOUT_S, version=config.version)
    try:
        async with open_rpc(chain.config.rpc_urls, chain.config.chain_id) as rpc:
            source = indexing.chain_of(chain.config, rpc, Metrics(chain.config.chain_id))
            return await drop(
                db, source, chain.manifest, block, indexing.remaking_of(chain.manifest, indexing.caller_of(config, rpc))
            )
    finally:
        await db.close()


def show(chains: "Sequence[ChainManifest]") -> None:
    """Prints the tables that an index of these chains has."""
    from contracts.typed_data import checksum
    from indexer import records, templates
    from indexer.facts import table_ddl
    from indexer.reads import declared
    from indexer.reads import table_ddl as read_ddl

    for chain in chains:
        manifest = chain.manifest
        typer.echo(f"-- chain {manifest.chain_id or 'of the endpoint'} from block {manifest.start_block}")
        for kind in records.KINDS:
            if scope := getattr(manifest.options, kind):
                typer.echo(f"-- {kind}: {scope}")
        for one in declared(manifest):
            when = f"every {one.read.every} blocks" if one.read.every else f"on {one.read.on}"
            typer.echo(f"\n-- {one.read.contract}.{one.function.signature} {when}\n{read_ddl(one)};")
        shown: set[str] = set()
        for contract in manifest.contracts:
            where = (
                checksum(contract.address)
                if contract.address
                else f"made by {contract.factory and contract.factory.contract}"
            )
            kept = ", ".join(templates.standards_of(contract)) or "no state"
            typer.echo(f"\n-- {contract.name} {where} from block {manifest.start_of(contract)}: {kept}")
            for event in contract.events:
                if event.table not in shown:
                    typer.echo(f"-- {event.signature}\n{table_ddl(event)};")
                shown.add(event.table)


def _own(variables: Mapping[str, str], *, check: bool) -> None:
    """The contracts of the deployment."""
    from api.cli.processes import run_until_stopped
    from indexer import app as indexing
    from indexer.config import IndexerConfig
    from indexer.manifest_file import ChainManifest

    config = IndexerConfig.from_environment(variables)
    if check:
        show([ChainManifest(indexing.load_manifest(config), config.rpc_urls)])
    else:
        run_until_stopped(indexing.run(config))


def _single(
    abi: str | None,
    addresses: Sequence[str],
    events: Sequence[str] | None,
    name: str | None,
    start_block: int,
    variables: Mapping[str, str],
    *,
    check: bool,
) -> "ChainManifest":
    """The manifest of one contract, from options alone."""
    from contracts.typed_data import BadAddress, parse_address
    from indexer import manifest_file, manifest_rules
    from indexer.manifest import Contract, Manifest

    faults: list[str] = []
    if not abi:
        faults.append("--abi is missing: a JSON file, or erc20, erc721, erc1155")
    if not addresses:
        faults.append("--address is missing")
    name = name or (Path(abi).stem if abi else "")
    if name and not manifest_file.NAME.fullmatch(name):
        faults.append(f"--name {name!r} must be letters, digits and _, and start with a letter")
    entries: Sequence[Mapping[str, Any]] = ()
    found: list[bytes] = []
    try:
        entries = manifest_file.read_abi(abi, Path()) if abi else ()
    except (OSError, ValueError) as error:
        faults.append(f"--abi {abi}: {error.strerror if isinstance(error, OSError) else error}")
    for text in addresses:
        try:
            found.append(parse_address(text))
        except BadAddress as error:
            faults.append(f"--address {error}")
    chosen = tuple(events) if events else None
    contracts = tuple(Contract(name, address, entries, chosen=chosen) for address in dict.fromkeys(found))
    if not faults:
        faults = [text for _, text in manifest_rules.faults_of(Manifest(0, start_block, contracts))]
    if faults:
        raise ConfigError(faults)
    chain_id = int(variables.get("GRIDTRACE_CHAIN_ID") or 0) or (0 if check else asked(variables))
    return manifest_file.ChainManifest(Manifest(chain_id, start_block, contracts), ())


def asked(variables: Mapping[str, str]) -> int:
    """The chain's number, from its first HTTP endpoint that answers.

    Raises:
        ConfigError: none does, or there is none.
    """
    import httpx

    from indexer.config import Environment, urls

    env = Environment(variables)
    endpoints = env.read("RPC_URL", urls)
    env.check()
    faults = []
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    for url in endpoints:
        try:
            return int(httpx.post(url, json=call, timeout=ASK_TIMEOUT_S).json()["result"], 16)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            faults.append(f"RPC_URL: {url} does not tell its chain ({type(error).__name__}); or give --chain-id")
    raise ConfigError(faults)


def with_endpoints(
    chains: "Sequence[ChainManifest]", variables: Mapping[str, str], manifest: Path | None
) -> "list[ChainToIndex]":
    """Each chain with its configuration; all faults together."""
    from indexer.chains import ChainToIndex
    from indexer.config import IndexerConfig

    found: list[ChainToIndex] = []
    faults: dict[str, None] = {}
    for chain in chains:
        chain_id = chain.manifest.chain_id
        endpoints = variables.get(f"RPC_URL_{chain_id}") or ",".join(chain.rpc_urls)
        if len(chains) == 1:
            endpoints = variables.get("RPC_URL") or endpoints
        own = {
            "RPC_URL": endpoints,
            "GRIDTRACE_CHAIN_ID": str(chain_id),
            "GRIDTRACE_MANIFEST": str(manifest or "-"),
        }
        try:
            found.append(ChainToIndex(IndexerConfig.from_environment({**variables, **own}), chain.manifest))
        except ConfigError as error:
            told = "RPC_URL is not set"
            named = f"chain {chain_id}: neither rpc_urls in the manifest nor RPC_URL_{chain_id} is set"
            faults |= {named if fault == told and manifest else fault: None for fault in error.faults}
    if faults:
        raise ConfigError(list(faults))
    return found


def _run(chains: "Sequence[ChainToIndex]") -> None:
    import asyncio

    from api.cli.processes import database_answers, run_until_stopped, set_up_logging
    from indexer import chains as several
    from indexer import migrate

    set_up_logging()
    url = chains[0].config.database_url
    asyncio.run(database_answers(url))
    if asyncio.run(_is_empty(url)):
        migrate.upgrade(url)
    run_until_stopped(several.run(chains))


async def _is_empty(url: str) -> bool:
    """Whether the database has none of our tables: then they are made without being asked for."""
    from indexer.db import connect

    db = await connect(url)
    try:
        return await db.fetchval("select to_regclass('blockchain.cursors')") is None
    finally:
        await db.close()
