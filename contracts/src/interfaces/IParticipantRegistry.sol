// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Keeps a copy of a participant's clearance; told by the registry when to read it again.
interface IParticipantMirror {
    /// @notice Reads `account` from the registry. Anyone may call it.
    function syncParticipant(address account) external;
}

/// @title Keeps a copy of a meter's zone and state; told by the registry when to read it again.
interface IMeterMirror {
    /// @notice Reads `meterId` from the registry. Anyone may call it.
    function syncMeter(uint32 meterId) external;
}

/// @title Who may take part, and which meter belongs to whom.
/// @notice Holds no personal data: only how long an account is cleared, what it may do, and its meters.
/// @dev Written by the registrar (AccessManager role); read by the exchange and the production ledger.
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

    /// @notice An account's clearance or flags were set.
    event ParticipantSet(address indexed account, uint64 kycUntil, uint8 flags, uint16 country);

    /// @notice A meter was added or changed.
    event MeterSet(
        uint32 indexed meterId, address indexed owner, uint32 zone, bool active, address key, bytes32 plantId
    );

    /// @notice The contracts that keep copies were set.
    event MirrorsSet(address participants, address meters);

    /// @notice Thrown when an account or owner is the zero address.
    error ZeroAddress();

    /// @notice Thrown when `flags` has a bit without meaning.
    error UnknownFlags(uint8 flags);

    /// @notice Sets the contracts to be told of changes; zero for none. Administrator only.
    function setMirrors(IParticipantMirror participants, IMeterMirror meters) external;

    /// @notice Contract told when a participant changes: the exchange.
    function participantMirror() external view returns (IParticipantMirror);

    /// @notice Contract told when a meter changes: the production ledger.
    function meterMirror() external view returns (IMeterMirror);

    /// @notice Sets one account's clearance. Registrar only.
    function setParticipant(address account, uint64 kycUntil, uint8 flags, uint16 country) external;

    /// @notice Adds or changes one meter. Registrar only. Meter ids are never reused for another device.
    function setMeter(uint32 meterId, address owner, uint32 zone, bool active, address key, bytes32 plantId)
        external;

    function participant(address account) external view returns (Participant memory);

    function meter(uint32 meterId) external view returns (Meter memory);

    /// @notice True when `account` is cleared at the block's time, not frozen, and has every bit of `flags`.
    function isCleared(address account, uint8 flags) external view returns (bool);
}
