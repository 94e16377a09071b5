// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IStakingPools} from "../../../contracts/src/interfaces/IStakingPools.sol";
import {StakingBase} from "./StakingBase.sol";

/// @notice Every function of the pools, case by case.
contract StakingTest is StakingBase {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    /* addPool */

    function test_addPool__in_range__open_and_empty() public {
        uint32 poolId = addPool(10_000, 1461 days, 1, 1, 0);
        (IStakingPools.Pool memory pool, uint256 staked, uint256 free) = pools.poolOf(poolId);
        assertTrue(pool.open && staked == 0 && free == 0, "empty");
        assertTrue(pool.apyBps == 10_000 && pool.lockSeconds == 1461 days, "terms");
        assertTrue(pool.minStake == 1 && pool.cap == 1, "limits");
        assertEq(pools.poolCount(), 3, "count");
    }

    function test_addPool__out_of_range__reverts() public {
        badPool(0, 1, 1, 1);
        badPool(10_001, 1, 1, 1);
        badPool(1, 0, 1, 1);
        badPool(1, 1461 days + 1, 1, 1);
        badPool(1, 1, 0, 1);
        badPool(1, 1, 2, 1);
    }

    function badPool(uint16 apyBps, uint32 lock, uint96 minStake, uint96 cap) private {
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.BadPool.selector, apyBps, lock, minStake, cap));
        vm.prank(MANAGER);
        pools.addPool(apyBps, lock, minStake, cap);
    }

    function test_16_addPool_and_setPoolOpen__not_the_manager__revert() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vm.prank(STRANGER);
        pools.addPool(1, 1, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vm.prank(STRANGER);
        pools.setPoolOpen(0, false);
    }

    /* setPoolOpen */

    function test_setPoolOpen__closed__refuses_stakes_and_pays_all_others() public {
        stake(anna, 0, 100e18);
        stake(BEN, 0, 100e18);
        vm.prank(MANAGER);
        pools.setPoolOpen(0, false);
        vm.warp(T + LOCK);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.PoolClosed.selector, 0));
        vm.prank(anna);
        pools.stake(0, 10e18);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.PoolClosed.selector, 0));
        vm.prank(anna);
        pools.renew(0);
        assertTrue(claim(anna, 0) != 0, "claims");
        assertEq(withdraw(anna, 0, 100e18), 100e18, "withdraws");
        assertEq(emergencyExit(BEN, 0), 100e18, "exits");
        pools.fundPool(0, 1);
        vm.prank(MANAGER);
        pools.setPoolOpen(0, true);
        stake(anna, 0, 10e18);
    }

    function test_setPoolOpen__unknown_pool__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.UnknownPool.selector, 2));
        vm.prank(MANAGER);
        pools.setPoolOpen(2, true);
    }

    /* fundPool, defundPool */

    function test_fundPool__anyone__grows_the_free_reserve() public {
        vm.prank(BEN);
        pools.fundPool(0, 7e18);
        assertEq(freeOf(0), RESERVE + 7e18, "free");
        assertEq(trace.balanceOf(address(pools)), RESERVE + 100e18 + 7e18, "held");
    }

    function test_fundPool__unknown_or_nothing__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.UnknownPool.selector, 2));
        pools.fundPool(2, 1);
        vm.expectRevert(IStakingPools.ZeroAmount.selector);
        pools.fundPool(0, 0);
    }

    function test_defundPool__free_reserve__only_that() public {
        stake(anna, 0, 100e18);
        uint96 free = uint96(freeOf(0));
        vm.expectRevert(
            abi.encodeWithSelector(IStakingPools.ReserveTooSmall.selector, 0, free, uint256(free) + 1)
        );
        pools.defundPool(0, CLEO, free + 1);
        pools.defundPool(0, address(0x7ea), free);
        assertEq(trace.balanceOf(address(0x7ea)), free, "paid");
        vm.warp(T + LOCK);
        assertEq(
            withdraw(anna, 0, 100e18), 100e18 + interest(100e18, APY, LOCK), "what was promised is still paid"
        );
    }

    function test_defundPool__nothing_or_not_the_administrator__reverts() public {
        vm.expectRevert(IStakingPools.ZeroAmount.selector);
        pools.defundPool(0, CLEO, 0);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, MANAGER));
        vm.prank(MANAGER);
        pools.defundPool(0, MANAGER, 1);
    }

    /* stake */

    function test_stake__first__opens_a_position_and_reserves_its_reward() public {
        stake(anna, 0, 100e18);
        (IStakingPools.Position memory position, uint256 claimable, uint256 owed) = pools.positionOf(0, anna);
        assertTrue(position.amount == 100e18 && position.apyBps == APY, "stake");
        assertTrue(position.start == T && position.paidUntil == T && position.unlockAt == T + LOCK, "times");
        assertEq(claimable, 0, "nothing yet");
        assertEq(owed, interest(100e18, APY, LOCK), "promised");
        assertEq(freeOf(0), RESERVE - owed, "reserved");
        assertEq(stakedIn(0), 100e18, "staked");
    }

    function test_stake__unknown_closed_or_nothing__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.UnknownPool.selector, 2));
        vm.prank(anna);
        pools.stake(2, 1e18);
        vm.expectRevert(IStakingPools.ZeroAmount.selector);
        vm.prank(anna);
        pools.stake(0, 0);
    }

    function test_stake__below_the_minimum__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.StakeTooSmall.selector, 0, MIN - 1, MIN));
        vm.prank(anna);
        pools.stake(0, MIN - 1);
        stake(anna, 0, MIN);
        stake(anna, 0, 1);
    }

    function test_stake__full_pool__reverts_with_the_room() public {
        pools.fundPool(0, 100_000e18);
        stake(BEN, 0, CAP - 10e18);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.PoolFull.selector, 0, 10e18, 10e18 + 1));
        vm.prank(anna);
        pools.stake(0, 10e18 + 1);
        stake(anna, 0, 10e18);
        assertEq(stakedIn(0), CAP, "full");
    }

    function test_12_stake__beyond_the_reserve__reverts_with_the_figures() public {
        uint96 most = uint96(uint256(RESERVE) * YEAR_BPS / APY / LOCK);
        uint256 needed = interest(most + 1e18, APY, LOCK);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.ReserveTooSmall.selector, 0, RESERVE, needed));
        vm.prank(anna);
        pools.stake(0, most + 1e18);
        stake(anna, 0, most);
    }

    function test_stake__without_allowance__reverts() public {
        vm.prank(anna);
        trace.approve(address(pools), 0);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(pools), 0, 10e18)
        );
        vm.prank(anna);
        pools.stake(0, 10e18);
    }

    function test_stake__into_a_running_lock__carries_over_and_locks_anew() public {
        stake(anna, 0, 100e18);
        vm.warp(T + 30 days);
        uint256 earned = claimableOf(anna, 0);
        stake(anna, 0, 300e18);
        (IStakingPools.Position memory position, uint256 claimable, uint256 owed) = pools.positionOf(0, anna);
        assertEq(position.unlockAt, T + 30 days + LOCK, "locked anew");
        assertTrue(claimable <= earned && earned - claimable <= interest(400e18, APY, 1) + 1, "carried over");
        assertTrue(owed <= interest(400e18, APY, LOCK) + earned, "promised");
        assertEq(freeOf(0), RESERVE - owed, "reserved");
    }

    function test_stake__after_the_lock__compounds() public {
        stake(anna, 0, 100e18);
        vm.warp(T + LOCK + 5 days);
        uint256 earned = interest(100e18, APY, LOCK);
        stake(anna, 0, 50e18);
        assertEq(principalOf(anna, 0), 150e18 + earned, "principal");
        assertEq(stakedIn(0), 150e18 + earned, "staked");
        assertEq(claimableOf(anna, 0), 0, "nothing left to claim");
        assertEq(emergencyExit(anna, 0), 150e18 + earned, "and what it earned cannot be lost any more");
    }

    /* stakeWithPermit */

    function test_stakeWithPermit__fresh__stakes() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(20e18);
        vm.prank(anna);
        pools.stakeWithPermit(0, 20e18, T * 2, v, r, s);
        assertEq(principalOf(anna, 0), 20e18, "staked");
    }

    function test_stakeWithPermit__handed_in_by_another__stakes() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(20e18);
        vm.prank(STRANGER);
        trace.permit(anna, address(pools), 20e18, T * 2, v, r, s);
        vm.prank(anna);
        pools.stakeWithPermit(0, 20e18, T * 2, v, r, s);
        assertEq(principalOf(anna, 0), 20e18, "staked");
    }

    function test_attack_stakeWithPermit__anothers_permit__stakes_nothing_of_his() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(20e18);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(pools), 0, 20e18)
        );
        vm.prank(STRANGER);
        pools.stakeWithPermit(0, 20e18, T * 2, v, r, s);
    }

    function test_attack_stakeWithPermit__replayed__reverts() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(20e18);
        vm.prank(anna);
        pools.stakeWithPermit(0, 20e18, T * 2, v, r, s);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(pools), 0, 20e18)
        );
        vm.prank(anna);
        pools.stakeWithPermit(0, 20e18, T * 2, v, r, s);
    }

    function test_stakeWithPermit__nothing__reverts() public {
        vm.expectRevert(IStakingPools.ZeroAmount.selector);
        vm.prank(anna);
        pools.stakeWithPermit(0, 0, T * 2, 27, 0, 0);
    }

    /* renew */

    function test_renew__after_the_lock__compounds_without_money() public {
        stake(anna, 0, 100e18);
        vm.warp(T + LOCK);
        uint256 before = trace.balanceOf(anna);
        vm.prank(anna);
        pools.renew(0);
        assertEq(principalOf(anna, 0), 100e18 + interest(100e18, APY, LOCK), "principal");
        assertEq(trace.balanceOf(anna), before, "no money");
        assertEq(owedTo(anna, 0), interest(principalOf(anna, 0), APY, LOCK), "a new promise");
    }

    function test_renew__without_a_position__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.StakeTooSmall.selector, 0, 0, MIN));
        vm.prank(anna);
        pools.renew(0);
    }

    function test_renew__more_than_the_room__reverts_and_withdrawal_goes_on() public {
        uint32 poolId = addPool(1000, 365 days, 1e18, 100e18, 100e18);
        stake(anna, poolId, 100e18);
        vm.warp(T + 365 days);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.PoolFull.selector, poolId, 0, 10e18));
        vm.prank(anna);
        pools.renew(poolId);
        assertEq(withdraw(anna, poolId, 100e18), 110e18, "withdraws");
    }

    /* HELPERS */

    function permitOf(uint256 value) private returns (uint8 v, bytes32 r, bytes32 s) {
        vm.prank(anna);
        trace.approve(address(pools), 0);
        bytes32 hash = keccak256(abi.encode(PERMIT, anna, address(pools), value, 0, T * 2));
        return vm.sign(ANNA_KEY, keccak256(abi.encodePacked(hex"1901", trace.DOMAIN_SEPARATOR(), hash)));
    }
}
