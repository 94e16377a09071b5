// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IProductionLedger} from "../../../contracts/src/interfaces/IProductionLedger.sol";
import {LedgerFixture} from "./LedgerFixture.sol";
import {Vm} from "./Base.sol";

/// @notice Readings with their meters' own signatures, and the limits set to single meters.
contract LedgerSignedTest is LedgerFixture {
    uint32 private constant METER = 7;
    uint256 private constant KEY = 0x3e7e4;
    uint256 private constant OTHER_KEY = 0x3e7e5;

    function setUp() public override {
        super.setUp();
        setMeter(METER, ben, ZONE, true, KEY);
    }

    /* DIGEST */

    /// @dev Digests of `contracts.typed_data.reading_digest`, which tests/unit/contracts checks against the same
    /// readings.
    function test_readingDigest__equals_pythons() public view {
        assertTrue(
            ledger.readingDigest(IProductionLedger.Reading(7, 1_800_000_000, 42, 123_456, 654_321, -1500))
                == 0x23304f222f25871d2a444f66f2ae5a4150c36397aa1fce1788bcf62382107820,
            "usual"
        );
        uint64 most = type(uint64).max;
        assertTrue(
            ledger.readingDigest(
                IProductionLedger.Reading(type(uint32).max, most, most, most, most, type(int64).min)
            ) == 0x73b1cdc25fc46d3d6e63efc865e5475189abc5932ae6b2d2f4f2e0ac90e9f918,
            "greatest"
        );
        assertTrue(
            ledger.readingDigest(IProductionLedger.Reading(0, 0, 0, 0, 0, 0))
                == 0xb04b3033ad6181044a4394413b738f2502bc1d7da3f9736b2a53ff2e9467a42a,
            "zero"
        );
    }

    /// @dev The packed digest is the readable one: the signature over the latter is accepted for any reading.
    function testFuzz_attestSigned__any_reading__is_what_was_signed(
        uint32 meterId,
        uint64 time,
        uint64 counter,
        uint64 importWh,
        uint64 exportWh,
        int64 powerW
    ) public {
        time = uint64(bound(time, block.timestamp - WINDOW, block.timestamp));
        setMeter(meterId, ben, ZONE, true, KEY);
        attestSigned(
            signedBy(KEY, IProductionLedger.Reading(meterId, time, counter, importWh, exportWh, powerW))
        );
        (uint64 attestedWh, uint64 issuedWh, uint64 slotEnd) = ledger.register(meterId);
        assertTrue(attestedWh == exportWh && issuedWh == exportWh && slotEnd == time, "baseline");
    }

    /* WHAT IS ACCEPTED */

    function test_09_attestSigned__first_reading__is_a_baseline_and_the_next_issues() public {
        attestSigned(reading(T, 5000));
        issueOne(METER);
        assertEq(energy.totalSupply(), 0, "nothing issued for what came before");
        attestSigned(reading(T + 60, 5300));
        issueOne(METER);
        assertEq(energyOf(ben), 300, "issued to the owner's account");
    }

    function test_attestSigned__several_meters_and_times__emits_what_it_attested() public {
        setMeter(8, anna, ZONE, true, OTHER_KEY);
        bytes memory batch = bytes.concat(
            reading(T, 5000), reading(T + 60, 5010), signedBy(OTHER_KEY, readingOf(8, T + 7, 77))
        );
        vm.recordLogs();
        attestSigned(batch);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertTrue(logs.length == 1, "one event");
        assertTrue(logs[0].topics[0] == IProductionLedger.ReadingsAttested.selector, "event");
        assertEq(uint256(logs[0].topics[1]), ZONE, "zone");
        assertEq(
            abi.decode(logs[0].data, (bytes)),
            abi.encodePacked(
                METER, T, uint64(5000), METER, T + 60, uint64(5010), uint32(8), T + 7, uint64(77)
            ),
            "entries"
        );
        assertTrue(registerOf(METER) == 5010 && registerOf(8) == 77, "registers");
    }

    function test_attestSigned__nothing__emits_no_entries() public {
        vm.recordLogs();
        attestSigned("");
        assertEq(abi.decode(vm.getRecordedLogs()[0].data, (bytes)), "", "entries");
    }

    function test_attack_attestSigned__replay__attests_nothing_new() public {
        attestSigned(reading(T, 5000));
        attestSigned(reading(T + 60, 5300));
        issueOne(METER);
        attestSigned(reading(T + 60, 5300));
        issueOne(METER);
        assertEq(energy.totalSupply(), 300, "issued once");
        attestSignedReverts(
            reading(T, 5000),
            abi.encodeWithSelector(IProductionLedger.SlotNotAfterLast.selector, METER, T, T + 60)
        );
    }

    function test_attestSigned__mixed_with_unsigned_attestations() public {
        attestSigned(reading(T, 5000));
        attestOne(METER, T + 30, 5100);
        attestSigned(reading(T + 60, 5300));
        assertEq(registerOf(METER), 5300, "register");
    }

    /* WHAT IS REFUSED */

    function test_attestSigned__stranger_or_removed_attester__reverts() public {
        bytes memory batch = reading(T, 5000);
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.NotAttester.selector, STRANGER));
        vm.prank(STRANGER);
        ledger.attestSigned(ZONE, batch);
        ledger.setAttester(OPERATOR, false);
        attestSignedReverts(batch, abi.encodeWithSelector(IProductionLedger.NotAttester.selector, OPERATOR));
    }

    function test_attestSigned__cut_short_or_too_many__reverts() public {
        attestSignedReverts(
            new bytes(107), abi.encodeWithSelector(IProductionLedger.BadRegistersLength.selector, 107)
        );
        uint256 most = ledger.MAX_READINGS();
        attestSignedReverts(
            new bytes(108 * (most + 1)),
            abi.encodeWithSelector(IProductionLedger.TooManyRegisters.selector, most + 1, most)
        );
    }

    function test_attestSigned__in_the_future__reverts() public {
        uint64 future = uint64(block.timestamp + 1);
        attestSignedReverts(
            reading(future, 5000),
            abi.encodeWithSelector(IProductionLedger.SlotInFuture.selector, future, block.timestamp)
        );
    }

    function test_attack_attestSigned__another_key__reverts() public {
        signatureRefused(signedBy(OTHER_KEY, readingOf(METER, T, 5000)));
    }

    function test_attack_attestSigned__altered_after_signing__reverts() public {
        bytes memory entry = reading(T, 5000);
        for (uint256 i = 11; i < 108; i += 6) {
            bytes memory altered = bytes.concat(entry);
            altered[i] ^= 0x01; // from the time's last byte on
            signatureRefused(altered);
        }
    }

    function test_attack_attestSigned__another_meters_reading__reverts() public {
        setMeter(8, anna, ZONE, true, OTHER_KEY);
        bytes memory entry = reading(T, 5000);
        entry[3] = 0x08;
        signatureRefused(entry, 8);
    }

    /// @dev The only high s that EIP-2098 has room for; the meter's key is made to be what it recovers to.
    function test_attack_attestSigned__s_just_above_half_the_order__reverts() public {
        IProductionLedger.Reading memory signed = readingOf(METER, T, 5000);
        bytes32 r = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798; // the generator's x
        uint256 s = CURVE_ORDER / 2 + 1;
        address key = ecrecover(ledger.readingDigest(signed), 27, r, bytes32(s));
        assertTrue(key != address(0), "no key");
        vm.prank(OPERATOR);
        registry.setMeter(METER, ben, ZONE, true, key, 0);
        signatureRefused(abi.encodePacked(packed(signed), r, s));
    }

    function test_attack_attestSigned__high_twin__reverts() public {
        IProductionLedger.Reading memory signed = readingOf(METER, T, 5000);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, ledger.readingDigest(signed));
        uint256 high = CURVE_ORDER - uint256(s);
        uint256 parity = v == 27 ? 1 : 0; // the twin's
        signatureRefused(abi.encodePacked(packed(signed), r, parity << 255 | high));
    }

    function test_attack_attestSigned__signature_of_nobody_for_a_meter_without_key__reverts() public {
        setMeter(METER, ben, ZONE, true, 0);
        signatureRefused(abi.encodePacked(packed(readingOf(METER, T, 5000)), bytes32(0), bytes32(0)));
        signatureRefused(reading(T, 5000));
    }

    function test_attestSigned__after_a_change_of_key__by_the_new_one_only() public {
        attestSigned(reading(T, 5000));
        setMeter(METER, ben, ZONE, true, OTHER_KEY);
        signatureRefused(reading(T + 60, 5010));
        attestSigned(signedBy(OTHER_KEY, readingOf(METER, T + 60, 5010)));
        (,, address key) = ledger.limitsOf(METER);
        assertTrue(key == vm.addr(OTHER_KEY), "key");
    }

    function test_09_attestSigned__inactive_or_of_another_zone__reverts() public {
        bytes memory batch = reading(T, 5000);
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.MeterNotActive.selector, METER, ZONE + 1));
        vm.prank(OPERATOR);
        ledger.attestSigned(ZONE + 1, batch);
        setMeter(METER, ben, ZONE, false, KEY);
        attestSignedReverts(
            batch, abi.encodeWithSelector(IProductionLedger.MeterNotActive.selector, METER, ZONE)
        );
    }

    function test_09_attestSigned__falling_or_beyond_the_cap__reverts() public {
        attestSigned(reading(T, 5000));
        attestSignedReverts(
            reading(T + 60, 4999),
            abi.encodeWithSelector(IProductionLedger.RegisterFell.selector, METER, 5000, 4999)
        );
        uint64 most = MAX_POWER_W / 60;
        attestSignedReverts(
            reading(T + 60, 5000 + most + 1),
            abi.encodeWithSelector(IProductionLedger.RegisterGrewTooMuch.selector, METER, most + 1, most)
        );
        attestSigned(reading(T + 60, 5000 + most));
    }

    /* LIMITS OF ONE METER */

    function test_09_setSignatureRequired__attest__is_refused_until_lifted() public {
        attestOne(METER, T, 5000);
        vm.prank(OPERATOR);
        ledger.setSignatureRequired(METER, true);
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.SignatureRequired.selector, METER));
        attestOne(METER, T + 60, 5010);
        attestSigned(reading(T + 60, 5010));
        setMeter(METER, ben, ZONE, true, KEY); // registering it again lifts nothing
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.SignatureRequired.selector, METER));
        attestOne(METER, T + 120, 5020);
        vm.prank(OPERATOR);
        ledger.setSignatureRequired(METER, false);
        attestOne(METER, T + 120, 5020);
        assertEq(registerOf(METER), 5020, "register");
    }

    function testFuzz_09_setPowerCap__growth__at_most_the_meters_own_cap(
        uint40 capW,
        uint32 elapsed,
        uint64 growthWh
    ) public {
        capW = uint40(bound(capW, 1, MAX_POWER_W));
        elapsed = uint32(bound(elapsed, 0, 2 * SLOT));
        uint256 mostWh = uint256(capW) * elapsed / 3600;
        growthWh = uint64(bound(growthWh, 0, mostWh + 2));
        vm.prank(OPERATOR);
        ledger.setPowerCap(METER, capW);
        attestOne(METER, T, 77);
        if (growthWh > mostWh) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IProductionLedger.RegisterGrewTooMuch.selector, METER, growthWh, mostWh
                )
            );
        }
        attestOne(METER, T + elapsed, 77 + growthWh);
        if (growthWh <= mostWh) assertEq(registerOf(METER), 77 + growthWh, "register");
    }

    /// @dev Growth is not rounded in the meter's favour: many small steps gain nothing.
    function test_attack_attest__rounding_in_many_steps__gains_nothing() public {
        vm.prank(OPERATOR);
        ledger.setPowerCap(METER, 1000);
        attestOne(METER, T, 0);
        bytes memory tooMuch =
            abi.encodeWithSelector(IProductionLedger.RegisterGrewTooMuch.selector, METER, 1, 0);
        vm.expectRevert(tooMuch);
        attestOne(METER, T + 3, 1); // 1 kW feeds a Wh in 3.6 s
        attestOne(METER, T + 4, 1);
        vm.expectRevert(tooMuch);
        attestOne(METER, T + 7, 2);
    }

    function test_limitsOf__registered_meter__has_the_grids_cap_until_its_own() public {
        (uint40 capW, bool required, address key) = ledger.limitsOf(METER);
        assertTrue(capW == MAX_POWER_W && !required && key == vm.addr(KEY), "as registered");
        vm.prank(OPERATOR);
        ledger.setPowerCap(METER, 4600);
        vm.prank(OPERATOR);
        ledger.setSignatureRequired(METER, true);
        ledger.syncMeter(METER);
        (capW, required,) = ledger.limitsOf(METER);
        assertTrue(capW == 4600 && required, "as set");
        (capW, required, key) = ledger.limitsOf(METER + 1);
        assertTrue(capW == 0 && !required && key == address(0), "unknown");
    }

    function test_setPowerCap__zero_or_above_the_grids__reverts() public {
        uint40 tooHigh = uint40(MAX_POWER_W + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IProductionLedger.PowerCapOutOfRange.selector, tooHigh, MAX_POWER_W)
        );
        vm.prank(OPERATOR);
        ledger.setPowerCap(METER, tooHigh);
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.PowerCapOutOfRange.selector, 0, MAX_POWER_W));
        vm.prank(OPERATOR);
        ledger.setPowerCap(METER, 0);
    }

    function test_limits__set_by_others_than_the_registrar__reverts() public {
        bytes memory unauthorized =
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        vm.expectRevert(unauthorized);
        vm.prank(STRANGER);
        ledger.setPowerCap(METER, 1);
        vm.expectRevert(unauthorized);
        vm.prank(STRANGER);
        ledger.setSignatureRequired(METER, true);
        vm.expectRevert(unauthorized);
        vm.prank(STRANGER);
        ledger.setAttester(STRANGER, true);
        vm.expectRevert(unauthorized);
        vm.prank(STRANGER);
        ledger.correctRegister(METER, 0, 0);
    }

    /* HELPERS */

    function reading(uint64 time, uint64 exportWh) private view returns (bytes memory) {
        return signedBy(KEY, readingOf(METER, time, exportWh));
    }

    function attestSignedReverts(bytes memory batch, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(OPERATOR);
        ledger.attestSigned(ZONE, batch);
    }

    function signatureRefused(bytes memory entry) private {
        signatureRefused(entry, METER);
    }

    function signatureRefused(bytes memory entry, uint32 meterId) private {
        vm.prank(OPERATOR);
        (bool ok, bytes memory data) =
            address(ledger).call(abi.encodeCall(ledger.attestSigned, (ZONE, entry)));
        bytes4 selector = IProductionLedger.BadReadingSignature.selector;
        assertTrue(!ok && bytes4(data) == selector, "accepted or refused for another reason");
        uint256 named;
        assembly ("memory-safe") {
            named := mload(add(data, 0x24))
        }
        assertEq(named, meterId, "meter");
    }
}
