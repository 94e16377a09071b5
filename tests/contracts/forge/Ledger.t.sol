// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IProductionLedger} from "../../../contracts/src/interfaces/IProductionLedger.sol";
import {ProductionLedger} from "../../../contracts/src/market/ProductionLedger.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @notice Registers and the energy issued from them.
contract LedgerTest is LedgerFixture {
    uint32 private constant METER = 7;

    function setUp() public override {
        super.setUp();
        setMeter(METER, ben, ZONE, true, 0);
    }

    /* CREATION */

    function test_constructor__power_cap_zero_or_beyond_40_bits__reverts() public {
        uint64[2] memory caps = [0, uint64(type(uint40).max) + 1];
        for (uint256 i; i < caps.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IProductionLedger.PowerCapOutOfRange.selector, caps[i], type(uint40).max
                )
            );
            new ProductionLedger(address(manager), registry, energy, exchange, caps[i], WINDOW);
        }
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

    function test_attest__too_many__reverts() public {
        uint256 most = ledger.MAX_REGISTERS();
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.TooManyRegisters.selector, most + 1, most));
        vm.prank(OPERATOR);
        ledger.attest(ZONE, T, 0, new bytes(12 * (most + 1)));
    }

    function test_attack_attest__removed_attester__reverts() public {
        ledger.setAttester(OPERATOR, false);
        attestReverts(T, 1, abi.encodeWithSelector(IProductionLedger.NotAttester.selector, OPERATOR));
    }

    function test_attack_attest__baseline_of_long_ago__reverts() public {
        uint64 earliest = uint64(block.timestamp) - WINDOW;
        vm.expectRevert(
            abi.encodeWithSelector(
                IProductionLedger.BaselineTooOld.selector, METER, earliest - 1, uint256(earliest)
            )
        );
        attestOne(METER, earliest - 1, 0);
        attestOne(METER, earliest, 0);
        vm.warp(block.timestamp + 2 * WINDOW);
        attestOne(METER, earliest + 1, 0); // no baseline: it comes late, and that heals
    }

    function test_dismissAttester__by_the_guardian__stops_him_at_once() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vm.prank(STRANGER);
        ledger.dismissAttester(OPERATOR);
        vm.prank(OPERATOR);
        ledger.dismissAttester(OPERATOR);
        assertTrue(!ledger.isAttester(OPERATOR), "dismissed");
        vm.expectRevert(abi.encodeWithSelector(IProductionLedger.NotAttester.selector, OPERATOR));
        attestOne(METER, T, 0);
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

        setMeter(METER, ben, ZONE, false, 0);
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
        uint256 capWh = uint256(MAX_POWER_W) * elapsed / 3600;
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
        setMeter(8, anna, ZONE, true, 0);
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

    function test_issue__meter_that_changed_hands__goes_to_the_new_owner() public {
        attestOne(METER, T, 1000);
        attestOne(METER, T + SLOT, 1300);
        setMeter(METER, cleo, ZONE, true, 0);
        issue();
        assertTrue(energyOf(ben) == 0 && energyOf(cleo) == 300, "owner at the time of issue");
    }

    function test_09_issue__meter_out_of_service__issues_what_was_attested() public {
        attestOne(METER, T, 1000);
        attestOne(METER, T + SLOT, 1300);
        setMeter(METER, ben, ZONE, false, 0);
        issue();
        assertEq(energyOf(ben), 300, "issued");
    }

    function test_issue__unknown_meters_or_none__does_nothing() public {
        issueOne(99);
        ledger.issue(new uint32[](0));
        assertEq(energy.totalSupply(), 0, "supply");
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

    /* HELPERS */

    function issue() private {
        issueOne(METER);
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
