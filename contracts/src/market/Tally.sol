// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

// Where the sums stand; at file level, so that assembly can name them. `received minus delivered` is at the low end.
uint256 constant BOUGHT_AT = 60;
uint256 constant PAID_AT = 120;
uint256 constant TRADED_AT = 196;

// In the sums of a section of mandates: int64 received minus paid (cash) and int48 received minus delivered, as in an
// account's word, then uint48 bought and uint48 sold.
uint256 constant BOUGHT_SUM_AT = 112;
uint256 constant SOLD_SUM_AT = 160;

/// @title Four sums over a batch in one word, so that an entry adds to all of them at once.
/// @dev From the low end, in Wh and cash units: int60 received minus delivered, int60 bought minus sold, int76 paid minus
/// received, uint60 bought plus sold. 2^11 entries of 48 bits of energy and 63 of money fit; a negative sum borrows one
/// from the field above it, which reading gives back.
type Tally is uint256;

using {isBalanced, receivedWh, boughtWh, paid, tradedWh} for Tally global;

/// @dev Whether as much was sold as bought, and delivered as received.
function isBalanced(Tally tally) pure returns (bool) {
    return Tally.unwrap(tally) << (256 - PAID_AT) == 0;
}

function receivedWh(Tally tally) pure returns (int256) {
    return _signed(Tally.unwrap(tally), 60);
}

function boughtWh(Tally tally) pure returns (int256) {
    return _signed(_above(Tally.unwrap(tally), receivedWh(tally), 60), 60);
}

/// @dev Of a balanced tally, as `tradedWh`.
function paid(Tally tally) pure returns (int256) {
    return _signed(Tally.unwrap(tally) >> PAID_AT, 76);
}

function tradedWh(Tally tally) pure returns (uint256) {
    // Masked, because a negative sum under a field of zeros has borrowed from beyond the word.
    return _above(Tally.unwrap(tally) >> PAID_AT, paid(tally), 76) & (2 ** 60 - 1);
}

function _signed(uint256 word, uint256 bits) pure returns (int256) {
    return int256(word << (256 - bits)) >> (256 - bits);
}

function _above(uint256 word, int256 low, uint256 bits) pure returns (uint256) {
    unchecked {
        return (word - uint256(low)) >> bits;
    }
}

/// @dev Adds the sums of at most 2^15 fills of mandates, of 32 bits of energy and 47 of money.
function withMandates(uint256 tally, uint256 sums) pure returns (uint256) {
    unchecked {
        int256 money = int256(int64(uint64(sums)));
        int256 above = (int256(sums) - money) >> 64;
        int256 received = int256(int48(uint48(uint256(above))));
        uint256 quantities = uint256((above - received) >> 48);
        uint256 bought = uint48(quantities);
        uint256 sold = quantities >> 48;
        return tally + uint256(received) + ((bought - sold) << BOUGHT_AT) - (uint256(money) << PAID_AT)
            + ((bought + sold) << TRADED_AT);
    }
}
