"""What is asked of the chain, and which contracts factories make."""

from typing import Any

import pytest

from indexer.errors import Disagreement
from indexer.logs import Logs
from indexer.manifest import Contract, Factory, Manifest
from indexer.watch import MANY, Child, Watch
from tests.unit.indexer.logs import log

PARENT, TOKEN, OTHER = bytes([1]) * 20, bytes([2]) * 20, bytes([3]) * 20


def entry(name: str, *inputs: tuple[str, str, bool], anonymous: bool = False) -> dict[str, Any]:
    parts = [{"type": kind, "name": label, "indexed": indexed} for kind, label, indexed in inputs]
    return {"type": "event", "name": name, "inputs": parts, "anonymous": anonymous}


CREATED = entry("Created", ("address", "child", True))
MOVED = entry("Moved", ("uint256", "value", False))
FACTORY = Contract("Factory", PARENT, [CREATED])
PAIR = Contract("Pair", b"", [MOVED], factory=Factory("Factory", "Created", "child"))
MANIFEST = Manifest(1, 10, (FACTORY, PAIR, Contract("Token", TOKEN, [MOVED, CREATED], chosen=("Moved",))))


def created(child: bytes, *, number: int = 20, index: int = 0, emitter: bytes = PARENT) -> Any:
    return log(FACTORY.events[0], {"child": child}, number=number, index=index, address="0x" + emitter.hex())


def moved(emitter: bytes, *, number: int = 20, index: int = 1) -> Any:
    return log(PAIR.events[0], {"value": 1}, number=number, index=index, address="0x" + emitter.hex())


def numbered(number: int) -> bytes:
    return (number + 1).to_bytes(20, "big")


def test_criteria__whole_contracts_and_chosen_events__are_asked_for_apart() -> None:
    whole, chosen = Watch(MANIFEST).criteria()
    assert whole == {"address": ["0x" + PARENT.hex()]}
    assert chosen == {"address": ["0x" + TOKEN.hex()], "topics": [["0x" + PAIR.events[0].topic.hex()]]}


def test_discover__creation__is_asked_for_from_then_on() -> None:
    watch = Watch(MANIFEST)
    before = watch.version
    assert watch.discover(Logs.of([created(OTHER)])) == 1
    assert watch.discover(Logs.of([created(OTHER)])) == 0
    (fresh,) = watch.criteria(since=before)
    assert fresh["address"] == ["0x" + OTHER.hex()]
    assert watch.wants(OTHER, [PAIR.events[0].topic], 20)
    assert not watch.wants(OTHER, [PAIR.events[0].topic], 19)
    assert not watch.wants(OTHER, [b"\x09" * 32], 20)


def test_discover__someone_elses_event__creates_nothing() -> None:
    watch = Watch(MANIFEST)
    assert watch.discover(Logs.of([created(OTHER, emitter=TOKEN), created(OTHER, emitter=OTHER, index=1)])) == 0


def test_discover__factory_made_by_a_factory__is_one() -> None:
    inner = Contract("Inner", b"", [CREATED], factory=Factory("Factory", "Created", "child"))
    leaf = Contract("Leaf", b"", [MOVED], factory=Factory("Inner", "Created", "child"))
    watch = Watch(Manifest(1, 0, (FACTORY, inner, leaf)))
    logs = Logs.of([created(OTHER), created(TOKEN, emitter=OTHER, index=1)])
    assert (watch.discover(logs), watch.discover(logs), watch.discover(logs)) == (1, 1, 0)
    assert watch.wants(TOKEN, [PAIR.events[0].topic], 20)


def test_rollback__children_of_orphaned_blocks__are_forgotten() -> None:
    watch = Watch(MANIFEST, [Child(OTHER, 15, "Pair")])
    watch.discover(Logs.of([created(numbered(7), number=21), created(TOKEN, number=22)]))
    watch.rollback(20)
    assert watch.children == 1
    assert watch.wants(OTHER, [PAIR.events[0].topic], 15)
    assert not watch.wants(numbered(7), [PAIR.events[0].topic], 30)
    assert watch.wants(TOKEN, [PAIR.events[0].topic], 10), "it is watched for itself"


def test_sift__logs_before_the_start_and_events_not_chosen__are_left_out() -> None:
    watch = Watch(MANIFEST, [Child(OTHER, 15, "Pair")])
    answers = [moved(OTHER, number=14), moved(OTHER, number=15), moved(TOKEN, number=9), created(OTHER, emitter=TOKEN)]
    assert [found.block_number for found in watch.sift(Logs.of(answers))] == [15]


def test_sift__log_that_nobody_asked_for__is_refused() -> None:
    with pytest.raises(Disagreement, match="not asked for"):
        Watch(MANIFEST).sift(Logs.of([moved(OTHER)]))


def test_criteria__many_children__are_asked_for_by_topic() -> None:
    watch = Watch(MANIFEST, [Child(numbered(n), 12, "Pair") for n in range(MANY + 1)])
    *_, last = watch.criteria()
    assert last == {"topics": [["0x" + PAIR.events[0].topic.hex()]]}
    known, strange = numbered(5), b"\x77" * 20
    assert [found.address for found in watch.sift(Logs.of([moved(known), moved(strange)]))] == [known]
    with pytest.raises(Disagreement):
        watch.sift(Logs.of([created(OTHER, emitter=strange)]))


def test_directory__hundred_thousand_children__are_found() -> None:
    watch = Watch(MANIFEST, [Child(numbered(n), 12, "Pair") for n in range(100_000)])
    found = watch.directory.find(Logs.of([moved(numbered(n)) for n in (0, 99_999, 100_000)]).address)
    assert (found >= 0).tolist() == [True, True, False]


def test_directory__addresses_that_share_their_last_bytes__are_told_apart() -> None:
    twins = [bytes([n]) * 12 + b"\x05" * 8 for n in (1, 2, 3)]
    watch = Watch(MANIFEST, [Child(twin, 12, "Pair") for twin in twins[:2]])
    found = watch.directory.find(Logs.of([moved(twin) for twin in twins]).address)
    assert (found >= 0).tolist() == [True, True, False]
