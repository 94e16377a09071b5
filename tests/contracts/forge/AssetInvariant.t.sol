// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AssetHandler} from "./AssetHandler.sol";
import {Campaign} from "./Campaign.sol";

/// @notice The assets' invariants (number 11 of contracts/README.md) after every step of a random campaign.
contract AssetInvariantTest is Campaign {
    AssetHandler private handler;

    function setUp() public {
        handler = new AssetHandler();
        playWith(address(handler));
    }

    function invariant_11_claimsNeverExceedRevenue() public view {
        (uint256 owed,, uint256 money) = handler.sums();
        assertTrue(owed + handler.claimed() <= handler.deposited(), "owed and claimed");
        assertTrue(money >= owed, "money covers what is owed");
    }

    function invariant_11_nothingIsLostButDust() public view {
        (uint256 owed,,) = handler.sums();
        // A fraction of a unit for each of four holders, and what the next deposit shares.
        assertTrue(owed + handler.claimed() + 4 >= handler.deposited(), "lost");
    }

    function invariant_11_booksAddUpExactly() public view {
        (uint256 each, uint256 carried, uint256 booked, uint256 supply) = handler.books();
        assertEq(booked, handler.deposited(), "deposited");
        assertEq(each * supply + carried, booked << 60, "to the unit of 2^-60");
    }

    function invariant_11_transfersNeverCreateClaims() public view {
        assertEq(handler.createdByTransfer(), 0, "transfers");
    }

    function invariant_11_noUnclearedAccountGains() public view {
        assertEq(handler.unclearedGains(), 0, "fractions");
        assertEq(handler.unclearedPayments(), 0, "money");
    }

    function invariant_11_supplyIsFixed() public view {
        (, uint256 held,) = handler.sums();
        (,,, uint256 supply) = handler.books();
        assertEq(held, 1000, "held");
        assertEq(supply, 1000, "supply");
    }

    /// @dev The campaign means nothing if nothing ever succeeds or nothing is ever refused.
    function test_handler__moves_and_refuses() public {
        for (uint256 i; i < 300; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.transfer(seed, seed >> 8, seed >> 16);
            handler.offer(uint96(seed), 200);
            handler.buy(seed >> 24, uint96(seed));
            handler.deposit(seed, seed >> 32, seed % 2 == 0);
            handler.claim(seed >> 8, seed % 3 == 0);
            if (i % 5 == 0) handler.setClearance(seed, seed >> 40);
            if (i % 7 == 0) handler.force(seed, seed >> 8, seed >> 16, true);
        }
        assertTrue(handler.moved() > 60 && handler.refused() > 60, "too few of a kind");
        assertTrue(handler.bought() > 20 && handler.claimed() > 0, "too few of a kind");
        invariant_11_claimsNeverExceedRevenue();
        invariant_11_nothingIsLostButDust();
    }
}
