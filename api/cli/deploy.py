"""``gridtrace deploy``: the contracts."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from indexer.config import Environment
    from node.deploy import Parameters

TRACE: Final = 10**18


def deploy(
    key_file: Annotated[
        Path | None,
        typer.Option(help="The deployer's key file, hex or keystore (required).", envvar="GRIDTRACE_DEPLOYER_KEY_FILE"),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="Password of a keystore.", envvar="GRIDTRACE_DEPLOYER_KEY_PASSWORD_FILE"),
    ] = None,
    operator: Annotated[
        str | None,
        typer.Option(help="Who settles, attests, and holds the roles (required).", envvar="GRIDTRACE_OPERATOR"),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(help="NAME=ADDRESS: somebody else holds this role, as guardian=0x…; may be repeated."),
    ] = None,
    treasury: Annotated[
        str | None,
        typer.Option(help="Who receives the first TRACE. [default: the operator]", envvar="GRIDTRACE_TREASURY"),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(help="File for the addresses. [default: deployments/<chain>.json]", envvar="GRIDTRACE_DEPLOYMENT"),
    ] = None,
    zone: Annotated[
        list[str] | None, typer.Option(help="NUMBER=CODE of a grid zone; may be repeated. [default: 1=ZONE-1]")
    ] = None,
    slot_s: Annotated[
        int | None, typer.Option("--slot-seconds", help="Length of a delivery slot. [900]", envvar="GRIDTRACE_SLOT_S")
    ] = None,
    withdrawal_delay_s: Annotated[
        int | None, typer.Option("--withdrawal-delay", help="Seconds from announcing to withdrawing. [3600]")
    ] = None,
    max_fee_per_kwh: Annotated[
        int | None, typer.Option(help="Cap of the fee, micro-currency per kWh sold. [720000]")
    ] = None,
    max_power_w: Annotated[
        int | None, typer.Option("--max-power", help="Highest power any meter feeds, watts. [10000000]")
    ] = None,
    correction_window_s: Annotated[
        int | None, typer.Option("--correction-window", help="Seconds a register may be corrected. [604800]")
    ] = None,
    timelock_delay_s: Annotated[
        int | None,
        typer.Option("--timelock-delay", help="Seconds from a vote to its effect. [172800; development: 7200]"),
    ] = None,
    voting_delay_s: Annotated[
        int | None, typer.Option("--voting-delay", help="Seconds from proposal to vote. [86400; development: 60]")
    ] = None,
    voting_period_s: Annotated[
        int | None, typer.Option("--voting-period", help="Seconds a vote lasts. [604800; development: 600]")
    ] = None,
    proposal_threshold: Annotated[int | None, typer.Option(help="TRACE needed to propose. [100000]")] = None,
    quorum_percent: Annotated[int | None, typer.Option(help="Part of TRACE that must vote. [4]")] = None,
    trace_supply: Annotated[int | None, typer.Option(help="TRACE issued at once. [100000000]")] = None,
    trace_cap: Annotated[int | None, typer.Option(help="The most TRACE ever. [1000000000]")] = None,
    compile_first: Annotated[
        bool, typer.Option("--compile", help="Compile the sources first; refuse where the artifacts are others.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the deployment file.")] = False,
) -> None:
    """Deploy the contracts to RPC_URL, give out the roles and hand everything to the timelock.

    Goes on where an earlier call was stopped, and creates nothing twice. Addresses follow from the deployer's account
    and nonce; until the end, use that account for nothing else. What was chosen stands in the file of the addresses.
    Exit codes: 0 deployed and verified; 1 failed; 2 wrong usage.
    """
    import asyncio

    from contracts.typed_data import checksum
    from indexer.config import Environment
    from node import deploy as deployment
    from node.wallet import KeyFileSigner

    env = Environment(os.environ)
    rpc_urls, chain_id = chain_settings(env)
    if key_file is None:
        env.faults.append("--key-file or GRIDTRACE_DEPLOYER_KEY_FILE is not set")
    if not operator:
        env.faults.append("--operator or GRIDTRACE_OPERATOR is not set")
    people = {
        "--operator": _address(env, "--operator", operator),
        "--treasury": _address(env, "--treasury", treasury),
        **_pairs(env, "--role", role or (), deployment.ROLES),
    }
    parameters = _parameters(
        env,
        chain_id,
        zone or (),
        {
            "slot_s": slot_s,
            "withdrawal_delay_s": withdrawal_delay_s,
            "max_fee_per_kwh": max_fee_per_kwh,
            "max_power_w": max_power_w,
            "correction_window_s": correction_window_s,
            "timelock_delay_s": timelock_delay_s,
            "voting_delay_s": voting_delay_s,
            "voting_period_s": voting_period_s,
            "quorum_percent": quorum_percent,
            "proposal_threshold": None if proposal_threshold is None else proposal_threshold * TRACE,
            "trace_supply": None if trace_supply is None else trace_supply * TRACE,
            "trace_cap": None if trace_cap is None else trace_cap * TRACE,
        },
    )
    env.check()
    chosen_operator = people.pop("--operator")
    chosen_treasury = people.pop("--treasury")
    if key_file is None or chosen_operator is None:
        return
    signer = KeyFileSigner.open(key_file, password_file, chain_id=chain_id)
    if compile_first:
        from node.deploy import compiler

        typer.echo("compiling, about a minute", err=True)
        compiler.check()
    path = path or Path("deployments") / f"{chain_id}.json"
    found = asyncio.run(
        deployment.deploy(
            rpc_urls[0],
            chain_id,
            signer,
            chosen_operator,
            path,
            parameters=parameters,
            treasury=chosen_treasury,
            holders={name: holder for name, holder in people.items() if holder},
            progress=lambda report: typer.echo(str(report), err=True),
        )
    )
    if as_json:
        typer.echo(path.read_text().rstrip())
        return
    for name, address in found.addresses.items():
        typer.echo(f"{name:24} {checksum(address)}")


def chain_settings(env: "Environment") -> tuple[tuple[str, ...], int]:
    """RPC_URL and GRIDTRACE_CHAIN_ID."""
    from indexer.config import positive, urls

    return env.read("RPC_URL", urls), env.read("GRIDTRACE_CHAIN_ID", positive)


def _address(env: "Environment", option: str, text: str | None) -> bytes | None:
    from contracts.typed_data import BadAddress, parse_address

    try:
        return parse_address(text) if text else None
    except BadAddress as error:
        env.faults.append(f"{option}: {error}")
        return None


def _pairs(env: "Environment", option: str, texts: Sequence[str], known: Mapping[str, int]) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for text in texts:
        name, _, address = text.partition("=")
        if name not in known or not address:
            env.faults.append(f"{option} {text}: write NAME=ADDRESS with one of {', '.join(known)}")
        else:
            found[name] = _address(env, f"{option} {name}", address)
    return found


def _parameters(
    env: "Environment", chain_id: int, zones: Sequence[str], given: Mapping[str, int | None]
) -> "Parameters":
    """What is given, and the defaults of the kind of chain."""
    from dataclasses import replace

    from node.deploy import Parameters
    from node.wallet import DEV_CHAIN_IDS

    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    env.faults += [f"--{name.replace('_', '-')}: {value} is negative" for name, value in chosen.items() if value < 0]
    named = [text.partition("=") for text in zones]
    env.faults += [
        f"--zone {number}={code}: write NUMBER=CODE, a code of 1 to 32 letters"
        for number, _, code in named
        if not number.isdecimal() or not 1 <= len(code.encode()) <= 32
    ]
    if zones and not env.faults:
        chosen["zones"] = tuple((int(number), code) for number, _, code in named)
    return replace(Parameters.of_devnet() if chain_id in DEV_CHAIN_IDS else Parameters(), **chosen)
