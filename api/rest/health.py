"""Is it alive, can it work, which version is it."""

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Depends

from api.deps import Reader, Site, public
from api.errors import Unavailable
from api.rest.fields import Answer
from api.rest.meta import stamp

router = APIRouter(tags=["status"], dependencies=[Depends(public)])


class Health(Answer):
    status: str


class Readiness(Answer):
    """``bus`` false: live news is late, everything else works."""

    status: str
    database: bool
    index: bool
    bus: bool


class Version(Answer):
    name: str
    version: str
    chain_id: int


@router.get("/v1/health")
async def health() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/v1/ready")
async def ready(db: Reader, site: Site) -> Readiness:
    """The database answers and the chain is being indexed; 503 otherwise."""
    if await stamp(db, site) is None:
        raise Unavailable("the chain has not been indexed yet")
    return Readiness(status="ready", database=True, index=True, bus=await site.bus.ping())


@router.get("/v1/version")
async def running_version(site: Site) -> Version:
    """Which version answers."""
    try:
        found = version("gridtrace")
    except PackageNotFoundError:
        found = "source"
    return Version(name="gridtrace", version=found, chain_id=site.chain_id)
