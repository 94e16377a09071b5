// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Gas of whole transactions (intrinsic gas and calldata included) in the steady state: every account and lane
/// has been used before. Gas is exact, so the bars are asserted; contracts/README.md keeps the figures.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    event log_named_uint(string key, uint256 val); // forge prints it;

    uint256 private constant TRANSACTION_LIMIT = 16_777_216;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 1; i <= 200; ++i) {
            clear(vm.addr(i));
        }
    }

    function test_gas_settle__account_lane__within_bars() public {
        checkTrades("account lane", 0, 1, 2, 55_000);
        checkTrades("account lane", 0, 10, 20, 26_600);
        checkTrades("account lane", 0, 100, 200, 23_720);
        checkTrades("account lane, 4 fills an order", 0, 100, 50, 6170);
    }

    function test_gas_settle__other_lane__within_bars() public {
        checkTrades("lane", 257, 1, 2, 65_200);
        checkTrades("lane", 257, 10, 20, 36_700);
        checkTrades("lane", 257, 100, 200, 33_850);
        checkTrades("lane, 4 fills an order", 257, 100, 50, 8700);
    }

    function test_gas_settle__mandates__within_bars() public {
        fund(200);
        checkMandates("mandates", 1, 2, 49_300);
        checkMandates("mandates", 100, 200, 12_060);
        checkMandates("mandates, 4 fills an order", 100, 50, 3300);
    }

    function test_gas_registerMandates__per_mandate__within_bar() public {
        (bytes memory mandates, bytes memory signatures) = bookOf(200);
        exchange.registerMandates(mandates, signatures);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("registerMandates, gas per mandate, N=200", used / 200);
        assertTrue(used / 200 <= 17_700, "above the bar");
    }

    function test_gas_17_registerMandates__largest_book__fits_a_transaction() public {
        (bytes memory mandates, bytes memory signatures) = bookOf(400);
        exchange.registerMandates(mandates, signatures);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("registerMandates, 400, whole transaction", used);
        assertTrue(used < TRANSACTION_LIMIT, "does not fit");
    }

    function test_gas_17_settle__largest_batch_on_fresh_storage__fits_a_transaction() public {
        fund(400);
        uint256 orders = settleGas(257, 0, 400, T);
        emit log_named_uint("settle, 400 orders in fresh lanes, whole transaction", orders);
        assertTrue(orders < TRANSACTION_LIMIT, "does not fit");
    }

    function test_gas_17_settle__largest_batch_of_adjustments__fits_a_transaction() public {
        fund(400);
        ReferenceExchange.Batch memory batch = batchOf(0, 400);
        for (uint256 i; i < 200; ++i) {
            setMandate(i + 1, 1000, 1000, 1);
            batch.adjustments[2 * i] = ReferenceExchange.Adjustment(vm.addr(i + 1), -10);
            batch.adjustments[2 * i + 1] = ReferenceExchange.Adjustment(address(uint160(0x10000 + i)), 10);
        }
        settle(batch);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("settle, 400 adjustments, half to fresh accounts, whole transaction", used);
        assertTrue(used < TRANSACTION_LIMIT, "does not fit");
    }

    /// @dev The second batch of the same people in the same lanes.
    function checkTrades(string memory what, uint16 lane, uint256 trades, uint256 orders, uint256 bar)
        private
    {
        fund(orders);
        uint64 start = nextSlot();
        settleGas(lane, trades, orders, start);
        uint256 perTrade = settleGas(lane, trades, orders, nextSlot()) / trades;
        report(what, trades, perTrade, bar);
    }

    function checkMandates(string memory what, uint256 trades, uint256 fills, uint256 bar) private {
        (bytes memory mandates, bytes memory signatures) = bookOf(fills);
        uint32 book = exchange.registerMandates(mandates, signatures);
        fillGas(book, trades, fills, nextSlot());
        report(what, trades, fillGas(book, trades, fills, nextSlot()) / trades, bar);
    }

    function report(string memory what, uint256 trades, uint256 perTrade, uint256 bar) private {
        emit log_named_uint(
            string.concat("settle, ", what, ", gas per trade, N=", vm.toString(trades)), perTrade
        );
        assertTrue(perTrade <= bar, what);
    }

    function nextSlot() private returns (uint64) {
        vm.warp(block.timestamp + SLOT);
        return uint64(block.timestamp / SLOT * SLOT);
    }

    function fund(uint256 orders) private {
        for (uint256 i; i < orders && i < 200; ++i) {
            address account = vm.addr(i + 1);
            if (cashOf(account) == 0) giveCash(account, 1e9);
            if (energyOf(account) == 0) giveEnergy(account, 1_000_000);
        }
    }

    /// @dev `orders` of different people, half of them buyers; above 200, people trade in a second lane.
    function settleGas(uint16 lane, uint256 trades, uint256 orders, uint64 deliveryStart)
        private
        returns (uint256)
    {
        ReferenceExchange.Batch memory batch = batchOf(orders, 0);
        batch.deliveryStart = deliveryStart;
        uint48 energyWh = uint48(1237 * (trades == 0 ? 1 : 2 * trades / orders));
        for (uint256 i; i < orders; ++i) {
            uint256 key = i % 200 + 1;
            ISettlementExchange.Order memory order = orderOf(key, uint8(i % 2), energyWh, 280_123);
            (order.deliveryStart, order.expiry) = (deliveryStart, uint32(deliveryStart));
            (order.lane, order.nonce) = (uint16(lane + i / 200), uint48(T + batch.sequence));
            int64 received = int64(uint64(energyWh) * 280_123 / 1000);
            batch.fills[i] = fillOf(key, order, energyWh, i % 2 == 0 ? received + 1 : received);
        }
        settle(batch);
        return vm.lastCallGas().gasTotalUsed;
    }

    function fillGas(uint32 book, uint256 trades, uint256 fills, uint64 deliveryStart)
        private
        returns (uint256)
    {
        ReferenceExchange.Batch memory batch = mandateBatchOf(book, fills);
        batch.deliveryStart = deliveryStart;
        uint32 energyWh = uint32(1237 * (2 * trades / fills));
        int48 received = int48(uint48(energyWh) * 280_123 / 1000);
        for (uint16 i; i < fills; ++i) {
            uint8 side = uint8(i % 2);
            int48 money = side == 0 ? received + 1 : received;
            batch.books[0].fills[i] = ReferenceExchange.MandateFill(i, side, energyWh, money, energyWh);
        }
        settle(batch);
        return vm.lastCallGas().gasTotalUsed;
    }

    function bookOf(uint256 count) private view returns (bytes memory mandates, bytes memory signatures) {
        for (uint256 i = 1; i <= count; ++i) {
            ISettlementExchange.TradingMandate memory mandate = tradingMandateOf(i);
            mandate.maxWhPerSlot = 100_000;
            (bytes32 r, bytes32 vs) = vm.signCompact(i, exchange.tradingMandateDigest(mandate));
            mandates = bytes.concat(mandates, encode(mandate));
            signatures = bytes.concat(signatures, r, vs);
        }
    }
}
