// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IStakingPools} from "../../../contracts/src/interfaces/IStakingPools.sol";
import {StakingBase} from "./StakingBase.sol";
import {skip} from "./Time.sol";

/// @notice What stakes earn and how they leave, case by case.
contract StakingOutTest is StakingBase {
    /* claim */

    function test_claim__while_locked__pays_what_was_earned() public {
        stake(anna, 0, 100e18);
        vm.warp(T + 10 days);
        assertEq(claim(anna, 0), interest(100e18, APY, 10 days), "ten days");
        vm.warp(T + 30 days);
        assertEq(
            claim(anna, 0), interest(100e18, APY, 30 days) - interest(100e18, APY, 10 days), "twenty more"
        );
    }

    function test_claim__long_after_the_lock__pays_the_lock_only() public {
        stake(anna, 0, 100e18);
        vm.warp(T + 3000 days);
        assertEq(claim(anna, 0), interest(100e18, APY, LOCK), "one lock");
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.NothingToClaim.selector, 0, anna));
        vm.prank(anna);
        pools.claim(0);
    }

    function test_claim__at_once_or_without_position__reverts() public {
        stake(anna, 0, 100e18);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.NothingToClaim.selector, 0, anna));
        vm.prank(anna);
        pools.claim(0);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.NothingToClaim.selector, 0, STRANGER));
        vm.prank(STRANGER);
        pools.claim(0);
    }

    function testFuzz_claim__in_many_parts__sums_to_the_whole(uint96 amount, uint32[8] calldata waits)
        public
    {
        amount = uint96(bound(amount, MIN, 100_000e18));
        stake(anna, 0, amount);
        uint256 paid;
        for (uint256 i; i < waits.length; ++i) {
            skip(waits[i] % 20 days);
            if (claimableOf(anna, 0) != 0) paid += claim(anna, 0);
        }
        vm.warp(T + LOCK);
        if (claimableOf(anna, 0) != 0) paid += claim(anna, 0);
        assertEq(paid, interest(amount, APY, LOCK), "no unit more or less");
    }

    /* withdraw */

    function test_12_withdraw__after_the_lock__pays_principal_and_reward() public {
        stake(anna, 0, 100e18);
        vm.warp(T + LOCK);
        assertEq(withdraw(anna, 0, 100e18), 100e18 + interest(100e18, APY, LOCK), "paid");
        assertTrue(principalOf(anna, 0) == 0 && owedTo(anna, 0) == 0 && stakedIn(0) == 0, "closed");
    }

    function test_12_withdraw__in_parts__pays_the_reward_once() public {
        stake(anna, 0, 100e18);
        vm.warp(T + LOCK);
        assertEq(withdraw(anna, 0, 1), 1 + interest(100e18, APY, LOCK), "first");
        vm.warp(T + LOCK + 50 days);
        assertEq(withdraw(anna, 0, 100e18 - 1), 100e18 - 1, "second");
    }

    function test_withdraw__while_locked_too_much_or_nothing__reverts() public {
        stake(anna, 0, 100e18);
        vm.warp(T + LOCK - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IStakingPools.StillLocked.selector, 0, anna, uint256(T) + LOCK)
        );
        vm.prank(anna);
        pools.withdraw(0, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IStakingPools.InsufficientStake.selector, 0, anna, 100e18, 100e18 + 1)
        );
        vm.prank(anna);
        pools.withdraw(0, 100e18 + 1);
        vm.expectRevert(IStakingPools.ZeroAmount.selector);
        vm.prank(anna);
        pools.withdraw(0, 0);
    }

    /* emergencyExit */

    function test_12_emergencyExit__while_locked__returns_exactly_what_was_brought() public {
        stake(anna, 0, 100e18);
        vm.warp(T + 40 days);
        uint256 paid = claim(anna, 0);
        vm.warp(T + 50 days);
        assertEq(emergencyExit(anna, 0) + paid, 100e18, "in all");
        assertEq(freeOf(0), RESERVE, "the reserve is whole again");
        assertTrue(stakedIn(0) == 0 && principalOf(anna, 0) == 0, "closed");
    }

    function test_12_emergencyExit__after_the_lock__keeps_paid_rewards() public {
        stake(anna, 0, 100e18);
        vm.warp(T + 40 days);
        uint256 paid = claim(anna, 0);
        vm.warp(T + LOCK);
        assertEq(emergencyExit(anna, 0), 100e18, "principal");
        assertEq(freeOf(0), RESERVE - paid, "unpaid reward is free again");
    }

    function test_emergencyExit__without_position__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.InsufficientStake.selector, 0, anna, 0, 1));
        vm.prank(anna);
        pools.emergencyExit(0);
    }

    /// @dev Topping up again and again while claiming: more may have been paid than the principal is.
    function test_12_emergencyExit__paid_more_than_the_principal__pays_nothing_and_closes() public {
        uint32 poolId = addPool(10_000, 365 days, 1e18, 1000e18, 1000e18);
        stake(anna, poolId, 10e18);
        for (uint256 i = 1; i <= 5; ++i) {
            vm.warp(T + i * 360 days);
            claim(anna, poolId);
            vm.prank(anna);
            pools.renew(poolId);
        }
        assertEq(emergencyExit(anna, poolId), 0, "nothing");
        assertTrue(principalOf(anna, poolId) == 0, "closed");
    }

    /* 12: WHAT EACH MAY EARN */

    function testFuzz_12_late_joiner__earns_nothing_for_the_past(uint96 amount, uint32 wait, uint32 stay)
        public
    {
        amount = uint96(bound(amount, MIN, 100_000e18));
        stake(BEN, 0, 1000e18);
        vm.warp(T + wait % 400 days);
        stake(anna, 0, amount);
        assertEq(claimableOf(anna, 0), 0, "nothing for the past");
        uint256 staysFor = bound(stay, 0, LOCK);
        skip(staysFor);
        assertEq(claimableOf(anna, 0), interest(amount, APY, staysFor), "and the rest by the second");
    }

    function testFuzz_12_top_up__earns_no_more_than_each_part_would(
        uint96 first,
        uint96 second,
        uint32 wait,
        bool claims
    ) public {
        (first, second) = (uint96(bound(first, MIN, 50_000e18)), uint96(bound(second, 1, 50_000e18)));
        uint256 waits = bound(wait, 1, LOCK - 1);
        stake(anna, 0, first);
        vm.warp(T + waits);
        uint256 paid = claims && claimableOf(anna, 0) != 0 ? claim(anna, 0) : 0;
        stake(anna, 0, second);
        vm.warp(T + waits + LOCK);
        uint256 sum = uint256(first) + second;
        uint256 most = interest(first, APY, waits) + sum * APY * LOCK / YEAR_BPS + 1;
        uint256 earned = paid + claimableOf(anna, 0);
        assertTrue(earned <= most, "too much");
        assertTrue(earned + 2 * interest(sum, APY, 1) + 3 >= most, "lost more than two seconds");
    }

    /// @dev Two pools worked in one order and the other end the same: neither knows of the other.
    function testFuzz_12_pool_order__does_not_matter(uint96 inFirst, uint96 inSecond, uint32 wait) public {
        uint256 snapshot = vm.snapshotState();
        bytes32 forwards = play(0, 1, inFirst, inSecond, wait);
        vm.revertToState(snapshot);
        bytes32 backwards = play(1, 0, inFirst, inSecond, wait);
        assertTrue(forwards == backwards, "order matters");
    }

    function play(uint32 first, uint32 second, uint96 inFirst, uint96 inSecond, uint32 wait)
        private
        returns (bytes32)
    {
        uint96[2] memory amounts =
            [uint96(bound(inFirst, MIN, 20_000e18)), uint96(bound(inSecond, MIN, 10_000e18))];
        uint32[2] memory order = [first, second];
        for (uint256 i; i < 2; ++i) {
            stake(anna, order[i], amounts[order[i]]);
        }
        vm.warp(T + bound(wait, 1 days, 100 days));
        for (uint256 i; i < 2; ++i) {
            claim(anna, order[i]);
            stake(BEN, order[i], amounts[order[i]]);
        }
        vm.warp(T + 200 days);
        for (uint256 i; i < 2; ++i) {
            withdraw(anna, order[i], amounts[order[i]]);
        }
        return keccak256(
            abi.encode(
                trace.balanceOf(anna), owedTo(BEN, 0), owedTo(BEN, 1), freeOf(0), freeOf(1), stakedIn(0)
            )
        );
    }
}
