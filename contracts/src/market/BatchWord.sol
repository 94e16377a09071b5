// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title What every batch changes, in one storage word.
/// @dev From the low end: uint64 nextSequence, uint96 fees, uint32 books (how many are registered), uint1 paused.
/// A fee has 64 bits and a batch raises the sequence by one: neither field can fill in 2^32 batches.
library BatchWord {
    uint256 private constant FEES_AT = 64;
    uint256 private constant BOOKS_AT = 160;
    uint256 private constant PAUSED_AT = 192;

    function nextSequence(uint256 word) internal pure returns (uint64) {
        return uint64(word);
    }

    function fees(uint256 word) internal pure returns (uint256) {
        return uint96(word >> FEES_AT);
    }

    function books(uint256 word) internal pure returns (uint32) {
        return uint32(word >> BOOKS_AT);
    }

    function isPaused(uint256 word) internal pure returns (bool) {
        return word >> PAUSED_AT != 0;
    }

    function afterBatch(uint256 word, uint64 fee) internal pure returns (uint256) {
        unchecked {
            return word + 1 + (uint256(fee) << FEES_AT);
        }
    }

    /// @dev `cash` must be among the fees.
    function withoutFees(uint256 word, uint96 cash) internal pure returns (uint256) {
        return word - (uint256(cash) << FEES_AT);
    }

    /// @dev The exchange ends their numbers long before the field is full.
    function withBook(uint256 word) internal pure returns (uint256) {
        return word + (1 << BOOKS_AT);
    }

    function withPause(uint256 word, bool paused) internal pure returns (uint256) {
        return uint256(uint192(word)) | (paused ? 1 << PAUSED_AT : 0);
    }
}
