// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title One meter of the production ledger in one storage word.
/// @dev From the low end: uint64 attestedWh, uint64 issuedWh, uint40 slotEnd, uint32 zone, 1 bit active, 1 bit minted.
/// `issuedWh` is the register up to which energy was issued, the baseline until then; `slotEnd` is 0 before the first
/// attestation; zone and active are copies of the registry's; `minted` is set with the first issue.
library MeterWord {
    uint256 private constant ISSUED_AT = 64;
    uint256 private constant SLOT_END_AT = 128;
    uint256 private constant ZONE_AT = 168;
    uint256 private constant ACTIVE = 1 << 200;
    uint256 private constant MINTED = 1 << 201;

    uint256 private constant ISSUED_MASK = uint256(type(uint64).max) << ISSUED_AT;
    uint256 private constant ATTESTED_MASK = type(uint64).max | (uint256(type(uint40).max) << SLOT_END_AT);
    uint256 private constant REGISTRY_MASK = (uint256(type(uint32).max) << ZONE_AT) | ACTIVE;

    function attested(uint256 word) internal pure returns (uint64) {
        return uint64(word);
    }

    function issued(uint256 word) internal pure returns (uint64) {
        return uint64(word >> ISSUED_AT);
    }

    function slotEnd(uint256 word) internal pure returns (uint64) {
        return uint40(word >> SLOT_END_AT);
    }

    function hasMinted(uint256 word) internal pure returns (bool) {
        return word & MINTED != 0;
    }

    /// @dev Zone and state, in place: equal to `activeIn(zone)` for an active meter of the zone.
    function registryPart(uint256 word) internal pure returns (uint256) {
        return word & REGISTRY_MASK;
    }

    function activeIn(uint32 zone) internal pure returns (uint256) {
        return (uint256(zone) << ZONE_AT) | ACTIVE;
    }

    function zoneOf(uint256 word) internal pure returns (uint32) {
        return uint32(word >> ZONE_AT);
    }

    /// @dev `slotEnd_` is at most the time of a block, which fits 40 bits until the year 36812.
    function withAttested(uint256 word, uint64 registerWh, uint64 slotEnd_) internal pure returns (uint256) {
        return (word & ~ATTESTED_MASK) | registerWh | (uint256(uint40(slotEnd_)) << SLOT_END_AT);
    }

    function withIssued(uint256 word, uint64 registerWh) internal pure returns (uint256) {
        return (word & ~ISSUED_MASK) | (uint256(registerWh) << ISSUED_AT);
    }

    function withMinted(uint256 word) internal pure returns (uint256) {
        return word | MINTED;
    }

    function withRegistry(uint256 word, uint32 zone, bool active) internal pure returns (uint256) {
        return (word & ~REGISTRY_MASK) | (uint256(zone) << ZONE_AT) | (active ? ACTIVE : 0);
    }
}
