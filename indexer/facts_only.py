"""Events whose facts are all that is kept of them: no projection folds them, and why."""

from collections.abc import Mapping
from typing import Final

_ADMINISTRATION: Final = "administration: its history is what is asked for"
_POSITION: Final = "the position is asked of the contract; the facts are its history"
_DEAL: Final = "a deal has one fact for each step, and its state is the last of them"
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
    "ReadingsAttested": "a batch of signed readings, kept whole; the node attests by RegistersAttested",
    "URI": "never emitted: credits have no documents of their own beside their vintage's",
    **dict.fromkeys(
        ("Staked", "Withdrawn", "RewardPaid", "EmergencyExited", "PoolFunded", "PoolDefunded"),
        _POSITION,
    ),
    **dict.fromkeys(
        ("DealOpened", "DeliveryDeclared", "Released", "Refunded", "DisputeRaised", "DisputeResolved", "Collected"),
        _DEAL,
    ),
    **dict.fromkeys(
        ("AssetCreated", "ProductRegistered", "CertificateIssued", "CreditsIssued", "CreditsRetired"),
        _ONCE,
    ),
    **dict.fromkeys(
        ("CheckpointAdded", "ProductOffered", "ProductHandedOver", "CertificateRetired", "CertificateRevoked"),
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
            "ProposalCreated",
            "ProposalQueued",
            "ProposalExecuted",
            "ProposalCanceled",
            "ProposalThresholdSet",
            "QuorumNumeratorUpdated",
            "TimelockChange",
            "VoteCast",
            "VoteCastWithParams",
            "VotingDelaySet",
            "VotingPeriodSet",
            "IssuerSet",
            "ZoneSet",
            "PowerCapSet",
            "SignatureRequiredSet",
            "HandlerSet",
            "VintageSet",
            "PoolAdded",
            "PoolOpenSet",
        ),
        _ADMINISTRATION,
    ),
}
"""Why, by event name."""
