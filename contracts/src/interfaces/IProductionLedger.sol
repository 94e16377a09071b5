// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Attested cumulative production registers: the only source of energy tokens.
/// @notice A register counts all energy a meter has fed into the grid since it was installed, in Wh. Because it is
/// cumulative, a replayed attestation issues nothing and a lost one is healed by the next.
interface IProductionLedger {
    /// @notice Registers were attested as of `slotEnd`.
    /// @param zone Grid zone of all meters in the batch.
    /// @param slotEnd Unix seconds at which the registers were read.
    /// @param readingsRoot Merkle root over all salted readings of the zone and slot (EnergyConsumption stays private).
    /// @param registers Packed big-endian entries of 12 bytes: uint32 meterId, uint64 registerWh.
    event RegistersAttested(
        uint32 indexed zone, uint64 indexed slotEnd, bytes32 readingsRoot, bytes registers
    );

    /// @notice A register was lowered by a correction, with its reason.
    event RegisterCorrected(uint32 indexed meterId, uint64 fromWh, uint64 toWh, bytes32 reason);

    /// @notice Energy was issued to the meter's owner, into his vault account at the exchange.
    event ProductionMinted(uint32 indexed meterId, address indexed owner, uint64 energyWh, uint64 registerWh);

    /// @notice An attester was added or removed.
    event AttesterSet(address indexed attester, bool allowed);

    /// @notice Thrown when the caller is not an attester.
    error NotAttester(address caller);
    /// @notice Thrown when `registers` is not a whole number of entries.
    error BadRegistersLength(uint256 length);
    /// @notice Thrown when a register would be read in the future.
    error SlotInFuture(uint64 slotEnd, uint256 blockTime);
    /// @notice Thrown when the meter is unknown, out of service or of another zone.
    error MeterNotActive(uint32 meterId, uint32 zone);
    /// @notice Thrown when a meter was already attested for a later time.
    error SlotNotAfterLast(uint32 meterId, uint64 slotEnd, uint64 lastSlotEnd);
    /// @notice Thrown when a cumulative register falls.
    error RegisterFell(uint32 meterId, uint64 fromWh, uint64 toWh);
    /// @notice Thrown when a register grew by more than any meter of the grid can feed in the time passed.
    error RegisterGrewTooMuch(uint32 meterId, uint64 growthWh, uint256 capWh);
    /// @notice Thrown when a correction would not lower the register, or would undo what was already minted.
    error CorrectionOutOfRange(uint32 meterId, uint64 toWh, uint64 attestedWh, uint64 issuedWh);
    /// @notice Thrown when the last attestation is older than the correction window.
    error CorrectionTooLate(uint32 meterId, uint64 slotEnd);

    /// @notice Adds or removes an attester. Administrator only.
    function setAttester(address attester, bool allowed) external;

    /// @notice Lowers a meter's last attested register, not below what was minted, within the correction window.
    /// Corrector only.
    function correctRegister(uint32 meterId, uint64 toWh, bytes32 reason) external;

    /// @notice Records registers. Attester only. A register may only grow; `registers` is packed as in the event.
    /// Reverts for an unknown or inactive meter, a falling register, growth above `maxPowerW` over the time passed,
    /// or a `slotEnd` in the future. A meter's first attestation is its baseline: nothing is issued for energy before.
    /// Repeating an attestation changes nothing.
    function attest(uint32 zone, uint64 slotEnd, bytes32 readingsRoot, bytes calldata registers) external;

    /// @notice Issues all attested but not yet issued energy of each meter to its owner's vault account.
    /// Anyone may call it: the energy can only go to the owner.
    function issue(uint32[] calldata meterIds) external;

    /// @notice Attested and issued registers of a meter, in Wh, and when it was last attested.
    function register(uint32 meterId)
        external
        view
        returns (uint64 attestedWh, uint64 issuedWh, uint64 slotEnd);
}
