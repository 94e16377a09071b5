"""``gridtrace deploy``: the contracts."""

import os
from pathlib import Path
from typing import Annotated

import typer


def deploy(
    key_file: Annotated[Path, typer.Option(help="The deployer's key file.", envvar="GRIDTRACE_DEPLOYER_KEY_FILE")],
    operator: Annotated[str, typer.Option(help="Address that gets the roles.", envvar="GRIDTRACE_OPERATOR")],
    path: Annotated[Path, typer.Option(help="File the addresses are written to.", envvar="GRIDTRACE_DEPLOYMENT")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
) -> None:
    """Deploy the contracts to RPC_URL and grant the operator's roles; goes on where an earlier call ended."""
    import asyncio

    from api.devnet.keys import read_key
    from contracts.typed_data import checksum, parse_address
    from indexer.config import Environment, positive, urls
    from node import deploy as deployment

    env = Environment(os.environ)
    rpc_urls = env.read("RPC_URL", urls)
    chain_id = env.read("GRIDTRACE_CHAIN_ID", positive)
    env.check()
    found = asyncio.run(
        deployment.deploy(
            rpc_urls[0],
            chain_id,
            read_key(key_file),
            parse_address(operator),
            path,
            progress=lambda line: typer.echo(line, err=True),
        )
    )
    if as_json:
        typer.echo(path.read_text())
        return
    for name, address in found.addresses.items():
        typer.echo(f"{name:24} {checksum(address)}")
