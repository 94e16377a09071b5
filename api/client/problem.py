"""What the API answers when it does not do as asked."""

import httpx
import msgspec

from contracts.errors import GridtraceError


class ApiUnreachable(GridtraceError):
    """The API does not answer."""

    code = "api-unreachable"
    retryable = True


class ApiProblem(GridtraceError):
    """The API answered with a problem (RFC 9457).

    ``code`` is one of the codes at ``GET /v1/errors``; ``faults`` are (JSON pointer, message) of single fields.
    """

    def __init__(self, code: str, status: int, detail: str, trace_id: str, faults: tuple[tuple[str, str], ...]) -> None:
        self.code = code
        self.status = status
        self.detail = detail
        self.trace_id = trace_id
        self.faults = faults
        self.retryable = status in (409, 429, 503) and code in RETRYABLE
        fields = "".join(f"; {pointer}: {message}" for pointer, message in faults)
        super().__init__(f"{status} {code}: {detail}{fields}")


RETRYABLE = frozenset({"index-behind", "rate-limited", "unavailable"})


class _Fault(msgspec.Struct):
    pointer: str = ""
    message: str = ""


class _Problem(msgspec.Struct):
    code: str
    detail: str = ""
    trace_id: str = ""
    errors: list[_Fault] = []


def raise_for_problem(response: httpx.Response) -> None:
    """Raises ApiProblem for an answer that is not a success."""
    if response.is_success:
        return
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem(code="unknown-answer", detail=response.text[:200])
    faults = tuple((fault.pointer, fault.message) for fault in problem.errors)
    raise ApiProblem(problem.code, response.status_code, problem.detail, problem.trace_id, faults)
