"""Every REST route."""

from typing import Final

from fastapi import APIRouter

from api.rest import (
    audit,
    auth,
    balances,
    contracts,
    deposits,
    executions,
    health,
    ledger,
    mandates,
    markets,
    meters,
    orders,
    participants,
    problems,
    proofs,
    readings,
    reconcile,
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
    proofs.router,
    executions.router,
    reconcile.router,
)
