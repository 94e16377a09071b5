// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {GovernanceCalls} from "./GovernanceCalls.sol";
import {skip, timeNow} from "./Time.sol";

/// @notice Deployer, operator, guardian, a stranger and large holders try every privileged call at any time; votes run,
/// fail and pass. Only what passed through the timelock may change the administration.
contract GovernanceHandler is GovernanceCalls {
    bytes32 public expected;
    uint256 public tries;
    uint256 public enacted;
    uint256 public pausedByOthers;
    uint256 public earlyExecutions;

    Proposal private waiting;
    uint256 private votedAt;

    constructor() {
        setUp();
        expected = administration();
    }

    function actual() external view returns (bytes32) {
        return administration();
    }

    function attempt(uint256 who, uint256 what) external {
        address caller = [address(this), OPERATOR, GUARDIAN, STRANGER, anna, ben][who % 6];
        Privileged[] storage calls = privileged(caller);
        Privileged memory call_ = calls[what % calls.length];
        bool before = exchange.paused();
        vm.prank(caller);
        (bool ok,) = call_.target.call(call_.data);
        ++tries;
        if (exchange.paused() != before && (caller != GUARDIAN || !ok)) ++pausedByOthers;
    }

    function viaManager(uint256 who, uint256 what) external {
        address caller = [address(this), OPERATOR, GUARDIAN, STRANGER, anna, ben][who % 6];
        Privileged[] storage calls = privileged(caller);
        Privileged memory call_ = calls[what % calls.length];
        if (call_.role != 0 || call_.target == address(timelock)) return;
        vm.prank(caller);
        try manager.schedule(call_.target, call_.data, 0) {} catch {}
        vm.prank(caller);
        try manager.execute(call_.target, call_.data) {} catch {}
        ++tries;
    }

    /// @dev Starts a vote on a settler; Anna alone has the votes to carry it.
    function begin(uint256 nonce) external {
        if (waiting.id != 0) return;
        Proposal memory proposal = proposalOf(
            address(exchange),
            abi.encodeCall(exchange.setSettler, (address(uint160(nonce) | 1 << 159), true)),
            vm.toString(nonce)
        );
        propose(anna, proposal);
        startVoting(proposal);
        vote(anna, proposal, 1);
        endVoting(proposal);
        queue(proposal);
        waiting = proposal;
        votedAt = timeNow();
    }

    function finish() external {
        if (waiting.id == 0) return;
        try governor.execute(
            waiting.targets, waiting.values, waiting.calldatas, keccak256(bytes(waiting.description))
        ) {
            if (timeNow() < votedAt + TIMELOCK_DELAY) ++earlyExecutions;
            ++enacted;
            delete waiting;
            expected = administration();
        } catch {}
    }

    function wait(uint32 time) external {
        skip(time % 2 days);
    }
}
