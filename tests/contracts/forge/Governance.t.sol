// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    GovernorVotesQuorumFraction
} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {Panic} from "@openzeppelin/contracts/utils/Panic.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {GridtraceTimelock} from "../../../contracts/src/governance/GridtraceTimelock.sol";
import {TraceGovernor} from "../../../contracts/src/governance/TraceGovernor.sol";
import {IGridtraceTimelock, ITraceGovernor} from "../../../contracts/src/interfaces/IGovernance.sol";
import {GovernanceBase} from "./GovernanceBase.sol";
import {skip, timeNow} from "./Time.sol";

/// @notice From proposal to execution, and what a vote may change.
contract GovernanceTest is GovernanceBase {
    /* FROM PROPOSAL TO EXECUTION */

    function test_16_proposal__voted_through__executes_after_the_delay_and_not_before() public {
        Proposal memory proposal = settlerProposal();
        propose(anna, proposal);
        assertTrue(stateOf(proposal) == IGovernor.ProposalState.Pending, "pending");
        startVoting(proposal);
        assertTrue(stateOf(proposal) == IGovernor.ProposalState.Active, "active");
        assertEq(vote(anna, proposal, 1), 30_000e18, "weight");
        endVoting(proposal);
        assertTrue(stateOf(proposal) == IGovernor.ProposalState.Succeeded, "succeeded");
        queue(proposal);
        skip(TIMELOCK_DELAY - 1);
        (bool ok,) = tryExecute(proposal);
        assertTrue(!ok && !exchange.isSettler(NEW_SETTLER), "too early");
        skip(1);
        execute(proposal);
        assertTrue(exchange.isSettler(NEW_SETTLER), "executed");
        (ok,) = tryExecute(proposal);
        assertTrue(!ok, "twice");
    }

    function test_16_proposal__unqueued_defeated_or_active__cannot_execute() public {
        Proposal memory proposal = settlerProposal();
        propose(anna, proposal);
        startVoting(proposal);
        vote(anna, proposal, 1);
        (bool ok, bytes memory reason) = tryExecute(proposal);
        assertTrue(!ok && bytes4(reason) == IGovernor.GovernorUnexpectedProposalState.selector, "active");
        endVoting(proposal);
        (ok,) = tryExecute(proposal);
        assertTrue(!ok, "not queued");
        Proposal memory other =
            proposalOf(address(exchange), abi.encodeCall(exchange.setSettler, (STRANGER, true)), "b");
        propose(anna, other);
        endVoting(other);
        (ok,) = tryExecute(other);
        assertTrue(!ok && stateOf(other) == IGovernor.ProposalState.Defeated, "nobody voted");
    }

    /// @dev Whoever is first may execute what is due, on the timelock too, and in the voted order and content only.
    function test_proposal__executed_on_the_timelock_by_anyone__is_the_same() public {
        Proposal memory proposal = settlerProposal();
        voteThrough(proposal);
        skip(TIMELOCK_DELAY);
        bytes32 salt = bytes20(address(governor)) ^ keccak256(bytes(proposal.description));
        vm.prank(STRANGER);
        timelock.executeBatch(proposal.targets, proposal.values, proposal.calldatas, 0, salt);
        assertTrue(exchange.isSettler(NEW_SETTLER), "executed");
        assertTrue(stateOf(proposal) == IGovernor.ProposalState.Executed, "known");
    }

    /* QUORUM, THRESHOLD, MAJORITY */

    function testFuzz_quorum__exactly_or_one_less(bool reached, bool abstains) public {
        giveVotes(cleo, reached ? QUORUM - 1 : QUORUM - 2);
        giveVotes(STRANGER, 1);
        skip(1);
        Proposal memory proposal = settlerProposal();
        propose(anna, proposal);
        assertEq(governor.quorum(timeNow() - 1), QUORUM, "quorum");
        startVoting(proposal);
        vote(STRANGER, proposal, 1);
        vote(cleo, proposal, abstains ? 2 : 1);
        endVoting(proposal);
        assertTrue(
            stateOf(proposal)
                == (reached ? IGovernor.ProposalState.Succeeded : IGovernor.ProposalState.Defeated),
            "quorum"
        );
    }

    function test_majority__tie__is_defeated() public {
        giveVotes(cleo, 30_000e18);
        skip(1);
        Proposal memory proposal = settlerProposal();
        propose(anna, proposal);
        startVoting(proposal);
        vote(anna, proposal, 1);
        vote(cleo, proposal, 0);
        endVoting(proposal);
        assertTrue(stateOf(proposal) == IGovernor.ProposalState.Defeated, "tie");
    }

    function test_propose__threshold__exactly_or_one_less() public {
        giveVotes(cleo, THRESHOLD - 1);
        skip(1);
        Proposal memory proposal = settlerProposal();
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorInsufficientProposerVotes.selector, cleo, THRESHOLD - 1, THRESHOLD
            )
        );
        propose(cleo, proposal);
        giveVotes(cleo, 1);
        skip(1);
        propose(cleo, proposal);
    }

    function test_vote__twice_early_or_late__reverts() public {
        Proposal memory proposal = settlerProposal();
        propose(anna, proposal);
        assertTrue(!canVote(anna, proposal), "early");
        startVoting(proposal);
        vote(anna, proposal, 1);
        assertTrue(!canVote(anna, proposal), "twice");
        endVoting(proposal);
        assertTrue(!canVote(ben, proposal), "late");
    }

    /* CANCELLING */

    function test_cancel__by_the_proposer__in_every_state_before_execution() public {
        for (uint256 stage; stage < 4; ++stage) {
            uint256 snapshot = vm.snapshotState();
            Proposal memory proposal = settlerProposal();
            propose(anna, proposal);
            if (stage > 0) startVoting(proposal);
            if (stage > 1) {
                vote(anna, proposal, 1);
                endVoting(proposal);
            }
            if (stage > 2) queue(proposal);
            cancel(anna, proposal);
            assertTrue(stateOf(proposal) == IGovernor.ProposalState.Canceled, "cancelled");
            skip(30 days);
            (bool ok,) = tryExecute(proposal);
            assertTrue(!ok, "executed");
            bytes32 salt = bytes20(address(governor)) ^ keccak256(bytes(proposal.description));
            bytes memory onTimelock = abi.encodeCall(
                timelock.executeBatch, (proposal.targets, proposal.values, proposal.calldatas, 0, salt)
            );
            (ok,) = address(timelock).call(onTimelock);
            assertTrue(!ok, "executed on the timelock");
            vm.revertToState(snapshot);
        }
    }

    function test_cancel__by_another_or_executed__reverts() public {
        Proposal memory proposal = settlerProposal();
        propose(anna, proposal);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, proposal.id, ben));
        cancel(ben, proposal);
        startVoting(proposal);
        vote(anna, proposal, 1);
        endVoting(proposal);
        queue(proposal);
        skip(TIMELOCK_DELAY);
        execute(proposal);
        vm.prank(anna);
        (bool ok, bytes memory reason) = address(governor)
            .call(
                abi.encodeCall(
                    governor.cancel,
                    (
                        proposal.targets,
                        proposal.values,
                        proposal.calldatas,
                        keccak256(bytes(proposal.description))
                    )
                )
            );
        assertTrue(!ok && bytes4(reason) == IGovernor.GovernorUnexpectedProposalState.selector, "executed");
    }

    /// @dev A proposal that names its proposer cannot be made by another first, who could then cancel it.
    function test_attack_propose_anothers_first__is_refused() public {
        Proposal memory proposal = settlerProposal();
        proposal.description = string.concat("settler #proposer=", Strings.toHexString(anna));
        proposal.id = idOf(proposal);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorRestrictedProposer.selector, ben));
        propose(ben, proposal);
        propose(anna, proposal);
    }

    /* WHAT A VOTE MAY CHANGE */

    function test_settings__by_vote__change() public {
        Proposal memory proposal =
            proposalOf(address(governor), abi.encodeCall(governor.setVotingDelay, (2 days)), "settings");
        proposal.targets = new address[](4);
        proposal.values = new uint256[](4);
        proposal.calldatas = new bytes[](4);
        for (uint256 i; i < 4; ++i) {
            proposal.targets[i] = address(governor);
        }
        proposal.calldatas[0] = abi.encodeCall(governor.setVotingDelay, (2 days));
        proposal.calldatas[1] = abi.encodeCall(governor.setVotingPeriod, (4 days));
        proposal.calldatas[2] = abi.encodeCall(governor.setProposalThreshold, (7));
        proposal.calldatas[3] = abi.encodeCall(governor.updateQuorumNumerator, (20));
        proposal.id = idOf(proposal);
        enact(proposal);
        assertEq(governor.votingDelay(), 2 days, "delay");
        assertEq(governor.votingPeriod(), 4 days, "period");
        assertEq(governor.proposalThreshold(), 7, "threshold");
        assertEq(governor.quorumNumerator(), 20, "quorum");
    }

    /// @dev The timelock itself cannot set them: only a proposal of the governor's own, in the course of its execution.
    function test_settings__executed_on_the_timelock__revert() public {
        Proposal memory proposal =
            proposalOf(address(governor), abi.encodeCall(governor.setVotingDelay, (2 days)), "settings");
        voteThrough(proposal);
        skip(TIMELOCK_DELAY);
        bytes32 salt = bytes20(address(governor)) ^ keccak256(bytes(proposal.description));
        vm.expectRevert(abi.encodeWithSelector(bytes4(keccak256("Panic(uint256)")), Panic.EMPTY_ARRAY_POP));
        timelock.executeBatch(proposal.targets, proposal.values, proposal.calldatas, 0, salt);
    }

    function test_16_updateTimelock__even_by_vote__reverts() public {
        Proposal memory proposal =
            proposalOf(address(governor), abi.encodeCall(governor.updateTimelock, (timelock)), "mine");
        voteThrough(proposal);
        skip(TIMELOCK_DELAY);
        (bool ok, bytes memory reason) = tryExecute(proposal);
        assertTrue(!ok && bytes4(reason) == ITraceGovernor.TimelockFixed.selector, "fixed");
    }

    function test_updateDelay__by_vote__not_below_the_floor() public {
        uint256 floor = timelock.DELAY_FLOOR();
        enact(proposalOf(address(timelock), abi.encodeCall(timelock.updateDelay, (floor)), "floor"));
        assertEq(timelock.getMinDelay(), floor, "delay");
        Proposal memory proposal =
            proposalOf(address(timelock), abi.encodeCall(timelock.updateDelay, (floor - 1)), "below");
        voteThrough(proposal);
        skip(floor);
        (bool ok, bytes memory reason) = tryExecute(proposal);
        assertTrue(!ok, "below the floor");
        assertEq(
            reason,
            abi.encodeWithSelector(IGridtraceTimelock.DelayTooShort.selector, floor - 1, floor),
            "error"
        );
        vm.expectRevert(
            abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, STRANGER)
        );
        vm.prank(STRANGER);
        timelock.updateDelay(floor);
    }

    function test_constructors__bad_parameters__revert() public {
        vm.expectRevert(abi.encodeWithSelector(IGridtraceTimelock.DelayTooShort.selector, 7199, 7200));
        new GridtraceTimelock(7199, address(0));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidVotingPeriod.selector, 0));
        new TraceGovernor(trace, timelock, 1, 0, 1, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                GovernorVotesQuorumFraction.GovernorInvalidQuorumFraction.selector, 101, 100
            )
        );
        new TraceGovernor(trace, timelock, 1, 1, 1, 101);
    }

    function test_governor__reads__as_deployed() public view {
        assertEq(bytes(governor.name()), "TraceGovernor", "name");
        assertEq(bytes(governor.CLOCK_MODE()), "mode=timestamp", "clock mode");
        assertTrue(governor.proposalNeedsQueuing(1), "queues");
        assertTrue(governor.timelock() == address(timelock), "timelock");
        assertTrue(address(governor.token()) == address(trace), "token");
    }

    /* HELPERS */

    function canVote(address by, Proposal memory proposal) private returns (bool ok) {
        vm.prank(by);
        (ok,) = address(governor).call(abi.encodeCall(governor.castVote, (proposal.id, 1)));
    }
}
