// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title What every batch changes, in one storage word.
/// @dev From the low end: uint40 nextSequence, uint1 paused, uint55 fees, address settler (who settled last; none after he
/// was removed). A thousand batches a second fill the sequence in 34 years; fees end at 36 billion euros, and a batch that
/// would raise them further is refused.
library BatchWord {
    uint256 private constant PAUSED = 1 << 40;
    uint256 private constant FEES_AT = 41;
    uint256 private constant MOST_FEES = 2 ** 55 - 1;
    uint256 private constant SETTLER_AT = 96;

    function nextSequence(uint256 word) internal pure returns (uint64) {
        return uint40(word);
    }

    function fees(uint256 word) internal pure returns (uint256) {
        return (word >> FEES_AT) & MOST_FEES;
    }

    /// @dev The most that may be added to the fees.
    function roomForFees(uint256 word) internal pure returns (uint256) {
        return MOST_FEES - fees(word);
    }

    function settler(uint256 word) internal pure returns (address) {
        return address(uint160(word >> SETTLER_AT));
    }

    function isPaused(uint256 word) internal pure returns (bool) {
        return word & PAUSED != 0;
    }

    /// @dev `fee` is at most `roomForFees`.
    function afterBatch(uint256 word, uint64 fee) internal pure returns (uint256) {
        unchecked {
            return word + 1 + (uint256(fee) << FEES_AT);
        }
    }

    /// @dev `cash` must be among the fees.
    function withoutFees(uint256 word, uint96 cash) internal pure returns (uint256) {
        return word - (uint256(cash) << FEES_AT);
    }

    function withSettler(uint256 word, address account) internal pure returns (uint256) {
        return uint96(word) | (uint256(uint160(account)) << SETTLER_AT);
    }

    function withPause(uint256 word, bool paused) internal pure returns (uint256) {
        return paused ? word | PAUSED : word & ~PAUSED;
    }
}
