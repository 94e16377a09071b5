// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AssetFixture} from "./AssetFixture.sol";

/// @notice Gas of whole transactions (intrinsic gas and calldata included) in the steady state: everybody has held,
/// earned and been paid before. Storage is cold: each call is a transaction of its own.
/// forge-config: default.isolate = true
contract AssetGasTest is AssetFixture {
    event log_named_uint(string key, uint256 val); // forge prints it

    function setUp() public override {
        super.setUp();
        give(anna, 400);
        give(ben, 300);
        for (uint256 i; i < 3; ++i) {
            earn(1_000_003);
            claims(anna);
            claims(ben);
            claims(plantOwner);
        }
        earn(1_000_003);
    }

    function test_gas_transfer__kyc_and_revenue__within_the_bar() public {
        vm.prank(anna);
        asset.transfer(ben, 123);
        within("transfer between cleared holders, with revenue accounting", 45_000);
    }

    function test_gas_transferFrom__within_the_bar() public {
        vm.prank(anna);
        asset.approve(PAYER, type(uint256).max);
        vm.prank(PAYER);
        asset.transferFrom(anna, ben, 123);
        within("transferFrom, allowance without end", 47_200);
    }

    function test_gas_depositRevenue__does_not_depend_on_holders__within_the_bar() public {
        vm.prank(PAYER);
        asset.depositRevenue(1_000_003, 0);
        within("depositRevenue, no name", 51_600);
    }

    function test_gas_claim__within_the_bar() public {
        vm.prank(anna);
        asset.claim();
        within("claim", 52_200);
    }

    function test_gas_claimFor__hundred_holders__within_the_bar_each() public {
        address[] memory accounts = new address[](100);
        for (uint256 i; i < accounts.length; ++i) {
            accounts[i] = address(uint160(0x10000 + i));
            clear(accounts[i]);
            euro.mint(accounts[i], 1);
            give(accounts[i], 1);
        }
        earn(10_000_000);
        asset.claimFor(accounts);
        earn(10_000_000);
        asset.claimFor(accounts);
        emit log_named_uint("claimFor, 100 holders, each", vm.lastCallGas().gasTotalUsed / 100);
        assertTrue(vm.lastCallGas().gasTotalUsed / 100 <= 19_400, "above the bar");
    }

    function test_gas_buy__within_the_bar() public {
        sell(100);
        vm.prank(anna);
        asset.buy(10, type(uint256).max);
        vm.prank(anna);
        asset.buy(10, type(uint256).max);
        within("buy", 75_300);
    }

    function test_gas_createAsset__fits_a_transaction() public {
        factory.createAsset(plant(8, plantOwner, SUPPLY));
        within("createAsset", 2_850_000);
    }

    function within(string memory what, uint256 bar) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(what, used);
        assertTrue(used <= bar, "above the bar");
    }
}
