// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Campaign} from "./Campaign.sol";
import {GovernanceHandler} from "./GovernanceHandler.sol";

/// @notice Invariant 16 (contracts/README.md) after every step of a random campaign.
contract GovernanceInvariantTest is Campaign {
    GovernanceHandler private handler;

    function setUp() public {
        handler = new GovernanceHandler();
        playWith(address(handler));
    }

    function invariant_16_onlyTheTimelockAdministers() public view {
        assertTrue(handler.actual() == handler.expected(), "the administration changed");
        assertEq(handler.earlyExecutions(), 0, "before the delay");
    }

    function invariant_16_onlyTheGuardianPauses() public view {
        assertEq(handler.pausedByOthers(), 0, "paused");
    }

    /// @dev The campaign means nothing if no vote ever passes.
    function test_handler__tries_and_enacts() public {
        for (uint256 i; i < 150; ++i) {
            handler.attempt(i % 6, i * 7);
            handler.viaManager(i % 6, i * 5);
            if (i % 20 == 0) handler.begin(i);
            if (i % 5 == 0) handler.wait(uint32(1 days + i));
            handler.finish();
        }
        assertTrue(handler.tries() >= 200 && handler.enacted() >= 3, "too few");
        assertTrue(handler.actual() == handler.expected(), "the administration changed");
    }
}
