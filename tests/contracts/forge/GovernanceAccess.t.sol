// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Roles} from "../../../contracts/src/registry/Roles.sol";
import {GovernanceCalls} from "./GovernanceCalls.sol";

/// @notice Who may call what, over the whole set of contracts after the handover.
contract GovernanceAccessTest is GovernanceCalls {
    /* 16: THE HANDOVER */

    function test_16_handover__only_the_timelock_administers() public view {
        assertEq(rolesOf(address(this)), 0, "the deployer has nothing");
        assertEq(rolesOf(GUARDIAN), 1 << Roles.GUARDIAN, "the guardian may stop");
        assertEq(
            rolesOf(OPERATOR),
            1 << Roles.REGISTRAR | 1 << Roles.FAUCET | 1 << Roles.TREASURER | 1 << Roles.CORRECTOR | 1
                << Roles.CERTIFIER | 1 << Roles.CARBON_ISSUER | 1 << Roles.ASSET_MANAGER | 1
                << Roles.POOL_MANAGER,
            "the operator runs"
        );
        assertEq(rolesOf(address(timelock)), 1 | 1 << 64, "the timelock administers the manager and itself");
        assertEq(rolesOf(address(governor)), 1 << 65 | 1 << 66, "the governor proposes and cancels");
        assertEq(rolesOf(address(0)), 1 << 67, "everyone executes");
        (bool held, uint32 delay) = manager.hasRole(0, address(timelock));
        assertTrue(held && delay == 0, "administrator");
    }

    function test_16_roles__have_no_other_administrators_or_guardians() public view {
        for (uint64 role = 1; role <= 10; ++role) {
            assertEq(manager.getRoleAdmin(role), 0, "role admin");
            assertEq(manager.getRoleGuardian(role), 0, "role guardian");
        }
    }

    /// @dev Deployer, operator, guardian, a stranger, the governor, a large holder: none gets through without a vote.
    function test_16_every_privileged_call__without_its_role__reverts() public {
        address[6] memory callers = [address(this), OPERATOR, GUARDIAN, STRANGER, address(governor), anna];
        bytes32 before = administration();
        for (uint256 i; i < callers.length; ++i) {
            Privileged[] storage calls = privileged(callers[i]);
            for (uint256 j; j < calls.length; ++j) {
                (bool held,) = manager.hasRole(calls[j].role, callers[i]);
                if (calls[j].role != 0 && held) continue;
                if (callers[i] == address(governor) && calls[j].target == address(timelock)) continue;
                vm.prank(callers[i]);
                (bool ok, bytes memory reason) = calls[j].target.call(calls[j].data);
                assertTrue(!ok, "allowed");
                assertTrue(isRefusal(bytes4(reason)), "refused for another reason");
            }
        }
        assertTrue(administration() == before, "something changed");
    }

    /// @dev What has a role is the role's: it is not refused for want of authority.
    function test_16_every_role__may_call_what_is_its_own_and_no_more() public {
        Privileged[] storage calls = privileged(STRANGER);
        uint256 own;
        for (uint256 j; j < calls.length; ++j) {
            if (calls[j].role == 0) continue;
            ++own;
            uint256 snapshot = vm.snapshotState();
            vm.prank(calls[j].role == Roles.GUARDIAN ? GUARDIAN : OPERATOR);
            (bool ok, bytes memory reason) = calls[j].target.call(calls[j].data);
            assertTrue(ok || !isRefusal(bytes4(reason)), "refused");
            vm.revertToState(snapshot);
        }
        assertEq(own, 16, "functions with a role");
    }

    function isRefusal(bytes4 reason) private pure returns (bool) {
        return reason == IAccessManaged.AccessManagedUnauthorized.selector
            || reason == IAccessManager.AccessManagerUnauthorizedAccount.selector
            || reason == IAccessControl.AccessControlUnauthorizedAccount.selector
            || reason == IGovernor.GovernorOnlyExecutor.selector;
    }

    function test_16_guardian__can_stop_and_nothing_else() public {
        vm.prank(GUARDIAN);
        exchange.pause();
        vm.prank(GUARDIAN);
        ledger.dismissAttester(OPERATOR);
        assertTrue(!ledger.isAttester(OPERATOR), "an attester is gone");
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        ledger.setAttester(OPERATOR, true);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        exchange.unpause();
        enact(proposalOf(address(exchange), abi.encodeCall(exchange.unpause, ()), "resume"));
        assertTrue(!exchange.paused(), "a vote resumes");
    }

    /// @dev The governor's roles in the timelock are of no use to anyone but a vote: it only calls on its own behalf.
    function test_16_timelock__schedule_below_its_delay__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                TimelockController.TimelockInsufficientDelay.selector, TIMELOCK_DELAY - 1, TIMELOCK_DELAY
            )
        );
        vm.prank(address(governor));
        timelock.schedule(address(manager), 0, "", 0, 0, TIMELOCK_DELAY - 1);
    }
}
