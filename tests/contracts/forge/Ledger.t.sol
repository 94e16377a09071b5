// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IEnergyToken} from "../../../contracts/src/interfaces/IEnergyToken.sol";
import {
    IMeterMirror,
    IParticipantMirror,
    IParticipantRegistry
} from "../../../contracts/src/interfaces/IParticipantRegistry.sol";
import {IProductionLedger} from "../../../contracts/src/interfaces/IProductionLedger.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Registers, the energy issued from them, and the registry and tokens behind them.
contract LedgerTest is Fixture {
    uint32 private constant METER = 7;

    function setUp() public override {
        super.setUp();
        vm.prank(OPERATOR);
        registry.setMeter(METER, ben, ZONE, true, address(0), "plant");
    }

    /* ATTESTATION */

    function test_09_attest__first_register__is_a_baseline() public {
        attestOne(METER, T, 5_000_000);
        issue();
        assertEq(energy.totalSupply(), 0, "nothing issued for what came before");
        attestOne(METER, T + SLOT, 5_000_300);
        issue();
        assertEq(energyOf(ben), 300, "issued to the owner's account");
        assertEq(energy.balanceOf(address(exchange)), 300, "held by the vault");
    }

    function test_09_attest__replayed__issues_nothing() public {
        attestOne(METER, T, 1000);
        attestOne(METER, T + SLOT, 1300);
        issue();
        attestOne(METER, T + SLOT, 1300);
        issue();
        assertEq(energy.totalSupply(), 300, "issued once");
    }

    function test_09_attest__lost_reading__is_healed_by_the_next() public {
        attestOne(METER, T - SLOT, 1000);
        attestOne(METER, T + SLOT, 1700);
        issue();
        assertEq(energyOf(ben), 700, "both slots");
    }

    function test_attest__emits_its_registers() public {
        bytes memory registers = abi.encodePacked(METER, uint64(123));
        vm.recordLogs();
        vm.prank(OPERATOR);
        ledger.attest(ZONE, T, "root", registers);
        (bytes32 root, bytes memory emitted) = abi.decode(vm.getRecordedLogs()[0].data, (bytes32, bytes));
        assertTrue(root == "root", "root");
        assertEq(emitted, registers, "registers");
    }

    function test_attest__stranger__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.NotAttester.selector, STRANGER));
        vm.prank(STRANGER);
        ledger.attest(ZONE, T, 0, "");
    }

    function test_attest__cut_short__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.BadRegistersLength.selector, 11));
        vm.prank(OPERATOR);
        ledger.attest(ZONE, T, 0, new bytes(11));
    }

    function test_attest__in_the_future__reverts() public {
        uint64 future = uint64(block.timestamp + 1);
        attestReverts(
            future,
            1,
            abi.encodeWithSelector(IProductionLedger.SlotInFuture.selector, future, block.timestamp)
        );
    }

    function test_09_attest__unknown_or_inactive_meter_or_other_zone__reverts() public {
        bytes4 notActive = IProductionLedger.MeterNotActive.selector;
        vm.expectRevert(abi.encodeWithSelector(notActive, 8, ZONE));
        vm.prank(OPERATOR);
        ledger.attest(ZONE, T, 0, abi.encodePacked(uint32(8), uint64(1)));

        vm.expectRevert(abi.encodeWithSelector(notActive, METER, ZONE + 1));
        vm.prank(OPERATOR);
        ledger.attest(ZONE + 1, T, 0, abi.encodePacked(METER, uint64(1)));

        vm.prank(OPERATOR);
        registry.setMeter(METER, ben, ZONE, false, address(0), "plant");
        attestReverts(T, 1, abi.encodeWithSelector(notActive, METER, ZONE));
    }

    function test_09_attest__falling_register__reverts() public {
        attestOne(METER, T, 1000);
        attestReverts(
            T + SLOT, 999, abi.encodeWithSelector(IProductionLedger.RegisterFell.selector, METER, 1000, 999)
        );
    }

    function test_attest__earlier_than_the_last__reverts() public {
        attestOne(METER, T, 1000);
        attestReverts(
            T - 1, 1000, abi.encodeWithSelector(IProductionLedger.SlotNotAfterLast.selector, METER, T - 1, T)
        );
    }

    function testFuzz_09_attest__growth__at_most_the_power_cap(uint64 growthWh, uint32 elapsed) public {
        elapsed = uint32(bound(elapsed, 0, 2 * SLOT));
        uint256 capWh = (uint256(MAX_POWER_W) * elapsed + 3599) / 3600;
        growthWh = uint64(bound(growthWh, 0, capWh + 2));
        attestOne(METER, T, 77);
        if (growthWh <= capWh) {
            attestOne(METER, T + elapsed, 77 + growthWh);
        } else {
            bytes4 tooMuch = IProductionLedger.RegisterGrewTooMuch.selector;
            attestReverts(T + elapsed, 77 + growthWh, abi.encodeWithSelector(tooMuch, METER, growthWh, capWh));
        }
    }

    /* ISSUE */

    function test_09_issue__several_meters_and_repeats__issues_each_once() public {
        vm.prank(OPERATOR);
        registry.setMeter(8, anna, ZONE, true, address(0), 0);
        bytes memory baseline = abi.encodePacked(METER, uint64(0), uint32(8), uint64(0));
        bytes memory registers = abi.encodePacked(METER, uint64(10), uint32(8), uint64(20));
        vm.prank(OPERATOR);
        ledger.attest(ZONE, T, 0, baseline);
        vm.prank(OPERATOR);
        ledger.attest(ZONE, T + SLOT, 0, registers);
        uint32[] memory meters = new uint32[](4);
        (meters[0], meters[1], meters[2], meters[3]) = (METER, 8, METER, 9);
        vm.prank(STRANGER);
        ledger.issue(meters);
        assertTrue(energyOf(ben) == 10 && energyOf(anna) == 20 && energy.totalSupply() == 30, "issued");
    }

    /* CORRECTION */

    function test_09_correctRegister__above_minted__lowers() public {
        attestOne(METER, T, 1000);
        attestOne(METER, T + SLOT, 1300);
        vm.prank(OPERATOR);
        ledger.correctRegister(METER, 1200, "ct ratio");
        issue();
        assertEq(energyOf(ben), 200, "issued");
        (uint64 attestedWh, uint64 issuedWh,) = ledger.register(METER);
        assertTrue(attestedWh == 1200 && issuedWh == 1200, "registers");
    }

    function test_09_correctRegister__below_minted_or_not_lower__reverts() public {
        attestOne(METER, T, 1000);
        attestOne(METER, T + SLOT, 1300);
        issue();
        attestOne(METER, T + SLOT + 1, 1310);
        correctReverts(1299, correctionError(1299, 1310, 1300));
        correctReverts(1310, correctionError(1310, 1310, 1300));
    }

    function test_09_correctRegister__baseline_before_any_mint__moves() public {
        attestOne(METER, T, 1000);
        vm.prank(OPERATOR);
        ledger.correctRegister(METER, 400, "typo");
        attestOne(METER, T + SLOT, 450);
        issue();
        assertEq(energyOf(ben), 50, "from the corrected baseline");
    }

    function test_09_correctRegister__after_the_window__reverts() public {
        attestOne(METER, T, 1000);
        vm.warp(T + WINDOW + 1);
        correctReverts(900, abi.encodeWithSelector(IProductionLedger.CorrectionTooLate.selector, METER, T));
    }

    /* REGISTRY AND TOKENS */

    function test_registry__set_before_mirrors__is_brought_over_by_sync() public {
        registry.setMirrors(IParticipantMirror(address(0)), IMeterMirror(address(0)));
        vm.prank(OPERATOR);
        registry.setParticipant(STRANGER, T + 5, 3, 276);
        vm.prank(OPERATOR);
        registry.setMeter(9, STRANGER, ZONE, true, address(0), 0);
        assertEq(exchange.clearanceOf(STRANGER), 0, "not yet");
        exchange.syncParticipant(STRANGER);
        ledger.syncMeter(9);
        assertEq(exchange.clearanceOf(STRANGER), T + 5, "cleared");
        attestOne(9, T, 1);
        assertTrue(registry.meter(9).owner == STRANGER, "owner");
    }

    function test_registry__isCleared__time_flags_and_freeze() public {
        assertTrue(registry.isCleared(anna, 3), "cleared");
        assertTrue(!registry.isCleared(STRANGER, 0), "unknown");
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 365 days, 1, 276);
        assertTrue(registry.isCleared(anna, 1) && !registry.isCleared(anna, 2), "flags");
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 365 days, 5, 276);
        assertTrue(!registry.isCleared(anna, 1), "frozen");
        vm.warp(T + 366 days);
        assertTrue(!registry.isCleared(ben, 0), "ended");
    }

    function test_registry__clearance_beyond_40_bits__is_kept_as_the_greatest() public {
        vm.prank(OPERATOR);
        registry.setParticipant(anna, type(uint64).max, 3, 276);
        assertEq(exchange.clearanceOf(anna), type(uint40).max, "clearance");
    }

    function test_registry__zero_or_unknown_flags__reverts() public {
        vm.expectRevert(IParticipantRegistry.ZeroAddress.selector);
        vm.prank(OPERATOR);
        registry.setParticipant(address(0), 1, 1, 1);
        vm.expectRevert(IParticipantRegistry.ZeroAddress.selector);
        vm.prank(OPERATOR);
        registry.setMeter(1, address(0), 1, true, address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.UnknownFlags.selector, 8));
        vm.prank(OPERATOR);
        registry.setParticipant(anna, 1, 8, 1);
    }

    function test_09_energyToken__only_the_ledger_mints_and_holders_consume() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyToken.NotLedger.selector, OPERATOR));
        vm.prank(OPERATOR);
        energy.mint(OPERATOR, 1);
        vm.expectRevert(abi.encodeWithSelector(IEnergyToken.LedgerFixed.selector, address(ledger)));
        energy.setLedger(OPERATOR);
        vm.prank(address(ledger));
        energy.mint(anna, 10);
        vm.prank(anna);
        energy.consume(4);
        assertEq(energy.totalSupply(), 6, "consumed");
        assertTrue(energy.decimals() == 3 && euro.decimals() == 6, "decimals");
    }

    /* HELPERS */

    function issue() private {
        uint32[] memory meters = new uint32[](1);
        meters[0] = METER;
        ledger.issue(meters);
    }

    function attestReverts(uint64 slotEnd, uint64 registerWh, bytes memory reason) private {
        bytes memory registers = abi.encodePacked(METER, registerWh);
        vm.expectRevert(reason);
        vm.prank(OPERATOR);
        ledger.attest(ZONE, slotEnd, 0, registers);
    }

    function correctReverts(uint64 toWh, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(OPERATOR);
        ledger.correctRegister(METER, toWh, 0);
    }

    function correctionError(uint64 toWh, uint64 attestedWh, uint64 issuedWh)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(
            IProductionLedger.CorrectionOutOfRange.selector, METER, toWh, attestedWh, issuedWh
        );
    }
}
