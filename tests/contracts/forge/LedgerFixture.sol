// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IProductionLedger} from "../../../contracts/src/interfaces/IProductionLedger.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Builders of what attesters and meters send.
abstract contract LedgerFixture is Fixture {
    uint256 internal constant CURVE_ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function setMeter(uint32 meterId, address owner, uint32 zone, bool active, uint256 key) internal {
        address signer = key == 0 ? address(0) : vm.addr(key);
        vm.prank(OPERATOR);
        registry.setMeter(meterId, owner, zone, active, signer, 0);
    }

    function readingOf(uint32 meterId, uint64 time, uint64 exportWh)
        internal
        pure
        returns (IProductionLedger.Reading memory)
    {
        return IProductionLedger.Reading({
            meterId: meterId,
            time: time,
            counter: time / 10,
            importWh: exportWh / 3,
            exportWh: exportWh,
            powerW: -4321
        });
    }

    /// @dev One entry of `attestSigned`.
    function signedBy(uint256 key, IProductionLedger.Reading memory reading)
        internal
        view
        returns (bytes memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, ledger.readingDigest(reading));
        return abi.encodePacked(packed(reading), r, vs);
    }

    function packed(IProductionLedger.Reading memory reading) internal pure returns (bytes memory) {
        return abi.encodePacked(
            reading.meterId, reading.time, reading.counter, reading.importWh, reading.exportWh, reading.powerW
        );
    }

    function attestSigned(bytes memory readings) internal {
        vm.prank(OPERATOR);
        ledger.attestSigned(ZONE, readings);
    }

    function issueOne(uint32 meterId) internal {
        uint32[] memory meters = new uint32[](1);
        meters[0] = meterId;
        ledger.issue(meters);
    }

    function registerOf(uint32 meterId) internal view returns (uint64 attestedWh) {
        (attestedWh,,) = ledger.register(meterId);
    }
}
