"""Who answers for a refused batch."""

import pytest

from contracts.reverts import Revert
from node.settlement.refused import ATTEMPTS, Tally, culprit, tally

ANN, BEN, GRID = b"\x0a" * 20, b"\x0b" * 20, b"\xaa" * 20


def told(name: str, account: bytes, field: str = "account") -> str:
    return str(Revert(name, {field: "0x" + account.hex(), "more": 1}))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("OrderVoid", "trader"),
        ("NotCleared", "trader"),
        ("SlotPassed", "trader"),
        ("OtherSide", "trader"),
        ("OverFilled", "trader"),
        ("MandateVoid", "account"),
        ("MandateExceeded", "account"),
        ("MandateExpired", "account"),
        ("InsufficientCash", "account"),
        ("InsufficientEnergy", "account"),
    ],
)
def test_culprit__error_of_an_accounts_own_doing__names_it(name: str, field: str) -> None:
    assert culprit(told(name, ANN, field), GRID) == (name, ANN)


@pytest.mark.parametrize(
    "error",
    [
        None,
        "",
        "MandateExceeded",
        "WrongSequence(sequence=1, expected=2)",
        told("NotSettler", ANN),
        told("BadSignature", ANN),
        told("WorseThanLimit", ANN, "trader"),
        told("InsufficientCash", GRID),
        "reverted on chain; the call does not fail when it is run again",
        "MandateExceeded(account=0x12)",
    ],
)
def test_culprit__nobodys_doing__is_none(error: str | None) -> None:
    assert culprit(error, GRID) is None


def test_tally__each_account_is_excused_for_its_orders_and_its_charge__and_no_more() -> None:
    errors = [told("OrderVoid", ANN, "trader")] * 9 + [told("NotCleared", BEN, "trader")]
    assert tally(errors, {ANN: 4}, GRID) == Tally(attempts=10, counted=3, withheld=frozenset())


def test_tally__means_named_twice__withholds_the_charge() -> None:
    errors = [told("MandateExceeded", ANN), told("InsufficientCash", BEN), told("InsufficientCash", ANN)]
    assert tally(errors, {}, GRID) == Tally(attempts=3, counted=0, withheld=frozenset({ANN}))


def test_tally__nobodys_doing__counts_every_one() -> None:
    assert [tally([None] * count, {}, GRID).exhausted for count in (ATTEMPTS - 1, ATTEMPTS)] == [False, True]
