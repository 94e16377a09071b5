// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ProvenanceFixture} from "./ProvenanceFixture.sol";

/// @notice Gas of whole transactions (intrinsic gas and calldata included) in the steady state: every account has
/// been used before, hashes have no zero bytes. Bars only fall. forge-config: default.isolate = true
contract ProvenanceGasTest is ProvenanceFixture {
    event log_named_uint(string key, uint256 val); // forge prints it;

    address private constant HOLDER = 0xA11Ce5A11Ce5a11ce5A11cE5a11CE5A11CE5A11c;
    bytes32 private constant HASH = bytes32(type(uint256).max / 3);
    uint256 private constant CODE = type(uint256).max / 5;

    function test_gas_certificates__within_bars() public {
        issue(CODE);
        issue(CODE + 1);
        bar("certificate, issue", 55_000);
        issue(CODE + 2);
        vm.prank(HOLDER);
        certificates.retire(CODE, HASH);
        bar("certificate, retire", 29_750);
        vm.prank(LAB);
        certificates.revoke(CODE + 1, HASH);
        bar("certificate, revoke", 31_800);
        vm.prank(HOLDER);
        certificates.transferFrom(HOLDER, LAB, CODE + 2);
    }

    function test_gas_products__within_bars() public {
        clear(HOLDER, 1);
        vm.prank(HOLDER);
        bytes32 id = products.register(HASH, HASH);
        bar("product, register", 76_200);
        bytes32 head = products.product(id).head;
        vm.prank(HOLDER);
        head = products.addCheckpoint(id, head, 1, HASH, HASH);
        vm.prank(HOLDER);
        products.addCheckpoint(id, head, 2, HASH, HASH);
        bar("product, checkpoint by its owner", 43_650);
    }

    function test_gas_carbon__within_bars() public {
        carbon.setVintage(1, 2027, type(uint64).max, HASH);
        uint256 id = carbon.idOf(1, 2027);
        vm.prank(CARBON_ISSUER);
        carbon.issue(HOLDER, id, 123_456_789, HASH);
        vm.prank(CARBON_ISSUER);
        carbon.issue(HOLDER, id, 123_456_789, HASH);
        bar("carbon, issue", 54_850);
        vm.prank(HOLDER);
        carbon.retire(id, 1_234_567, LAB, HASH);
        vm.prank(HOLDER);
        carbon.retire(id, 1_234_567, LAB, HASH);
        bar("carbon, retire", 38_900);
    }

    function issue(uint256 code) private {
        vm.prank(LAB);
        certificates.issueTo(HOLDER, code);
    }

    function bar(string memory what, uint256 most) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(what, used);
        assertTrue(used <= most, what);
    }
}
