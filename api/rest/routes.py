"""Every REST route."""

from typing import Final

from fastapi import APIRouter

from api.rest import (
    audit,
    auth,
    balances,
    contracts,
    deposits,
    health,
    ledger,
    mandates,
    markets,
    meters,
    orders,
    participants,
    problems,
    readings,
    settlements,
    status,
    transactions,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    health.router,
    status.router,
    problems.router,
    contracts.router,
    auth.router,
    participants.router,
    meters.router,
    readings.router,
    deposits.router,
    mandates.router,
    transactions.router,
    balances.router,
    orders.router,
    markets.router,
    settlements.router,
    audit.router,
    ledger.router,
)
