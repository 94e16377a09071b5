// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Charges for imbalance, within the mandate of whoever is charged.
contract AdjustTest is Fixture, ISettlementErrors {
    function setUp() public override {
        super.setUp();
        giveCash(anna, 1_000_000);
    }

    function test_04_adjust__without_mandate__reverts() public {
        settleReverts(chargeOf(T, 1), abi.encodeWithSelector(MandateExpired.selector, anna, 0, T));
    }

    function test_04_adjust__over_slot_budget__reverts() public {
        setMandate(ANNA_KEY, 100, 1000, 1);
        settle(chargeOf(T, 60));
        settleReverts(chargeOf(T, 41), abi.encodeWithSelector(MandateExceeded.selector, anna, 41, 40, 940));
        settle(chargeOf(T, 40));
        settle(chargeOf(T + SLOT, 100));
        assertEq(cashOf(anna), 1_000_000 - 200, "charged");
    }

    function test_04_adjust__earlier_slot__shares_the_latest_slots_budget() public {
        setMandate(ANNA_KEY, 100, 1000, 1);
        settle(chargeOf(T + SLOT, 60));
        settleReverts(chargeOf(T, 41), abi.encodeWithSelector(MandateExceeded.selector, anna, 41, 40, 940));
        settle(chargeOf(T, 40));
        settleReverts(
            chargeOf(T + SLOT, 1), abi.encodeWithSelector(MandateExceeded.selector, anna, 1, 0, 900)
        );
    }

    function test_04_adjust__slots_long_before_the_first_mandate__share_one_budget() public {
        setMandate(ANNA_KEY, 100, 1000, 1);
        uint64 longAgo = T - 100 * SLOT;
        settle(chargeOf(longAgo, 60));
        settleReverts(
            chargeOf(longAgo + SLOT, 60), abi.encodeWithSelector(MandateExceeded.selector, anna, 60, 40, 940)
        );
        settle(chargeOf(longAgo + SLOT, 40));
        settle(chargeOf(T, 100)); // within the hour before the mandate
    }

    /// @dev A zero fill may return money, which makes the sum of what was paid negative before the charge.
    function test_05_attack_adjust__zero_fill_that_pays__lifts_no_fee_cap() public {
        setMandate(ANNA_KEY, 500_000, 500_000, 1);
        ReferenceExchange.Batch memory batch = batchOf(1, 1);
        batch.fills[0] = fillOf(BEN_KEY, orderOf(BEN_KEY, 0, 1000, 300_000), 0, -1);
        batch.adjustments[0] = ReferenceExchange.Adjustment(anna, -500_000);
        settleReverts(batch, abi.encodeWithSelector(FeeOutOfRange.selector, 499_999, 2));
    }

    function test_04_adjust__over_whole_budget__reverts_until_a_new_mandate() public {
        setMandate(ANNA_KEY, 100, 150, 1);
        settle(chargeOf(T, 100));
        settleReverts(
            chargeOf(T + SLOT, 51), abi.encodeWithSelector(MandateExceeded.selector, anna, 51, 100, 50)
        );
        setMandate(ANNA_KEY, 100, 150, 2);
        settle(chargeOf(T + SLOT, 100));
    }

    function test_04_adjust__mandate_ends_before_slot__reverts() public {
        ISettlementExchange.Mandate memory mandate =
            ISettlementExchange.Mandate(anna, 100, 100, uint32(T + SLOT - 1), 1);
        exchange.setMandate(mandate, signed(ANNA_KEY, exchange.mandateDigest(mandate)));
        settle(chargeOf(T, 1));
        settleReverts(
            chargeOf(T + SLOT, 1),
            abi.encodeWithSelector(MandateExpired.selector, anna, T + SLOT - 1, T + SLOT)
        );
    }

    function test_04_adjust__most_negative_charge__reverts() public {
        setMandate(ANNA_KEY, type(uint64).max, type(uint64).max, 1);
        ReferenceExchange.Batch memory batch = batchOf(0, 1);
        batch.adjustments[0] = ReferenceExchange.Adjustment(anna, type(int64).min);
        settleReverts(batch, MandateExceeded.selector);
    }

    function test_04_adjust__short_of_cash__reverts() public {
        setMandate(ANNA_KEY, 2_000_000, 2_000_000, 1);
        settleReverts(
            chargeOf(T, 1_000_001),
            abi.encodeWithSelector(InsufficientCash.selector, anna, 1_000_000, 1_000_001)
        );
    }

    /// @dev Charges Anna and credits Ben.
    function chargeOf(uint64 deliveryStart, int64 charge)
        private
        view
        returns (ReferenceExchange.Batch memory batch)
    {
        batch = batchOf(0, 2);
        batch.deliveryStart = deliveryStart;
        batch.adjustments[0] = ReferenceExchange.Adjustment(anna, -charge);
        batch.adjustments[1] = ReferenceExchange.Adjustment(ben, charge);
    }
}
