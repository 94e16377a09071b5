// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Campaign} from "./Campaign.sol";
import {Handler} from "./Handler.sol";

/// @notice The exchange's invariants, by number (contracts/README.md), after every step of a random campaign.
contract InvariantTest is Campaign {
    Handler private handler;

    function setUp() public {
        handler = new Handler();
        playWith(address(handler));
    }

    function invariant_01_tokens_held_cover_the_books() public view {
        (uint256 cash, uint256 energyWh) = handler.sums();
        (uint256 cashHeld, uint256 energyHeld) = handler.tokensHeld();
        assertTrue(cashHeld >= cash, "cash");
        assertTrue(energyHeld >= energyWh, "energy");
    }

    function invariant_02_a_batch_changes_no_sum() public view {
        assertEq(handler.unbalancedBatches(), 0, "batches");
    }

    function invariant_03_orders_keep_quantity_price_and_life() public view {
        assertEq(handler.brokenOrders(), 0, "quantity or price");
        assertEq(handler.deadOrderFills(), 0, "expired, cancelled or replaced");
        assertEq(handler.mandatesBeyondLimit(), 0, "a mandate's price");
    }

    function invariant_04_nobody_loses_without_a_word() public view {
        assertEq(handler.unallowedLosses(), 0, "losses");
        assertEq(handler.budgetGrowths(), 0, "budgets");
    }

    /// @dev 4 also: a mandate's budget for a slot is its own, whichever book names it and whatever else was traded.
    function invariant_04_mandates_keep_their_slots_budget() public view {
        assertEq(handler.overdrawnMandates(), 0, "more than a slot's most");
        assertEq(handler.revokedFills(), 0, "after it was revoked");
    }

    function invariant_05_the_fee_keeps_its_cap() public view {
        assertEq(handler.feesAboveCap(), 0, "fees");
    }

    function invariant_06_the_way_out_is_open() public view {
        assertEq(handler.failedExits(), 0, "exits");
    }

    function invariant_07_self_trades_conserve() public view {
        assertEq(handler.unbalancedSelfTrades(), 0, "self-trades");
    }

    function invariant_09_energy_is_metered() public view {
        (uint256 attestedWh, uint256 issuedWh, uint256 supplyWh) = handler.registers();
        assertTrue(issuedWh <= attestedWh, "issued beyond the registers");
        assertEq(supplyWh + handler.consumed(), issuedWh, "supply");
    }

    /// @dev The campaign means nothing if no batch ever settles.
    function test_handler__settles_batches() public {
        for (uint256 i; i < 200; ++i) {
            handler.trade(uint256(keccak256(abi.encode(i))));
            handler.tradeMandates(uint256(keccak256(abi.encode("mandates", i))));
        }
        assertTrue(handler.mandatesFilled() >= 5 && handler.selfTrades() >= 5, "no mandates or self-trades");
        assertTrue(handler.settled() >= 40 && handler.refused() >= 20, "too few of a kind");
    }
}
