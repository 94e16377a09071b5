// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Base} from "./Base.sol";
import {Handler} from "./Handler.sol";

/// @notice The exchange's invariants, by number (contracts/README.md), after every step of a random campaign.
contract InvariantTest is Base {
    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    /// @dev Only the handler is called: its actions wrap the contracts'.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = bytes4(keccak256("setUp()"));
        excluded = new FuzzSelector[](1);
        excluded[0] = FuzzSelector(address(handler), selectors);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
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
        assertTrue(handler.mandatesFilled() >= 5, "no mandates");
        assertTrue(handler.settled() >= 40 && handler.refused() >= 20, "too few of a kind");
    }
}
