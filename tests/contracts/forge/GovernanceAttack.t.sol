// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {TraceGovernor} from "../../../contracts/src/governance/TraceGovernor.sol";
import {GovernanceBase} from "./GovernanceBase.sol";
import {skip, timeNow} from "./Time.sol";

/// @notice What somebody with borrowed, bought or other people's votes gets.
contract GovernanceAttackTest is GovernanceBase {
    /* ATTACKS */

    /// @dev Tokens borrowed for a transaction have no votes: neither to propose, nor on a running vote, nor when they
    /// were given back in the very second of the snapshot.
    function test_attack_flash_loaned_votes__count_nothing() public {
        Proposal memory proposal = settlerProposal();
        vm.prank(TREASURY);
        trace.transfer(cleo, 50_000e18);
        vm.prank(cleo);
        trace.delegate(cleo);
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, cleo, 0, THRESHOLD)
        );
        propose(cleo, proposal);
        vm.prank(cleo);
        trace.transfer(TREASURY, 50_000e18);

        propose(anna, proposal);
        vm.warp(governor.proposalSnapshot(proposal.id));
        vm.prank(TREASURY);
        trace.transfer(cleo, 50_000e18);
        vm.prank(cleo);
        trace.transfer(TREASURY, 50_000e18);
        startVoting(proposal);
        vm.prank(TREASURY);
        trace.transfer(cleo, 50_000e18);
        assertEq(vote(cleo, proposal, 1), 0, "weight");
        endVoting(proposal);
        assertTrue(stateOf(proposal) == IGovernor.ProposalState.Defeated, "no quorum");
    }

    /// @dev Somebody buys a majority and votes himself everything. Whoever has money in the vault takes it out between
    /// the end of the vote and its execution, with the exchange paused as well.
    function test_16_attack_governance_captured__users_leave_in_time() public {
        giveCash(anna, 1_000_000);
        giveEnergy(ben, 5000);
        giveVotes(STRANGER, 50_000e18);
        skip(1);
        Proposal memory proposal = captureProposal();
        propose(STRANGER, proposal);
        startVoting(proposal);
        vote(STRANGER, proposal, 1);
        vote(anna, proposal, 0);
        endVoting(proposal);
        queue(proposal);
        uint256 eta = governor.proposalEta(proposal.id);
        assertEq(eta, timeNow() + TIMELOCK_DELAY, "eta");

        vm.prank(GUARDIAN);
        exchange.pause();
        vm.prank(anna);
        exchange.requestWithdrawal(1_000_000, 0);
        vm.prank(ben);
        exchange.requestWithdrawal(0, 5000);
        skip(DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        vm.prank(ben);
        exchange.executeWithdrawal();
        assertTrue(euro.balanceOf(anna) == 1_000_000 && energy.balanceOf(ben) == 5000, "all out");
        assertTrue(timeNow() < eta, "in time");

        vm.warp(eta);
        execute(proposal);
        (bool held,) = manager.hasRole(0, STRANGER);
        assertTrue(held && exchange.isSettler(STRANGER), "captured, and nothing left to take");
    }

    /// @dev The delay is what protects: the shortest one a captured vote could set is above the longest withdrawal delay.
    function test_16_delay_floor__exceeds_the_longest_withdrawal() public view {
        assertTrue(timelock.DELAY_FLOOR() >= 2 * 1 hours, "floor");
        assertTrue(timelock.DELAY_FLOOR() > exchange.withdrawalDelay(), "exit");
    }

    /// @dev Even who administers cannot close the way out, nor reach what was staked or promised.
    function test_16_attack_captured__the_way_out_stays_open() public {
        giveCash(anna, 1_000_000);
        enact(
            proposalOf(
                address(manager), abi.encodeCall(manager.setTargetClosed, (address(exchange), true)), "close"
            )
        );
        vm.prank(anna);
        exchange.requestWithdrawal(1_000_000, 0);
        skip(DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        assertEq(euro.balanceOf(anna), 1_000_000, "out");
    }

    function test_attack_vote_by_signature__replayed_or_forged__reverts() public {
        Proposal memory proposal = settlerProposal();
        propose(anna, proposal);
        startVoting(proposal);
        bytes memory signature = ballot(ANNA_KEY, proposal.id, anna);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, ben));
        governor.castVoteBySig(proposal.id, 1, ben, signature);
        assertEq(governor.castVoteBySig(proposal.id, 1, anna, signature), 30_000e18, "weight");
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, anna));
        governor.castVoteBySig(proposal.id, 1, anna, signature);
    }

    /* HELPERS */

    function captureProposal() private view returns (Proposal memory proposal) {
        proposal.targets = new address[](3);
        proposal.values = new uint256[](3);
        proposal.calldatas = new bytes[](3);
        (proposal.targets[0], proposal.targets[1], proposal.targets[2]) =
        (address(manager), address(exchange), address(timelock));
        proposal.calldatas[0] = abi.encodeCall(manager.grantRole, (0, STRANGER, 0));
        proposal.calldatas[1] = abi.encodeCall(exchange.setSettler, (STRANGER, true));
        proposal.calldatas[2] = abi.encodeCall(timelock.updateDelay, (timelock.DELAY_FLOOR()));
        proposal.description = "everything";
        proposal.id = idOf(proposal);
    }

    function ballot(uint256 key, uint256 proposalId, address voter) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("TraceGovernor"),
                keccak256("1"),
                block.chainid,
                address(governor)
            )
        );
        bytes32 hash = keccak256(
            abi.encode(governor.BALLOT_TYPEHASH(), proposalId, uint8(1), voter, governor.nonces(voter))
        );
        return signed(key, keccak256(abi.encodePacked(hex"1901", domain, hash)));
    }
}
