// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title What Gridtrace's timelock adds to OpenZeppelin's TimelockController.
/// @notice Every change of administration waits here, so that whoever disagrees can take his money out first. It holds
/// the AccessManager's administrator role; only `TraceGovernor` may propose and cancel; anyone may execute what is due.
/// @dev Assumes that no other account is ever given one of its roles. The deployer's admin role, needed to make the
/// governor the proposer, is renounced at once; from then on only a vote changes the roles.
interface IGridtraceTimelock {
    /// @notice Thrown when the delay would be shorter than users need to leave.
    error DelayTooShort(uint256 delay, uint256 minimum);

    /// @notice The shortest delay in seconds that may ever be set: the exchange's longest withdrawal delay, twice.
    function DELAY_FLOOR() external view returns (uint256);
}

/// @title What Gridtrace's governor adds to OpenZeppelin's Governor.
/// @notice TRACE votes. A proposal is voted on by the votes of its snapshot, `votingDelay` seconds after it was made;
/// voting lasts `votingPeriod` seconds; it passes with more votes for than against and with votes for and abstentions
/// of at least the quorum; then it waits in the timelock. Its proposer may cancel it until it is executed; so
/// that nobody else can make the same proposal first, its description may end with `#proposer=0x…`, his address.
/// @dev A vote may change voting delay, voting period, proposal threshold and quorum, and nothing else of the governor.
interface ITraceGovernor {
    /// @notice Thrown on the attempt to change the timelock: the AccessManager's administrator is this one.
    error TimelockFixed(address timelock);
}
