// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Keeps a copy of a participant's clearance; told by the registry when to read it again.
interface IParticipantMirror {
    /// @notice Reads `account` from the registry. Anyone may call it.
    function syncParticipant(address account) external;
}

/// @title Keeps a copy of a meter's zone, state and key; told by the registry when to read it again.
interface IMeterMirror {
    /// @notice Reads `meterId` from the registry. Anyone may call it.
    function syncMeter(uint32 meterId) external;
}

/// @title Who may take part, and which meter belongs to whom.
/// @notice Holds no personal data: only how long an account is cleared, what it may do, and its meters.
/// @dev Written by the registrar (AccessManager role); read by the exchange, the production ledger, assets and
/// products.
interface IParticipantRegistry {
    /// @param kycUntil Unix seconds until which the account is cleared; 0 means never cleared.
    /// @param flags Bits: 1 producer, 2 consumer, 4 frozen.
    /// @param country ISO 3166-1 numeric code.
    struct Participant {
        uint64 kycUntil;
        uint8 flags;
        uint16 country;
    }

    /// @param owner Account that is credited with the meter's production.
    /// @param zone Grid zone the meter feeds.
    /// @param active False once the meter is taken out of service.
    /// @param key Address of the device's or its gateway's signing key.
    /// @param plantId Hash naming the plant; zero for a home.
    struct Meter {
        address owner;
        uint32 zone;
        bool active;
        address key;
        bytes32 plantId;
    }

    /// @notice One participant of `setParticipants`; fields as in `Participant`.
    struct ParticipantEntry {
        address account;
        uint64 kycUntil;
        uint8 flags;
        uint16 country;
    }

    /// @notice One meter of `setMeters`; fields as in `Meter`.
    struct MeterEntry {
        uint32 meterId;
        address owner;
        uint32 zone;
        bool active;
        address key;
        bytes32 plantId;
    }

    /// @notice An account's clearance or flags were set.
    /// @param account The account.
    /// @param kycUntil Unix seconds until which it is cleared.
    /// @param flags Bits: 1 producer, 2 consumer, 4 frozen.
    /// @param country ISO 3166-1 numeric code.
    event ParticipantSet(address indexed account, uint64 kycUntil, uint8 flags, uint16 country);

    /// @notice A meter was added or changed.
    /// @param meterId The meter.
    /// @param owner Account credited with its production.
    /// @param zone Grid zone it feeds.
    /// @param active False once it is out of service.
    /// @param key Address of its signing key; zero where it does not sign.
    /// @param plantId Hash naming the plant; zero for a home.
    event MeterSet(
        uint32 indexed meterId, address indexed owner, uint32 zone, bool active, address key, bytes32 plantId
    );

    /// @notice A zone was declared or renamed.
    /// @param zone The zone's number in orders, meters and attestations.
    /// @param code Its public name, ASCII padded with zeros on the right (an EIC or bidding zone code).
    event ZoneSet(uint32 indexed zone, bytes32 code);

    /// @notice The contracts that keep copies were set.
    /// @param participants Told when a participant changes; zero for none.
    /// @param meters Told when a meter changes; zero for none.
    event MirrorsSet(address participants, address meters);

    /// @notice Thrown when an account or owner is the zero address.
    error ZeroAddress();

    /// @notice Thrown when `flags` has a bit without meaning.
    error UnknownFlags(uint8 flags);

    /// @notice Thrown when a meter is set in a zone that was not declared.
    error UnknownZone(uint32 meterId, uint32 zone);

    /// @notice Thrown when a zone is declared without a code.
    error ZeroZoneCode(uint32 zone);

    /// @notice Sets the contracts to be told of changes; zero for none. Administrator only.
    /// @dev A mirror that reverts stops registration; entries set before are brought over by its sync functions.
    function setMirrors(IParticipantMirror participants, IMeterMirror meters) external;

    /// @notice Declares a zone, or renames it. Administrator only. A zone cannot be taken back: its meters are
    /// taken out of service one by one. Grid fees are agreed off chain.
    function setZone(uint32 zone, bytes32 code) external;

    /// @notice Contract told when a participant changes: the exchange.
    function participantMirror() external view returns (IParticipantMirror);

    /// @notice Contract told when a meter changes: the production ledger.
    function meterMirror() external view returns (IMeterMirror);

    /// @notice A zone's code; zero where the zone was not declared.
    function zoneCode(uint32 zone) external view returns (bytes32);

    /// @notice Sets one account's clearance. Registrar only.
    function setParticipant(address account, uint64 kycUntil, uint8 flags, uint16 country) external;

    /// @notice Sets several accounts' clearance, all or none. Registrar only.
    function setParticipants(ParticipantEntry[] calldata entries) external;

    /// @notice Adds or changes one meter of a declared zone. Registrar only. Meter ids are never reused for another
    /// device, whose register would seem to fall.
    /// @dev Warning: energy that was attested and not yet issued goes to the owner at the time of issue. Call
    /// `ProductionLedger.issue` before a meter changes hands.
    function setMeter(uint32 meterId, address owner, uint32 zone, bool active, address key, bytes32 plantId)
        external;

    /// @notice Adds or changes several meters, all or none. Registrar only.
    function setMeters(MeterEntry[] calldata entries) external;

    /// @notice An account's clearance; all zero where it was never set.
    function participant(address account) external view returns (Participant memory);

    /// @notice A meter's entry; all zero where it was never set.
    function meter(uint32 meterId) external view returns (Meter memory);

    /// @notice A meter's owner; zero where it was never set.
    function meterOwner(uint32 meterId) external view returns (address);

    /// @notice True when `account` is cleared at the block's time, not frozen, and has every bit of `flags`.
    function isCleared(address account, uint8 flags) external view returns (bool);

    /// @notice True when both accounts are cleared at the block's time and not frozen, whatever else they may do: one
    /// question for what moves between two accounts.
    function areCleared(address one, address other) external view returns (bool);
}
