"""Every event has a place: a typed fact table, and a projection or the reason why it has none."""

import pytest

from contracts.abi import CONTRACTS, artifact
from indexer import state, templates
from indexer.errors import ConfigError
from indexer.event import BASE_COLUMNS, Event, Kind, event_of, snake
from indexer.facts import index_ddl, table_ddl
from indexer.facts_only import FACTS_ONLY
from indexer.manifest import Contract, Manifest, check_chain, events_of
from indexer.shipped import FACTORIES

SHIPPED = [event for name in (*CONTRACTS, *FACTORIES) for event in events_of(name, artifact(name).abi)]


@pytest.mark.parametrize("event", SHIPPED, ids=lambda event: event.table)
def test_shipped_event__has_a_table_and_a_projection_or_a_reason(event: Event) -> None:
    assert all(argument.kind is not Kind.UNSUPPORTED for argument in event.arguments)
    ddl = table_ddl(event)
    assert all(f'"{argument.column}"' in ddl for argument in event.arguments)
    contract = Contract(event.contract, bytes(20), artifact(event.contract).abi)
    projections = (*state.shipped(), *templates.of(Manifest(1, 0, (contract,))))
    read = {source for projection in projections for source in projection.sources}
    assert (event.table in read) != (event.name in FACTS_ONLY), "one of the two, not both"


def test_projections__all_tables_they_read__are_of_shipped_events() -> None:
    tables = {event.table for event in SHIPPED}
    assert len(state.usable(tables)) == len(state.ORDER)
    assert state.usable(set()) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("energyWh", "energy_wh"), ("OrdersSettled", "orders_settled"), ("EIP712DomainChanged", "eip712_domain_changed"),
     ("_value", "value"), ("PaymentToken", "payment_token")],
)  # fmt: skip
def test_snake__mixed_case__is_split(name: str, expected: str) -> None:
    assert snake(name) == expected


def test_event__column_names__never_collide() -> None:
    inputs = [{"type": "uint256", "name": name, "indexed": False} for name in ("blockNumber", "a", "A", "", "emitter")]
    event = event_of("C", {"name": "E", "inputs": inputs})
    assert len(set(event.columns)) == len(BASE_COLUMNS) + 5


def test_event__tuple_argument__is_written_out_in_the_signature() -> None:
    parts = [{"type": "uint256", "name": "x"}, {"type": "address[]", "name": "y"}]
    inputs = [{"type": "tuple[2]", "name": "t", "indexed": True, "components": parts}]
    event = event_of("C", {"name": "E", "inputs": inputs})
    assert event.arguments[0].abi_type == "(uint256,address[])[2]"
    assert event.arguments[0].sql_type == "bytea"


def test_events_of__overloads__have_tables_of_their_own() -> None:
    entries = [
        {"type": "event", "name": "E", "inputs": [{"type": kind, "name": "a", "indexed": False}]}
        for kind in ("uint8", "uint16")
    ]
    first, second = events_of("C", entries)
    assert first.table == "fact_c_e"
    assert second.table == f"fact_c_e_{second.topic[:4].hex()}"


def test_index_ddl__indexed_addresses__only() -> None:
    transfer = next(event for event in SHIPPED if event.table == "fact_payment_token_transfer")
    assert len(index_ddl(transfer)) == 2
    names = [line.split('"')[1] for event in SHIPPED for line in index_ddl(event)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < 64


def test_check_chain__other_chain__is_refused() -> None:
    manifest = Manifest(1, 1, (Contract("C", bytes(20), ()),))
    assert check_chain(manifest, 1) is manifest
    with pytest.raises(ConfigError, match="chain 1, not 2"):
        check_chain(manifest, 2)
