// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../interfaces/ISettlementErrors.sol";

/// @title One account of the vault in one storage word.
/// @dev From the low end: uint96 cash, uint64 energyWh, uint48 minNonce, uint40 clearedUntil (0 while frozen).
/// One word, because two storage operations are most of what settling an order costs.
library AccountWord {
    uint256 private constant ENERGY_AT = 96;
    uint256 private constant NONCE_AT = 160;
    uint256 private constant CLEARED_AT = 208;

    function cash(uint256 word) internal pure returns (uint256) {
        return uint96(word);
    }

    function energy(uint256 word) internal pure returns (uint256) {
        return uint64(word >> ENERGY_AT);
    }

    function minNonce(uint256 word) internal pure returns (uint48) {
        return uint48(word >> NONCE_AT);
    }

    function clearedUntil(uint256 word) internal pure returns (uint40) {
        return uint40(word >> CLEARED_AT);
    }

    function addCash(uint256 word, address account, uint256 amount) internal pure returns (uint256) {
        unchecked {
            // The field's free room, so nothing can carry into the next field.
            if (amount > type(uint96).max - cash(word)) revert ISettlementErrors.BalanceTooLarge(account);
            return word + amount;
        }
    }

    function subCash(uint256 word, address account, uint256 amount) internal pure returns (uint256) {
        unchecked {
            if (amount > cash(word)) revert ISettlementErrors.InsufficientCash(account, cash(word), amount);
            return word - amount;
        }
    }

    function addEnergy(uint256 word, address account, uint256 amount) internal pure returns (uint256) {
        unchecked {
            if (amount > type(uint64).max - energy(word)) revert ISettlementErrors.BalanceTooLarge(account);
            return word + (amount << ENERGY_AT);
        }
    }

    function subEnergy(uint256 word, address account, uint256 amount) internal pure returns (uint256) {
        unchecked {
            if (amount > energy(word)) {
                revert ISettlementErrors.InsufficientEnergy(account, energy(word), amount);
            }
            return word - (amount << ENERGY_AT);
        }
    }

    function withMinNonce(uint256 word, uint48 value) internal pure returns (uint256) {
        return (word & ~(uint256(type(uint48).max) << NONCE_AT)) | (uint256(value) << NONCE_AT);
    }

    /// @dev Adds what may be negative, in one step: the hot path of settlement.
    function exchanged(uint256 word, address account, int256 cashIn, int256 energyIn)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            // A field that would leave its range has bits above it, a negative one all of them.
            uint256 cashAfter = cash(word) + uint256(cashIn);
            uint256 energyAfter = energy(word) + uint256(energyIn);
            if ((cashAfter >> 96) | (energyAfter >> 64) != 0) {
                _revertOutOfRange(word, account, cashIn, energyIn);
            }
            return word + uint256(cashIn) + (uint256(energyIn) << ENERGY_AT);
        }
    }

    function _revertOutOfRange(uint256 word, address account, int256 cashIn, int256 energyIn) private pure {
        if (cashIn < 0) subCash(word, account, uint256(-cashIn));
        else addCash(word, account, uint256(cashIn));
        if (energyIn < 0) subEnergy(word, account, uint256(-energyIn));
        else addEnergy(word, account, uint256(energyIn));
    }

    /// @dev A time beyond 40 bits (the year 36812) is kept as the greatest one.
    function withClearance(uint256 word, uint64 until) internal pure returns (uint256) {
        uint256 kept = until > type(uint40).max ? type(uint40).max : until;
        return (word & ~(uint256(type(uint40).max) << CLEARED_AT)) | (kept << CLEARED_AT);
    }
}
