"""Large answers as files: asked for, written beside everything else, and fetched when they are done."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import Field, model_validator

from api.auth import Forbidden
from api.deps import OPERATOR_ROLES, Exporting, Reader, SignedIn, Site, Writer, operates
from api.rest.fields import Answer, Hash, Instant, Natural, Request, Second, ZoneNumber
from node.exports import jobs
from node.exports.datasets import Filters

router = APIRouter(tags=["exports"])

MEDIA: Final = {"csv": "text/csv", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
FILE: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}

Format = Literal["csv", "ndjson", "parquet"]
State = Literal["queued", "running", "done", "failed", "expired"]
BlockNumber = Annotated[int, Field(ge=0, lt=1 << 63)]


class Chosen(Request):
    """Which rows. ``start`` and ``end`` are times of delivery (of readings: when they were read), ``end`` excluded."""

    zone: ZoneNumber | None = None
    start: Second | None = None
    end: Second | None = None
    first_block: BlockNumber | None = None
    block: Annotated[
        BlockNumber | None, Field(description="Last block; the newest that is indexed where not given")
    ] = None

    @model_validator(mode="after")
    def _in_order(self) -> "Chosen":
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("start must be before end")
        return self


class NewExport(Request):
    """``dataset``: trades, orders, energy or readings, as far as you may see them; or a table of the mirrored chain,
    like fact_payment_token_transfer. Events can be chosen by block, the market's records by zone and time."""

    dataset: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$", examples=["trades"])]
    format: Format = "csv"
    filters: Chosen = Chosen()


class Export(Answer):
    """``block_number`` is the block that the file is of. A file can be fetched until ``expires_at``."""

    id: UUID
    dataset: str
    format: Format
    state: State
    block_number: int
    block_hash: Hash
    rows: int | None
    size_bytes: Natural | None
    sha256: Hash | None
    fault_code: str | None
    fault: str | None
    created_at: Instant
    finished_at: Instant | None
    expires_at: Instant | None


class Exports(Answer):
    items: list[Export]


def _told(job: jobs.Job) -> Export:
    return Export.model_validate(job, from_attributes=True)


@router.post("/v1/exports", status_code=202)
async def ask_for_export(
    body: NewExport, caller: SignedIn, db: Writer, site: Site, worker: Exporting, response: Response
) -> Export:
    """Asks for a file; ``Location`` says where to look how far it is. At most three at a time."""
    job = await jobs.add(db, caller, site.chain_id, body.dataset, body.format, Filters(**dict(body.filters)))
    response.headers["Location"] = f"/v1/exports/{job.id}"
    worker.news.set()  # seen with the next look where this is not committed yet
    return _told(job)


@router.get("/v1/exports")
async def exports(caller: SignedIn, db: Reader) -> Exports:
    """One's newest exports, at most 100."""
    return Exports(items=[_told(job) for job in await jobs.jobs(db, caller.user_id)])


@router.get("/v1/exports/{export_id}")
async def export(export_id: UUID, caller: SignedIn, db: Reader) -> Export:
    """How far one of one's exports is."""
    return _told(await jobs.job(db, caller.user_id, export_id))


@router.get(
    "/v1/exports/{export_id}/file",
    response_class=FileResponse,
    responses={
        200: {"description": "The file", "content": dict.fromkeys(MEDIA.values(), FILE)},
        206: {"description": "A part of it", "content": dict.fromkeys((*MEDIA.values(), "multipart/byteranges"), FILE)},
    },
)
async def export_file(export_id: UUID, caller: SignedIn, db: Reader, worker: Exporting) -> FileResponse:
    """The file, or the part of it that ``Range`` asks for: a transfer that broke off can be resumed."""
    job = await jobs.job(db, caller.user_id, export_id)
    if job.state in ("queued", "running"):
        raise jobs.ExportNotReady(f"export {job.id} is {job.state}")
    path = worker.folder / job.file_name
    if job.state != "done" or not path.is_file():
        raise jobs.ExportGone(f"export {job.id} is {job.state}: {job.fault or 'ask again'}")
    if job.role in OPERATOR_ROLES and not operates(caller):
        raise Forbidden("you asked for this with a role that you have not any more")
    return FileResponse(
        path,
        media_type=MEDIA[job.format],
        filename=f"{job.dataset}-{job.block_number}.{job.format}",
        headers={"Cache-Control": "private, no-store"},
    )


@router.delete("/v1/exports/{export_id}", status_code=204)
async def remove_export(export_id: UUID, caller: SignedIn, db: Writer, worker: Exporting) -> None:
    """Takes an export back, and its file away."""
    await jobs.remove(db, caller.user_id, export_id)
    worker.news.set()
