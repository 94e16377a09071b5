// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Attested cumulative production registers: the only source of energy tokens.
/// @notice A register counts all energy a meter has fed into the grid since it was installed, in Wh. Because it is
/// cumulative, a replayed attestation issues nothing and a lost one is healed by the next.
/// @dev Trust: an attester can withhold a register, and can invent growth up to the meter's power cap unless the
/// meter's signature is required. He can move no register backwards and issue to nobody but the meter's owner.
interface IProductionLedger {
    /// @notice What a meter signs (EIP-712, domain "Gridtrace Meter" version "1", neither chain nor contract).
    /// @param meterId The meter.
    /// @param time Unix seconds at which the registers were read.
    /// @param counter Grows with every reading of the device.
    /// @param importWh Cumulative energy taken from the grid, in Wh.
    /// @param exportWh Cumulative energy fed into the grid, in Wh: the register.
    /// @param powerW Power at that time in W, import positive.
    struct Reading {
        uint32 meterId;
        uint64 time;
        uint64 counter;
        uint64 importWh;
        uint64 exportWh;
        int64 powerW;
    }

    /// @notice Registers were attested as of `slotEnd`.
    /// @param zone Grid zone of all meters in the batch.
    /// @param slotEnd Unix seconds at which the registers were read.
    /// @param readingsRoot Merkle root over all salted readings of the zone and slot (EnergyConsumption stays
    /// private).
    /// @param registers Packed big-endian entries of 12 bytes: uint32 meterId, uint64 registerWh.
    event RegistersAttested(
        uint32 indexed zone, uint64 indexed slotEnd, bytes32 readingsRoot, bytes registers
    );

    /// @notice Registers were attested by readings whose signatures the ledger verified.
    /// @param zone Grid zone of all meters in the batch.
    /// @param readings Packed big-endian entries of 20 bytes: uint32 meterId, uint64 time (Unix seconds), uint64
    /// registerWh.
    event ReadingsAttested(uint32 indexed zone, bytes readings);

    /// @notice A register was lowered by a correction.
    /// @param meterId The meter.
    /// @param fromWh Its register before.
    /// @param toWh Its register from now on; its time stays.
    /// @param reason Hash of or short text for the reason.
    event RegisterCorrected(uint32 indexed meterId, uint64 fromWh, uint64 toWh, bytes32 reason);

    /// @notice Energy was issued to the meter's owner, into his vault account at the exchange.
    /// @param meterId The meter.
    /// @param owner Its owner at this time.
    /// @param energyWh What was issued.
    /// @param registerWh The register up to which the meter's energy is now issued.
    event ProductionMinted(uint32 indexed meterId, address indexed owner, uint64 energyWh, uint64 registerWh);

    /// @notice An attester was added or removed.
    /// @param attester The account.
    /// @param allowed Whether it may attest from now on.
    event AttesterSet(address indexed attester, bool allowed);

    /// @notice A meter's own power cap was set.
    /// @param meterId The meter.
    /// @param powerW The highest power it can feed, in W.
    event PowerCapSet(uint32 indexed meterId, uint40 powerW);

    /// @notice It was set whether a meter's register moves by its own signature only.
    /// @param meterId The meter.
    /// @param required True where `attest` refuses it.
    event SignatureRequiredSet(uint32 indexed meterId, bool required);

    /// @notice Thrown when the caller is not an attester.
    error NotAttester(address caller);
    /// @notice Thrown when the packed entries are not a whole number.
    error BadRegistersLength(uint256 length);
    /// @notice Thrown when a batch has more entries than fit a transaction.
    error TooManyRegisters(uint256 count, uint256 most);
    /// @notice Thrown when a register would be read in the future.
    error SlotInFuture(uint64 slotEnd, uint256 blockTime);
    /// @notice Thrown when the meter is unknown, out of service or of another zone.
    error MeterNotActive(uint32 meterId, uint32 zone);
    /// @notice Thrown when a meter whose signature is required is attested without one.
    error SignatureRequired(uint32 meterId);
    /// @notice Thrown when a reading is not signed by the meter's key, with a low s, or the meter has no key.
    error BadReadingSignature(uint32 meterId, bytes32 digest);
    /// @notice Thrown when a meter was already attested for a later time.
    error SlotNotAfterLast(uint32 meterId, uint64 slotEnd, uint64 lastSlotEnd);
    /// @notice Thrown when a meter's first register is older than the correction window: growth since then would be
    /// issued at once, as much as the power cap allows in all that time.
    error BaselineTooOld(uint32 meterId, uint64 time, uint256 earliest);
    /// @notice Thrown when a cumulative register falls.
    error RegisterFell(uint32 meterId, uint64 fromWh, uint64 toWh);
    /// @notice Thrown when a register grew by more than its meter's power cap allows in the time passed.
    error RegisterGrewTooMuch(uint32 meterId, uint64 growthWh, uint256 capWh);
    /// @notice Thrown when a correction would not lower the register, or would undo what was already minted.
    error CorrectionOutOfRange(uint32 meterId, uint64 toWh, uint64 attestedWh, uint64 issuedWh);
    /// @notice Thrown when the last attestation is older than the correction window.
    error CorrectionTooLate(uint32 meterId, uint64 slotEnd);
    /// @notice Thrown when a power cap is zero or above the grid's.
    error PowerCapOutOfRange(uint64 powerW, uint64 mostW);

    /// @notice Most entries of one `attest`.
    function MAX_REGISTERS() external view returns (uint256);

    /// @notice Most entries of one `attestSigned`.
    function MAX_READINGS() external view returns (uint256);

    /// @notice Whether an account may attest.
    function isAttester(address account) external view returns (bool);

    /// @notice Adds or removes an attester. Administrator only.
    function setAttester(address attester, bool allowed) external;

    /// @notice Removes an attester at once. Guardian only: it stops whoever attests what was not metered, until the
    /// administrator decides; nobody is added by it.
    function dismissAttester(address attester) external;

    /// @notice Sets the highest power a meter can feed, in W, at most the grid's `maxPowerW`, which holds until then.
    /// Registrar only. It holds for growth attested from now on.
    /// @dev Leave headroom: growth is compared in whole Wh, without rounding in the meter's favour.
    function setPowerCap(uint32 meterId, uint40 powerW) external;

    /// @notice Sets whether a meter's register moves by the meter's own signature only. Registrar only.
    function setSignatureRequired(uint32 meterId, bool required) external;

    /// @notice Lowers a meter's last attested register, not below what was minted, within the correction window.
    /// Corrector only.
    /// @dev It mends errors and does not guard against malice: `issue` is open to anyone and may come first.
    /// From there the register may again grow no faster than its power cap: lower it to what was metered, not
    /// further.
    function correctRegister(uint32 meterId, uint64 toWh, bytes32 reason) external;

    /// @notice Records registers. Attester only. A register may only grow; `registers` is packed as in the event, at
    /// most `MAX_REGISTERS`. Reverts for an unknown or inactive meter or one whose signature is required, a falling
    /// register, growth above the meter's power cap over the time passed, or a `slotEnd` in the future. A meter's
    /// first attestation is its baseline: nothing is issued for energy before, and it may not be older than the
    /// correction window. Repeating an attestation changes
    /// nothing.
    function attest(uint32 zone, uint64 slotEnd, bytes32 readingsRoot, bytes calldata registers) external;

    /// @notice Records the export registers of readings signed by their meters. Attester only: a reading brought by
    /// someone else in between would make the attester's own batch come late.
    /// @dev The rules are those of `attest`, with each reading's time in place of the slot's end; repeating a reading
    /// changes nothing, an older one reverts.
    /// @param zone Grid zone of all meters in the batch.
    /// @param readings Packed big-endian entries of 108 bytes, at most `MAX_READINGS`: the fields of `Reading` in
    /// order (44 bytes), then its signature in EIP-2098 form (bytes32 r, bytes32 vs), by the meter's key in the
    /// registry.
    function attestSigned(uint32 zone, bytes calldata readings) external;

    /// @notice Issues all attested but not yet issued energy of each meter to its owner's vault account.
    /// Anyone may call it: the energy can only go to the owner.
    /// @dev No limit of its own: about 45,000 gas a meter whose owner is new to the exchange, 20,000 otherwise.
    function issue(uint32[] calldata meterIds) external;

    /// @notice Attested and issued registers of a meter, in Wh, and when it was last attested.
    function register(uint32 meterId)
        external
        view
        returns (uint64 attestedWh, uint64 issuedWh, uint64 slotEnd);

    /// @notice A meter's power cap in W, whether its signature is required, and its key. All zero for unknown meters.
    function limitsOf(uint32 meterId)
        external
        view
        returns (uint40 powerCapW, bool signatureRequired, address key);

    /// @notice What a meter signs for a reading (EIP-712).
    function readingDigest(Reading calldata reading) external pure returns (bytes32);
}
