// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {LedgerFixture} from "./LedgerFixture.sol";

/// @notice Gas of whole attestations (intrinsic gas and calldata included), in the steady state: every meter has been
/// attested before. contracts/README.md keeps the figures; bars only fall.
/// forge-config: default.isolate = true
contract LedgerGasTest is LedgerFixture {
    event log_named_uint(string key, uint256 val); // forge prints it;

    uint256 private constant TRANSACTION_LIMIT = 16_777_216;
    uint256 private constant FIRST_KEY = 0x1000;

    function test_gas_attest__per_reading__within_bars() public {
        uint256[3] memory counts = [uint256(1), 100, 1000];
        uint256[3] memory bars = [uint256(33_400), 5740, 5500];
        addMeters(1000, false);
        attestAll(1000, T - SLOT, 1_000_000);
        for (uint256 i; i < counts.length; ++i) {
            uint256 perReading = attestAll(counts[i], uint64(T + i), uint64(1_000_500 + i)) / counts[i];
            emit log_named_uint(
                string.concat("attest, gas per reading, N=", vm.toString(counts[i])), perReading
            );
            assertTrue(perReading <= bars[i], "above the bar");
        }
    }

    function test_gas_attestSigned__per_reading__within_bars() public {
        uint256[2] memory counts = [uint256(1), 100];
        uint256[2] memory bars = [uint256(40_000), 13_400];
        addMeters(100, true);
        attestAllSigned(100, T - SLOT, 123_456_789_012);
        for (uint256 i; i < counts.length; ++i) {
            uint256 perReading =
                attestAllSigned(counts[i], uint64(T + i), uint64(123_456_789_512 + i)) / counts[i];
            emit log_named_uint(
                string.concat("attestSigned, gas per reading, N=", vm.toString(counts[i])), perReading
            );
            assertTrue(perReading <= bars[i], "above the bar");
        }
    }

    function test_gas_17_attest__largest_batch_of_first_readings__fits_a_transaction() public {
        uint256 most = ledger.MAX_REGISTERS();
        addMeters(most, false);
        uint256 used = attestAll(most, T, type(uint64).max);
        emit log_named_uint("attest, largest batch, first readings, whole transaction", used);
        assertTrue(used < TRANSACTION_LIMIT, "does not fit");
    }

    function test_gas_17_attestSigned__largest_batch_of_first_readings__fits_a_transaction() public {
        uint256 most = ledger.MAX_READINGS();
        addMeters(most, true);
        uint256 used = attestAllSigned(most, T, type(uint64).max);
        emit log_named_uint("attestSigned, largest batch, first readings, whole transaction", used);
        assertTrue(used < TRANSACTION_LIMIT, "does not fit");
    }

    function test_gas_issue__per_meter__within_bar() public {
        addMeters(100, false);
        attestAll(100, T - SLOT, 1_000_000);
        attestAll(100, T, 1_000_500);
        uint32[] memory meters = new uint32[](100);
        for (uint32 i; i < 100; ++i) {
            meters[i] = i + 1;
        }
        ledger.issue(meters); // the owner's first
        attestAll(100, T + 1, 1_000_501);
        ledger.issue(meters);
        uint256 perMeter = vm.lastCallGas().gasTotalUsed / 100;
        emit log_named_uint("issue to one owner, gas per meter, N=100", perMeter);
        assertTrue(perMeter <= 15_350, "above the bar");
    }

    function addMeters(uint256 count, bool signing) private {
        for (uint32 id = 1; id <= count; ++id) {
            setMeter(id, anna, ZONE, true, signing ? FIRST_KEY + id : 0);
        }
    }

    function attestAll(uint256 count, uint64 slotEnd, uint64 registerWh) private returns (uint256) {
        bytes memory registers = new bytes(12 * count);
        for (uint256 i; i < count; ++i) {
            uint256 entry = (i + 1) << 224 | uint256(registerWh) << 160;
            assembly ("memory-safe") {
                let word := add(add(registers, 0x0c), mul(i, 12)) // ends with the entry
                mstore(word, or(shl(96, shr(96, mload(word))), shr(160, entry)))
            }
        }
        vm.prank(OPERATOR);
        ledger.attest(ZONE, slotEnd, keccak256("root"), registers);
        return vm.lastCallGas().gasTotalUsed;
    }

    function attestAllSigned(uint256 count, uint64 time, uint64 registerWh) private returns (uint256) {
        bytes[] memory parts = new bytes[](count);
        for (uint32 i; i < count; ++i) {
            parts[i] = signedBy(FIRST_KEY + i + 1, readingOf(i + 1, time, registerWh));
        }
        bytes memory readings = new bytes(108 * count);
        for (uint256 i; i < count; ++i) {
            bytes memory part = parts[i];
            assembly ("memory-safe") {
                mcopy(add(add(readings, 0x20), mul(i, 108)), add(part, 0x20), 108)
            }
        }
        attestSigned(readings);
        return vm.lastCallGas().gasTotalUsed;
    }
}
