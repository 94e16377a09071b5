"""The services that the environment names in place of ours: each must answer and be fit before anything is started."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiomqtt
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.devnet import database
from api.devnet.addresses import place, reason
from api.devnet.settings import Folder
from api.devnet.steerer import ChainCallFailed, ChainControl
from contracts.addresses import Deployment
from indexer.config import Environment, positive, urls
from indexer.errors import ConfigError, GridtraceError, RpcUnavailable, WrongChain
from indexer.rpc import http_url
from node.metering.mqtt import client as mqtt_client

CHECK_S: Final = 10.0
SCHEMES: Final = {
    "DATABASE_URL": ("postgresql",),
    "REDIS_URL": ("redis", "rediss", "unix"),
    "MQTT_URL": ("mqtt", "mqtts"),
    "RPC_URL": ("http", "https", "ws", "wss"),
}
"""The variables that name a service, and how their addresses may begin."""


class CacheUnreachable(GridtraceError):
    """The Redis server does not answer."""

    code = "redis-unreachable"
    retryable = True


class BrokerUnreachable(GridtraceError):
    """The MQTT broker does not answer."""

    code = "mqtt-unreachable"
    retryable = True


def named(variables: Mapping[str, str]) -> dict[str, str]:
    """The services that the environment names, with the secret address of a file in place of the file.

    Raises:
        ConfigError: an address is not one; never repeats it, as it may hold a password.
    """
    env = Environment(variables)
    found = {name: variables[name] for name in SCHEMES if variables.get(name)}
    if variables.get("DATABASE_URL_FILE"):
        found["DATABASE_URL"] = env.secret("DATABASE_URL")
    env.check()
    faults = [
        f"{name}: must be an address like {SCHEMES[name][0]}://host:port"
        for name, address in found.items()
        if not all(_is_address(one, SCHEMES[name]) for one in (address.split(",") if name == "RPC_URL" else [address]))
    ]
    if faults:
        raise ConfigError(faults)
    return found


def control_url(rpc_url: str) -> str:
    """The one HTTP address, of those in RPC_URL, through which the chain is steered."""
    return http_url(urls(rpc_url)[0])


def check_resumed(services: Mapping[str, str], folder: Folder) -> None:
    """A run goes on only with the database and the chain it was started with.

    Raises:
        ConfigError: the environment now names one, and the earlier run had its own, or the other way round.
    """
    if folder.deployed() is None:
        return
    own = {
        "DATABASE_URL": (folder.services / "postgres" / "initialised").exists(),
        "RPC_URL": (folder.services / "chain.json.gz").exists(),
    }
    faults = [
        f"{name} is {'' if name in services else 'not '}set, the earlier run in {folder.path} was "
        f"{'without' if was_own else 'with'} it; start as before, choose another --state-dir, or begin with --fresh"
        for name, was_own in own.items()
        if was_own == (name in services)
    ]
    if faults:
        raise ConfigError(faults)


async def check(services: Mapping[str, str], variables: Mapping[str, str], known: Deployment | None) -> None:
    """Looks at every named service; ``known`` is what an earlier run in the folder has deployed.

    Raises:
        ExceptionGroup: one error per service that does not answer or is not fit.
    """
    checks: dict[str, Coroutine[Any, Any, None]] = {}
    if address := services.get("DATABASE_URL"):
        checks["DATABASE_URL"] = database.check(address, known, CHECK_S)
    if address := services.get("REDIS_URL"):
        checks["REDIS_URL"] = check_redis(address)
    if address := services.get("MQTT_URL"):
        checks["MQTT_URL"] = check_broker(address)
    if address := services.get("RPC_URL"):
        checks["RPC_URL"] = check_chain(address, variables, known)
    outcomes = await asyncio.gather(*checks.values(), return_exceptions=True)
    if errors := [error for error in outcomes if isinstance(error, Exception)]:
        raise ExceptionGroup("services of the environment", errors)


async def check_redis(address: str) -> None:
    """Raises CacheUnreachable."""
    try:
        async with asyncio.timeout(CHECK_S), Redis.from_url(address) as cache:
            await cache.ping()
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        raise CacheUnreachable(f"REDIS_URL: Redis at {place(address)} does not answer: {reason(error)}") from error


async def check_broker(address: str) -> None:
    """Raises BrokerUnreachable."""
    try:
        async with asyncio.timeout(CHECK_S), mqtt_client(address, "gridtrace-check", is_persistent=False):
            pass
    except (aiomqtt.MqttError, OSError, TimeoutError) as error:
        raise BrokerUnreachable(f"MQTT_URL: the broker at {place(address)} does not answer: {reason(error)}") from error


async def check_chain(rpc_url: str, variables: Mapping[str, str], known: Deployment | None) -> None:
    """Raises RpcUnavailable; WrongChain where it is not the configured chain, or not the one of the earlier run."""
    control = ChainControl(control_url(rpc_url))
    where = place(control_url(rpc_url))
    try:
        async with asyncio.timeout(CHECK_S):
            served = await chain_id(control)
            expected = _configured_chain(variables)
            if expected not in (None, served):
                raise WrongChain(f"RPC_URL: {where} serves chain {served}, GRIDTRACE_CHAIN_ID says {expected}")
            if known is not None:
                await _check_known(control, where, served, known)
    except (ChainCallFailed, TimeoutError) as error:
        raise RpcUnavailable(f"RPC_URL: {where} does not answer as a chain: {reason(error)}") from error
    finally:
        await control.close()


async def chain_id(control: ChainControl) -> int:
    """The number by which the chain calls itself; raises ChainCallFailed."""
    answer = await control.call("eth_chainId")
    try:
        return int(answer, 16)
    except (TypeError, ValueError):
        raise ChainCallFailed(f"eth_chainId gives {answer!r}") from None


async def _check_known(control: ChainControl, where: str, served: int, known: Deployment) -> None:
    if served != known.chain_id:
        raise WrongChain(
            f"RPC_URL: {where} serves chain {served}, this folder's contracts are on chain {known.chain_id}; "
            "choose another --state-dir, or start anew with --fresh"
        )
    exchange = "0x" + known.address("SettlementExchange").hex()
    if await control.call("eth_getCode", exchange, "latest") in ("0x", None):
        raise WrongChain(
            f"RPC_URL: the chain {served} at {where} has no contract at {exchange}: it is another one or was reset; "
            "choose another --state-dir, or start anew with --fresh"
        )


def _configured_chain(variables: Mapping[str, str]) -> int | None:
    env = Environment(variables)
    found = env.optional("GRIDTRACE_CHAIN_ID", positive)
    env.check()
    return found


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text.strip())
        return parts.scheme in schemes and bool(parts.netloc or parts.path) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
