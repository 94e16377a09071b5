// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {SettlementExchange} from "../../../contracts/src/market/SettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {NoReturnToken, RebasingToken, ReentrantToken} from "./BadTokens.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What somebody could try, and what comes of it. Attacks on one rule stand with it (Settle, TradingMandates,
/// Vault); these take several.
contract AttacksTest is Fixture, ISettlementErrors {
    function setUp() public override {
        super.setUp();
        giveCash(anna, 1_000_000);
        giveEnergy(ben, 5000);
    }

    /* ORDERS */

    function test_attack_order_of_another_zone__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.fills[0].order.zone = ZONE + 1;
        settleReverts(batch, BadSignature.selector);
    }

    function test_attack_03_worse_price__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.fills[0].money = 300_001;
        settleReverts(
            batch, abi.encodeWithSelector(WorseThanLimit.selector, anna, int64(300_001), int48(300_000), 1000)
        );
        batch = tradeOf();
        batch.fills[1].money = 249_999;
        settleReverts(
            batch, abi.encodeWithSelector(WorseThanLimit.selector, ben, int64(249_999), int48(250_000), 1000)
        );
    }

    function test_attack_04_malformed_signatures__revert() public {
        bytes32[3] memory parts = [bytes32(0), bytes32(uint256(1)), bytes32(type(uint256).max)];
        for (uint256 i; i < 9; ++i) {
            ReferenceExchange.Batch memory batch = tradeOf();
            (batch.fills[0].r, batch.fills[0].vs) = (parts[i / 3], parts[i % 3]);
            settleReverts(batch, BadSignature.selector);
        }
    }

    function test_attack_07_exchange_and_treasurer_as_traders__conserve() public {
        uint256 key = 0x09e7; // a settler and treasurer that trades
        address operator = vm.addr(key);
        clear(operator);
        exchange.setSettler(operator, true);
        giveCash(operator, 1_000_000);
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.fills[0] = fillOf(key, orderOf(key, 0, 1000, 300_000), 1000, 300_000);
        settle(batch);
        assertTrue(cashOf(operator) == 700_000 && exchange.fees() == 50_000, "fees are nobody's balance");
        vm.prank(OPERATOR);
        exchange.withdrawFees(operator, 50_000);
        assertTrue(cashOf(operator) == 700_000 && euro.balanceOf(operator) == 50_000, "paid out once");

        // The exchange itself signs nothing, so nothing can be charged to it.
        batch = batchOf(1, 0);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 1, 0), 1, 0);
        batch.fills[0].order.trader = address(exchange);
        settleReverts(batch, BadSignature.selector);
    }

    /// @dev Rounding goes against whoever trades, by less than a unit an entry, and never below a fee of zero.
    function test_attack_rounding_dust__many_tiny_trades__leaves_no_hole() public {
        for (uint256 i; i < 200; ++i) {
            uint64 start = uint64(T - SLOT * (200 - i));
            ReferenceExchange.Batch memory batch = batchOf(2, 0);
            batch.deliveryStart = start;
            int48 price = int48(uint48(1 + (i * 7919) % 999));
            batch.fills[0] = tinyFill(ANNA_KEY, 0, price, start, 1);
            batch.fills[1] = tinyFill(BEN_KEY, 1, price, start, 0);
            settle(batch);
        }
        assertEq(exchange.fees(), 200, "a unit for each trade, in the books");
        assertEq(cashOf(anna) + cashOf(ben) + exchange.fees(), 1_000_000, "cash");
        assertEq(energyOf(anna) + energyOf(ben), 5000, "energy");
    }

    function test_attack_rounding_dust__for_the_operator__reverts() public {
        ReferenceExchange.Batch memory batch = batchOf(2, 0);
        batch.fills[0] = tinyFill(ANNA_KEY, 0, 999, T, 0);
        batch.fills[1] = tinyFill(BEN_KEY, 1, 999, T, 1);
        settleReverts(batch, abi.encodeWithSelector(FeeOutOfRange.selector, int256(-1), 1002));
    }

    function test_attack_tiny_orders__fill_a_batch_and_no_more() public {
        ReferenceExchange.Batch memory batch = batchOf(400, 0);
        for (uint256 i; i < 400; ++i) {
            uint256 key = i % 2 == 0 ? ANNA_KEY : BEN_KEY;
            ISettlementExchange.Order memory order =
                orderOf(key, uint8(i % 2), 1, int48(uint48(i % 2 == 0 ? 1000 : 0)));
            order.lane = uint16(1 + i);
            batch.fills[i] = fillOf(key, order, 1, 1);
        }
        settle(batch);
        assertEq(energyOf(anna), 200, "settled");
    }

    /* TOKENS */

    function test_attack_reentered_deposit__is_refused_and_credits_once() public {
        ReentrantToken token = new ReentrantToken();
        exchange = exchangeFor(address(token));
        token.mint(address(token), 100);
        vm.prank(address(token));
        token.approve(address(exchange), 100);
        token.arm(exchange, abi.encodeCall(exchange.deposit, (50)));
        vm.prank(address(token));
        exchange.deposit(50);
        assertTrue(cashOf(address(token)) == 50 && token.balanceOf(address(exchange)) == 50, "once");
    }

    function test_attack_no_return_token__works() public {
        NoReturnToken token = new NoReturnToken();
        exchange = exchangeFor(address(token));
        token.mint(anna, 100);
        vm.prank(anna);
        exchange.deposit(100);
        vm.prank(anna);
        exchange.requestWithdrawal(100, 0);
        vm.warp(block.timestamp + DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        assertEq(token.balanceOf(anna), 100, "and back");
    }

    /// @dev Not handled, and so not to be chosen: the books keep what came in, and who comes last finds too little.
    function test_attack_rebasing_token__shrinks__pays_out_while_it_lasts() public {
        RebasingToken token = new RebasingToken();
        exchange = exchangeFor(address(token));
        address[2] memory people = [anna, ben];
        for (uint256 i; i < 2; ++i) {
            token.mint(people[i], 100);
            vm.prank(people[i]);
            token.approve(address(exchange), 100);
            vm.prank(people[i]);
            exchange.deposit(100);
            vm.prank(people[i]);
            exchange.requestWithdrawal(100, 0);
        }
        token.halve();
        vm.warp(block.timestamp + DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        vm.prank(ben);
        (bool ok,) = address(exchange).call(abi.encodeCall(exchange.executeWithdrawal, ()));
        assertTrue(!ok && cashOf(ben) == 100 && token.balanceOf(anna) == 100, "no more than there was");
    }

    /* OTHERS */

    function test_attack_deposit_for_another__needs_his_permit() public {
        vm.prank(STRANGER);
        (bool ok,) = address(exchange)
            .call(abi.encodeCall(exchange.depositWithPermit, (anna, 1, T * 2, 27, bytes32(0), bytes32(0))));
        assertTrue(!ok && cashOf(anna) == 1_000_000, "nobody fills another's account");
    }

    function test_attack_donated_tokens__change_no_balance() public {
        vm.prank(OPERATOR);
        euro.mint(address(exchange), 1e12);
        assertTrue(cashOf(anna) == 1_000_000 && exchange.fees() == 0, "books");
        settle(tradeOf());
    }

    function test_attack_06_operator_gone__everybody_leaves() public {
        settle(tradeOf());
        exchange.setSettler(OPERATOR, false);
        address[2] memory people = [anna, ben];
        for (uint256 i; i < 2; ++i) {
            (uint256 cash, uint256 energyWh,) = exchange.accountOf(people[i]);
            vm.prank(people[i]);
            exchange.requestWithdrawal(uint96(cash), uint64(energyWh));
            vm.warp(block.timestamp + DELAY);
            vm.prank(people[i]);
            exchange.executeWithdrawal();
            assertTrue(
                euro.balanceOf(people[i]) == cash && energy.balanceOf(people[i]) == energyWh, "paid out"
            );
        }
    }

    /* HELPERS */

    /// @dev One Wh at `price`, whose money is `money`.
    function tinyFill(uint256 key, uint8 side, int48 price, uint64 deliveryStart, int64 money)
        private
        view
        returns (ReferenceExchange.Fill memory)
    {
        ISettlementExchange.Order memory order = orderOf(key, side, 1, price);
        (order.deliveryStart, order.expiry) = (deliveryStart, uint32(deliveryStart));
        return fillOf(key, order, 1, money);
    }

    function exchangeFor(address token) private returns (SettlementExchange) {
        return new SettlementExchange(
            address(manager), registry, IERC20(token), IERC20(address(energy)), SLOT, DELAY, MAX_FEE
        );
    }
}
