"""A chain in memory with tokens of every standard, a factory, and the state that a node would have of them."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from eth_abi.abi import encode

from indexer.block import Block, LogAnswer, Tip
from indexer.event import Event
from indexer.logs import Log, Logs, Segment
from indexer.manifest import Contract, Factory, Manifest
from indexer.standards import ABIS
from indexer.verify import bloom_mask
from indexer.watch import Watch

CHAIN_ID = 9
FINAL_DEPTH = 12
START = 2
ZERO = bytes(20)
ACCOUNTS = tuple(bytes([number]) * 20 for number in range(0xB1, 0xB6))
COIN, COLLECTION, MULTI, MAKER, LATE = (bytes([number]) * 20 for number in range(1, 6))
MADE = {"type": "event", "name": "Made", "inputs": [{"type": "address", "name": "child", "indexed": False}]}
MIXED = {
    "type": "event",
    "name": "Mixed",
    "inputs": [
        {"type": "tuple[]", "name": "parts", "indexed": False, "components": [
            {"type": "uint64", "name": "id"}, {"type": "string[]", "name": "notes"}]},
        {"type": "int256[2]", "name": "pair", "indexed": False},
        {"type": "string", "name": "label", "indexed": True},
    ],
}  # fmt: skip


def manifest(*, late: bool = True, mixed: bool = True) -> Manifest:
    """All contracts; without what is added to them later where not wanted."""
    multi = [*ABIS["erc1155"], *([MIXED] if mixed else [])]
    contracts = [
        Contract("Coin", COIN, ABIS["erc20"]),
        Contract("Collection", COLLECTION, ABIS["erc721"]),
        Contract("Multi", MULTI, multi, chosen=tuple(str(entry["name"]) for entry in multi)),
        Contract("Maker", MAKER, [MADE]),
    ]
    if late:
        contracts.append(Contract("Late", LATE, ABIS["erc20"], start_block=START + 3))
        contracts.append(Contract("Made", b"", ABIS["erc20"], factory=Factory("Maker", "Made", "child")))
    return Manifest(CHAIN_ID, START, tuple(contracts))


@dataclass
class Made:
    """One block with its logs, and the contracts that there are after it."""

    block: Block
    logs: tuple[LogAnswer, ...]
    children: tuple[bytes, ...]


class TokenChain:
    """Grows by ``mine`` and forks by ``reorg``."""

    def __init__(self, random: Random) -> None:
        self._random = random
        whole = manifest()
        self._events = {event.table: event for contract in whole.contracts for event in contract.events}
        self._made: list[Made] = [self._make(0, bytes(32), ())]

    @property
    def height(self) -> int:
        return len(self._made) - 1

    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            parent = self._made[-1]
            self._made.append(self._make(len(self._made), parent.block.hash, parent.children))

    def reorg(self, depth: int) -> None:
        depth = min(depth, self.height)
        del self._made[len(self._made) - depth :]
        self.mine(max(1, depth + self._random.randint(-1, 2)))

    async def look(self, number: int, watch: Watch) -> tuple[Tip, Segment | None]:
        tip = Tip(self._made[-1].block, max(0, self.height - 6), max(0, self.height - FINAL_DEPTH))
        return tip, self._segment(number, number, watch) if number <= self.height else None

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        return [self._made[number].block for number in numbers if 0 <= number <= self.height]

    async def vouch(self, number: int, block_hash: bytes) -> bool:
        return 0 <= number <= self.height and self._made[number].block.hash == block_hash

    async def history(self, first: int, last: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        while first <= last:
            end = min(last, first + self._random.randint(0, 6))
            yield self._segment(first, end, watch)
            first = end + 1

    def _segment(self, first: int, last: int, watch: Watch) -> Segment:
        made = self._made[first : last + 1]
        logs = Logs.of([log for one in made for log in one.logs])
        while watch.discover(logs):
            pass
        asked = [log for log in logs if log.address in watch.directory]
        known = {(log.block_number, log.log_index) for log in asked}
        answers = [a for one in made for a in one.logs if (int(a.block_number, 16), int(a.log_index, 16)) in known]
        return Segment(tuple(one.block for one in made), watch.sift(Logs.of(answers)))

    def _make(self, number: int, parent: bytes, children: tuple[bytes, ...]) -> Made:
        block_hash = self._random.randbytes(32)
        logs: list[LogAnswer] = []
        for index in range(self._random.randint(0, 9) if number >= START else 0):
            address, table, values = self._happening(children)
            if table == "fact_maker_made":
                children = (*children, bytes.fromhex(values["child"][2:]))
            logs.append(self._log(number, block_hash, index, address, self._events[table], values))
        bloom = 0
        for log in logs:
            for text in (log.address, *log.topics):
                bloom |= bloom_mask(bytes.fromhex(text[2:]))
        block = Block(number, block_hash, parent, 1_750_000_000 + number, bloom.to_bytes(256, "big"), bytes(32))
        return Made(block, tuple(logs), children)

    def _log(
        self, number: int, block_hash: bytes, index: int, address: bytes, event: Event, values: dict[str, Any]
    ) -> LogAnswer:
        topics = [event.topic]
        for argument in event.indexed:
            hashed = argument.abi_type == "string"
            topics.append(values[argument.name] if hashed else encode([argument.abi_type], [values[argument.name]]))
        data = encode([a.abi_type for a in event.plain], [values[a.name] for a in event.plain])
        return LogAnswer(
            address="0x" + address.hex(),
            topics=tuple("0x" + topic.hex() for topic in topics),
            data="0x" + data.hex(),
            block_number=hex(number),
            block_hash="0x" + block_hash.hex(),
            transaction_hash="0x" + (block_hash[:31] + bytes([index])).hex(),
            log_index=hex(index),
        )

    def _happening(self, children: tuple[bytes, ...]) -> tuple[bytes, str, dict[str, Any]]:
        random = self._random
        sender, recipient = ("0x" + random.choice((*ACCOUNTS, ZERO)).hex() for _ in range(2))
        moved = {"from": sender, "to": recipient}
        kinds = ["coin", "coin", "late", "nft", "nft", "single", "batch", "mixed", "maker", "child", "child", "child"]
        match random.choice(kinds):
            case "coin":
                return COIN, "fact_coin_transfer", {**moved, "value": random.choice((1, 10**18, 2**250))}
            case "late":
                return LATE, "fact_late_transfer", {**moved, "value": random.randint(0, 99)}
            case "nft":
                return COLLECTION, "fact_collection_transfer", {**moved, "tokenId": random.choice((1, 2, 2**256 - 1))}
            case "single":
                values = {"operator": sender, "id": random.randint(1, 3), "value": random.randint(0, 9)}
                return MULTI, "fact_multi_transfer_single", {**moved, **values}
            case "batch":
                count = random.randint(0, 3)
                ids = [random.choice((1, 2, 2**255)) for _ in range(count)]
                amounts = [random.randint(0, 9) for _ in range(count + (random.random() < 0.1))]
                return MULTI, "fact_multi_transfer_batch", {**moved, "operator": sender, "ids": ids, "values": amounts}
            case "mixed":
                parts = [(random.getrandbits(64), ["a", "é"][: random.randint(0, 2)]) for _ in range(2)]
                return MULTI, "fact_multi_mixed", {"parts": parts, "pair": (-5, 2**255 - 1), "label": b"\x07" * 32}
            case "child" if children:
                return random.choice(children), "fact_made_transfer", {**moved, "value": random.randint(1, 5)}
            case _:
                return MAKER, "fact_maker_made", {"child": "0x" + random.randbytes(20).hex()}

    def model(self) -> tuple[dict[Any, int], dict[Any, bytes], dict[Any, int]]:
        """ERC-20 balances by token and account, ERC-721 owners by token and id, ERC-1155 balances; from the logs."""
        coins: dict[Any, int] = defaultdict(int)
        owners: dict[Any, bytes] = {}
        units: dict[Any, int] = defaultdict(int)
        for log in (log for made in self._made for log in Logs.of(made.logs)):
            people = [topic[12:] for topic in log.topics[1:]]
            topic, data = log.topics[0], [log.data[at : at + 32] for at in range(0, len(log.data), 32)]
            numbers = [int.from_bytes(word, "big") for word in data]
            if topic == self._events["fact_multi_transfer_single"].topic:
                _move(units, (log.address, numbers[0]), people[1:], numbers[1])
            elif topic == self._events["fact_multi_transfer_batch"].topic:
                at, to = numbers[0] // 32, numbers[1] // 32
                ids, amounts = numbers[at + 1 : at + 1 + numbers[at]], numbers[to + 1 : to + 1 + numbers[to]]
                for token_id, amount in zip(ids, amounts, strict=True) if len(ids) == len(amounts) else ():
                    _move(units, (log.address, token_id), people[1:], amount)
            elif len(log.topics) == 4:
                owners[log.address, int.from_bytes(log.topics[3], "big")] = people[1]
            elif topic == self._events["fact_coin_transfer"].topic and _is_wanted(log):
                _move(coins, (log.address,), people, numbers[0])
        return dict(coins), {key: owner for key, owner in owners.items() if owner != ZERO}, dict(units)


def _is_wanted(log: Log) -> bool:
    return log.address != LATE or log.block_number >= START + 3


def _move(balances: dict[Any, int], key: tuple[Any, ...], people: Sequence[bytes], amount: int) -> None:
    for account, change in zip(people, (-amount, amount), strict=True):
        if account != ZERO:
            balances[*key, account] += change
