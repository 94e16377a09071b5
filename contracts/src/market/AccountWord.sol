// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../interfaces/ISettlementErrors.sol";

// Where an account's fields stand in its word; at file level, so that assembly can name them.
uint256 constant CASH = 0x7fffffffffffffff; // at the low end
uint256 constant ENERGY = 0x7fffffffffff;
uint256 constant ENERGY_AT = 64;
uint256 constant NONCE = 0xffffffffffff;
uint256 constant NONCE_AT = 112;
uint256 constant CLEARED = 0xffffffff;
uint256 constant CLEARED_AT = 160;
uint256 constant FILLED = 0x7fffffff;
uint256 constant FILLED_AT = 192;
uint256 constant SIDE_AT = 223;
uint256 constant SLOT_AT = 224;

/// @dev The bits above cash and above energy.
uint256 constant SPARE_BITS = 0x8000000000008000000000000000;

/// @dev All fields but those of the account lane.
uint256 constant VAULT_FIELDS = 0xffffffffffffffffffffffffffffffffffffffffffffffff;

/// @title One account of the vault in one storage word, with its account lane (lane 0).
/// @dev From the low end: uint63 cash, a spare bit, uint47 energyWh, a spare bit, uint48 minNonce, uint32 clearedUntil (0
/// while frozen), and of the account lane uint31 filledWh, uint1 side, uint32 deliveryStart: the last slot it was used
/// for, which way it went there, and how much. One word, because two storage operations are most of what settling an
/// order costs.
/// The spare bits are zero in storage. Adding to a field what is no larger than the field sets its spare bit whenever the
/// field would be left, upwards or downwards: settlement adds first and looks at both spare bits at once.
library AccountWord {
    function cash(uint256 word) internal pure returns (uint256) {
        return word & CASH;
    }

    function energy(uint256 word) internal pure returns (uint256) {
        return (word >> ENERGY_AT) & ENERGY;
    }

    function minNonce(uint256 word) internal pure returns (uint48) {
        return uint48(word >> NONCE_AT);
    }

    function clearedUntil(uint256 word) internal pure returns (uint32) {
        return uint32(word >> CLEARED_AT);
    }

    /// @dev The last slot that the account lane was used for; 0 before its first.
    function lastSlot(uint256 word) internal pure returns (uint32) {
        return uint32(word >> SLOT_AT);
    }

    function lastSide(uint256 word) internal pure returns (uint8) {
        return uint8((word >> SIDE_AT) & 1);
    }

    function filledWh(uint256 word) internal pure returns (uint32) {
        return uint32((word >> FILLED_AT) & FILLED);
    }

    function addCash(uint256 word, address account, uint256 amount) internal pure returns (uint256) {
        unchecked {
            if (amount > CASH - cash(word)) revert ISettlementErrors.BalanceTooLarge(account);
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
            if (amount > ENERGY - energy(word)) revert ISettlementErrors.BalanceTooLarge(account);
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

    /// @dev Adds what may be negative.
    function movedCash(uint256 word, address account, int256 amount) internal pure returns (uint256) {
        return amount < 0 ? subCash(word, account, uint256(-amount)) : addCash(word, account, uint256(amount));
    }

    function withMinNonce(uint256 word, uint48 value) internal pure returns (uint256) {
        return (word & ~(NONCE << NONCE_AT)) | (uint256(value) << NONCE_AT);
    }

    /// @dev A time beyond 32 bits (the year 2106, where slots end) is kept as the greatest one.
    function withClearance(uint256 word, uint64 until) internal pure returns (uint256) {
        uint256 kept = until > CLEARED ? CLEARED : until;
        return (word & ~(CLEARED << CLEARED_AT)) | (kept << CLEARED_AT);
    }
}
