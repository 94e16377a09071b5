// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {SettleBase} from "./SettleBase.sol";

/// @notice What an order's terms and its lane allow, one test a rule.
contract SettleOrdersTest is SettleBase {
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

    /// @dev Energy beyond its field would carry over the spare bit above it into the nonce floor.
    function test_01_settle__energy_that_would_carry_out_of_a_full_account__reverts() public {
        uint256 full = 2 ** 47 - 1;
        bytes32 slot = keccak256(abi.encode(anna, uint256(6))); // contracts/snapshots/storage.txt
        vm.store(
            address(exchange),
            slot,
            bytes32(uint256(exchange.clearanceOf(anna)) << 160 | full << 64 | cashOf(anna))
        );
        assertTrue(energyOf(anna) == full && cashOf(anna) == 1_000_000, "her word");
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        ISettlementExchange.Order memory huge = orderOf(ANNA_KEY, 0, type(uint48).max, 0);
        huge.lane = 1;
        batch.fills[0] = fillOf(ANNA_KEY, huge, 2 ** 47 + 1, 0);
        settleReverts(batch, abi.encodeWithSelector(BalanceTooLarge.selector, anna));
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
}
