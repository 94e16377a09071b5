"""What SettlementExchange does with a batch, in plain Python."""

import copy
from dataclasses import dataclass, field
from typing import Any

from contracts import typed_data
from contracts.units import cash_down, cash_up
from tests.contracts.model import layout
from tests.contracts.model.layout import Reader
from tests.contracts.model.refusal import Refused

MAX_ENTRIES = 400
CASH_END = 2**63
ENERGY_END = 2**47
MAX_FEES = 2**55 - 1
MOST_FILLED = 2**31 - 1
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

Event = tuple[str, tuple[Any, ...], tuple[Any, ...]]
"""Name, values of the indexed parameters, values of the others."""


@dataclass
class Account:
    cash: int = 0
    energy_wh: int = 0
    min_nonce: int = 0
    cleared_until: int = 0
    slot: int = 0
    """Of the account lane: the last slot it was used for, which way it went, and how much."""
    side: int = 0
    filled_wh: int = 0


@dataclass
class Mandate:
    """For imbalance."""

    budget_per_slot: int = 0
    budget: int = 0
    expiry: int = 0
    nonce: int = 0
    charged_in_slot: int = 0
    last_slot: int = 0


@dataclass
class State:
    accounts: dict[bytes, Account] = field(default_factory=dict)
    lanes: dict[tuple[bytes, int], tuple[int, int]] = field(default_factory=dict)
    """Nonce and filled Wh of each lane's live order."""
    mandates: dict[bytes, Mandate] = field(default_factory=dict)
    next_sequence: int = 0
    fees: int = 0
    paused: bool = False

    def account(self, address: bytes) -> Account:
        return self.accounts.setdefault(address, Account())


@dataclass
class Sums:
    bought_wh: int = 0
    sold_wh: int = 0
    received_wh: int = 0
    delivered_wh: int = 0
    money: int = 0


@dataclass
class Exchange:
    """Settles batches against its state; a refused batch leaves it untouched."""

    domain: typed_data.Domain
    slot_s: int
    max_fee_per_kwh: int
    settlers: set[bytes]
    state: State = field(default_factory=State)
    books: list[tuple[typed_data.TradingMandate, ...]] = field(default_factory=list)

    def settle(self, sender: bytes, now_s: int, batch: bytes) -> list[Event]:
        """Returns what is emitted. Raises Refused."""
        before = copy.deepcopy(self.state)
        try:
            return self._settle(sender, now_s, batch)
        except Refused:
            self.state = before
            raise

    def _settle(self, sender: bytes, now_s: int, batch: bytes) -> list[Event]:
        if sender not in self.settlers:
            raise Refused("NotSettler", sender)
        if self.state.paused:
            raise Refused("IsPaused")
        read = Reader(batch)
        head = layout.read_header(read)
        self._check_header(head, len(batch), now_s)
        sums = Sums()
        entries = b"".join(self._fill_order(read, head.delivery_start, sums) for _ in range(head.orders))
        events = self._fill_books(read, head, sums)
        imbalance = b"".join(self._adjust(read, head.delivery_start, sums) for _ in range(head.adjustments))
        fee = self._fee(sums, head.entries)
        self.state.fees += fee
        self.state.next_sequence += 1
        slot = (head.sequence, head.delivery_start)
        events.append(("OrdersSettled", slot, (head.version, fee, entries)))
        if head.adjustments:
            events.append(("ImbalanceSettled", slot, (head.version, imbalance)))
        return events

    def _check_header(self, head: layout.Header, length: int, now_s: int) -> None:
        if length != head.batch_bytes:
            raise Refused("BadBatchLength", length, head.batch_bytes)
        if head.entries > MAX_ENTRIES:
            raise Refused("TooManyEntries", head.entries, MAX_ENTRIES)
        if head.sequence != self.state.next_sequence:
            raise Refused("WrongSequence", head.sequence, self.state.next_sequence)
        start = head.delivery_start
        if start == 0 or start > now_s or start % self.slot_s:
            raise Refused("BadDeliveryStart", start, now_s)

    def _fee(self, sums: Sums, entries: int) -> int:
        fill, delivered = sums.bought_wh - sums.sold_wh, sums.received_wh - sums.delivered_wh
        if fill or delivered:
            raise Refused("EnergyNotConserved", fill, delivered)
        most = min(self.max_fee_per_kwh * sums.sold_wh // 1000 + entries, MAX_FEES - self.state.fees)
        if not 0 <= sums.money <= most:
            raise Refused("FeeOutOfRange", sums.money, most)
        return sums.money

    # ORDERS

    def _fill_order(self, read: Reader, delivery_start: int, sums: Sums) -> bytes:
        entry = layout.read_order(read, delivery_start)
        order = entry.order
        digest = typed_data.order_digest(self.domain, order)
        if signer(digest, entry.r, entry.vs) != order.trader:
            raise Refused("BadSignature", order.trader, digest)
        account = self.state.account(order.trader)
        self._check_cleared(order.trader, account, delivery_start)
        if order.expiry < delivery_start:
            raise Refused("OrderExpired", order.trader, order.expiry, delivery_start)
        if order.nonce < account.min_nonce:
            raise Refused("OrderVoid", order.trader, order.lane, order.nonce, account.min_nonce)
        if order.side > 1:
            raise Refused("BadSide", order.trader, order.side)
        if order.lane == 0:
            fill_account_lane(order.trader, account, order.side, delivery_start, entry.fill_wh, order.energy_wh)
        else:
            self._fill_lane(entry)
        self._trade(order.trader, order.side, entry, order.limit_price_per_kwh, sums)
        return layout.write_settled(entry)

    def _check_cleared(self, address: bytes, account: Account, delivery_start: int) -> None:
        if account.cleared_until < delivery_start:
            raise Refused("NotCleared", address, account.cleared_until, delivery_start)

    def _fill_lane(self, entry: layout.OrderEntry) -> None:
        order = entry.order
        live, filled_wh = self.state.lanes.get((order.trader, order.lane), (0, 0))
        if order.nonce < live:
            raise Refused("OrderVoid", order.trader, order.lane, order.nonce, live)
        filled_wh = entry.fill_wh + (filled_wh if order.nonce == live else 0)
        if filled_wh > order.energy_wh:
            raise Refused("OverFilled", order.trader, order.lane, filled_wh, order.energy_wh)
        self.state.lanes[order.trader, order.lane] = order.nonce, filled_wh

    # MANDATES

    def _fill_books(self, read: Reader, head: layout.Header, sums: Sums) -> list[Event]:
        events: list[Event] = []
        counted = 0
        for _ in range(head.books):
            book, count = read.uint(4), read.uint(2)
            counted += count
            if counted > head.fills:
                raise Refused("FillsMiscounted", counted, head.fills)
            if not count:
                raise Refused("EmptySection", book)
            self._open_book(book, head.delivery_start)
            fills = b"".join(self._fill_mandate(read, book, head.delivery_start, sums) for _ in range(count))
            events.append(("MandatesSettled", (head.sequence, head.delivery_start, book), (head.version, fills)))
        if counted != head.fills:
            raise Refused("FillsMiscounted", counted, head.fills)
        return events

    def _open_book(self, book: int, delivery_start: int) -> None:
        """A book is in force where all its mandates are."""
        if not 1 <= book <= len(self.books):
            raise Refused("UnknownBook", book)
        valid_from = max(mandate.valid_from for mandate in self.books[book - 1])
        expiry = min(mandate.expiry for mandate in self.books[book - 1])
        if not valid_from <= delivery_start <= expiry:
            raise Refused("BookNotInForce", book, valid_from, expiry, delivery_start)

    def _fill_mandate(self, read: Reader, book: int, delivery_start: int, sums: Sums) -> bytes:
        fill = layout.read_fill(read)
        mandates = self.books[book - 1]
        if fill.index >= len(mandates):
            raise Refused("NotInBook", book, fill.index, len(mandates))
        mandate = mandates[fill.index]
        address, account = mandate.account, self.state.account(mandate.account)
        if mandate.nonce < account.min_nonce:
            raise Refused("MandateVoid", address, mandate.nonce, account.min_nonce)
        self._check_cleared(address, account, delivery_start)
        fill_account_lane(address, account, fill.side, delivery_start, fill.fill_wh, mandate.max_wh_per_slot)
        limit = mandate.max_buy_price_per_kwh if fill.side == 0 else mandate.min_sell_price_per_kwh
        self._trade(address, fill.side, fill, limit, sums)
        return layout.write_fill(fill)

    # BOTH

    def _trade(
        self, address: bytes, side: int, entry: layout.OrderEntry | layout.MandateFill, limit: int, sums: Sums
    ) -> None:
        if entry.delivered_wh > entry.fill_wh:
            raise Refused("OverDelivered", address, entry.delivered_wh, entry.fill_wh)
        worth_nano = limit * entry.fill_wh
        worse = entry.money > cash_up(worth_nano) if side == 0 else entry.money < cash_down(worth_nano)
        if worse:
            raise Refused("WorseThanLimit", address, entry.money, limit, entry.fill_wh)
        if side == 0:
            self._move(address, -entry.money, entry.delivered_wh)
            sums.bought_wh += entry.fill_wh
            sums.received_wh += entry.delivered_wh
            sums.money += entry.money
        else:
            self._move(address, entry.money, -entry.delivered_wh)
            sums.sold_wh += entry.fill_wh
            sums.delivered_wh += entry.delivered_wh
            sums.money -= entry.money

    def _adjust(self, read: Reader, delivery_start: int, sums: Sums) -> bytes:
        entry = layout.read_adjustment(read)
        if entry.money < 0:
            self._charge(entry.account, -entry.money, delivery_start)
        self._move(entry.account, entry.money, 0)
        sums.money -= entry.money
        return layout.write_adjustment(entry)

    def _charge(self, account: bytes, charge: int, delivery_start: int) -> None:
        mandate = self.state.mandates.setdefault(account, Mandate())
        if delivery_start > mandate.expiry:
            raise Refused("MandateExpired", account, mandate.expiry, delivery_start)
        if delivery_start > mandate.last_slot:
            mandate.last_slot, mandate.charged_in_slot = delivery_start, 0
        left = max(0, mandate.budget_per_slot - mandate.charged_in_slot)
        if charge > left or charge > mandate.budget:
            raise Refused("MandateExceeded", account, charge, left, mandate.budget)
        mandate.charged_in_slot += charge
        mandate.budget -= charge

    def _move(self, address: bytes, cash: int, energy_wh: int) -> None:
        """Adds what may be negative; nothing may leave the range of its field."""
        account = self.state.account(address)
        cash_after, energy_after = account.cash + cash, account.energy_wh + energy_wh
        if cash_after < 0:
            raise Refused("InsufficientCash", address, account.cash, -cash)
        if cash_after >= CASH_END:
            raise Refused("BalanceTooLarge", address)
        if energy_after < 0:
            raise Refused("InsufficientEnergy", address, account.energy_wh, -energy_wh)
        if energy_after >= ENERGY_END:
            raise Refused("BalanceTooLarge", address)
        account.cash, account.energy_wh = cash_after, energy_after


def fill_account_lane(
    address: bytes, account: Account, side: int, delivery_start: int, fill_wh: int, most_wh: int
) -> None:
    """Lane 0 holds one slot and one side; all that is filled in it counts against each order and mandate."""
    if account.slot > delivery_start:
        raise Refused("SlotPassed", address, delivery_start, account.slot)
    filled_wh = fill_wh
    if account.slot == delivery_start:
        if account.side != side:
            raise Refused("OtherSide", address, side, delivery_start)
        filled_wh += account.filled_wh
    if filled_wh > min(most_wh, MOST_FILLED):
        raise Refused("OverFilled", address, 0, filled_wh, most_wh)
    account.slot, account.side, account.filled_wh = delivery_start, side, filled_wh


def signer(digest: bytes, r: int, vs: int) -> bytes | None:
    """Who made an EIP-2098 signature in canonical form; None where nobody did."""
    s = vs & (1 << 255) - 1
    if s > HALF_ORDER:
        return None
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + (vs >> 255)])
    try:
        return typed_data.recover(digest, signature)
    except typed_data.BadSignature:
        return None
