// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {IEnergyToken} from "../interfaces/IEnergyToken.sol";

/// @title Energy fed into the grid, metered and attested.
contract EnergyToken is IEnergyToken, ERC20Permit, AccessManaged {
    /// @notice The only contract that may mint.
    address public ledger;

    constructor(address authority)
        ERC20("Gridtrace Energy", "gKWH")
        ERC20Permit("Gridtrace Energy")
        AccessManaged(authority)
    {}

    /// @inheritdoc IEnergyToken
    function setLedger(address ledger_) external restricted {
        if (ledger != address(0) || ledger_ == address(0)) revert LedgerFixed(ledger);
        ledger = ledger_;
        emit LedgerSet(ledger_);
    }

    /// @inheritdoc IEnergyToken
    function mint(address to, uint256 energyWh) external {
        if (msg.sender != ledger) revert NotLedger(msg.sender);
        _mint(to, energyWh);
    }

    /// @inheritdoc IEnergyToken
    function consume(uint256 energyWh) external {
        _burn(msg.sender, energyWh);
        emit Consumed(msg.sender, energyWh);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 3;
    }
}
