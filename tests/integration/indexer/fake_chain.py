"""A chain in memory that implements the indexer's port: random blocks of valid events, and reorgs."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from eth_abi.abi import encode

from contracts.abi import CONTRACTS, artifact
from indexer.block import Block, LogAnswer, Tip
from indexer.logs import Logs, Segment
from indexer.manifest import Contract, Manifest, Options, Read
from indexer.scope import Scope
from indexer.verify import bloom_mask
from indexer.watch import Watch
from tests.integration.indexer.fake_affairs import Affairs

CHAIN_ID = 7
START = 3
GENESIS_S = 1_750_000_000
FINAL_DEPTH = 12
ACCOUNTS = tuple(bytes([number]) * 20 for number in range(0xA1, 0xA6))
METERS = (1, 2, 3)
ZERO = bytes(20)


def shipped_manifest() -> Manifest:
    """All shipped contracts at made-up addresses."""
    contracts = tuple(
        Contract(name, bytes([number]) * 20, artifact(name).abi) for number, name in enumerate(CONTRACTS, 1)
    )
    return Manifest(CHAIN_ID, START, contracts)


def recorded_manifest() -> Manifest:
    """The same, with everything else that can be kept of a chain."""
    scopes = Scope(contracts=True), Scope(everything=True), Scope(everything=True), Scope(addresses=frozenset(ACCOUNTS))
    reads = (
        Read("EnergyToken", "totalSupply", every=4),
        Read("EnergyToken", "balanceOf", ("$to",), on="EnergyToken.Transfer"),
        Read("PaymentToken", "balanceOf", ("$account",), on="SettlementExchange.Deposited", name="cash"),
    )
    return replace(shipped_manifest(), options=Options(*scopes, block_interval=5), reads=reads)


@dataclass
class MeterModel:
    """What the production ledger keeps of a meter."""

    attested: int
    issued: int
    minted: bool = False


@dataclass
class World:
    """Contract state at a block, as far as events depend on it."""

    meters: dict[int, MeterModel] = field(default_factory=dict)
    sequence: int = 0
    nonce: int = 0
    other: Affairs = field(default_factory=Affairs)

    def copy(self) -> "World":
        meters = {key: MeterModel(m.attested, m.issued, m.minted) for key, m in self.meters.items()}
        return World(meters, self.sequence, self.nonce, self.other.copy())


@dataclass
class Made:
    """One block with its logs and the state after it."""

    block: Block
    logs: tuple[LogAnswer, ...]
    world: World


class FakeChain:
    """Grows by ``mine`` and forks by ``reorg``."""

    def __init__(self, random: Random, manifest: Manifest, final_depth: int = FINAL_DEPTH) -> None:
        self._random = random
        self._final_depth = final_depth
        self._events = {event.table[5:]: (c.address, event) for c in manifest.contracts for event in c.events}
        self._made: list[Made] = [self._make(0, bytes(32), World(), busy=False)]

    @property
    def height(self) -> int:
        return len(self._made) - 1

    @property
    def blocks(self) -> list[Block]:
        return [made.block for made in self._made]

    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            parent = self._made[-1]
            number = len(self._made)
            self._made.append(self._make(number, parent.block.hash, parent.world.copy(), busy=number >= START))

    def reorg(self, depth: int) -> None:
        """Replaces the last blocks by a chain that is a little shorter or longer."""
        depth = min(depth, self.height)
        del self._made[len(self._made) - depth :]
        self.mine(max(1, depth + self._random.randint(-1, 2)))

    async def look(self, number: int, watch: Watch) -> tuple[Tip, Segment | None]:
        tip = Tip(self._made[-1].block, max(0, self.height - 6), max(0, self.height - self._final_depth))
        return tip, self._segment(number, number) if number <= self.height else None

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        return [self._made[number].block for number in numbers if 0 <= number <= self.height]

    async def vouch(self, number: int, block_hash: bytes) -> bool:
        return 0 <= number <= self.height and self._made[number].block.hash == block_hash

    async def history(self, first: int, last: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        while first <= last:
            end = min(last, first + self._random.randint(0, 6))
            yield self._segment(first, end)
            first = end + 1

    def _segment(self, first: int, last: int) -> Segment:
        made = self._made[first : last + 1]
        return Segment(tuple(m.block for m in made), Logs.of([log for m in made for log in m.logs]))

    def _make(self, number: int, parent: bytes, world: World, *, busy: bool) -> Made:
        block_hash = self._random.randbytes(32)
        logs: list[LogAnswer] = []
        for _ in range(self._random.randint(0, 8) if busy else 0):
            world.other.now = GENESIS_S + number
            name, values = self._event(world)
            logs.append(self._log(number, block_hash, len(logs), name, values))
            for name, values in world.other.pending:  # what the same transaction emits next
                logs.append(self._log(number, block_hash, len(logs), name, values))
            world.other.pending.clear()
        if busy and self._random.random() < 0.1:
            logs.append(self._stray(number, block_hash, len(logs)))
        bloom = 0
        for log in logs:
            for text in (log.address, *log.topics):
                bloom |= bloom_mask(bytes.fromhex(text[2:]))
        filters = bloom.to_bytes(256, "big")
        block = Block(number, block_hash, parent, GENESIS_S + number, filters, bytes(32), len(logs))
        return Made(block, tuple(logs), world)

    def _log(self, number: int, block_hash: bytes, index: int, name: str, values: Any) -> LogAnswer:
        address, event = self._events[name]
        topics = [event.topic] + [encode([a.abi_type], [values[a.column]]) for a in event.indexed]
        data = encode([a.abi_type for a in event.plain], [values[a.column] for a in event.plain])
        return log_answer(address, topics, data, number, block_hash, index)

    def _stray(self, number: int, block_hash: bytes, index: int) -> LogAnswer:
        """A log of a watched contract that its ABI does not know."""
        address, _ = self._events["payment_token_transfer"]
        return log_answer(address, [b"\x99" * 32], b"\x01\x02", number, block_hash, index)

    def _event(self, world: World) -> tuple[str, dict[str, Any]]:
        return self._random.choice(
            (
                self._transfer, self._deposit, self._withdrawal, self._nonce, self._mandate, self._orders,
                self._imbalance, self._fees, self._participant, self._meter, self._attest, self._attest,
                self._correct, self._issue, self._affair, self._affair, self._affair,
            )
        )(world)  # fmt: skip

    def _affair(self, world: World) -> tuple[str, dict[str, Any]]:
        return world.other.event(self._random, ACCOUNTS)

    def _account(self) -> str:
        return "0x" + self._random.choice(ACCOUNTS).hex()

    def _transfer(self, world: World) -> tuple[str, dict[str, Any]]:
        token = self._random.choice(("payment_token", "energy_token"))
        sender = self._random.choice((self._account(), "0x" + ZERO.hex()))
        value = self._random.choice((5, 10**6, 2**200))
        return f"{token}_transfer", {"from": sender, "to": self._account(), "value": value}

    def _deposit(self, world: World) -> tuple[str, dict[str, Any]]:
        amounts = {"cash": self._random.randint(0, 10**6), "energy_wh": self._random.randint(0, 10**6)}
        return "settlement_exchange_deposited", {"account": self._account(), **amounts}

    def _withdrawal(self, world: World) -> tuple[str, dict[str, Any]]:
        values = {"account": self._account(), "cash": self._random.randint(0, 99), "energy_wh": 3}
        if self._random.random() < 0.5:
            return "settlement_exchange_withdrawal_executed", values
        return "settlement_exchange_withdrawal_requested", {**values, "ready_at": 1_750_000_900}

    def _nonce(self, world: World) -> tuple[str, dict[str, Any]]:
        world.nonce += 1
        return "settlement_exchange_nonce_raised", {"account": self._account(), "min_nonce": world.nonce}

    def _mandate(self, world: World) -> tuple[str, dict[str, Any]]:
        values = {"budget_per_slot": 2**64 - 1, "budget": self._random.randint(0, 10**9)}
        account = {"account": self._account(), "expiry": 1_760_000_000, "nonce": self._random.randint(1, 99)}
        return "settlement_exchange_mandate_set", {**account, **values}

    def _orders(self, world: World) -> tuple[str, dict[str, Any]]:
        world.sequence += 1
        entries = b"".join(self._order_entry() for _ in range(self._random.randint(0, 4)))
        return "settlement_exchange_orders_settled", {
            "sequence": world.sequence, "delivery_start": 1_750_000_500, "version": 0, "fee": 7,
            "entries": entries,
        }  # fmt: skip

    def _order_entry(self) -> bytes:
        money = self._random.randint(-(10**6), 10**6)
        parts = [(self._random.randint(0, 1), 1), (1, 4), (2, 2), (9, 6), (500, 6)]
        head = b"".join(value.to_bytes(width, "big") for value, width in parts)
        tail = money.to_bytes(8, "big", signed=True) + self._random.randint(0, 500).to_bytes(6, "big")
        return self._random.choice(ACCOUNTS) + head + tail

    def _imbalance(self, world: World) -> tuple[str, dict[str, Any]]:
        entries = b"".join(
            self._random.choice(ACCOUNTS) + self._random.randint(-99, 99).to_bytes(8, "big", signed=True)
            for _ in range(self._random.randint(0, 4))
        )
        values = {"sequence": world.sequence, "delivery_start": 1_750_000_500, "version": 0}
        return "settlement_exchange_imbalance_settled", {**values, "entries": entries}

    def _fees(self, world: World) -> tuple[str, dict[str, Any]]:
        return "settlement_exchange_fees_withdrawn", {"to": self._account(), "cash": 3}

    def _participant(self, world: World) -> tuple[str, dict[str, Any]]:
        values = {"kyc_until": self._random.choice((0, 1_790_000_000, 2**64 - 1))}
        flags = {"flags": self._random.randint(0, 7), "country": 276}
        return "participant_registry_participant_set", {"account": self._account(), **values, **flags}

    def _meter(self, world: World) -> tuple[str, dict[str, Any]]:
        values = {"owner": self._account(), "zone": 1, "active": self._random.random() < 0.8}
        meter = {"meter_id": self._random.choice(METERS), "key": self._account(), "plant_id": bytes(32)}
        return "participant_registry_meter_set", {**values, **meter}

    def _attest(self, world: World) -> tuple[str, dict[str, Any]]:
        entries = b""
        for meter_id in self._random.sample(METERS, self._random.randint(1, len(METERS))):
            meter = world.meters.get(meter_id)
            value = (meter.attested if meter else 1_000) + self._random.randint(0, 500)
            if meter:
                meter.attested = value
            else:
                world.meters[meter_id] = MeterModel(value, value)
            entries += meter_id.to_bytes(4, "big") + value.to_bytes(8, "big")
        if self._random.random() < 0.3:
            signed = b"".join(
                entries[at : at + 4] + (1_750_000_000 + at).to_bytes(8, "big") + entries[at + 4 : at + 12]
                for at in range(0, len(entries), 12)
            )
            return "production_ledger_readings_attested", {"zone": 1, "readings": signed}
        values = {"zone": 1, "slot_end": 1_750_000_000 + self._random.randint(0, 9)}
        return "production_ledger_registers_attested", {
            **values, "readings_root": b"\x01" * 32, "registers": entries,
        }  # fmt: skip

    def _correct(self, world: World) -> tuple[str, dict[str, Any]]:
        for meter_id, meter in world.meters.items():
            floor = meter.issued if meter.minted else 0
            if meter.attested > floor:
                before, meter.attested = meter.attested, self._random.randint(floor, meter.attested - 1)
                meter.issued = min(meter.issued, meter.attested)
                return "production_ledger_register_corrected", {
                    "meter_id": meter_id, "from_wh": before, "to_wh": meter.attested, "reason": bytes(32),
                }  # fmt: skip
        return self._deposit(world)

    def _issue(self, world: World) -> tuple[str, dict[str, Any]]:
        for meter_id, meter in world.meters.items():
            if meter.attested > meter.issued:
                energy, meter.issued, meter.minted = meter.attested - meter.issued, meter.attested, True
                return "production_ledger_production_minted", {
                    "meter_id": meter_id, "owner": self._account(), "energy_wh": energy,
                    "register_wh": meter.attested,
                }  # fmt: skip
        return self._transfer(world)

    @property
    def affairs(self) -> Affairs:
        """The other contracts' state at the head."""
        return self._made[-1].world.other

    @property
    def meters(self) -> dict[int, MeterModel]:
        """The production ledger's state at the head."""
        return self._made[-1].world.meters


def log_answer(
    address: bytes, topics: Sequence[bytes], data: bytes, number: int, block_hash: bytes, index: int
) -> LogAnswer:
    return LogAnswer(
        address="0x" + address.hex(),
        topics=tuple("0x" + topic.hex() for topic in topics),
        data="0x" + data.hex(),
        block_number=hex(number),
        block_hash="0x" + block_hash.hex(),
        transaction_hash="0x" + (block_hash[:31] + bytes([index])).hex(),
        log_index=hex(index),
    )
