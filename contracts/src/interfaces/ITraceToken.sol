// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title TRACE, the token that votes: ERC-20 with ERC-2612 permit, votes (ERC-5805) and a capped supply; 18 decimals.
/// @notice Votes count once they are delegated, to oneself or another, and are looked up by Unix time (ERC-6372
/// `mode=timestamp`). Tokens are never burnt. What stands in `StakingPools` has no votes while it is there.
/// @dev Transfers move exactly what is asked for and call nobody.
interface ITraceToken {
    /// @notice Thrown when minting `amount` on top of `supply` would exceed the cap.
    error CapExceeded(uint256 supply, uint256 amount, uint256 cap);
    /// @notice Thrown when the constructor is given a cap of zero or of more than 2^96 - 1 units.
    error CapOutOfRange(uint256 cap);

    /// @notice Mints `amount` units to `to`. Administrator only: a vote, through the timelock. Reverts above the cap.
    function mint(address to, uint256 amount) external;

    /// @notice The most units there may ever be.
    function cap() external view returns (uint256);
}
