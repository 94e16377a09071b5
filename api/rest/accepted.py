"""The answer to a request that became a transaction of the outbox."""

from api.rest.fields import Answer


class Accepted(Answer):
    """The request will be sent to the chain; ``GET /v1/transactions/{outbox_id}`` tells how far it is."""

    outbox_id: int
