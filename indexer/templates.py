"""Built-in state of tokens: the same SQL for every contract that follows a standard, over its own fact tables."""

from collections.abc import Container, Iterator, Mapping
from functools import partial
from typing import Final

from indexer import movements, standards
from indexer.db import queries
from indexer.event import Event, shortened
from indexer.manifest import Contract, Manifest
from indexer.standards import ERC20, ERC721, ERC1155
from indexer.state import TRANSFER_COLUMNS, Gathering, Projection

TABLES: Final[Mapping[str, str]] = {
    ERC20: "token_balances",
    ERC721: "token_owners",
    ERC1155: "token_id_balances",
}
"""Where the state of each standard is kept."""


def of(manifest: Manifest) -> tuple[Projection, ...]:
    """The token projections of a manifest's contracts: one for each name and standard."""
    found = {(name, standard): _projection(standard, events) for name, standard, events in _wanted(manifest)}
    return tuple(found.values())


def indexes(manifest: Manifest, tables: Container[str]) -> list[str]:
    """Indexes of fact tables that taking a reorg out of the state needs, beside those over indexed addresses."""
    found: dict[str, None] = {}
    for _, standard, events in _wanted(manifest):
        index = _statements(standard, events).get("index")
        if index and events[0].table in tables:
            found[index] = None
    return list(found)


def standards_of(contract: Contract) -> tuple[str, ...]:
    """The standards of which a contract's state is kept: those it names, else those its ABI shows."""
    return standards.recognised(contract.events) if contract.projections is None else contract.projections


def _wanted(manifest: Manifest) -> Iterator[tuple[str, str, tuple[Event, ...]]]:
    for contract in manifest.contracts:
        for standard in standards_of(contract):
            if events := standards.needed(standard, contract.events, is_named=contract.projections is not None):
                yield contract.name, standard, events


def _projection(standard: str, events: tuple[Event, ...]) -> Projection:
    statements = _statements(standard, events)
    return Projection(
        _name(standard, events),
        statements["fold"],
        None,
        statements["touched"],
        statements["clear"],
        _gathering(events[0], statements) if standard == ERC20 else None,
    )


def _name(standard: str, events: tuple[Event, ...]) -> str:
    return shortened(f"{standard}_{events[0].table}")


def _gathering(transfer: Event, statements: Mapping[str, str]) -> Gathering:
    sender, recipient, value = (argument.column for argument in transfer.arguments)
    gather = partial(movements.net_transfers, columns=(sender, recipient, value))
    return Gathering(gather, "token_movements", TRANSFER_COLUMNS, statements["stage"], statements["merge"])


def _statements(standard: str, events: tuple[Event, ...]) -> dict[str, str]:
    """The template's statements over these events. Names are quoted: they come from the manifest's ABI."""
    places = _places(standard, events)
    texts = queries(f"indexer.projections.templates.{standard}")
    return {name: _filled(text, places) for name, text in texts.items()}


def _filled(text: str, places: Mapping[str, str]) -> str:
    for place, name in places.items():
        text = text.replace(f"{{{place}}}", name)
    return text


def _places(standard: str, events: tuple[Event, ...]) -> dict[str, str]:
    columns = [[f'"{argument.column}"' for argument in event.arguments] for event in events]
    if standard == ERC1155:
        single, batch = columns
        names = ("operator", "sender", "recipient")
        return {
            "single": events[0].table,
            "batch": events[1].table,
            **{f"single_{name}": column for name, column in zip((*names, "id", "value"), single, strict=True)},
            **{f"batch_{name}": column for name, column in zip((*names, "ids", "values"), batch, strict=True)},
        }
    sender, recipient, last = columns[0]
    third = "token_id" if standard == ERC721 else "value"
    index = f'"{shortened(events[0].table[5:] + "_token_id")}"'
    return {"transfer": events[0].table, "sender": sender, "recipient": recipient, third: last, "index": index}
