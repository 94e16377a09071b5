"""A participant's view of Gridtrace: the public API and one's own key, nothing else."""

from api.client.client import Client
from api.client.problem import ApiProblem, ApiUnreachable
from api.client.signing import OrderTerms

__all__ = ["ApiProblem", "ApiUnreachable", "Client", "OrderTerms"]
