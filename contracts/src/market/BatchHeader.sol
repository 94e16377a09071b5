// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title The 26 bytes that a batch begins with, at the high end of a word: uint64 sequence, uint64 deliveryStart,
/// uint16 version, uint16 orders, uint16 books, uint16 fills (of mandates, in all books), uint16 adjustments.
type BatchHeader is uint256;

using {sequence, deliveryStart, version, orders, books, fills, adjustments, entries} for BatchHeader global;

function sequence(BatchHeader header) pure returns (uint64) {
    return uint64(BatchHeader.unwrap(header) >> 192);
}

function deliveryStart(BatchHeader header) pure returns (uint64) {
    return uint64(BatchHeader.unwrap(header) >> 128);
}

function version(BatchHeader header) pure returns (uint16) {
    return uint16(BatchHeader.unwrap(header) >> 112);
}

function orders(BatchHeader header) pure returns (uint256) {
    return uint16(BatchHeader.unwrap(header) >> 96);
}

function books(BatchHeader header) pure returns (uint256) {
    return uint16(BatchHeader.unwrap(header) >> 80);
}

function fills(BatchHeader header) pure returns (uint256) {
    return uint16(BatchHeader.unwrap(header) >> 64);
}

function adjustments(BatchHeader header) pure returns (uint256) {
    return uint16(BatchHeader.unwrap(header) >> 48);
}

/// @dev Everything that the batch settles.
function entries(BatchHeader header) pure returns (uint256) {
    unchecked {
        return orders(header) + fills(header) + adjustments(header);
    }
}
