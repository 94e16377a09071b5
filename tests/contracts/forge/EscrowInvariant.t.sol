// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IEscrow} from "../../../contracts/src/interfaces/IEscrow.sol";
import {Campaign} from "./Campaign.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

/// @notice Invariant 10 (contracts/README.md) after every step of a random campaign.
contract EscrowInvariantTest is Campaign {
    EscrowHandler private handler;

    function setUp() public {
        handler = new EscrowHandler();
        playWith(address(handler));
        leaveOut(EscrowHandler.hanging.selector);
    }

    function invariant_10_paidOutPlusHeldIsDeposited() public view {
        assertEq(handler.unbalanced(), 0, "deals");
        (uint256 held, uint256 booked) = handler.sums();
        assertEq(held, booked + handler.donated(), "tokens");
    }

    function invariant_10_terminalStatesAreFinal() public view {
        assertEq(handler.forbiddenTransitions(), 0, "transitions");
        assertEq(handler.wrongCallers(), 0, "callers");
    }

    function invariant_10_onlyThePartiesArePaid() public view {
        assertEq(handler.strayed(), 0, "strayed");
    }

    function invariant_10_noDealHangs() public {
        assertEq(handler.hanging(), 0, "hanging");
    }

    /// @dev The campaign means nothing if hardly anything succeeds.
    function test_handler__reaches_every_state() public {
        for (uint256 i; i < 600; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            if (i % 4 == 0) handler.open(uint96(seed), uint16(seed), uint32(seed >> 100));
            handler.step(seed >> 1, seed >> 2, uint8(seed >> 3), uint96(seed >> 11));
            if (i % 9 == 0) handler.wait(uint32(seed));
            handler.collect(seed >> 5, seed >> 6);
        }
        for (uint256 state = uint256(IEscrow.State.Open); state <= uint256(IEscrow.State.Resolved); ++state) {
            assertTrue(handler.reached(IEscrow.State(state)) >= 3, "never reached");
        }
    }
}
