// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Energy token: one token is one kWh, one unit is one Wh (`decimals() == 3`). ERC-20 with ERC-2612 permit.
interface IEnergyToken {
    /// @notice Energy was used up: the tokens are gone.
    event Consumed(address indexed account, uint256 energyWh);

    /// @notice The production ledger was set, once and for all.
    event LedgerSet(address indexed ledger);

    /// @notice Thrown when the caller is not the production ledger.
    error NotLedger(address caller);

    /// @notice Thrown when the ledger is set a second time or to zero.
    error LedgerFixed(address current);

    /// @notice Names the only contract that may mint. Administrator only, once.
    function setLedger(address ledger) external;

    /// @notice Mints `energyWh` to `to`. Production ledger only.
    function mint(address to, uint256 energyWh) external;

    /// @notice Burns the caller's own tokens as consumed.
    function consume(uint256 energyWh) external;
}
