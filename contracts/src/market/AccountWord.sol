// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../interfaces/ISettlementErrors.sol";

/// @title One account of the vault in one storage word.
/// @dev From the low end: uint96 cash, uint64 energyWh, uint48 minNonce, uint40 clearedUntil, 8 bits of flags (1: frozen).
/// One word, because two storage operations are most of what settling an order costs.
library AccountWord {
    uint256 private constant ENERGY_AT = 96;
    uint256 private constant NONCE_AT = 160;
    uint256 private constant CLEARED_AT = 208;
    uint256 private constant FROZEN = 1 << 248;

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

    function isFrozen(uint256 word) internal pure returns (bool) {
        return word & FROZEN != 0;
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
            if (amount > energy(word)) revert ISettlementErrors.InsufficientEnergy(account, energy(word), amount);
            return word - (amount << ENERGY_AT);
        }
    }

    function withMinNonce(uint256 word, uint48 value) internal pure returns (uint256) {
        return (word & ~(uint256(type(uint48).max) << NONCE_AT)) | (uint256(value) << NONCE_AT);
    }

    /// @dev A time beyond 40 bits (the year 36812) is kept as the greatest one.
    function withClearance(uint256 word, uint64 until, bool frozen) internal pure returns (uint256) {
        uint256 kept = until > type(uint40).max ? type(uint40).max : until;
        word &= ~((uint256(type(uint40).max) << CLEARED_AT) | FROZEN);
        return word | (kept << CLEARED_AT) | (frozen ? FROZEN : 0);
    }
}
