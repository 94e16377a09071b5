"""Events whose facts are all that is kept of them: no projection folds them, and why."""

from collections.abc import Mapping
from typing import Final

_ADMINISTRATION: Final = "administration: its history is what is asked for"
_ONCE: Final = "written once for each object: the fact is the state"
_CHAIN: Final = "one fact for each step: the last one is the state"
_VOTES: Final = "votes are counted by the token, at moments that it keeps itself"
_ALLOWANCE: Final = "an allowance is used up without an event, so only the token can tell what is left"

FACTS_ONLY: Final[Mapping[str, str]] = {
    "Approval": _ALLOWANCE,
    "ApprovalForAll": _ALLOWANCE,
    "EIP712DomainChanged": "never emitted after construction: the domain is fixed",
    "LedgerSet": "administration: set once",
    "Consumed": "the burn's Transfer moves the balance; the fact says that it was consumption",
    "ForcedTransfer": "the Transfer beside it moves the fractions; the fact says why",
    "OwnershipOffered": "changes nothing until it is accepted, which is a transfer of ownership",
    "RevenueClaimed": "what is left to claim is asked of the token; the facts are what was paid",
    "URI": "never emitted: credits have no documents of their own beside their vintage's",
    "ProductRegistered": _ONCE,
    **dict.fromkeys(
        ("CheckpointAdded", "ProductOffered", "ProductHandedOver"),
        _CHAIN,
    ),
    **dict.fromkeys(
        ("DelegateChanged", "DelegateVotesChanged"),
        _VOTES,
    ),
    **dict.fromkeys(
        (
            "AuthorityUpdated",
            "MirrorsSet",
            "SettlerSet",
            "AttesterSet",
            "Paused",
            "Unpaused",
            "OperationScheduled",
            "OperationExecuted",
            "OperationCanceled",
            "RoleLabel",
            "RoleGranted",
            "RoleRevoked",
            "RoleAdminChanged",
            "RoleGuardianChanged",
            "RoleGrantDelayChanged",
            "TargetClosed",
            "TargetFunctionRoleUpdated",
            "TargetAdminDelayUpdated",
            "CallScheduled",
            "CallExecuted",
            "CallSalt",
            "Cancelled",
            "MinDelayChange",
            "ProposalThresholdSet",
            "QuorumNumeratorUpdated",
            "TimelockChange",
            "VotingDelaySet",
            "VotingPeriodSet",
            "IssuerSet",
            "ZoneSet",
            "PowerCapSet",
            "SignatureRequiredSet",
            "HandlerSet",
        ),
        _ADMINISTRATION,
    ),
}
"""Why, by event name."""
