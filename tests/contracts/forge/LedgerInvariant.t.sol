// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Campaign} from "./Campaign.sol";
import {LedgerHandler} from "./LedgerHandler.sol";

/// @notice The ledger's invariants, by number (contracts/README.md), after every step of a random campaign.
contract LedgerInvariantTest is Campaign {
    LedgerHandler private handler;

    function setUp() public {
        handler = new LedgerHandler();
        playWith(address(handler));
    }

    function invariant_09_supply_is_minted_minus_consumed() public view {
        (uint256 supplyWh, uint256 mintedWh) = handler.supply();
        assertEq(supplyWh, mintedWh - handler.consumed(), "supply");
    }

    function invariant_09_minted_is_within_the_register_and_the_register_within_the_cap() public view {
        assertEq(handler.overMinted(), 0, "minted beyond the register");
        assertEq(handler.beyondCap(), 0, "register beyond the cap");
    }

    function invariant_09_registers_fall_only_by_a_logged_correction() public view {
        assertEq(handler.unloggedFalls(), 0, "falls");
    }

    function invariant_09_attacks_change_nothing() public view {
        assertEq(handler.breaches(), 0, "breaches");
    }

    /// @dev The campaign means nothing if nothing is ever attested, issued, corrected or refused.
    function test_handler__does_everything() public {
        for (uint256 i; i < 400; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            uint256 who = seed >> 8;
            if (seed % 8 < 2) handler.attest(who, seed >> 16, seed >> 64);
            else if (seed % 8 < 4) handler.attestSigned(who, seed >> 16, seed >> 64);
            else if (seed % 8 == 4) handler.issue(who, seed >> 16);
            else if (seed % 8 == 5) handler.consume(who, uint64(seed >> 64));
            else if (seed % 8 == 6) handler.correct(who, uint64(seed >> 64) % 100, seed >> 250 == 0);
            else handler.attack(who, seed >> 16, uint64(seed >> 64));
        }
        assertTrue(handler.attested() > 50 && handler.signedAttested() > 50, "attested");
        assertTrue(handler.issued() > 20 && handler.consumed() != 0, "issued and consumed");
        assertTrue(handler.corrected() > 10 && handler.refused() > 50, "corrected and refused");
        assertEq(handler.breaches() + handler.unloggedFalls() + handler.beyondCap(), 0, "broken");
    }
}
