// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {SettlementExchange} from "../../../contracts/src/market/SettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Vm} from "./Base.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Settlement of orders, one test a rule. Anna buys, Ben sells.
contract SettleTest is Fixture, ISettlementErrors {
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function setUp() public override {
        super.setUp();
        giveCash(anna, 1_000_000);
        giveEnergy(ben, 5000);
    }

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

    /* THE ACCOUNT LANE */

    function test_03_accountLane__later_slot__starts_again_and_voids_the_earlier() public {
        giveCash(anna, 1_000_000);
        settle(slotTradeOf(T + SLOT, 1));
        (uint32 slot,, uint32 filledWh) = exchange.accountLaneOf(anna);
        assertTrue(slot == T + SLOT && filledWh == 1000, "later slot");
        ReferenceExchange.Batch memory batch = slotTradeOf(T, 2);
        settleReverts(batch, abi.encodeWithSelector(SlotPassed.selector, anna, T, T + SLOT));
        settle(slotTradeOf(T + 2 * SLOT, 1));
        (slot,, filledWh) = exchange.accountLaneOf(anna);
        assertTrue(slot == T + 2 * SLOT && filledWh == 1000, "started again");
    }

    function test_03_accountLane__two_orders_of_a_slot__share_its_counter() public {
        settle(tradeOf());
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        ISettlementExchange.Order memory second = orderOf(ANNA_KEY, 0, 1500, 300_000);
        second.nonce = 2;
        batch.fills[0] = fillOf(ANNA_KEY, second, 501, 0);
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, anna, 0, 1501, 1500));
    }

    function test_03_accountLane__other_side_in_a_slot__reverts() public {
        settle(tradeOf());
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 1, 2000, 0), 1, 0);
        settleReverts(batch, abi.encodeWithSelector(OtherSide.selector, anna, 1, T));
    }

    function test_03_accountLane__more_than_it_counts__reverts() public {
        uint48 most = 2 ** 31 - 1;
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 2 ** 40, 0), most + 1, 0);
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, anna, 0, most + 1, 2 ** 40));
        (batch.fills[0].fillWh, batch.fills[0].deliveredWh) = (most, most);
        settleReverts(batch, EnergyNotConserved.selector); // all else is well
    }

    function test_03_accountLane__fill__touches_no_neighbouring_field() public {
        vm.prank(anna);
        exchange.raiseNonce(1);
        uint256 cleared = exchange.clearanceOf(anna);
        settle(tradeOf());
        (,, uint48 minNonce) = exchange.accountOf(anna);
        assertTrue(minNonce == 1 && exchange.clearanceOf(anna) == cleared, "neighbours");
    }

    function test_01_settle__more_than_an_account_holds__reverts() public {
        giveCash(ben, 2 ** 63 - 1);
        ReferenceExchange.Batch memory batch = tradeOf();
        settleReverts(batch, abi.encodeWithSelector(BalanceTooLarge.selector, ben));
        batch = batchOf(1, 0);
        ISettlementExchange.Order memory huge = orderOf(ANNA_KEY, 0, type(uint48).max, 0);
        huge.lane = 1;
        batch.fills[0] = fillOf(ANNA_KEY, huge, type(uint48).max, 0);
        settleReverts(batch, abi.encodeWithSelector(BalanceTooLarge.selector, anna));
        huge = orderOf(BEN_KEY, 1, type(uint48).max, 0);
        huge.lane = 1;
        batch.fills[0] = fillOf(BEN_KEY, huge, type(uint48).max, 0);
        settleReverts(
            batch, abi.encodeWithSelector(InsufficientEnergy.selector, ben, 5000, uint256(type(uint48).max))
        );
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

    function test_03_settle__negative_limits__hold() public {
        giveCash(ben, 1000);
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        batch.fills[0] = fillOf(BEN_KEY, orderOf(BEN_KEY, 1, 1000, -100), 1000, -101);
        settleReverts(
            batch, abi.encodeWithSelector(WorseThanLimit.selector, ben, int64(-101), int48(-100), 1000)
        );
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 1000, -90), 1000, -89);
        settleReverts(
            batch, abi.encodeWithSelector(WorseThanLimit.selector, anna, int64(-89), int48(-90), 1000)
        );
    }

    /* 7: SELF-TRADE */

    function test_attack_07_self_trade__conserves() public {
        giveCash(ben, 1_000_000);
        ReferenceExchange.Batch memory batch = batchOf(2, 0);
        ISettlementExchange.Order memory buy = orderOf(BEN_KEY, 0, 1000, 300_000);
        buy.lane = 1;
        batch.fills[0] = fillOf(BEN_KEY, buy, 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, orderOf(BEN_KEY, 1, 1000, 250_000), 1000, 250_000);
        settle(batch);
        assertEq(cashOf(ben), 950_000, "only the fee");
        assertEq(energyOf(ben), 5000, "energy");
        assertEq(exchange.fees(), 50_000, "fee");
    }

    function test_07_settle__both_sides_in_one_lane__reverts() public {
        giveCash(ben, 1_000_000);
        ReferenceExchange.Batch memory batch = batchOf(2, 0);
        batch.fills[0] = fillOf(BEN_KEY, orderOf(BEN_KEY, 0, 1000, 300_000), 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, orderOf(BEN_KEY, 1, 1000, 250_000), 1000, 250_000);
        settleReverts(batch, abi.encodeWithSelector(OtherSide.selector, ben, 1, T));
        (batch.fills[0].order.lane, batch.fills[1].order.lane) = (1, 1);
        batch.fills[0] = fillOf(BEN_KEY, batch.fills[0].order, 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, batch.fills[1].order, 1000, 250_000);
        settleReverts(batch, OverFilled.selector);
    }

    /* THE BATCH */

    function test_settle__stranger__reverts() public {
        bytes memory packed = encode(tradeOf());
        vm.expectRevert(abi.encodeWithSelector(NotSettler.selector, STRANGER));
        vm.prank(STRANGER);
        exchange.settle(packed);
    }

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
        (bool ok, bytes memory reason) = address(exchange).call(abi.encodeCall(exchange.settle, (wrong)));
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

    /* 3: THE ORDER'S TERMS */

    function test_attack_03_overfilled_order__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        (batch.fills[0].fillWh, batch.fills[1].fillWh) = (1001, 1001);
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, anna, 0, 1001, 1000));
    }

    function test_03_settle__delivered_above_fill__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        (batch.fills[0].deliveredWh, batch.fills[1].deliveredWh) = (1001, 1001);
        settleReverts(batch, abi.encodeWithSelector(OverDelivered.selector, anna, 1001, 1000));
    }

    function testFuzz_03_settle__buyer__never_pays_more_than_limit_rounded_up(
        int48 limit,
        uint48 fillWh,
        int64 offset
    ) public {
        fillWh = uint48(bound(fillWh, 0, type(uint48).max / 2));
        int256 ceiling = ceilDiv(int256(limit) * int256(uint256(fillWh)));
        int256 money = ceiling + int256(offset % 3);
        vm.assume(money == int64(money));
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        ISettlementExchange.Order memory order = orderOf(ANNA_KEY, 0, fillWh, limit);
        order.lane = 1;
        batch.fills[0] = fillOf(ANNA_KEY, order, fillWh, int64(money));
        bytes4 verdict = verdictOf(batch);
        assertTrue((verdict == WorseThanLimit.selector) == (money > ceiling), "limit");
    }

    function testFuzz_03_settle__seller__never_gets_less_than_limit_rounded_down(
        int48 limit,
        uint48 fillWh,
        int64 offset
    ) public {
        fillWh = uint48(bound(fillWh, 0, type(uint48).max / 2));
        int256 floor = -ceilDiv(-int256(limit) * int256(uint256(fillWh)));
        int256 money = floor + int256(offset % 3);
        vm.assume(money == int64(money));
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        ISettlementExchange.Order memory order = orderOf(BEN_KEY, 1, fillWh, limit);
        order.lane = 1;
        batch.fills[0] = fillOf(BEN_KEY, order, fillWh, int64(money));
        bytes4 verdict = verdictOf(batch);
        assertTrue((verdict == WorseThanLimit.selector) == (money < floor), "limit");
    }

    function test_attack_03_expired_order__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        ISettlementExchange.Order memory order = orderOf(ANNA_KEY, 0, 1000, 300_000);
        order.expiry = uint32(T - 1);
        batch.fills[0] = fillOf(ANNA_KEY, order, 1000, 300_000);
        settleReverts(batch, abi.encodeWithSelector(OrderExpired.selector, anna, T - 1, T));
    }

    function test_attack_03_cancelled_order__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        vm.prank(anna);
        exchange.raiseNonce(2);
        settleReverts(batch, abi.encodeWithSelector(OrderVoid.selector, anna, 0, 1, 2));
    }

    function test_03_settle__replaced_in_its_lane__reverts() public {
        settle(laneTradeOf(1));
        ReferenceExchange.Batch memory batch = batchOf(2, 0);
        ISettlementExchange.Order memory newer = orderOf(ANNA_KEY, 0, 500, 300_000);
        (newer.lane, newer.nonce) = (1, 9);
        ISettlementExchange.Order memory sale = orderOf(BEN_KEY, 1, 500, 0);
        sale.lane = 2;
        batch.fills[0] = fillOf(ANNA_KEY, newer, 500, 100);
        batch.fills[1] = fillOf(BEN_KEY, sale, 500, 100);
        settle(batch);
        (uint48 nonce, uint48 filledWh) = exchange.laneOf(anna, 1);
        assertTrue(nonce == 9 && filledWh == 500, "a higher nonce starts again");
        batch = laneTradeOf(1);
        settleReverts(batch, abi.encodeWithSelector(OrderVoid.selector, anna, 1, 1, 9));
    }

    function test_03_settle__side_two__reverts() public {
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 2, 1000, 300_000), 0, 0);
        settleReverts(batch, abi.encodeWithSelector(BadSide.selector, anna, 2));
    }

    /* 4: SIGNATURES AND STANDING */

    function testFuzz_04_settle__any_signed_field_changed__reverts(uint256 field, uint8 bit) public {
        uint8[24] memory signedBytes = // positions of signed fields in the packed order
            [0, 19, 20, 21, 24, 25, 26, 27, 32, 53, 58, 59, 64, 65, 70, 71, 72, 73, 76, 77, 108, 109, 140, 10];
        bytes memory packed = encode(tradeOf());
        uint256 position = 26 + signedBytes[field % 24];
        packed[position] = bytes1(uint8(packed[position]) ^ uint8(1 << (bit % 8)));
        vm.prank(OPERATOR);
        (bool ok, bytes memory reason) = address(exchange).call(abi.encodeCall(exchange.settle, (packed)));
        assertTrue(!ok && bytes4(reason) == BadSignature.selector, "accepted");
    }

    function test_attack_04_high_s__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        ReferenceExchange.Fill memory fill = batch.fills[0];
        uint256 s = CURVE_ORDER - (uint256(fill.vs) & uint256(type(int256).max));
        // The twin has its top bit set, so a compact signature cannot say it; cut off, it is nobody's.
        fill.vs = bytes32((s & uint256(type(int256).max)) | ((uint256(fill.vs) >> 255) ^ 1) << 255);
        settleReverts(batch, BadSignature.selector);
        // Just above half the group's order, where the top bit is still free.
        fill.vs = bytes32(CURVE_ORDER / 2 + 1);
        settleReverts(batch, BadSignature.selector);
    }

    function test_attack_04_zero_trader_and_broken_signature__reverts() public {
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        batch.fills[0].order = orderOf(ANNA_KEY, 0, 1000, 300_000);
        batch.fills[0].order.trader = address(0);
        settleReverts(batch, BadSignature.selector);
    }

    function test_attack_04_order_of_another_slot_chain_or_contract__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.deliveryStart = T + SLOT;
        settleReverts(batch, BadSignature.selector);

        batch = tradeOf();
        uint256 here = block.chainid;
        vm.chainId(999);
        settleReverts(batch, BadSignature.selector);
        vm.chainId(here);

        SettlementExchange first = exchange;
        deploy();
        batch.fills[0] = fillOf(ANNA_KEY, batch.fills[0].order, 1000, 300_000);
        settleReverts(batch, NotCleared.selector); // signed for the new exchange: only the clearance is missing
        exchange = first;
        settleReverts(batch, BadSignature.selector);
    }

    function test_04_settle__frozen__reverts_until_released() public {
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 1 days, 7, 276);
        settleReverts(tradeOf(), abi.encodeWithSelector(NotCleared.selector, anna, 0, T));
        clear(anna);
        settle(tradeOf());
    }

    function test_04_settle__clearance_ended_before_slot__reverts() public {
        vm.prank(OPERATOR);
        registry.setParticipant(ben, T - 1, 3, 276);
        settleReverts(tradeOf(), abi.encodeWithSelector(NotCleared.selector, ben, T - 1, T));
    }

    function test_04_settle__buyer_short_of_cash__reverts() public {
        vm.prank(anna);
        exchange.requestWithdrawal(700_001, 0);
        vm.warp(block.timestamp + DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        settleReverts(tradeOf(), abi.encodeWithSelector(InsufficientCash.selector, anna, 299_999, 300_000));
    }

    function test_04_settle__seller_short_of_energy__reverts() public {
        vm.prank(ben);
        exchange.requestWithdrawal(0, 4001);
        vm.warp(block.timestamp + DELAY);
        vm.prank(ben);
        exchange.executeWithdrawal();
        settleReverts(tradeOf(), abi.encodeWithSelector(InsufficientEnergy.selector, ben, 999, 1000));
    }

    /* HELPERS */

    /// @dev tradeOf in another lane than the accounts'.
    function laneTradeOf(uint16 lane) private view returns (ReferenceExchange.Batch memory batch) {
        batch = tradeOf();
        (batch.fills[0].order.lane, batch.fills[1].order.lane) = (lane, lane);
        batch.fills[0] = fillOf(ANNA_KEY, batch.fills[0].order, 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, batch.fills[1].order, 1000, 250_000);
    }

    function slotTradeOf(uint64 deliveryStart, uint48 nonce)
        private
        view
        returns (ReferenceExchange.Batch memory batch)
    {
        batch = tradeOf();
        batch.deliveryStart = deliveryStart;
        for (uint256 i; i < 2; ++i) {
            ISettlementExchange.Order memory order = batch.fills[i].order;
            (order.deliveryStart, order.expiry, order.nonce) = (deliveryStart, uint32(deliveryStart), nonce);
        }
        batch.fills[0] = fillOf(ANNA_KEY, batch.fills[0].order, 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, batch.fills[1].order, 1000, 250_000);
    }

    function verdictOf(ReferenceExchange.Batch memory batch) private returns (bytes4) {
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        (bool ok, bytes memory reason) = address(exchange).call(abi.encodeCall(exchange.settle, (packed)));
        return ok ? bytes4(0) : bytes4(reason);
    }

    function ceilDiv(int256 nano) private pure returns (int256) {
        int256 quotient = nano / 1000;
        return nano % 1000 > 0 ? quotient + 1 : quotient;
    }
}
