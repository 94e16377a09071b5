// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title One meter of the production ledger in one storage word.
/// @dev From the low end: uint64 attestedWh, uint64 issuedWh, uint40 slotEnd, uint32 zone, 1 bit active, 1 bit
/// minted, 1 bit signatureRequired, 13 bits unused, uint40 powerCapW. `issuedWh` is the register up to which energy
/// was issued, the baseline until then; `slotEnd` is 0 before the first attestation; zone and active are copies of
/// the registry's; `minted` is set with the first issue.
library MeterWord {
    uint256 private constant ISSUED_AT = 64;
    uint256 private constant SLOT_END_AT = 128;
    uint256 private constant ZONE_AT = 168;
    uint256 private constant ACTIVE = 1 << 200;
    uint256 private constant MINTED = 1 << 201;
    uint256 private constant SIGNATURE_REQUIRED = 1 << 202;
    uint256 private constant POWER_CAP_AT = 216;

    uint256 private constant ISSUED_MASK = uint256(type(uint64).max) << ISSUED_AT;
    uint256 private constant ATTESTED_MASK = type(uint64).max | (uint256(type(uint40).max) << SLOT_END_AT);
    uint256 private constant REGISTRY_MASK = (uint256(type(uint32).max) << ZONE_AT) | ACTIVE;
    uint256 private constant POWER_CAP_MASK = uint256(type(uint40).max) << POWER_CAP_AT;

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

    function needsSignature(uint256 word) internal pure returns (bool) {
        return word & SIGNATURE_REQUIRED != 0;
    }

    /// @dev In W; 0 before the meter was first brought over from the registry.
    function powerCap(uint256 word) internal pure returns (uint256) {
        return word >> POWER_CAP_AT;
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

    /// @dev The meter with its register at `time`, both of 64 bits. Not `usual` is whatever needs more than this word
    /// to be accepted or refused: anything but an active meter of the zone that needs no signature, was attested
    /// before, and grows within its power cap. 40-bit power, so that no product fills 256 bits.
    function grown(uint256 word, uint256 activeInZone, uint256 time, uint256 registerWh)
        internal
        pure
        returns (bool usual, uint256 next)
    {
        uint256 lastTime = uint40(word >> SLOT_END_AT);
        uint256 lastWh = uint64(word);
        uint256 standing = word & (REGISTRY_MASK | SIGNATURE_REQUIRED);
        uint256 kept = word & ~ATTESTED_MASK;
        assembly ("memory-safe") {
            let mostWh := div(mul(shr(POWER_CAP_AT, word), sub(time, lastTime)), 3600)
            let unusual := or(xor(standing, activeInZone), or(iszero(lastTime), gt(lastTime, time)))
            // A register that fell wraps beyond whatever is left of a division.
            usual := iszero(or(unusual, gt(sub(registerWh, lastWh), mostWh)))
            next := or(kept, or(registerWh, shl(SLOT_END_AT, time)))
        }
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

    function withPowerCap(uint256 word, uint40 powerW) internal pure returns (uint256) {
        return (word & ~POWER_CAP_MASK) | (uint256(powerW) << POWER_CAP_AT);
    }

    function withSignatureRequired(uint256 word, bool required) internal pure returns (uint256) {
        return (word & ~SIGNATURE_REQUIRED) | (required ? SIGNATURE_REQUIRED : 0);
    }
}
