"""What plants produce: energy by step, the newest power, the weather beside it; what happened to them; who leads."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Forbidden
from api.deps import Reader, SignedIn, Site, Writer, admin, manages, public, signed_in
from api.rest.fields import Answer, Instant, Natural, Request, Second
from api.rest.meta import Meta, Stamp
from node.assets import news, production, registry
from node.errors import Refused

router = APIRouter(tags=["assets"])

LONGEST: Final = {"slot": 7, "hour": 62, "day": 731, "month": 7_310}
"""Days of one answer, by step."""
ROWS: Final = 10_000


class SpanInvalid(Refused):
    """The span is empty, or longer than one answer holds."""

    code = "span-invalid"


class Step(Answer):
    """``yield_kwh_per_kw``: energy against the rated power; ``performance_ratio`` (IEC 61724-1) needs observations,
    and so does ``expected_wh``, what a solar plant of this rated power would have given in that weather (PVWatts)."""

    start: Instant
    energy_wh: Natural
    yield_kwh_per_kw: Decimal | None
    irradiation_wh_per_m2: Decimal | None
    performance_ratio: Decimal | None
    temperature: Decimal | None
    expected_wh: Natural | None


class Power(Answer):
    time: Instant
    power_kw: Decimal
    voltage: Decimal | None
    temperature: Decimal | None


class Production(Answer):
    meta: Meta | None
    asset_id: UUID
    step: str
    items: list[Step]
    energy_wh: Natural
    latest: Power | None


class Observation(Request):
    """Temperature in °C, irradiance in W/m² in the plane of the modules, wind in m/s."""

    time: Second
    temperature: Annotated[Decimal, Field(ge=-90, le=60)] | None = None
    irradiance: Annotated[Decimal, Field(ge=0, le=2_000)] | None = None
    wind_speed: Annotated[Decimal, Field(ge=0, le=150)] | None = None


class Observations(Request):
    items: Annotated[list[Observation], Field(min_length=1, max_length=ROWS)]


class Taken(Answer):
    taken: int


class AssetEvent(Answer):
    event_id: int
    kind: str
    detail: dict[str, Any]
    happened_at: Instant


class AssetEvents(Answer):
    items: list[AssetEvent]


class Leader(Answer):
    """``yearly`` is what was paid in a year over the last price: 0.05 is five percent."""

    asset_id: UUID
    yearly: float


class Leaders(Answer):
    items: list[Leader]


class Investor(Answer):
    """``invested``: whole units of the currency, for fractions, first hand."""

    user_id: UUID
    invested: float


class Investors(Answer):
    items: list[Investor]


Count = Annotated[int, Query(ge=1, le=100)]


@router.get("/v1/assets:leaders", dependencies=[Depends(public)])
async def leaders(db: Reader, site: Site, count: Count = 10) -> Leaders:
    """Assets by what they paid, the best first; some seconds old."""
    found = await site.cache.best(db, site.chain_id, "assets", count)
    return Leaders(items=[Leader(asset_id=UUID(member), yearly=score) for member, score in found])


@router.get("/v1/investors:leaders", dependencies=[Depends(admin)])
async def investors(db: Reader, site: Site, count: Count = 10) -> Investors:
    """Users by what they invested, for administrators; some seconds old."""
    found = await site.cache.best(db, site.chain_id, "users", count)
    return Investors(items=[Investor(user_id=UUID(member), invested=score) for member, score in found])


@router.get("/v1/assets/{asset_id}/production", dependencies=[Depends(public)])
async def asset_production(
    asset_id: UUID,
    db: Reader,
    site: Site,
    meta: Stamp,
    start: Annotated[Second, Query()],
    end: Annotated[Second, Query()],
    step: Literal["slot", "hour", "day", "month"] = "day",
) -> Production:
    """Energy of the plant's meters in ``[start, end)``, from settled slots; UTC."""
    if not timedelta(0) < end - start <= timedelta(days=LONGEST[step]):
        raise SpanInvalid(f"{start} to {end}: steps of a {step} span at most {LONGEST[step]} days")
    asset = await registry.asset(db, site.chain_id, asset_id)
    slot_s = site.config.node.market.slot_s
    found = await production.produced(db, asset, start, end, step, slot_s)
    newest = await production.latest(db, asset_id)
    return Production(
        meta=meta,
        asset_id=asset_id,
        step=step,
        items=[_step(item, asset.capacity_kw) for item in found],
        energy_wh=sum(item.energy_wh for item in found),
        latest=None if newest is None else Power.model_validate(newest, from_attributes=True),
    )


def _step(item: production.Produced, capacity_kw: Decimal | None) -> Step:
    sun = item.irradiation_wh_per_m2
    ratio = production.performance_ratio(item.energy_wh, sun, capacity_kw) if sun and capacity_kw else None
    return Step(
        start=item.start,
        energy_wh=item.energy_wh,
        yield_kwh_per_kw=(
            None if capacity_kw is None else (item.energy_wh / (1_000 * capacity_kw)).quantize(Decimal("0.0001"))
        ),
        irradiation_wh_per_m2=sun,
        performance_ratio=ratio,
        temperature=item.temperature,
        expected_wh=item.expected_wh,
    )


@router.post("/v1/assets/{asset_id}/weather", dependencies=[Depends(signed_in)])
async def add_weather(asset_id: UUID, body: Observations, caller: SignedIn, db: Writer, site: Site) -> Taken:
    """Adds observations; one of the same time replaces the former. By the owner or administrators."""
    asset = await registry.asset(db, site.chain_id, asset_id)
    if caller.account != asset.owner and not manages(caller):
        raise Forbidden("weather is added by the asset's owner")
    rows = [production.Weather(**dict(item)) for item in body.items]
    return Taken(taken=await production.add_weather(db, asset_id, rows))


@router.get("/v1/assets/{asset_id}/events", dependencies=[Depends(public)])
async def asset_events(asset_id: UUID, db: Reader, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> AssetEvents:
    """What happened to an asset, the newest first."""
    return AssetEvents(items=[AssetEvent.model_validate(row) for row in await news.events(db, asset_id, limit)])


def default_span(now: datetime) -> tuple[datetime, datetime]:
    """The last 31 days, today included."""
    end = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return end - timedelta(days=31), end
