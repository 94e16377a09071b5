"""Requests that become a transaction of the outbox: how they are named, and what they are answered."""

from typing import Annotated, TypeAlias

from fastapi import Header

from api.rest.fields import Answer

IdempotencyKey: TypeAlias = Annotated[
    str,
    Header(
        pattern=r"^[A-Za-z0-9_.\-]{1,100}$",
        description="Names this request: the same key again finds the first request and sends nothing",
    ),
]


class Accepted(Answer):
    """The request will be sent to the chain; ``GET /v1/transactions/{outbox_id}`` tells how far it is."""

    outbox_id: int
