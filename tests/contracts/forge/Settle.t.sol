// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Vm} from "./Base.sol";
import {SettleBase} from "./SettleBase.sol";

/// @notice Settlement of batches, one test a rule.
contract SettleTest is SettleBase {
    /* WHAT A SETTLEMENT DOES */

    function test_settle__trade__moves_money_energy_and_fee() public {
        settle(tradeOf());
        assertEq(cashOf(anna), 700_000, "buyer paid");
        assertEq(cashOf(ben), 250_000, "seller received");
        assertEq(energyOf(anna), 1000, "energy delivered");
        assertEq(energyOf(ben), 4000, "energy taken");
        assertEq(exchange.fees(), 50_000, "fee");
        assertEq(exchange.nextSequence(), 1, "sequence");
        (uint32 slot, uint8 side, uint32 filledWh) = exchange.accountLaneOf(ben);
        assertTrue(slot == T && side == 1 && filledWh == 1000, "account lane");
        (uint48 nonce, uint48 inLane) = exchange.laneOf(ben, 0);
        assertTrue(nonce == 0 && inLane == 0, "no slot of its own");
    }

    function test_settle__trade__emits_packed_entries() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.version = 3;
        batch.adjustments = new ReferenceExchange.Adjustment[](1);
        batch.adjustments[0] = ReferenceExchange.Adjustment(cleo, 1000);
        vm.recordLogs();
        settle(batch);
        (uint16 version, uint64 fee, bytes memory entries) =
            abi.decode(vm.getRecordedLogs()[0].data, (uint16, uint64, bytes));
        bytes memory buy = abi.encodePacked(anna, uint8(0), ZONE, uint16(0), uint48(1), uint48(1000));
        bytes memory sell = abi.encodePacked(ben, uint8(1), ZONE, uint16(0), uint48(1), uint48(1000));
        bytes memory expected = bytes.concat(
            buy,
            abi.encodePacked(int64(300_000), uint48(1000)),
            sell,
            abi.encodePacked(int64(250_000), uint48(1000))
        );
        assertTrue(version == 3 && fee == 49_000, "version and fee");
        assertEq(entries, expected, "entries");
    }

    function test_settle__adjustments__emit_their_event_and_nothing_without() public {
        ReferenceExchange.Batch memory batch = batchOf(0, 2);
        setMandate(ANNA_KEY, 500, 500, 1);
        batch.adjustments[0] = ReferenceExchange.Adjustment(anna, -500);
        batch.adjustments[1] = ReferenceExchange.Adjustment(ben, 499);
        vm.recordLogs();
        settle(batch);
        settle(batchOf(0, 0));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 3, "events");
        assertTrue(logs[1].topics[0] == ISettlementExchange.ImbalanceSettled.selector, "imbalance event");
        (, bytes memory entries) = abi.decode(logs[1].data, (uint16, bytes));
        assertEq(entries, abi.encodePacked(anna, int64(-500), ben, int64(499)), "entries");
        assertEq(exchange.fees(), 1, "residue");
    }

    function test_settle__partly_delivered__moves_only_metered_energy() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.fills[0].deliveredWh = 400;
        batch.fills[1].deliveredWh = 400;
        settle(batch);
        assertEq(energyOf(anna), 400, "delivered");
        assertEq(cashOf(anna), 700_000, "money is firm on the fill");
    }

    function test_settle__late__order_valid_at_its_slot_still_fills() public {
        vm.warp(T + 30 days);
        settle(tradeOf());
        assertEq(cashOf(anna), 700_000, "settled");
    }

    function test_settle__in_two_parts__continues_the_lane() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        (batch.fills[0].fillWh, batch.fills[0].deliveredWh, batch.fills[0].money) = (600, 600, 180_000);
        (batch.fills[1].fillWh, batch.fills[1].deliveredWh, batch.fills[1].money) = (600, 600, 150_000);
        settle(batch);
        batch.sequence = 1;
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, anna, 0, 1200, 1000));
        (batch.fills[0].fillWh, batch.fills[0].deliveredWh, batch.fills[0].money) = (400, 400, 120_000);
        (batch.fills[1].fillWh, batch.fills[1].deliveredWh, batch.fills[1].money) = (400, 400, 100_000);
        settle(batch);
        (,, uint32 filledWh) = exchange.accountLaneOf(anna);
        assertEq(filledWh, 1000, "filled");
    }

    function test_settle__other_lane_in_two_parts__continues_the_lane() public {
        ReferenceExchange.Batch memory batch = laneTradeOf(7);
        (batch.fills[0].fillWh, batch.fills[0].deliveredWh, batch.fills[0].money) = (600, 600, 180_000);
        (batch.fills[1].fillWh, batch.fills[1].deliveredWh, batch.fills[1].money) = (600, 600, 150_000);
        settle(batch);
        batch.sequence = 1;
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, anna, 7, 1200, 1000));
        (batch.fills[0].fillWh, batch.fills[0].deliveredWh, batch.fills[0].money) = (400, 400, 120_000);
        (batch.fills[1].fillWh, batch.fills[1].deliveredWh, batch.fills[1].money) = (400, 400, 100_000);
        settle(batch);
        (uint48 nonce, uint48 filledWh) = exchange.laneOf(anna, 7);
        assertTrue(nonce == 1 && filledWh == 1000, "lane");
        (uint32 slot,,) = exchange.accountLaneOf(anna);
        assertEq(slot, 0, "the account lane was not used");
    }

    function test_settle__negative_price__seller_pays_buyer() public {
        giveCash(ben, 100);
        ReferenceExchange.Batch memory batch = batchOf(2, 0);
        batch.fills[0] = fillOf(BEN_KEY, orderOf(BEN_KEY, 1, 1000, -100), 1000, -100);
        batch.fills[1] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 1000, -90), 1000, -90);
        settle(batch);
        assertEq(cashOf(anna), 1_000_090, "buyer was paid");
        assertEq(cashOf(ben), 0, "seller paid");
    }

    /* WHO SETTLES */

    function test_settle__stranger__reverts() public {
        settleAs(STRANGER, abi.encodeWithSelector(NotSettler.selector, STRANGER));
        settle(batchOf(0, 0));
        settleAs(STRANGER, abi.encodeWithSelector(NotSettler.selector, STRANGER));
    }

    function test_settle__two_settlers__take_turns_on_one_sequence() public {
        exchange.setSettler(cleo, true);
        for (uint256 i; i < 6; ++i) {
            settleAs(i % 3 == 0 ? cleo : OPERATOR, "");
        }
        assertEq(exchange.nextSequence(), 6, "sequence");
        assertTrue(exchange.isSettler(cleo) && exchange.isSettler(OPERATOR), "both stay");
    }

    function test_settle__settler_who_settled_last_is_removed__reverts_at_once() public {
        settle(batchOf(0, 0));
        exchange.setSettler(OPERATOR, false);
        settleAs(OPERATOR, abi.encodeWithSelector(NotSettler.selector, OPERATOR));
        exchange.setSettler(OPERATOR, true);
        settleAs(OPERATOR, "");
    }

    function test_settle__another_settler_is_removed__the_last_one_goes_on() public {
        exchange.setSettler(cleo, true);
        settle(tradeOf());
        exchange.setSettler(cleo, false);
        settleAs(cleo, abi.encodeWithSelector(NotSettler.selector, cleo));
        settleAs(OPERATOR, "");
        assertTrue(exchange.nextSequence() == 2 && exchange.fees() == 50_000, "nothing else changed");
    }

    function test_settle__settler_set_again__keeps_sequence_fees_and_pause() public {
        settle(tradeOf());
        vm.prank(OPERATOR);
        exchange.pause();
        exchange.setSettler(OPERATOR, false);
        exchange.setSettler(OPERATOR, true);
        assertTrue(exchange.paused(), "paused");
        assertTrue(exchange.nextSequence() == 1 && exchange.fees() == 50_000, "sequence and fees");
        settleAs(OPERATOR, abi.encodeWithSelector(IsPaused.selector));
    }

    /// @dev An empty batch; no reason: it settles.
    function settleAs(address settler, bytes memory reason) private {
        bytes memory packed = encode(batchOf(0, 0));
        if (reason.length != 0) vm.expectRevert(reason);
        vm.prank(settler);
        exchange.settleBatch(packed);
    }

    /* THE BATCH */

    function test_attack_replayed_batch__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        settle(batch);
        settleReverts(batch, abi.encodeWithSelector(WrongSequence.selector, 0, 1));
    }

    function test_attack_replayed_order__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        settle(batch);
        batch.sequence = 1;
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, anna, 0, 2000, 1000));
    }

    function test_settle__sequence_ahead__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.sequence = 5;
        settleReverts(batch, abi.encodeWithSelector(WrongSequence.selector, 5, 0));
    }

    function test_settle__slot_not_begun_or_off_grid_or_zero__reverts() public {
        uint64[3] memory starts = [T + 3 * SLOT, T + 1, 0];
        for (uint256 i; i < 3; ++i) {
            ReferenceExchange.Batch memory batch = tradeOf();
            batch.deliveryStart = starts[i];
            settleReverts(batch, BadDeliveryStart.selector);
        }
    }

    function testFuzz_settle__length_against_counts__reverts(uint256 cut, bool longer) public {
        bytes memory packed = encode(tradeOf());
        bytes memory wrong =
            new bytes(longer ? packed.length + bound(cut, 1, 300) : bound(cut, 0, packed.length - 1));
        for (uint256 i; i < wrong.length && i < packed.length; ++i) {
            wrong[i] = packed[i];
        }
        vm.prank(OPERATOR);
        (bool ok, bytes memory reason) = address(exchange).call(abi.encodeCall(exchange.settleBatch, (wrong)));
        assertTrue(!ok && bytes4(reason) == BadBatchLength.selector, "accepted");
    }

    function test_settle__too_many_entries__reverts() public {
        settleReverts(batchOf(0, 401), abi.encodeWithSelector(TooManyEntries.selector, 401, 400));
    }

    function test_settle__bought_not_sold__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.fills[1].fillWh = 999;
        batch.fills[1].deliveredWh = 999;
        settleReverts(batch, abi.encodeWithSelector(EnergyNotConserved.selector, int256(1), int256(1)));
    }

    function test_settle__received_not_delivered__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.fills[1].deliveredWh = 0;
        settleReverts(batch, abi.encodeWithSelector(EnergyNotConserved.selector, int256(0), int256(1000)));
    }

    function test_attack_paused_settle__reverts() public {
        vm.prank(OPERATOR);
        exchange.pause();
        settleReverts(tradeOf(), IsPaused.selector);
        exchange.unpause();
        settle(tradeOf());
    }

    /* 5: FEE */

    function test_05_settle__more_paid_out_than_paid_in__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.fills[1].money = 300_001;
        settleReverts(batch, abi.encodeWithSelector(FeeOutOfRange.selector, int256(-1), 1_000_002));
    }

    function testFuzz_05_settle__fee__at_most_cap_and_rounding(uint256 feeSeed) public {
        giveCash(anna, 10_000_000);
        uint256 fee = bound(feeSeed, 999_990, 1_000_010);
        ReferenceExchange.Batch memory batch = batchOf(2, 0);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 1000, 3_000_000), 1000, int64(uint64(fee)));
        batch.fills[1] = fillOf(BEN_KEY, orderOf(BEN_KEY, 1, 1000, 0), 1000, 0);
        if (fee > 1_000_002) {
            settleReverts(batch, abi.encodeWithSelector(FeeOutOfRange.selector, int256(fee), 1_000_002));
        } else {
            settle(batch);
        }
    }

    /// @dev The exchange holds 2^55 - 1 units of fees: 36 billion euros.
    function test_05_settle__no_room_for_the_fee__reverts_until_fees_are_withdrawn() public {
        uint64 room = 2 ** 55 - 1;
        giveCash(anna, 2 ** 56);
        settleReverts(
            feeOf(room + 1), abi.encodeWithSelector(FeeOutOfRange.selector, int256(uint256(room) + 1), room)
        );
        settle(feeOf(room));
        assertTrue(exchange.fees() == room && exchange.nextSequence() == 1, "full");
        settleReverts(feeOf(1), abi.encodeWithSelector(FeeOutOfRange.selector, int256(1), 0));
        vm.prank(OPERATOR);
        exchange.withdrawFees(OPERATOR, room);
        settle(feeOf(1));
        assertTrue(exchange.fees() == 1 && exchange.nextSequence() == 2 && !exchange.paused(), "room again");
    }

    /// @dev Anna pays `fee` for as much as two lanes hold, and nobody receives anything.
    function feeOf(uint64 fee) private view returns (ReferenceExchange.Batch memory batch) {
        batch = batchOf(2, 0);
        uint48 energyWh = 2 ** 46;
        ISettlementExchange.Order memory buy = orderOf(ANNA_KEY, 0, energyWh, 2 ** 46);
        ISettlementExchange.Order memory sell = orderOf(BEN_KEY, 1, energyWh, 0);
        (buy.lane, sell.lane) = (1, 1);
        (buy.nonce, sell.nonce) = (uint48(batch.sequence) + 1, uint48(batch.sequence) + 1);
        batch.fills[0] = fillOf(ANNA_KEY, buy, energyWh, int64(fee));
        batch.fills[1] = fillOf(BEN_KEY, sell, energyWh, 0);
        (batch.fills[0].deliveredWh, batch.fills[1].deliveredWh) = (0, 0);
    }
}
