"""Gas of whole transactions: ours, a naive design's measured in the same run, and what peers need.

    python -m scripts.bench.gas [--json]

What is measured are receipts' ``gasUsed`` on anvil in the steady state: accounts, lanes and slots were used before. One
trade is a buyer's and a seller's order. The naive designs are tests/contracts/baseline/Naive.sol, compiled with our
settings; like ours they emit an event a trade, and their fill counters use the same slot again.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import solcx
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts import typed_data
from contracts.settlement_batch import BUY, SELL
from contracts.typed_data import Order, Reading, TradingMandate
from contracts.units import cash_down
from scripts.bench.evm import Anvil, Evm, anvil
from scripts.compile_contracts import SOLC, closure, settings
from scripts.snapshots import GAS, parse_gas
from tests.contracts.batches import Plan, Section, compact
from tests.contracts.model import layout
from tests.contracts.model.layout import MandateFill, OrderEntry
from tests.contracts.world import NOW_S, OPERATOR, SLOT_S, STRANGER, ZONE, Person, T, World, person

BASELINE: Final = "tests/contracts/baseline/Naive.sol"
PRICE: Final = 280_123
ENERGY_WH: Final = 1_237
SIZES: Final = (1, 10, 100)
LANE: Final = 257
READINGS: Final = (1, 100, 1_000)
CHUNK: Final = 50
"""Of what is set up in one transaction."""

MEASURED_BY_US: Final = "measured with the authors' published artifacts, as 1:1 trades of signed orders"


@dataclass(frozen=True)
class Row:
    """Gas by column; None where a design has no such figure."""

    design: str
    gas: dict[str, int | None]
    source: str


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: list[Row]


TRADE_COLUMNS: Final = (*(f"N={size}" for size in SIZES), "4 fills an order, N=100")
PEER_TRADES: Final = (
    Row(
        "CoW Protocol GPv2", dict(zip(TRADE_COLUMNS, (163_000, 119_000, 115_000, 28_800), strict=True)), MEASURED_BY_US
    ),
    Row("0x v4", dict(zip(TRADE_COLUMNS, (181_000, 136_000, 132_000, None), strict=True)), MEASURED_BY_US),
    Row("Seaport 1.6", dict(zip(TRADE_COLUMNS, (171_000, 143_000, 145_000, None), strict=True)), MEASURED_BY_US),
)
PUBLISHED: Final = "measured with the authors' published artifacts"
PEERS: Final = (
    (
        "T-REX (ERC-3643): transfer between cleared holders",
        74_100,
        "transfer between cleared holders, with revenue accounting",
    ),
    ("Synthetix StakingRewards: stake", 77_300, "stake, running lock"),
    ("Synthetix StakingRewards: withdraw", 72_800, "withdraw, all"),
    ("Synthetix StakingRewards: claim", 46_800, "claim"),
    ("Energy Web: certificate, issue", 242_600, "certificate, issue"),
    ("Energy Web: certificate, retire", 77_600, "certificate, retire"),
)
"""Peer, its gas, and the end of our figure's name in contracts/snapshots/gas.txt."""


# THE NAIVE DESIGNS


class Baseline:
    """Naive.sol in an EVM of its own, everybody with enough of everything."""

    def __init__(self, evm: Evm, people: list[Person]) -> None:
        unit = {BASELINE: {"*": ["abi", "evm.bytecode.object"]}}
        sources = {name: {"content": text} for name, text in closure([BASELINE]).items()}
        job = {"language": "Solidity", "sources": sources, "settings": {**settings(), "outputSelection": unit}}
        self._compiled = solcx.compile_standard(job, solc_binary=SOLC)["contracts"][BASELINE]
        self.evm = evm
        self.money, self.energy = self.create("PlainToken"), self.create("PlainToken")
        tokens = encode(["address", "address"], [self.money, self.energy])
        self.transfers, self.trades = self.create("NaiveTransfers", tokens), self.create("NaiveSignedTrades", tokens)
        self.readings = self.create("NaiveReadings")
        owners, spenders = [who.address for who in people], [self.transfers, self.trades]
        for token in (self.money, self.energy):
            for at in range(0, len(owners), CHUNK):
                given = [owners[at : at + CHUNK], spenders, 10**18]
                self.call(STRANGER, token, "endow", ["address[]", "address[]", "uint256"], given)

    def create(self, name: str, arguments: bytes = b"") -> bytes:
        return self.evm.create(STRANGER, bytes.fromhex(self._compiled[name]["evm"]["bytecode"]["object"]) + arguments)

    def call(self, sender: bytes, to: bytes, name: str, types: list[str], values: list[Any]) -> int:
        """Gas of a transaction that succeeds."""
        function = f"{name}({','.join(types)})"
        outcome = self.evm.transact(sender, to, keccak(function.encode())[:4] + encode(types, values))
        assert outcome.ok, function
        return outcome.gas

    def settle_transfers(self, pairs: list[tuple[Person, Person]], _round: int) -> int:
        money = cash_down(PRICE * ENERGY_WH)
        trades = [(buyer.address, seller.address, ENERGY_WH, money) for buyer, seller in pairs]
        kind = "(address,address,uint256,uint256)[]"
        return self.call(OPERATOR, self.transfers, "settle", [kind], [trades])

    def settle_signed(self, pairs: list[tuple[Person, Person]], round_: int) -> int:
        money = cash_down(PRICE * ENERGY_WH)
        fills = max(sum(buyer == pair[0] for pair in pairs) for buyer, _ in pairs)
        signed = {}
        for who, side in {(who, side) for pair in pairs for side, who in enumerate(pair)}:
            limit = PRICE + 1 if side == BUY else PRICE - 1
            terms = (who.address, side, T, ENERGY_WH * fills, limit, NOW_S + 900, round_)
            signed[who, side] = (terms, typed_data.sign(self._digest(terms), who.key))
        trades = [(*signed[buyer, BUY], *signed[seller, SELL], ENERGY_WH, money) for buyer, seller in pairs]
        order = "(address,uint8,uint64,uint256,int256,uint64,uint256)"
        kind = f"({order},bytes,{order},bytes,uint256,uint256)[]"
        return self.call(OPERATOR, self.trades, "settle", [kind], [trades])

    def _digest(self, order: tuple[Any, ...]) -> bytes:
        kind = "(address,uint8,uint64,uint256,int256,uint64,uint256)"
        data = keccak(f"digestOf({kind})".encode())[:4] + encode([kind], [order])
        return self.evm.call(self.trades, data)

    def report(self, count: int, time_s: int) -> int:
        values = [list(range(1, count + 1)), [10**6 + time_s] * count, time_s]
        return self.call(OPERATOR, self.readings, "reportAll", ["uint256[]", "uint256[]", "uint256"], values)

    def report_one(self, time_s: int) -> int:
        return self.call(OPERATOR, self.readings, "report", ["uint256"] * 3, [1, 10**6 + time_s, time_s])


# OURS


class Ours:
    """The deployed system; every person has cash, energy and a trading mandate."""

    def __init__(self, evm: Evm, people: list[Person]) -> None:
        self.world = World(evm)
        self._keys = {who.address: who.key for who in people}
        self.world.clear_all([who.address for who in people])
        self.world.give_energy_to_all([who.address for who in people], 10**6)
        for who in people:
            self.world.give_cash(who.address, 10**9)
        self._book = self._register(people) if people else 0
        self._index = {who: index for index, who in enumerate(people)}
        self._sequence = 0

    def _register(self, people: list[Person]) -> int:
        mandates = [
            TradingMandate(who.address, ZONE, PRICE + 1_000, PRICE - 1_000, 2**31 - 1, T - SLOT_S, T + 10**6, 1)
            for who in people
        ]
        digests = [typed_data.trading_mandate_digest(self.world.domain, mandate) for mandate in mandates]
        words = [compact(typed_data.sign(digest, who.key)) for digest, who in zip(digests, people, strict=True)]
        signatures = b"".join(word.to_bytes(32, "big") for pair in words for word in pair)
        packed = b"".join(map(layout.write_mandate, mandates))
        self.world.send(STRANGER, "SettlementExchange", "registerMandates", packed, signatures)
        return 1

    def settle_orders(self, pairs: list[tuple[Person, Person]], round_: int, lane: int) -> int:
        start = T + SLOT_S * round_
        orders = []
        for side, fills in (
            (SELL, _fills([seller for _, seller in pairs])),
            (BUY, _fills([buyer for buyer, _ in pairs])),
        ):
            for who, count in fills.items():
                energy_wh = ENERGY_WH * count
                order = Order(who.address, ZONE, start, side, energy_wh, PRICE, 0, 0, 0, start, lane, start)
                money = cash_down(PRICE * energy_wh) + (side == BUY)
                signature = typed_data.sign(typed_data.order_digest(self.world.domain, order), who.key)
                orders.append(OrderEntry(order, energy_wh, money, energy_wh, *compact(signature)))
        return self._settle(start, orders, [])

    def settle_mandates(self, pairs: list[tuple[Person, Person]], round_: int) -> int:
        fills = []
        for side, counts in (
            (SELL, _fills([seller for _, seller in pairs])),
            (BUY, _fills([buyer for buyer, _ in pairs])),
        ):
            for who, count in counts.items():
                money = cash_down(PRICE * ENERGY_WH * count) + (side == BUY)
                fills.append(MandateFill(side, self._index[who], ENERGY_WH * count, money, ENERGY_WH * count))
        return self._settle(T + SLOT_S * round_, [], fills)

    def _settle(self, start: int, orders: list[OrderEntry], fills: list[MandateFill]) -> int:
        sections = (Section(self._book, tuple(fills)),) if fills else ()
        plan = Plan(self._sequence, start, 0, tuple(orders), sections, ())
        self._sequence += 1
        self.world.evm.warp(max(self.world.evm.time_s, start + SLOT_S))
        return self._send(OPERATOR, "SettlementExchange", "settleBatch", plan.packed())

    def _send(self, sender: bytes, contract: str, function: str, *arguments: Any) -> int:
        return self.world.send(sender, contract, function, *arguments).gas

    def add_meters(self, count: int, key: bytes) -> None:
        address = typed_data.address_of(key)
        self.world.set_meters([(number, OPERATOR, ZONE, True, address, bytes(32)) for number in range(1, count + 1)])

    def attest(self, count: int, round_: int) -> int:
        registers = b"".join(layout.uint(meter, 4) + layout.uint(10**6 + round_, 8) for meter in range(1, count + 1))
        return self._send(OPERATOR, "ProductionLedger", "attest", ZONE, T + round_, keccak(b"root"), registers)

    def attest_signed(self, count: int, round_: int, key: bytes) -> int:
        packed = b""
        for meter in range(1, count + 1):
            reading = Reading(meter, T + round_, round_, 0, 10**6 + round_, -1_000)
            r, vs = compact(typed_data.sign(typed_data.reading_digest(reading), key))
            fields = zip(astuple(reading), (4, 8, 8, 8, 8), strict=False)
            packed += b"".join(layout.uint(value, length) for value, length in fields)
            packed += layout.sint(reading.power_w, 8) + layout.uint(r, 32) + layout.uint(vs, 32)
        return self._send(OPERATOR, "ProductionLedger", "attestSigned", ZONE, packed)


def astuple(reading: Reading) -> tuple[int, ...]:
    return (reading.meter_id, reading.time, reading.counter, reading.import_wh, reading.export_wh, reading.power_w)


def _fills(people: list[Person]) -> dict[Person, int]:
    counts: dict[Person, int] = {}
    for who in people:
        counts[who] = counts.get(who, 0) + 1
    return counts


# TABLES


def trades(chain: Anvil) -> Table:
    """Gas a settled trade."""
    people = [person(f"trader {number}") for number in range(200)]
    baseline, ours = Baseline(chain, people), Ours(chain, people)
    ways: list[tuple[str, Callable[[list[tuple[Person, Person]], int], int]]] = [
        ("naive: two transferFrom, batched, no signature, no limit", baseline.settle_transfers),
        ("naive: both EIP-712 signatures and two transferFrom", baseline.settle_signed),
        (
            "ours, signed orders in lanes of their own (two slots)",
            lambda pairs, at: ours.settle_orders(pairs, at, LANE),
        ),
        ("ours, signed orders in the account lane (one slot)", lambda pairs, at: ours.settle_orders(pairs, at, 0)),
        ("ours, standing mandates", ours.settle_mandates),
    ]
    rows = [
        Row(name, _per_trade(way, people, 20 * number), "measured in this run")
        for number, (name, way) in enumerate(ways)
    ]
    return Table("gas a settled trade", TRADE_COLUMNS, [*rows, *PEER_TRADES])


def _per_trade(
    way: Callable[[list[tuple[Person, Person]], int], int], people: list[Person], first: int
) -> dict[str, int | None]:
    """The second round of the same people in the same lanes, each in its own slot."""
    gas: dict[str, int | None] = {}
    for number, (column, size) in enumerate(zip(TRADE_COLUMNS, (*SIZES, 100), strict=True)):
        each = 4 if column == TRADE_COLUMNS[-1] else 1
        half = size // each
        buyers, sellers = people[:half], people[half : 2 * half]
        pairs = [(buyers[at % half], sellers[(at + at // half) % half]) for at in range(size)]
        way(pairs, first + 2 * number + 1)
        gas[column] = round(way(pairs, first + 2 * number + 2) / size)
    return gas


def readings(chain: Anvil) -> Table:
    """Gas an attested reading."""
    columns = tuple(f"N={count}" for count in READINGS)
    key = keccak(b"meter")
    baseline, ours = Baseline(chain, []), Ours(chain, [])
    ours.add_meters(max(READINGS), key)
    ours.attest(max(READINGS), 0)
    baseline.report(100, T)
    single = baseline.report_one(T)
    batched: dict[str, int | None] = {}
    attested: dict[str, int | None] = {}
    signed: dict[str, int | None] = {}
    for number, (column, count) in enumerate(zip(columns, READINGS, strict=True)):
        batched[column] = round(baseline.report(count, T + 1 + number) / count) if count <= 100 else None
        attested[column] = round(ours.attest(count, 10 * number + 1) / count)
        signed[column] = round(ours.attest_signed(count, 10 * number + 2, key) / count) if count <= 100 else None
    rows = [
        Row("naive: a record a reading, each its transaction", dict.fromkeys(columns, single), "measured in this run"),
        Row("naive: records in batches", batched, "measured in this run"),
        Row("ours, attested registers", attested, "measured in this run"),
        Row("ours, each with its meter's signature", signed, "measured in this run"),
    ]
    return Table("gas a reading on chain", columns, rows)


def peers() -> Table:
    """The other functions that have a peer; ours as the gas tests of forge measure them."""
    figures = parse_gas(GAS.read_text()) if GAS.exists() else {}
    rows = []
    for peer, gas, ending in PEERS:
        ours = next((figure for name, figure in figures.items() if name.endswith(f"Test: {ending}")), None)
        rows.append(Row(peer, {"peer": gas, "ours": ours}, f"{PUBLISHED}; contracts/snapshots/gas.txt"))
    return Table("gas of a transaction", ("peer", "ours"), rows)


def text(table: Table) -> str:
    """The table in columns."""
    width = max(len(row.design) for row in table.rows)
    lines = [f"{table.title:<{width}}" + "".join(f"{column:>26}" for column in table.columns)]
    for row in table.rows:
        cells = ("-" if row.gas[column] is None else f"{row.gas[column]:,}" for column in table.columns)
        lines.append(f"{row.design:<{width}}" + "".join(f"{cell:>26}" for cell in cells) + f"   {row.source}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with anvil(NOW_S) as chain:
        measured = [trades(chain), readings(chain)]
    tables = [*measured, peers()]
    if options.json:
        print(json.dumps([asdict(table) for table in tables], indent=2))
    else:
        print("\n\n".join(map(text, tables)))


if __name__ == "__main__":
    main()
