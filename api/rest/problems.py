"""The published list of error codes."""

from fastapi import APIRouter, Depends

from api.codes import STATUS
from api.deps import public
from api.rest.fields import Answer

router = APIRouter(tags=["status"], dependencies=[Depends(public)])


class ErrorCode(Answer):
    code: str
    status: int


class ErrorCodes(Answer):
    items: list[ErrorCode]


@router.get("/v1/errors")
async def error_codes() -> ErrorCodes:
    """Every ``code`` a problem document can carry, and its HTTP status."""
    return ErrorCodes(items=[ErrorCode(code=code, status=status) for code, status in sorted(STATUS.items())])
