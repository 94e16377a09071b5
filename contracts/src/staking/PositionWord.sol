// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title A staking position in one storage slot: amount (96 bits, lowest), paidUntil, start, unlockAt (40 each), apyBps
/// (16). What the fields mean is said in `IStakingPools.Position`.
/// @dev No sum here overflows: 96 + 16 + 40 bits and a division.
library PositionWord {
    /// @dev Basis points times the seconds of a year.
    uint256 internal constant YEAR_BPS = 10_000 * 365 days;

    function pack(uint256 amount_, uint256 start_, uint256 paidUntil_, uint256 unlockAt_, uint256 apyBps_)
        internal
        pure
        returns (uint256)
    {
        return amount_ | paidUntil_ << 96 | start_ << 136 | unlockAt_ << 176 | apyBps_ << 216;
    }

    function amount(uint256 word) internal pure returns (uint256) {
        return uint96(word);
    }

    function paidUntil(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 96);
    }

    function start(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 136);
    }

    function unlockAt(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 176);
    }

    function apyBps(uint256 word) internal pure returns (uint256) {
        return word >> 216;
    }

    function withPaidUntil(uint256 word, uint256 time) internal pure returns (uint256) {
        return word & ~(uint256(type(uint40).max) << 96) | time << 96;
    }

    /// @dev Interest from `start` until `paidUntil`.
    function paidDown(uint256 word) internal pure returns (uint256) {
        return _interestDown(word, paidUntil(word));
    }

    /// @dev Interest from `paidUntil` until a time not before it, as the difference of what was earned since `start`: the
    /// parts paid add up to the whole.
    function unpaidDown(uint256 word, uint256 until) internal pure returns (uint256) {
        unchecked {
            return _interestDown(word, until) - _interestDown(word, paidUntil(word));
        }
    }

    /// @dev What is yet to be paid by the end of the lock.
    function owed(uint256 word) internal pure returns (uint256) {
        return unpaidDown(word, unlockAt(word));
    }

    /// @dev Until when interest has accrued: now, or the end of the lock.
    function earningUntil(uint256 word) internal view returns (uint256) {
        uint256 end = unlockAt(word);
        return block.timestamp < end ? block.timestamp : end;
    }

    function _interestDown(uint256 word, uint256 until) private pure returns (uint256) {
        unchecked {
            return amount(word) * apyBps(word) * (until - start(word)) / YEAR_BPS;
        }
    }
}
