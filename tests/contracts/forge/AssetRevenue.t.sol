// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {AssetFactory} from "../../../contracts/src/assets/AssetFactory.sol";
import {AssetToken} from "../../../contracts/src/assets/AssetToken.sol";
import {IAssetToken} from "../../../contracts/src/interfaces/IAssetToken.sol";
import {AssetFixture} from "./AssetFixture.sol";

/// @notice Keeps one unit of every transfer.
contract GreedyToken is ERC20("Greedy", "G") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && amount != 0) super._update(to, address(0xfee), 1);
    }
}

/// @notice Calls the asset again from inside a transfer, as whoever it is told to be a friend of.
contract RecursiveToken is ERC20("Recursive", "R") {
    address private _target;
    bytes private _call;
    bytes public reason;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function arm(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (_target == address(0)) return;
        (bool ok, bytes memory data) = _target.call(_call);
        if (!ok) reason = data;
    }
}

/// @notice Revenue: paid in, shared, kept through transfers, claimed; and who tries to get more.
contract AssetRevenueTest is AssetFixture {
    /* depositRevenue, claim */

    function test_depositRevenue__shared_by_fractions_held() public {
        give(anna, 300);
        give(ben, 1);
        earn(1_000_000);
        assertEq(asset.claimable(anna), 300_000, "anna");
        assertEq(asset.claimable(ben), 1000, "ben");
        assertEq(asset.claimable(plantOwner), 699_000, "owner");
        assertEq(deposited(asset), 1_000_000, "deposited");
        assertEq(euro.balanceOf(address(asset)), 1_000_000, "money");
    }

    function test_depositRevenue__nothing_or_beyond_the_range__refused() public {
        vm.prank(PAYER);
        refuses(abi.encodeWithSelector(IAssetToken.ZeroAmount.selector));
        asset.depositRevenue(0, 0);
        earn(5);
        euro.mint(PAYER, type(uint96).max);
        vm.prank(PAYER);
        refuses(abi.encodeWithSelector(IAssetToken.RevenueOutOfRange.selector, 5, type(uint96).max - 4));
        asset.depositRevenue(type(uint96).max - 4, 0);
        earn(type(uint96).max - 5);
        assertEq(deposited(asset), type(uint96).max, "all of it");
        // What a thousand fractions cannot share is carried: less than a unit.
        assertEq(claims(plantOwner), type(uint96).max - 1, "claimed");
    }

    function test_depositRevenue__same_id_twice__refused_for_the_same_depositor() public {
        bytes32 id = keccak256("July");
        vm.prank(PAYER);
        asset.depositRevenue(100, id);
        assertTrue(asset.isDistributed(PAYER, id), "used");
        vm.prank(PAYER);
        refuses(abi.encodeWithSelector(IAssetToken.DistributionRepeated.selector, PAYER, id));
        asset.depositRevenue(100, id);
        vm.prank(anna);
        asset.depositRevenue(1, id); // nobody can use up another's name
        assertEq(deposited(asset), 101, "deposited");
    }

    function test_depositRevenueWithPermit__one_step() public {
        vm.prank(anna);
        euro.approve(address(asset), 0);
        IAssetToken.Permit memory permit = permitOf(ANNA_KEY, 5000);
        vm.prank(anna);
        asset.depositRevenueWithPermit(5000, 0, permit);
        assertEq(asset.claimable(plantOwner), 5000, "owner");
    }

    function test_depositRevenueFor__signed__once() public {
        IAssetToken.Deposit memory deposit = IAssetToken.Deposit(anna, 5000, "July", NOW);
        bytes memory signature = signed(ANNA_KEY, asset.depositDigest(deposit));
        vm.prank(STRANGER);
        asset.depositRevenueFor(deposit, signature, noPermit());
        assertEq(deposited(asset), 5000, "deposited");
        refuses(abi.encodeWithSelector(IAssetToken.DistributionRepeated.selector, anna, bytes32("July")));
        asset.depositRevenueFor(deposit, signature, noPermit());
    }

    function test_depositRevenueFor__unnamed_late_or_changed__refused() public {
        IAssetToken.Deposit memory deposit = IAssetToken.Deposit(anna, 5000, 0, NOW);
        bytes memory signature = signed(ANNA_KEY, asset.depositDigest(deposit));
        refuses(abi.encodeWithSelector(IAssetToken.DistributionUnnamed.selector, anna));
        asset.depositRevenueFor(deposit, signature, noPermit());
        deposit.distributionId = "July";
        bytes32 digest = asset.depositDigest(deposit);
        refuses(abi.encodeWithSelector(IAssetToken.BadSignature.selector, anna, digest));
        asset.depositRevenueFor(deposit, signature, noPermit());
        refuses(abi.encodeWithSelector(IAssetToken.BadSignature.selector, anna, digest));
        asset.depositRevenueFor(deposit, hex"1234", noPermit());
        vm.warp(NOW + 1);
        refuses(abi.encodeWithSelector(IAssetToken.SignatureExpired.selector, NOW));
        asset.depositRevenueFor(deposit, signature, noPermit());
    }

    function test_attack_permit_for_a_purchase_is_no_deposit() public {
        vm.prank(anna);
        euro.approve(address(asset), 0);
        IAssetToken.Permit memory permit = permitOf(ANNA_KEY, 5000);
        IAssetToken.Deposit memory deposit = IAssetToken.Deposit(anna, 5000, "July", NOW);
        bytes32 digest = asset.depositDigest(deposit);
        bytes memory signature = signed(BEN_KEY, digest);
        refuses(abi.encodeWithSelector(IAssetToken.BadSignature.selector, anna, digest));
        asset.depositRevenueFor(deposit, signature, permit);
    }

    function test_claim__pays_once_and_keeps_the_fraction_of_a_unit() public {
        give(anna, 333);
        earn(1001); // 333.333
        assertEq(claims(anna), 333, "first");
        assertEq(claims(anna), 0, "again");
        earn(1001);
        assertEq(claims(anna), 333, "second: 666.666 in all");
        earn(1001);
        assertEq(claims(anna), 333, "third: 999.999 in all");
        earn(1);
        assertEq(claims(anna), 1, "1,000.332");
        assertEq(euro.balanceOf(anna), MONEY + 1000, "paid");
    }

    function test_claim__fractions_moved_in_mid_period__each_earns_by_holding() public {
        give(anna, 500);
        earn(1000);
        move(anna, ben, 500);
        earn(3000);
        assertEq(asset.claimable(anna), 500, "before");
        assertEq(asset.claimable(ben), 1500, "after");
        assertEq(claims(anna), 500, "claimed without holding any more");
    }

    function test_attack_frozen_holder_claims() public {
        give(anna, 500);
        earn(1000);
        freeze(anna);
        vm.prank(anna);
        refuses(notCleared(anna));
        asset.claim();
        address[] memory accounts = new address[](2);
        (accounts[0], accounts[1]) = (anna, plantOwner);
        assertEq(asset.claimFor(accounts), 500, "the owner alone");
        earn(1000);
        clear(anna);
        assertEq(claims(anna), 1000, "it waited for her");
    }

    function test_claimFor__many__each_is_paid() public {
        give(anna, 300);
        give(ben, 200);
        earn(1000);
        address[] memory accounts = new address[](4);
        (accounts[0], accounts[1], accounts[2], accounts[3]) = (anna, ben, anna, STRANGER);
        vm.prank(STRANGER);
        assertEq(asset.claimFor(accounts), 500, "in all");
        assertEq(euro.balanceOf(anna), MONEY + 300, "anna");
        assertEq(euro.balanceOf(ben), MONEY + 200, "ben");
        assertEq(euro.balanceOf(STRANGER), 0, "stranger");
    }

    /* ATTACKS */

    function test_attack_dust_deposits() public {
        AssetToken wide = AssetToken(factory.createAsset(plant(8, plantOwner, 1 << 60)));
        vm.prank(PAYER);
        euro.approve(address(wide), type(uint256).max);
        for (uint256 i; i < 64; ++i) {
            vm.prank(PAYER);
            wide.depositRevenue(1, 0);
        }
        (, uint256 each, uint256 carried) = wide.revenue();
        assertEq(each * wide.totalSupply() + carried, 64 << 60, "nothing lost");
        assertEq(deposited(wide), 64, "deposited");
        vm.prank(PAYER);
        wide.depositRevenue(1e12 + 1, 0);
        assertEq(wide.claimable(plantOwner), 1e12 + 65, "all of it is the only holder's");
    }

    function test_attack_fractions_sent_back_and_forth_earn_nothing() public {
        give(anna, 333);
        earn(1_000_001);
        uint256 before = asset.claimable(anna) + asset.claimable(ben);
        for (uint256 i; i < 50; ++i) {
            move(anna, ben, 1 + i);
            move(ben, anna, 1 + i);
            move(anna, anna, 333);
        }
        assertEq(asset.claimable(anna) + asset.claimable(ben), before, "claims");
    }

    function test_attack_fee_on_transfer_payment_token() public {
        GreedyToken greedy = new GreedyToken();
        AssetToken target = assetIn(IERC20(address(greedy)));
        greedy.mint(PAYER, 1000);
        vm.prank(PAYER);
        greedy.approve(address(target), 1000);
        vm.prank(PAYER);
        refuses(abi.encodeWithSelector(IAssetToken.WrongAmountReceived.selector, 100, 99));
        target.depositRevenue(100, 0);
        greedy.mint(anna, 1000);
        vm.prank(anna);
        greedy.approve(address(target), 1000);
        vm.prank(plantOwner);
        target.setOffer(10, 10, NOW);
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.WrongAmountReceived.selector, 20, 19));
        target.buy(2, 20);
        assertEq(target.balanceOf(anna), 0, "nothing half-done");
    }

    function test_attack_re_entrancy_through_the_payment_token() public {
        RecursiveToken recursive = new RecursiveToken();
        clear(address(recursive));
        AssetToken target = assetIn(IERC20(address(recursive)));
        vm.prank(plantOwner);
        target.transfer(address(recursive), 500);
        recursive.mint(PAYER, 10_000);
        recursive.mint(address(recursive), 10_000);
        vm.prank(PAYER);
        recursive.approve(address(target), 10_000);
        bytes[3] memory calls = [
            abi.encodeCall(IAssetToken.claim, ()),
            abi.encodeCall(IAssetToken.depositRevenue, (1, 0)),
            abi.encodeCall(IAssetToken.buy, (1, 1))
        ];
        for (uint256 i; i < calls.length; ++i) {
            recursive.arm(address(target), calls[i]);
            vm.prank(PAYER);
            target.depositRevenue(1000, 0);
            assertTrue(
                bytes4(recursive.reason()) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector,
                "let in"
            );
        }
        vm.prank(address(recursive));
        target.claim();
        assertEq(recursive.balanceOf(address(recursive)), 11_500, "paid once");
        assertEq(deposited(target), 3000, "deposited");
    }

    /* FUZZ */

    /// @dev Whatever is deposited and whoever holds what, the books add up to the unit of 2^-60.
    function testFuzz_11_revenue__adds_up(uint96 supply, uint96 share, uint80[4] memory amounts) public {
        supply = uint96(bound(supply, 2, 1 << 60));
        share = uint96(bound(share, 0, supply));
        AssetToken token = AssetToken(factory.createAsset(plant(8, plantOwner, supply)));
        vm.prank(plantOwner);
        token.transfer(anna, share);
        uint256 paidIn;
        for (uint256 i; i < amounts.length; ++i) {
            uint256 amount = bound(amounts[i], 1, type(uint80).max);
            euro.mint(PAYER, amount);
            vm.prank(PAYER);
            euro.approve(address(token), amount);
            vm.prank(PAYER);
            token.depositRevenue(amount, 0);
            paidIn += amount;
            uint256 held = token.balanceOf(anna);
            vm.prank(anna);
            token.transfer(plantOwner, held / 2);
        }
        (, uint256 each, uint256 carried) = token.revenue();
        assertEq(each * supply + carried, paidIn << 60, "exact");
        assertTrue(carried < supply, "carried");
        uint256 owed = token.claimable(anna) + token.claimable(plantOwner);
        assertTrue(owed <= paidIn, "never more than deposited");
        // Less than a unit each: two holders' fractions of one, and what the next deposit shares.
        assertTrue(owed + 2 >= paidIn, "never less by more than dust");
    }

    function deposited(AssetToken token) private view returns (uint256 amount) {
        (amount,,) = token.revenue();
    }

    function assetIn(IERC20 token) private returns (AssetToken) {
        AssetFactory other = new AssetFactory(factory.authority(), registry, token);
        return AssetToken(other.createAsset(plant(1, plantOwner, SUPPLY)));
    }
}
