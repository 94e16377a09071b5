// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IStakingPools} from "../../../contracts/src/interfaces/IStakingPools.sol";
import {StakingPools} from "../../../contracts/src/staking/StakingPools.sol";
import {FeeToken} from "./BadTokens.sol";
import {StakingBase} from "./StakingBase.sol";
import {HookToken, SilentToken} from "./OddTokens.sol";

/// @notice What stakers, tokens and callers with bad intent get.
contract StakingAttackTest is StakingBase {
    /* ATTACKS */

    /// @dev Staking, claiming and leaving with borrowed tokens in one block earns nothing.
    function test_attack_flash_loan__earns_nothing() public {
        stake(BEN, 0, 1000e18);
        uint256 before = trace.balanceOf(anna);
        stake(anna, 0, 100_000e18);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.NothingToClaim.selector, 0, anna));
        vm.prank(anna);
        pools.claim(0);
        emergencyExit(anna, 0);
        assertEq(trace.balanceOf(anna), before, "as before");
        assertEq(freeOf(0) + owedTo(BEN, 0), RESERVE, "and so is the reserve");
    }

    /// @dev Claiming through the lock and leaving before its end would make the lock worthless.
    function test_attack_claim_then_exit__earns_nothing() public {
        stake(anna, 0, 100e18);
        uint256 before = trace.balanceOf(anna);
        for (uint256 day = 1; day < 90; ++day) {
            vm.warp(T + day * 1 days);
            claim(anna, 0);
            if (day % 10 == 0) stake(anna, 0, 1);
        }
        emergencyExit(anna, 0);
        assertTrue(trace.balanceOf(anna) <= before + 100e18, "no gain");
    }

    /// @dev Whoever fills a pool for nothing cannot keep it full: his own money is in it, without votes and reward.
    function test_attack_full_pool__others_are_paid_and_the_room_comes_back() public {
        pools.fundPool(0, 100_000e18);
        stake(anna, 0, 100e18);
        stake(BEN, 0, CAP - 100e18);
        vm.warp(T + LOCK);
        assertEq(withdraw(anna, 0, 100e18), 100e18 + interest(100e18, APY, LOCK), "paid");
        emergencyExit(BEN, 0);
        stake(anna, 0, 100e18);
    }

    function test_attack_tiny_stakes__cost_nobody_anything() public {
        stake(BEN, 0, 100e18);
        stake(anna, 0, MIN);
        for (uint256 i; i < 50; ++i) {
            stake(anna, 0, 1);
        }
        vm.warp(T + LOCK);
        assertEq(withdraw(BEN, 0, 100e18), 100e18 + interest(100e18, APY, LOCK), "the other's reward");
        assertEq(
            trace.balanceOf(address(pools)),
            stakedIn(0) + freeOf(0) + owedTo(anna, 0) + freeOf(1),
            "and the books"
        );
    }

    function test_attack_fee_on_transfer__no_pool_can_be_funded() public {
        FeeToken token = new FeeToken();
        StakingPools other = new StakingPools(address(manager), IERC20(address(token)));
        uint32 poolId = other.addPool(APY, LOCK, 1, 1000);
        token.mint(address(this), 100);
        token.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(IStakingPools.UnexpectedTransfer.selector, 100, 99));
        other.fundPool(poolId, 100);
    }

    function test_attack_token_without_return__is_handled() public {
        SilentToken token = new SilentToken();
        StakingPools other = new StakingPools(address(manager), IERC20(address(token)));
        uint32 poolId = other.addPool(10_000, 365 days, 1, 1000);
        token.mint(address(this), 200);
        token.approve(address(other), 200);
        other.fundPool(poolId, 100);
        other.stake(poolId, 100);
        vm.warp(T + 365 days);
        other.withdraw(poolId, 100);
        assertEq(token.balanceOf(address(this)), 200, "all back");
    }

    /// @dev A token that calls back in the middle of a payment finds the books already closed.
    function test_attack_reentrancy__pays_once() public {
        HookToken token = new HookToken();
        StakingPools other = new StakingPools(address(manager), IERC20(address(token)));
        uint32 poolId = other.addPool(10_000, 365 days, 1, 1000);
        token.mint(address(this), 500);
        token.approve(address(other), 500);
        other.fundPool(poolId, 200);
        token.mint(address(token), 100);
        token.act(address(token), abi.encodeCall(IERC20.approve, (address(other), 100)));
        token.act(address(other), abi.encodeCall(IStakingPools.stake, (poolId, 100)));
        vm.warp(T + 100 days);
        bytes[3] memory calls = [
            abi.encodeCall(IStakingPools.claim, (poolId)),
            abi.encodeCall(IStakingPools.withdraw, (poolId, 100)),
            abi.encodeCall(IStakingPools.emergencyExit, (poolId))
        ];
        for (uint256 i; i < 3; ++i) {
            if (i == 1) vm.warp(T + 365 days);
            uint256 snapshot = vm.snapshotState();
            token.arm(address(other), calls[i]);
            token.act(address(other), calls[i]);
            assertTrue(token.reason().length != 0, "the second call is refused");
            assertTrue(token.balanceOf(address(token)) <= 200, "paid no more than principal and reward");
            vm.revertToState(snapshot);
        }
    }
}
