// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Campaign} from "./Campaign.sol";
import {StakingHandler} from "./StakingHandler.sol";

/// @notice Invariant 12 (contracts/README.md) after every step of a random campaign.
contract StakingInvariantTest is Campaign {
    StakingHandler private handler;

    function setUp() public {
        handler = new StakingHandler();
        playWith(address(handler));
        leaveOut(StakingHandler.stuckPositions.selector);
    }

    /// @dev What is owed is within the reserve: tokens held are what is staked, promised and free, and what was donated.
    function invariant_12_owedNeverExceedsTheReserve() public view {
        (uint256 held, uint256 booked) = handler.sums();
        assertEq(held, booked + handler.donated(), "held");
    }

    function invariant_12_poolsHoldTheirPositions() public view {
        assertTrue(handler.stakesAddUp(), "sum of positions");
        assertEq(handler.lockedWithdrawals(), 0, "locks hold");
    }

    function invariant_12_everyPositionCanBeClosedAndPaid() public {
        assertEq(handler.stuckPositions(), 0, "stuck");
    }

    function invariant_12_leavingEarlyEarnsNothing() public view {
        assertEq(handler.gainfulExits(), 0, "gains");
    }

    /// @dev The campaign means nothing if hardly anything succeeds.
    function test_handler__reaches_every_action() public {
        for (uint256 i; i < 300; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.stake(seed, uint32(seed >> 8), uint96(seed >> 40));
            if (i % 3 == 0) handler.claim(seed >> 1, uint32(seed >> 9));
            if (i % 5 == 0) handler.wait(uint32(seed));
            if (i % 7 == 0) handler.withdraw(seed >> 2, uint32(seed >> 10), uint96(seed));
            if (i % 29 == 0) handler.emergencyExit(seed >> 3, uint32(seed >> 11));
        }
        assertTrue(handler.staked() >= 50 && handler.refused() >= 10, "stakes");
        assertTrue(handler.claims() >= 10, "claims");
        assertTrue(handler.withdrawals() >= 3 && handler.exits() >= 3, "ways out");
    }
}
