"""The exchange and its model side by side: the same life, the same words, the same state."""

from random import Random

from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.abi import artifact, encode_call, signature, type_name
from scripts.bench.evm import Revm
from tests.contracts.batches import LANES, Operator
from tests.contracts.model import layout
from tests.contracts.model.exchange import CASH_END, Account, Event, Exchange, Mandate
from tests.contracts.model.refusal import Refused
from tests.contracts.world import (
    ADMIN,
    CLEARED_UNTIL,
    DELAY_S,
    MAX_FEE_PER_KWH,
    NOW_S,
    OPERATOR,
    SLOT_S,
    STRANGER,
    T,
    World,
    person,
)

PEOPLE = tuple(person(name) for name in ("anna", "ben", "cleo", "dora"))
WHALE = person("whale")
"""Holds as much as an account can: what he sells or earns does not fit."""
CONTRACT = "SettlementExchange"
FIRST_MANDATE_REACH_S = 3_600
"""Slots that began longer than this before an account's first mandate share one budget."""
CLEARANCE_END = 2**32 - 1


class Differ(AssertionError):
    """The contract and the model disagree."""


class Duel:
    """Plays everything twice."""

    def __init__(self, random: Random) -> None:
        self.evm = Revm(NOW_S)
        self.world = World(self.evm)
        self.exchange = self.world.at[CONTRACT]
        self.model = Exchange(self.world.domain, SLOT_S, MAX_FEE_PER_KWH, {OPERATOR})
        self.operator = Operator(random, PEOPLE, (WHALE,), self.world.domain)
        self.random = random
        self._watched = [*(who.address for who in self.operator.people), OPERATOR, bytes(20)]
        self._mandate_nonce = 0
        for index, who in enumerate(PEOPLE):
            self.clear(who.address, CLEARED_UNTIL)
            self.give_cash(who.address, 1_000_000)
            self.give_energy(who.address, 20_000_000)
            self.set_mandate(index, 2000, 50_000)
        self.clear(WHALE.address, CLEARED_UNTIL)
        self.give_cash(WHALE.address, CASH_END - 1)
        self.give_energy(WHALE.address, 20_000_000)

    # BOTH LIVES

    def settle(self, sender: bytes, packed: bytes) -> str:
        """The verdict: "" or the name of the error. Raises Differ."""
        outcome = self.evm.transact(sender, self.exchange, encode_call(CONTRACT, "settleBatch", packed))
        given = "settled" if outcome.ok else str(outcome.revert)
        try:
            events = self.model.settle(sender, self.evm.time_s, packed)
        except Refused as refused:
            if outcome.ok or not refused.matches(outcome.revert):
                raise Differ(f"contract: {given}; model: {refused}") from refused
            return refused.name
        if not outcome.ok:
            raise Differ(f"contract: {given}; model: settled")
        expected = [(self.exchange, *_log(event)) for event in events]
        if self.evm.logs() != expected:
            raise Differ(f"events: contract {self.evm.logs()}; model {expected}")
        return ""

    def register(self, valid_from: int) -> None:
        """A new book of mandates."""
        mandates = self.operator.new_mandates(valid_from)
        packed = b"".join(map(layout.write_mandate, mandates))
        self.world.send(STRANGER, CONTRACT, "registerMandates", packed, self.operator.sign_mandates(mandates))
        self.model.books.append(mandates)
        self.operator.books.append(mandates)

    def clear(self, account: bytes, until: int, *, frozen: bool = False) -> None:
        self.world.clear(account, until, 7 if frozen else 3)
        self.model.state.account(account).cleared_until = 0 if frozen else min(until, CLEARANCE_END)

    def give_cash(self, account: bytes, cash: int) -> None:
        self.world.give_cash(account, cash)
        self.model.state.account(account).cash += cash

    def give_energy(self, account: bytes, energy_wh: int) -> None:
        self.world.give_energy(account, energy_wh)
        self.model.state.account(account).energy_wh += energy_wh

    def set_mandate(self, index: int, budget_per_slot: int, budget: int) -> None:
        self._mandate_nonce += 1
        self.world.set_mandate(PEOPLE[index], budget_per_slot, budget, self._mandate_nonce)
        mandate = self.model.state.mandates.setdefault(PEOPLE[index].address, Mandate())
        mandate.budget_per_slot, mandate.budget = min(budget_per_slot, 2**48 - 1), budget
        mandate.expiry, mandate.nonce = CLEARED_UNTIL, self._mandate_nonce
        mandate.last_slot = mandate.last_slot or NOW_S - FIRST_MANDATE_REACH_S

    def raise_nonce(self, account: bytes, to: int) -> None:
        held = self.model.state.account(account)
        if to > held.min_nonce:
            self.world.send(account, CONTRACT, "raiseNonce", to)
            held.min_nonce = to

    def withdraw(self, account: bytes, cash: int, energy_wh: int) -> None:
        held = self.model.state.account(account)
        cash, energy_wh = min(cash, held.cash), min(energy_wh, held.energy_wh)
        if cash or energy_wh:
            self.world.send(account, CONTRACT, "requestWithdrawal", cash, energy_wh)
            self.evm.warp(self.evm.time_s + DELAY_S)
            self.world.send(account, CONTRACT, "executeWithdrawal")
            held.cash, held.energy_wh = held.cash - cash, held.energy_wh - energy_wh

    def pause(self, paused: bool) -> None:
        self.world.send(*(OPERATOR, CONTRACT, "pause") if paused else (ADMIN, CONTRACT, "unpause"))
        self.model.state.paused = paused

    def live(self) -> None:
        """Time goes on, and now and then something happens between two batches."""
        random, sequence = self.random, self.model.state.next_sequence
        now_s = T + SLOT_S * (3 + sequence // 6)
        self.evm.warp(max(now_s, self.evm.time_s))
        who = random.randrange(len(PEOPLE))
        address = PEOPLE[who].address
        held = self.model.state.account(address)
        happening = random.randrange(40)
        if held.cash < 50_000 or happening == 0:
            self.give_cash(address, 1_000_000)
        if happening in (1, 2) or not self.model.books:
            self.register(now_s - 2 * SLOT_S)
        elif happening == 3:
            self.raise_nonce(address, max(1, self.operator.nonce - random.randrange(9)))
        elif happening == 4:
            self.clear(
                address, random.choice((0, T - 1, now_s, CLEARED_UNTIL, 2**64 - 1)), frozen=random.random() < 0.5
            )
        elif happening == 5:
            self.set_mandate(who, random.choice((100, 2000, 2**48 - 1, 2**64 - 1)), random.choice((0, 3000, 2**64 - 1)))
        elif happening == 6:
            self.withdraw(
                address, random.randrange(1_000_000), random.choice((1, *(held.energy_wh // 4,) * 5, held.energy_wh))
            )
        elif happening >= 25:  # back to where trading goes on
            self.clear(address, CLEARED_UNTIL)
            self.set_mandate(who, 2000, 50_000)

    # COMPARISON

    def compare(self) -> None:
        """Raises Differ unless all that the contract keeps is what the model has."""
        state = self.model.state
        self._same("nextSequence", (), ["uint64"], [state.next_sequence])
        self._same("fees", (), ["uint256"], [state.fees])
        self._same("paused", (), ["bool"], [state.paused])
        for address in self._watched:
            account = state.accounts.get(address, Account())
            kept = [account.cash, account.energy_wh, account.min_nonce]
            self._same("accountOf", (address,), ["uint256", "uint256", "uint48"], kept)
            self._same("clearanceOf", (address,), ["uint32"], [account.cleared_until])
            lane = [account.slot, account.side, account.filled_wh]
            self._same("accountLaneOf", (address,), ["uint32", "uint8", "uint32"], lane)
            for number in LANES:
                live = state.lanes.get((address, number), (0, 0))
                self._same("laneOf", (address, number), ["uint48", "uint48"], list(live))
            mandate = state.mandates.get(address, Mandate())
            terms = [mandate.budget_per_slot, mandate.budget, mandate.expiry, mandate.nonce]
            self._same("mandateOf", (address,), ["uint64", "uint64", "uint32", "uint32"], terms)

    def _same(self, function: str, arguments: tuple[object, ...], types: list[str], values: list[object]) -> None:
        outcome = self.evm.transact(STRANGER, self.exchange, encode_call(CONTRACT, function, *arguments))
        if outcome.data != encode(types, values):
            raise Differ(f"{function}{arguments}: contract {outcome.data.hex()}, model {values}")

    def compare_tokens(self) -> None:
        """Invariant 1: the tokens in the vault are what its books say."""
        accounts = self.model.state.accounts.values()
        held = [self.world.read(token, "balanceOf", self.exchange) for token in ("PaymentToken", "EnergyToken")]
        books = [self.model.state.fees + sum(a.cash for a in accounts), sum(a.energy_wh for a in accounts)]
        if held != books:
            raise Differ(f"tokens held {held}, books {books}")


def _log(event: Event) -> tuple[tuple[bytes, ...], bytes]:
    """Topics and data as the ABI says; the indexed parameters are whole numbers."""
    name, indexed, values = event
    entry = next(item for item in artifact(CONTRACT).abi if item["type"] == "event" and item["name"] == name)
    topics = (keccak(signature(entry).encode()), *(value.to_bytes(32, "big") for value in indexed))
    types = [type_name(parameter) for parameter in entry["inputs"] if not parameter["indexed"]]
    return topics, encode(types, values)
