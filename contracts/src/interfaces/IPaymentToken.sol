// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Payment token of development networks: ERC-20 with ERC-2612 permit and 6 decimals.
interface IPaymentToken {
    /// @notice Mints `amount` to `to`. Faucet role only.
    function mint(address to, uint256 amount) external;
}
