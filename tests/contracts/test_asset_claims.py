"""What holders cost: a deposit the same for any number of them, a claim in a payout well below one by itself."""

from scripts.bench.asset_claims import measure

BAR = 45_000
"""Gas of one holder's claim; by itself, its checks, words and events alone come to 48,601 (docs/assets.md)."""


def test_gas_claims__any_number_of_holders__deposit_is_one_price_and_payouts_are_below_the_bar() -> None:
    found = measure(12)
    assert found.deposit_for_all == found.deposit_for_two
    assert found.claim_of_a_payout_each < found.claim_of_a_pair_each < BAR < found.claim_alone < 52_200
