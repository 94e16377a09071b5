"""One participant of the devnet: a program that knows the API's address, its key, its meter, and nothing else."""

import asyncio
import json
import logging
import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from api.client import ApiProblem, ApiUnreachable, Client, OrderTerms
from api.client.results import Slot, Status
from api.devnet.keys import read_key
from api.devnet.strategy import PriceFrame, bid_limit_per_kwh, forecast_wh, offer_limit_per_kwh
from contracts.settlement_batch import ACCOUNT_LANE

logger = logging.getLogger(__name__)

DEPOSIT: Final = 50_000_000
LOW_CASH: Final = 10_000_000
MANDATE_PER_SLOT: Final = 5_000_000
MANDATE: Final = 1_000_000_000
MANDATE_DAYS: Final = 30
HISTORY: Final = timedelta(days=1, hours=1)
PAUSE_S: Final = (0.5, 1.0, 2.0, 4.0)
CHECK_MONEY_SLOTS: Final = 8
MARGIN_S: Final = 0.3
"""Real seconds before the gate after which an order is not worth sending any more."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a participant is told when it is started."""

    name: str
    api_url: str
    key_file: str
    role: str
    meter_id: int
    zone: int
    seed: int
    default_wh: int
    journal: str


class Participant:
    """Keeps money and mandate in order and bids its forecast for every open slot."""

    def __init__(self, identity: Identity, client: Client) -> None:
        self.identity = identity
        self.client = client
        self.draw = random.Random(f"{identity.seed}/{identity.name}")  # noqa: S311 -- a strategy, not a secret
        # Half of them plan ahead once their meter has a history, the others wait for their newest reading.
        self.early = self.draw.random() < 0.5
        self.measured = False
        self.ordered: set[int] = set()
        self.last_nonce = 0
        self.rounds = 0

    async def run(self) -> None:
        """Until cancelled; whatever fails for a while is tried again."""
        failures = 0
        while True:
            try:
                await self.client.sign_in()
                # After a restart, ours or the API's, what stands in the book is what counts.
                self.ordered |= {int(order.delivery_start.timestamp()) for order in await self.client.orders()}
                while True:
                    await self.round()
                    failures = 0
            except (ApiUnreachable, ApiProblem, TimeoutError) as error:
                pause_s = PAUSE_S[min(failures, len(PAUSE_S) - 1)] * (0.5 + self.draw.random())
                failures += 1
                logger.warning("name=%s waits=%.1f error=%s", self.identity.name, pause_s, error)
                await asyncio.sleep(pause_s)

    async def round(self) -> None:
        """One look at the market: orders for the slots that want one, then sleep until the next may."""
        status = await self.client.status()
        if self.rounds % CHECK_MONEY_SLOTS == 0:
            await self.keep_funded(status)
        self.rounds += 1
        margin_s = MARGIN_S * status.clock.rate
        wanted = [slot for slot in await self.client.slots(self.identity.zone) if self.wants(slot, status, margin_s)]
        if wanted:
            history = await self.history(status)
            self.measured = bool(history)
            for slot in wanted:
                await self.order(slot, status, history)
        slot_real_s = status.clock.slot_s / status.clock.rate
        await asyncio.sleep(slot_real_s * (0.2 + 0.2 * self.draw.random()))

    def wants(self, slot: Slot, status: Status, margin_s: float) -> bool:
        """Whether to order now: the slot is open, not ordered yet, and near enough for those who wait."""
        start = int(slot.delivery_start.timestamp())
        left_s = (slot.gate_closes_at - status.clock.now).total_seconds()
        near = (self.early and self.measured) or left_s < 1.5 * status.clock.slot_s
        return slot.state == "open" and start not in self.ordered and left_s > margin_s and near

    async def history(self, status: Status) -> dict[int, int]:
        """What the own meter measured, in Wh by delivery start."""
        found = await self.client.meter_energy(self.identity.meter_id, status.clock.now - HISTORY, status.clock.now)
        producer = self.identity.role == "producer"
        return {
            int(slot.delivery_start.timestamp()): slot.export_wh if producer else slot.import_wh
            for slot in found
            if slot.state != "MISSING"
        }

    async def order(self, slot: Slot, status: Status, history: dict[int, int]) -> None:
        """Signs and sends one order, and writes what became of it into the journal."""
        start = int(slot.delivery_start.timestamp())
        producer = self.identity.role == "producer"
        energy_wh = forecast_wh(history, start, status.clock.slot_s, self.identity.default_wh)
        self.ordered.add(start)
        if energy_wh <= 0:
            return
        prices = frame(status)
        limit = offer_limit_per_kwh if producer else bid_limit_per_kwh
        self.last_nonce = max(self.last_nonce + 1, int(status.clock.now.timestamp() * 1_000))
        terms = OrderTerms(
            zone=self.identity.zone,
            delivery_start=slot.delivery_start,
            side="sell" if producer else "buy",
            energy_wh=energy_wh,
            limit_price_per_kwh=limit(prices, self.draw.random()),
            nonce=self.last_nonce,
            lane=ACCOUNT_LANE,  # one order a slot: the lane that costs no storage of its own
        )
        try:
            placed = await self.client.post_order(terms)
        except ApiProblem as problem:
            self.note(start, "refused", problem.code)
            logger.warning("name=%s order refused slot=%d error=%s", self.identity.name, start, problem)
            if problem.status == 401:
                raise
            return
        except ApiUnreachable:
            self.ordered.discard(start)
            raise
        self.note(start, placed.status, "")

    async def keep_funded(self, status: Status) -> None:
        """Deposits when the vault runs low; signs a new mandate before the old one ends."""
        balances = await self.client.balances()
        now = status.clock.now
        sent = []
        mandate = balances.mandate
        if mandate is None or mandate.expiry < now + timedelta(days=1):
            accepted = await self.client.set_mandate(
                budget_per_slot=MANDATE_PER_SLOT,
                budget=MANDATE,
                expiry=now.astimezone(UTC) + timedelta(days=MANDATE_DAYS),
                nonce=int(now.timestamp()),
            )
            sent.append(accepted.outbox_id)
        if balances.available < LOW_CASH:
            paid = await self.client.faucet(DEPOSIT)
            await self.client.wait_mined(paid.outbox_id)
            sent.append((await self.client.deposit(DEPOSIT)).outbox_id)
        for outbox_id in sent:
            await self.client.wait_mined(outbox_id)

    def note(self, delivery_start: int, outcome: str, code: str) -> None:
        """One line of the journal, in one write: many processes share the file."""
        line = {
            "name": self.identity.name,
            "delivery_start": delivery_start,
            "outcome": outcome,
            "code": code,
            "at": datetime.now(UTC).isoformat(),
        }
        descriptor = os.open(self.identity.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def frame(status: Status) -> PriceFrame:
    """The prices of the market's rules."""
    rules = status.rules
    return PriceFrame(
        long_per_kwh=int(rules["price_long_per_kwh"]),
        short_per_kwh=int(rules["price_short_per_kwh"]),
        grid_fee_per_kwh=int(rules["grid_fee_per_kwh"]),
        tick_per_kwh=int(rules["tick_per_kwh"]),
    )


async def live(identity: Identity) -> None:
    """Takes part until cancelled."""
    async with Client(identity.api_url, read_key(Path(identity.key_file))) as client:
        await Participant(identity, client).run()
