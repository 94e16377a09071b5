// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {
    IMeterMirror,
    IParticipantMirror,
    IParticipantRegistry
} from "../../../contracts/src/interfaces/IParticipantRegistry.sol";
import {Vm} from "./Base.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @notice Participants, zones and meters, and what the mirrors learn of them.
contract RegistryTest is LedgerFixture {
    uint32 private constant METER = 7;
    uint32 private constant OTHER_ZONE = 2;
    bytes32 private constant PLANT = "plant";

    /* PARTICIPANTS */

    function test_setParticipant__is_stored_emitted_and_mirrored() public {
        vm.recordLogs();
        vm.prank(OPERATOR);
        registry.setParticipant(STRANGER, T + 5, 1, 276);
        Vm.Log memory log = vm.getRecordedLogs()[0];
        assertTrue(log.topics[0] == IParticipantRegistry.ParticipantSet.selector, "event");
        assertEq(log.data, abi.encode(T + 5, 1, 276), "fields");
        IParticipantRegistry.Participant memory entry = registry.participant(STRANGER);
        assertTrue(entry.kycUntil == T + 5 && entry.flags == 1 && entry.country == 276, "entry");
        assertEq(exchange.clearanceOf(STRANGER), T + 5, "mirror");
    }

    function test_setParticipant__frozen__holds_at_once() public {
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 365 days, 7, 276);
        assertEq(exchange.clearanceOf(anna), 0, "mirror");
        assertTrue(!registry.isCleared(anna, 0), "registry");
    }

    function test_setParticipant__zero_or_unknown_flags__reverts() public {
        vm.expectRevert(IParticipantRegistry.ZeroAddress.selector);
        vm.prank(OPERATOR);
        registry.setParticipant(address(0), 1, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.UnknownFlags.selector, 8));
        vm.prank(OPERATOR);
        registry.setParticipant(anna, 1, 8, 1);
    }

    function test_setParticipant__beyond_32_bits__is_mirrored_as_the_greatest() public {
        vm.prank(OPERATOR);
        registry.setParticipant(anna, type(uint64).max, 3, 276);
        assertEq(exchange.clearanceOf(anna), type(uint32).max, "clearance");
    }

    function test_setParticipants__several__all_or_none() public {
        IParticipantRegistry.ParticipantEntry[] memory entries =
            new IParticipantRegistry.ParticipantEntry[](2);
        entries[0] = IParticipantRegistry.ParticipantEntry(STRANGER, T + 5, 1, 276);
        entries[1] = IParticipantRegistry.ParticipantEntry(anna, T + 6, 6, 40);
        vm.prank(OPERATOR);
        registry.setParticipants(entries);
        assertEq(exchange.clearanceOf(STRANGER), T + 5, "first");
        assertTrue(registry.participant(anna).country == 40 && exchange.clearanceOf(anna) == 0, "frozen");

        (entries[0].kycUntil, entries[1].account) = (T + 9, address(0));
        vm.expectRevert(IParticipantRegistry.ZeroAddress.selector);
        vm.prank(OPERATOR);
        registry.setParticipants(entries);
        assertEq(exchange.clearanceOf(STRANGER), T + 5, "kept");
    }

    function test_isCleared__time_flags_and_freeze() public {
        assertTrue(registry.isCleared(anna, 3), "cleared");
        assertTrue(!registry.isCleared(STRANGER, 0), "unknown");
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 365 days, 1, 276);
        assertTrue(registry.isCleared(anna, 1) && !registry.isCleared(anna, 2), "flags");
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 365 days, 5, 276);
        assertTrue(!registry.isCleared(anna, 1), "frozen");
        vm.warp(T + 365 days);
        assertTrue(registry.isCleared(ben, 0), "last second");
        vm.warp(T + 365 days + 1);
        assertTrue(!registry.isCleared(ben, 0), "ended");
    }

    function test_areCleared__needs_both() public {
        assertTrue(registry.areCleared(anna, ben), "both");
        assertTrue(!registry.areCleared(anna, STRANGER) && !registry.areCleared(STRANGER, anna), "one");
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 365 days, 4, 276);
        assertTrue(!registry.areCleared(anna, ben) && !registry.areCleared(ben, anna), "frozen");
    }

    function testFuzz_isCleared__is_time_and_not_frozen_and_flags(uint64 kycUntil, uint8 held, uint8 asked)
        public
    {
        (held, asked) = (held % 8, asked % 4);
        vm.prank(OPERATOR);
        registry.setParticipant(STRANGER, kycUntil, held, 276);
        bool expected = kycUntil >= block.timestamp && held < 4 && (held & asked) == asked;
        assertTrue(registry.isCleared(STRANGER, asked) == expected, "verdict");
    }

    /* ZONES AND METERS */

    function test_setMeter__is_stored_emitted_and_mirrored() public {
        vm.recordLogs();
        vm.prank(OPERATOR);
        registry.setMeter(METER, ben, ZONE, true, cleo, PLANT);
        Vm.Log memory log = vm.getRecordedLogs()[0];
        assertTrue(log.topics[0] == IParticipantRegistry.MeterSet.selector, "event");
        assertEq(log.data, abi.encode(ZONE, true, cleo, PLANT), "fields");
        IParticipantRegistry.Meter memory entry = registry.meter(METER);
        assertTrue(entry.owner == ben && entry.zone == ZONE && entry.active, "entry");
        assertTrue(entry.key == cleo && entry.plantId == PLANT, "key and plant");
        assertTrue(registry.meterOwner(METER) == ben, "owner");
        (,, address key) = ledger.limitsOf(METER);
        assertTrue(key == cleo, "mirror");
    }

    function test_setMeter__without_owner_or_zone__reverts() public {
        vm.expectRevert(IParticipantRegistry.ZeroAddress.selector);
        setMeter(1, address(0), ZONE, true, 0);
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.UnknownZone.selector, METER, OTHER_ZONE));
        setMeter(METER, ben, OTHER_ZONE, true, 0);
    }

    function test_setMeter__moved_to_another_zone__is_attested_there_only() public {
        registry.setZone(OTHER_ZONE, "OTHER");
        setMeter(METER, ben, ZONE, true, 0);
        attestOne(METER, T, 1);
        setMeter(METER, ben, OTHER_ZONE, true, 0);
        vm.prank(OPERATOR);
        ledger.attest(OTHER_ZONE, T + 1, 0, abi.encodePacked(METER, uint64(2)));
        assertEq(registerOf(METER), 2, "register");
    }

    function test_setMeters__several__all_or_none() public {
        IParticipantRegistry.MeterEntry[] memory entries = new IParticipantRegistry.MeterEntry[](2);
        entries[0] = IParticipantRegistry.MeterEntry(1, anna, ZONE, true, anna, 0);
        entries[1] = IParticipantRegistry.MeterEntry(2, ben, ZONE, false, ben, PLANT);
        vm.prank(OPERATOR);
        registry.setMeters(entries);
        assertTrue(registry.meterOwner(1) == anna && registry.meter(2).plantId == PLANT, "entries");
        attestOne(1, T, 1);

        (entries[0].owner, entries[1].zone) = (cleo, OTHER_ZONE);
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.UnknownZone.selector, 2, OTHER_ZONE));
        vm.prank(OPERATOR);
        registry.setMeters(entries);
        assertTrue(registry.meterOwner(1) == anna, "kept");
    }

    function test_setZone__is_stored_and_emitted_and_can_be_renamed() public {
        assertTrue(registry.zoneCode(OTHER_ZONE) == 0, "unknown");
        registry.setZone(OTHER_ZONE, "OLD");
        vm.recordLogs();
        registry.setZone(OTHER_ZONE, "NEW");
        Vm.Log memory log = vm.getRecordedLogs()[0];
        assertTrue(log.topics[0] == IParticipantRegistry.ZoneSet.selector, "event");
        assertTrue(uint256(log.topics[1]) == OTHER_ZONE && bytes32(log.data) == "NEW", "fields");
        assertTrue(registry.zoneCode(OTHER_ZONE) == "NEW", "code");
    }

    function test_setZone__without_a_code__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.ZeroZoneCode.selector, ZONE));
        registry.setZone(ZONE, 0);
    }

    /* MIRRORS AND ROLES */

    function test_registry__set_before_mirrors__is_brought_over_by_sync() public {
        registry.setMirrors(IParticipantMirror(address(0)), IMeterMirror(address(0)));
        vm.prank(OPERATOR);
        registry.setParticipant(STRANGER, T + 5, 3, 276);
        setMeter(9, STRANGER, ZONE, true, 0);
        assertEq(exchange.clearanceOf(STRANGER), 0, "not yet");
        exchange.syncParticipant(STRANGER);
        ledger.syncMeter(9);
        assertEq(exchange.clearanceOf(STRANGER), T + 5, "cleared");
        attestOne(9, T, 1);
    }

    function test_setMirrors__is_emitted() public {
        vm.recordLogs();
        registry.setMirrors(IParticipantMirror(anna), IMeterMirror(ben));
        assertEq(vm.getRecordedLogs()[0].data, abi.encode(anna, ben), "fields");
        assertTrue(address(registry.participantMirror()) == anna, "participants");
        assertTrue(address(registry.meterMirror()) == ben, "meters");
    }

    function test_attack_registry__strangers_and_participants__change_nothing() public {
        IParticipantRegistry.ParticipantEntry[] memory people = new IParticipantRegistry.ParticipantEntry[](0);
        bytes[6] memory calls = [
            abi.encodeCall(registry.setParticipant, (anna, 1, 1, 1)),
            abi.encodeCall(registry.setParticipants, (people)),
            abi.encodeCall(registry.setMeter, (1, anna, ZONE, true, anna, 0)),
            abi.encodeCall(registry.setMeters, (new IParticipantRegistry.MeterEntry[](0))),
            abi.encodeCall(registry.setZone, (OTHER_ZONE, "MINE")),
            abi.encodeCall(registry.setMirrors, (IParticipantMirror(anna), IMeterMirror(anna)))
        ];
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(anna);
            (bool ok, bytes memory data) = address(registry).call(calls[i]);
            bytes4 selector = IAccessManaged.AccessManagedUnauthorized.selector;
            assertTrue(!ok && bytes4(data) == selector, "allowed");
        }
    }

    function test_setZone__by_the_registrar__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, OPERATOR));
        vm.prank(OPERATOR);
        registry.setZone(OTHER_ZONE, "MINE");
    }
}
