"""``gridtrace deploy``: the contracts."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from indexer.config import Environment


def deploy(
    key_file: Annotated[
        Path | None, typer.Option(help="The deployer's key file (required).", envvar="GRIDTRACE_DEPLOYER_KEY_FILE")
    ] = None,
    operator: Annotated[
        str | None, typer.Option(help="Address that gets the roles (required).", envvar="GRIDTRACE_OPERATOR")
    ] = None,
    path: Annotated[
        Path | None, typer.Option(help="File the addresses are written to (required).", envvar="GRIDTRACE_DEPLOYMENT")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
) -> None:
    """Deploy the contracts to RPC_URL and grant the operator's roles; goes on where an earlier call ended."""
    import asyncio

    from api.devnet.keys import read_key
    from contracts.typed_data import BadAddress, checksum, parse_address
    from indexer.config import Environment
    from node import deploy as deployment

    env = Environment(os.environ)
    rpc_urls, chain_id = chain_settings(env)
    account = b""
    try:
        account = parse_address(operator or "")
    except BadAddress as error:
        env.faults.append(f"--operator: {error}" if operator else "--operator or GRIDTRACE_OPERATOR is not set")
    if key_file is None:
        env.faults.append("--key-file or GRIDTRACE_DEPLOYER_KEY_FILE is not set")
    if path is None:
        env.faults.append("--path or GRIDTRACE_DEPLOYMENT is not set")
    env.check()
    if key_file is None or path is None:
        return
    found = asyncio.run(
        deployment.deploy(
            rpc_urls[0],
            chain_id,
            read_key(key_file),
            account,
            path,
            progress=lambda line: typer.echo(line, err=True),
        )
    )
    if as_json:
        typer.echo(path.read_text())
        return
    for name, address in found.addresses.items():
        typer.echo(f"{name:24} {checksum(address)}")


def chain_settings(env: "Environment") -> tuple[tuple[str, ...], int]:
    """RPC_URL and GRIDTRACE_CHAIN_ID."""
    from indexer.config import positive, urls

    return env.read("RPC_URL", urls), env.read("GRIDTRACE_CHAIN_ID", positive)
