"""What every command of a trader takes: his key, where the API is, and how to answer."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from api.client import Client

T = TypeVar("T")

KeyFile = Annotated[Path, typer.Option(help="Your key file (0x-prefixed hex).", envvar="GRIDTRACE_KEY_FILE")]
ApiUrl = Annotated[str, typer.Option(help="Where the API is.", envvar="GRIDTRACE_API_URL")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SlotStart = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="Start of the delivery slot, UTC.")
]
DEFAULT_URL = "http://127.0.0.1:8600"


def utc(slot: datetime | None) -> datetime | None:
    """An option's time, which means UTC."""
    return slot and slot.replace(tzinfo=UTC)


def signed_in(key_file: Path, url: str, work: "Callable[[Client], Coroutine[Any, Any, T]]") -> T:
    """Runs ``work`` with a client that has signed in with the key."""
    import asyncio

    from api.client import Client
    from api.devnet.keys import read_key

    async def session() -> T:
        async with Client(url, read_key(key_file)) as client:
            await client.sign_in()
            return await work(client)

    return asyncio.run(session())
