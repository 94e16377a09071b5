"""Traders with keys, clearance, money, mandates and meters, as the indexer and the registry would have stored them."""

from dataclasses import dataclass, field, replace
from typing import Any

from contracts.typed_data import Domain, Order, address_of, order_digest, sign
from indexer.db import Connection
from node.config import MarketRules
from node.market import service

CHAIN_ID = 31337
DOMAIN = Domain(CHAIN_ID, b"\x11" * 20)
ZONE = 1
SLOT = 1_750_000_500
"""A delivery start: a multiple of the slot length."""

RULES = MarketRules(
    slot_s=900,
    gate_lead_s=300,
    open_slots=4,
    price_min_per_kwh=-500_000,
    price_max_per_kwh=4_000_000,
    tick_per_kwh=100,
    lot_wh=1,
    grid_fee_per_kwh=20_000,
    price_long_per_kwh=60_000,
    price_short_per_kwh=320_000,
    carbon_g_per_kwh=380,
    reading_grace_s=300,
    reading_gap_s=1_800,
)
GATE = SLOT - RULES.gate_lead_s
NOW = GATE - 100.0
FAR = SLOT + 10_000_000

BUY, SELL = 0, 1


@dataclass
class Trader:
    """Signs orders; every order of its own takes the next lane."""

    number: int
    lanes: int = field(default=0)

    @property
    def key(self) -> bytes:
        return self.number.to_bytes(32, "big")

    @property
    def address(self) -> bytes:
        return address_of(self.key)

    def order(self, side: int, energy_wh: int, limit_price_per_kwh: int, **changes: Any) -> tuple[Order, bytes]:
        self.lanes += 1
        order = Order(
            trader=self.address,
            zone=ZONE,
            delivery_start=SLOT,
            side=side,
            energy_wh=energy_wh,
            limit_price_per_kwh=limit_price_per_kwh,
            min_fill_wh=0,
            time_in_force=0,
            source=0,
            expiry=FAR,
            lane=self.lanes,
            nonce=1,
        )
        return self.signed(replace(order, **changes))

    def signed(self, order: Order) -> tuple[Order, bytes]:
        return order, sign(order_digest(DOMAIN, order), self.key)


async def enrol(
    db: Connection,
    number: int,
    *,
    cash: int = 10_000_000,
    flags: int = 3,
    fuse_w: int = 100_000,
    mandate: bool = True,
    zone: int = ZONE,
) -> Trader:
    """Adds a trader with a meter in a zone who may do everything, save what the arguments take away."""
    trader = Trader(number)
    account = trader.address
    await db.execute(
        "insert into blockchain.participants values ($1, $2, to_timestamp($3::bigint), $4, 276, 1)",
        CHAIN_ID,
        account,
        FAR,
        flags,
    )
    await db.execute(
        "insert into blockchain.account_balances (chain_id, account, cash, updated_block) values ($1, $2, $3, 1)",
        CHAIN_ID,
        account,
        cash,
    )
    if mandate:
        await db.execute(
            "insert into blockchain.mandates values ($1, $2, 100000000, 1000000000, to_timestamp($3::bigint), 1, 1)",
            CHAIN_ID,
            account,
            FAR,
        )
    await db.execute(
        "insert into telemetry.meters (meter_id, owner, kind, zone, driver, device, address, key, fuse_w)"
        " values ($1, $2, 'home', $3, 'mqtt', 'd', 'a', $2, $4)",
        number,
        account,
        zone,
        fuse_w,
    )
    return trader


async def accept(db: Connection, entry: tuple[Order, bytes], now_s: float = NOW) -> service.Accepted:
    """Enters an order in a transaction of its own."""
    async with db.transaction():
        return await service.accept_order(db, RULES, DOMAIN, CHAIN_ID, *entry, now_s)


async def clear(db: Connection, now_s: float = GATE, **options: Any) -> service.Auction:
    """Clears the slot in a transaction of its own."""
    async with db.transaction():
        return await service.clear(db, RULES, ZONE, SLOT, now_s, **options)
