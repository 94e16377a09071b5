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

    function test_gas_settle__one_to_one__within_bars() public {
        uint256[3] memory counts = [uint256(1), 10, 100];
        uint256[3] memory bars = [uint256(70_800), 38_600, 35_350];
        for (uint256 i; i < counts.length; ++i) {
            uint256 perTrade = steadyState(counts[i], 2 * counts[i]) / counts[i];
            emit log_named_uint(
                string.concat("settle, 1:1, gas per trade, N=", vm.toString(counts[i])), perTrade
            );
            assertTrue(perTrade <= bars[i], "above the bar");
        }
    }

    function test_gas_settle__four_fills_an_order__within_bars() public {
        uint256 perTrade = steadyState(100, 50) / 100;
        emit log_named_uint("settle, 4 fills an order, gas per trade, N=100", perTrade);
        assertTrue(perTrade <= 9100, "above the bar");
    }

    function test_gas_17_settle__largest_batch_on_fresh_storage__fits_a_transaction() public {
        fund(400);
        uint256 orders = settleGas(0, 400);
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

    function test_gas_attest__per_reading__within_bars() public {
        uint256[3] memory counts = [uint256(1), 100, 1000];
        uint256[3] memory bars = [uint256(33_400), 5900, 5660];
        for (uint32 id = 1; id <= 1000; ++id) {
            vm.prank(OPERATOR);
            registry.setMeter(id, anna, ZONE, true, address(0), 0);
        }
        attestAll(1000, T - SLOT, 1_000_000);
        for (uint256 i; i < counts.length; ++i) {
            uint256 perReading = attestAll(counts[i], uint64(T + i), uint64(1_000_500 + i)) / counts[i];
            emit log_named_uint(
                string.concat("attest, gas per reading, N=", vm.toString(counts[i])), perReading
            );
            assertTrue(perReading <= bars[i], "above the bar");
        }
    }

    function attestAll(uint256 count, uint64 slotEnd, uint64 registerWh) private returns (uint256) {
        bytes memory registers;
        for (uint32 id = 1; id <= count; ++id) {
            registers = bytes.concat(registers, abi.encodePacked(id, registerWh));
        }
        vm.prank(OPERATOR);
        ledger.attest(ZONE, slotEnd, keccak256("root"), registers);
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev The second batch of the same people in the same lanes.
    function steadyState(uint256 trades, uint256 orders) private returns (uint256) {
        fund(orders);
        settleGas(trades, orders);
        return settleGas(trades, orders);
    }

    function fund(uint256 orders) private {
        for (uint256 i; i < orders && i < 200; ++i) {
            address account = vm.addr(i + 1);
            if (cashOf(account) == 0) giveCash(account, 1e9);
            if (energyOf(account) == 0) giveEnergy(account, 1_000_000);
        }
    }

    /// @dev `orders` of different people, half of them buyers; above 200, people trade in a second lane.
    function settleGas(uint256 trades, uint256 orders) private returns (uint256) {
        ReferenceExchange.Batch memory batch = batchOf(orders, 0);
        uint48 energyWh = uint48(1237 * (trades == 0 ? 1 : 2 * trades / orders));
        for (uint256 i; i < orders; ++i) {
            uint256 key = i % 200 + 1;
            ISettlementExchange.Order memory order = orderOf(key, uint8(i % 2), energyWh, 280_123);
            (order.lane, order.nonce) = (uint16(257 + i / 200), uint48(T + batch.sequence));
            int64 received = int64(uint64(energyWh) * 280_123 / 1000);
            batch.fills[i] = fillOf(key, order, energyWh, i % 2 == 0 ? received + 1 : received);
        }
        settle(batch);
        return vm.lastCallGas().gasTotalUsed;
    }
}
