"""Brownie deploys the contracts and talks to them: an asset is created, sold and pays its holders."""

import brownie
import pytest
from brownie import AssetFactory, AssetToken, GridtraceAccessManager, ParticipantRegistry, PaymentToken, accounts

CLEARED_UNTIL = 2**40
EURO = 10**6
NOTHING = (0, 0, 0, b"\0" * 32, b"\0" * 32)


@pytest.fixture(scope="module")
def asset():
    administrator, owner, anna = accounts[:3]
    manager = GridtraceAccessManager.deploy(administrator, {"from": administrator})
    registry = ParticipantRegistry.deploy(manager, {"from": administrator})
    euro = PaymentToken.deploy(manager, {"from": administrator})
    factory = AssetFactory.deploy(manager, registry, euro, {"from": administrator})
    for account in (owner, anna):
        registry.setParticipant(account, CLEARED_UNTIL, 3, 276, {"from": administrator})
        euro.mint(account, 1_000 * EURO, {"from": administrator})
    foreseen = factory.addressOf(1)
    created = factory.createAsset(
        (1, b"\1" * 32, owner, 100, "Solar roof", "SUN", b"\2" * 32, "ipfs://"), {"from": administrator}
    )
    assert created.events["AssetCreated"]["asset"] == foreseen
    token = AssetToken.at(foreseen)
    for account in (owner, anna):
        euro.approve(token, 1_000 * EURO, {"from": account})
    return token


@pytest.fixture(autouse=True)
def isolated(fn_isolation):
    """Every test starts from the same state."""


def test_buy__on_sale__moves_fractions_and_money(asset):
    owner, anna = accounts[1:3]
    asset.setOffer(2 * EURO, 40, CLEARED_UNTIL, {"from": owner})
    bought = asset.buy(10, 20 * EURO, {"from": anna})
    assert bought.events["FractionsBought"]["cost"] == 20 * EURO
    assert (asset.balanceOf(owner), asset.balanceOf(anna)) == (90, 10)


def test_transfer__uncleared_receiver__refused(asset):
    with brownie.reverts():
        asset.transfer(accounts[5], 1, {"from": accounts[1]})


def test_claim__revenue_of_two_holders__each_his_part(asset):
    owner, anna = accounts[1:3]
    asset.transfer(anna, 25, {"from": owner})
    asset.depositRevenue(100 * EURO, b"\0" * 32, {"from": owner})
    assert asset.claim({"from": anna}).events["RevenueClaimed"]["amount"] == 25 * EURO
    assert asset.claimable(owner) == 75 * EURO
    assert asset.claimable(anna) == 0
