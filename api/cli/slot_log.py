"""``gridtrace auction replay``: match a slot's published log again."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from api.cli.orders import DEFAULT_URL

DIFFERENT = 1


def replay(
    document: Annotated[
        Path | None,
        typer.Argument(help="Answer of /v1/markets/{zone}/log, or a log's raw bytes; - for stdin."),
    ] = None,
    url: Annotated[str, typer.Option(help="Ask this API instead of a file.", envvar="GRIDTRACE_API_URL")] = DEFAULT_URL,
    zone: Annotated[int, typer.Option(min=0, help="With --slot: whose book.")] = 1,
    slot: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="Start of delivery, UTC; asks the API.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Keep what the API published, to replay it elsewhere.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Match a slot's continuous trading again from its published log: every event's hash, every trade.

    Exit code 1: the hashes are not those that were published, or the bytes are no log.
    """
    from api.cli import auction_document
    from indexer.errors import ConfigError
    from node.market.slot_log import log_hash, rematch

    if (document is None) == (slot is None):
        raise ConfigError(["name either a file or --slot with --url and --zone"])
    content = auction_document.read(document) if slot is None else _fetch(url, zone, slot)
    if save is not None:
        auction_document.write(save, content)
    data, published = _parse(content)
    done = rematch(data)
    fills = done.changes.fills
    found = {
        "area": done.log.area.name,
        "delivery_start": done.log.delivery_start,
        "events": len(done.log.events),
        "trades": len(fills),
        "energy_wh": sum(fill.energy_wh for fill in fills),
        "waiting": sum(order.status == "open" for order in done.changes.orders),
        "log_hash": "0x" + log_hash(data).hex(),
        "replay_hash": "0x" + done.replay_hash.hex(),
    }
    differ = [name for name, hash_ in published.items() if found[name] != hash_]
    if as_json:
        typer.echo(msgspec.json.encode(found | {"differ": differ}).decode())
    else:
        for name, value in found.items():
            typer.echo(f"{name:<15}{value}" + (f"  published: {published[name]}" if name in differ else ""))
    if differ:
        raise typer.Exit(DIFFERENT)


def _fetch(url: str, zone: int, slot: datetime) -> bytes:
    from api.client.signing import rfc3339
    from api.client.transport import Transport

    async def ask() -> bytes:
        api = Transport(url, timeout_s=30.0)
        try:
            query = {"delivery_start": rfc3339(slot)}
            return msgspec.json.encode(await api.call("GET", f"/v1/markets/{zone}/log", dict[str, Any], query=query))
        finally:
            await api.close()

    return asyncio.run(ask())


def _parse(content: bytes) -> tuple[bytes, dict[str, str]]:
    """The log's bytes, and the hashes that were published with them."""
    from indexer.block import unhex
    from node.market.slot_log import LogUnreadable

    if content.startswith(b"GTSL"):
        return content, {}
    try:
        answer = msgspec.json.decode(content, type=dict[str, Any])
        return unhex(answer["log"]), {name: answer[name] for name in ("log_hash", "replay_hash") if name in answer}
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise LogUnreadable(f"neither a log nor the API's answer: {error}") from error
