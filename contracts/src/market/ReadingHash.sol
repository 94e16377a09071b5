// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IProductionLedger} from "../interfaces/IProductionLedger.sol";

/// @title EIP-712 digests of what meters sign.
/// @dev The domain has neither chain nor contract: a device does not know them, and its registers are the same
/// everywhere. A signature is bound by the meter's id, its time and its key in the registry.
library ReadingHash {
    bytes32 internal constant TYPEHASH = keccak256(
        "Reading(uint32 meterId,uint64 time,uint64 counter,uint64 importWh,uint64 exportWh,int64 powerW)"
    );

    /// @dev Of EIP712Domain(string name,string version) with "Gridtrace Meter" and "1".
    bytes32 internal constant DOMAIN_SEPARATOR =
        0x8e8709de2d4bdc241df127117cf5fd08902dd688ccdc51b19064db0879a613ad;

    function digest(IProductionLedger.Reading calldata reading) internal pure returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(TYPEHASH, reading));
        return keccak256(abi.encodePacked("\x19\x01", DOMAIN_SEPARATOR, structHash));
    }

    /// @dev The same of the first 44 bytes at the calldata position `start`, packed big-endian in the struct's order.
    /// Works in free memory and claims none of it.
    function packedDigest(uint256 start) internal pure returns (bytes32 result) {
        bytes32 typehash = TYPEHASH;
        bytes32 separator = DOMAIN_SEPARATOR;
        assembly ("memory-safe") {
            let first := calldataload(start) // meterId, time, counter, importWh, 4 bytes of exportWh
            let second := calldataload(add(start, 28)) // exportWh, powerW
            let words := mload(0x40)
            mstore(words, typehash)
            mstore(add(words, 0x20), shr(224, first))
            mstore(add(words, 0x40), and(shr(160, first), 0xffffffffffffffff))
            mstore(add(words, 0x60), and(shr(96, first), 0xffffffffffffffff))
            mstore(add(words, 0x80), and(shr(32, first), 0xffffffffffffffff))
            mstore(add(words, 0xa0), shr(192, second))
            mstore(add(words, 0xc0), signextend(7, shr(128, second)))
            let structHash := keccak256(words, 0xe0)
            mstore(words, shl(240, 0x1901))
            mstore(add(words, 0x02), separator)
            mstore(add(words, 0x22), structHash)
            result := keccak256(words, 0x42)
        }
    }
}
