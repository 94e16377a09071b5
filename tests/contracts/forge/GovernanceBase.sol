// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {AssetFactory} from "../../../contracts/src/assets/AssetFactory.sol";
import {GridtraceTimelock} from "../../../contracts/src/governance/GridtraceTimelock.sol";
import {TraceGovernor} from "../../../contracts/src/governance/TraceGovernor.sol";
import {CarbonCredits} from "../../../contracts/src/provenance/CarbonCredits.sol";
import {Certificates} from "../../../contracts/src/provenance/Certificates.sol";
import {Roles} from "../../../contracts/src/registry/Roles.sol";
import {StakingPools} from "../../../contracts/src/staking/StakingPools.sol";
import {TraceToken} from "../../../contracts/src/token/TraceToken.sol";
import {Fixture} from "./Fixture.sol";
import {skip} from "./Time.sol";

/// @notice All contracts, handed over to the timelock as contracts/README.md says; this contract was the deployer.
abstract contract GovernanceBase is Fixture {
    struct Proposal {
        address[] targets;
        uint256[] values;
        bytes[] calldatas;
        string description;
        uint256 id;
    }

    uint48 internal constant VOTING_DELAY = 1 days;
    uint32 internal constant VOTING_PERIOD = 3 days;
    uint256 internal constant TIMELOCK_DELAY = 2 days;
    uint256 internal constant SUPPLY = 100_000e18;
    uint256 internal constant THRESHOLD = 1000e18;
    uint256 internal constant QUORUM_PERCENT = 10;
    uint256 internal constant QUORUM = 10_000e18;

    address internal constant GUARDIAN = address(0x60a4d);
    address internal constant TREASURY = address(0x7ea);
    address internal constant NEW_SETTLER = address(0x5e7);

    TraceToken internal trace;
    GridtraceTimelock internal timelock;
    TraceGovernor internal governor;
    StakingPools internal pools;
    AssetFactory internal assets;
    Certificates internal certificates;
    CarbonCredits internal carbon;

    function setUp() public virtual override {
        super.setUp();
        trace = new TraceToken(address(manager), TREASURY, SUPPLY, 10 * SUPPLY);
        pools = new StakingPools(address(manager), IERC20(address(trace)));
        assets = new AssetFactory(address(manager), registry, IERC20(address(euro)));
        certificates = new Certificates(address(manager));
        carbon = new CarbonCredits(address(manager));
        timelock = new GridtraceTimelock(TIMELOCK_DELAY, address(this));
        governor = new TraceGovernor(trace, timelock, VOTING_DELAY, VOTING_PERIOD, THRESHOLD, QUORUM_PERCENT);
        giveRoles();
        manager.revokeRole(Roles.GUARDIAN, OPERATOR);
        manager.grantRole(Roles.GUARDIAN, GUARDIAN, 0);
        handOver();
        giveVotes(anna, 30_000e18);
        giveVotes(ben, 20_000e18);
        skip(1);
    }

    function giveRoles() private {
        allow(address(certificates), Certificates.setIssuer.selector, Roles.CERTIFIER);
        allow(address(carbon), CarbonCredits.issue.selector, Roles.CARBON_ISSUER);
        allow(address(assets), AssetFactory.createAsset.selector, Roles.ASSET_MANAGER);
        allow(address(pools), StakingPools.addPool.selector, Roles.POOL_MANAGER);
        allow(address(pools), StakingPools.setPoolOpen.selector, Roles.POOL_MANAGER);
        manager.grantRole(Roles.CERTIFIER, OPERATOR, 0);
        manager.grantRole(Roles.CARBON_ISSUER, OPERATOR, 0);
        manager.grantRole(Roles.ASSET_MANAGER, OPERATOR, 0);
        manager.grantRole(Roles.POOL_MANAGER, OPERATOR, 0);
    }

    /// @dev The sequence of contracts/README.md.
    function handOver() private {
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(governor));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(governor));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
        manager.grantRole(manager.ADMIN_ROLE(), address(timelock), 0);
        manager.renounceRole(manager.ADMIN_ROLE(), address(this));
    }

    function giveVotes(address account, uint256 votes) internal {
        vm.prank(TREASURY);
        trace.transfer(account, votes);
        vm.prank(account);
        trace.delegate(account);
    }

    /* PROPOSALS */

    function proposalOf(address target, bytes memory call_, string memory description)
        internal
        view
        returns (Proposal memory proposal)
    {
        proposal.targets = new address[](1);
        proposal.values = new uint256[](1);
        proposal.calldatas = new bytes[](1);
        (proposal.targets[0], proposal.calldatas[0]) = (target, call_);
        proposal.description = description;
        proposal.id = idOf(proposal);
    }

    function idOf(Proposal memory proposal) internal view returns (uint256) {
        return governor.hashProposal(
            proposal.targets, proposal.values, proposal.calldatas, keccak256(bytes(proposal.description))
        );
    }

    function propose(address by, Proposal memory proposal) internal {
        vm.prank(by);
        governor.propose(proposal.targets, proposal.values, proposal.calldatas, proposal.description);
    }

    function vote(address by, Proposal memory proposal, uint8 support) internal returns (uint256 weight) {
        vm.prank(by);
        return governor.castVote(proposal.id, support);
    }

    function queue(Proposal memory proposal) internal {
        governor.queue(
            proposal.targets, proposal.values, proposal.calldatas, keccak256(bytes(proposal.description))
        );
    }

    function execute(Proposal memory proposal) internal {
        governor.execute(
            proposal.targets, proposal.values, proposal.calldatas, keccak256(bytes(proposal.description))
        );
    }

    function cancel(address by, Proposal memory proposal) internal {
        vm.prank(by);
        governor.cancel(
            proposal.targets, proposal.values, proposal.calldatas, keccak256(bytes(proposal.description))
        );
    }

    function startVoting(Proposal memory proposal) internal {
        vm.warp(governor.proposalSnapshot(proposal.id) + 1);
    }

    function endVoting(Proposal memory proposal) internal {
        vm.warp(governor.proposalDeadline(proposal.id) + 1);
    }

    /// @dev Proposed by Anna, voted for by her and Ben, waiting in the timelock.
    function voteThrough(Proposal memory proposal) internal {
        propose(anna, proposal);
        startVoting(proposal);
        vote(anna, proposal, 1);
        vote(ben, proposal, 1);
        endVoting(proposal);
        queue(proposal);
    }

    function enact(Proposal memory proposal) internal {
        voteThrough(proposal);
        skip(timelock.getMinDelay());
        execute(proposal);
    }

    function stateOf(Proposal memory proposal) internal view returns (IGovernor.ProposalState) {
        return governor.state(proposal.id);
    }

    function settlerProposal() internal view returns (Proposal memory) {
        return
            proposalOf(
                address(exchange), abi.encodeCall(exchange.setSettler, (NEW_SETTLER, true)), "a settler"
            );
    }

    function tryExecute(Proposal memory proposal) internal returns (bool, bytes memory) {
        return address(governor)
            .call(
                abi.encodeCall(
                    governor.execute,
                    (
                        proposal.targets,
                        proposal.values,
                        proposal.calldatas,
                        keccak256(bytes(proposal.description))
                    )
                )
            );
    }
}
