"""Every page."""

from typing import Final

from fastapi import APIRouter

from api.web import access_pages, asset_pages, ledger_pages, meter_pages, pages, status_pages, trade_pages

PAGES: Final[tuple[APIRouter, ...]] = (
    pages.router,
    trade_pages.router,
    asset_pages.router,
    meter_pages.router,
    ledger_pages.router,
    status_pages.router,
    access_pages.router,
)
