"""Readings pushed over HTTP: each is signed by its device, which is all the authority it needs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from api.deps import Site, by_signature
from api.rest.fields import Answer, Natural, Second, Signature, Whole, seconds
from api.rest.fields import Request as Body
from contracts.typed_data import BadSignature, FieldOutOfRange, Reading
from node.metering.push import Push
from node.metering.readings import SignedReading
from node.metering.service import Taken

router = APIRouter(tags=["meters"])

NOBODY = bytes(20)
MAX_READINGS = 10_000


class NewReading(Body):
    """Cumulative registers at a time (Wh), power (W, import positive), and the meter's EIP-712 signature."""

    meter_id: Annotated[int, Field(ge=1, lt=1 << 32)]
    time: Second
    counter: Natural
    import_wh: Natural
    export_wh: Natural
    power_w: Whole
    signature: Signature


class Readings(Body):
    readings: Annotated[list[NewReading], Field(min_length=1, max_length=MAX_READINGS)]


class ReadingResult(Answer):
    """``code`` says why a reading was refused. RECEIVED is safe, and looked at as soon as the database is back."""

    index: int
    state: str
    code: str | None


class ReadingResults(Answer):
    results: list[ReadingResult]


def _signed(body: NewReading) -> SignedReading:
    reading = Reading(
        meter_id=body.meter_id,
        time=seconds(body.time),
        counter=body.counter,
        import_wh=body.import_wh,
        export_wh=body.export_wh,
        power_w=body.power_w,
    )
    try:
        return SignedReading.recovered(reading, body.signature)
    except (BadSignature, FieldOutOfRange):
        # Nobody's key: the service refuses this one and takes the others.
        return SignedReading(reading, body.signature, NOBODY)


def _push(request: Request) -> Push:
    push: Push = request.app.state.push
    return push


@router.post("/v1/readings:batch", dependencies=[Depends(by_signature)], responses={202: {"model": ReadingResults}})
async def push_readings(
    body: Readings, site: Site, push: Annotated[Push, Depends(_push)], response: Response
) -> ReadingResults:
    """Takes up to 10,000 readings; one result each, in order. A reading that is already there changes nothing.

    202 says that some are kept until the database is back. 503 with ``Retry-After`` says that nothing was taken.
    """
    outcomes = await push.take([_signed(reading) for reading in body.readings], now_s=site.clock.now_s())
    if any(outcome.state is Taken.RECEIVED for outcome in outcomes):
        response.status_code = 202
    return ReadingResults(
        results=[
            ReadingResult(index=index, state=outcome.state.value, code=outcome.reason and outcome.reason.value)
            for index, outcome in enumerate(outcomes)
        ]
    )
