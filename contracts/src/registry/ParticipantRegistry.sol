// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IMeterMirror, IParticipantMirror, IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";

/// @title Participants, zones and meters.
/// @dev The exchange and the ledger keep the few bits they need of an entry in a storage slot they touch anyway. The
/// registry tells them to read the entry again whenever it changes, so that a freeze holds from the same transaction.
contract ParticipantRegistry is IParticipantRegistry, AccessManaged {
    uint8 private constant FROZEN = 4;
    uint8 private constant ALL_FLAGS = 7;

    /// @inheritdoc IParticipantRegistry
    IParticipantMirror public participantMirror;

    /// @inheritdoc IParticipantRegistry
    IMeterMirror public meterMirror;

    mapping(address account => Participant) private _participants;
    mapping(uint32 meterId => Meter) private _meters;

    /// @inheritdoc IParticipantRegistry
    mapping(uint32 zone => bytes32 code) public zoneCode;

    constructor(address authority) AccessManaged(authority) {}

    /* ADMINISTRATION */

    /// @inheritdoc IParticipantRegistry
    function setMirrors(IParticipantMirror participants, IMeterMirror meters) external restricted {
        participantMirror = participants;
        meterMirror = meters;
        emit MirrorsSet(address(participants), address(meters));
    }

    /// @inheritdoc IParticipantRegistry
    function setZone(uint32 zone, bytes32 code) external restricted {
        if (code == 0) revert ZeroZoneCode(zone);
        zoneCode[zone] = code;
        emit ZoneSet(zone, code);
    }

    /* REGISTRATION */

    /// @inheritdoc IParticipantRegistry
    function setParticipant(address account, uint64 kycUntil, uint8 flags, uint16 country)
        external
        restricted
    {
        _setParticipant(ParticipantEntry(account, kycUntil, flags, country));
    }

    /// @inheritdoc IParticipantRegistry
    function setParticipants(ParticipantEntry[] calldata entries) external restricted {
        for (uint256 i; i < entries.length; ++i) {
            _setParticipant(entries[i]);
        }
    }

    /// @inheritdoc IParticipantRegistry
    function setMeter(uint32 meterId, address owner, uint32 zone, bool active, address key, bytes32 plantId)
        external
        restricted
    {
        _setMeter(MeterEntry(meterId, owner, zone, active, key, plantId));
    }

    /// @inheritdoc IParticipantRegistry
    function setMeters(MeterEntry[] calldata entries) external restricted {
        for (uint256 i; i < entries.length; ++i) {
            _setMeter(entries[i]);
        }
    }

    /* VIEWS */

    /// @inheritdoc IParticipantRegistry
    function participant(address account) external view returns (Participant memory) {
        return _participants[account];
    }

    /// @inheritdoc IParticipantRegistry
    function meter(uint32 meterId) external view returns (Meter memory) {
        return _meters[meterId];
    }

    /// @inheritdoc IParticipantRegistry
    function meterOwner(uint32 meterId) external view returns (address) {
        return _meters[meterId].owner;
    }

    /// @inheritdoc IParticipantRegistry
    function isCleared(address account, uint8 flags) external view returns (bool) {
        Participant storage entry = _participants[account];
        return _isCleared(entry) && entry.flags & flags == flags;
    }

    /// @inheritdoc IParticipantRegistry
    function areCleared(address one, address other) external view returns (bool) {
        return _isCleared(_participants[one]) && _isCleared(_participants[other]);
    }

    /* INTERNALS */

    function _isCleared(Participant storage entry) private view returns (bool) {
        return entry.kycUntil >= block.timestamp && entry.flags & FROZEN == 0;
    }

    function _setParticipant(ParticipantEntry memory entry) private {
        if (entry.account == address(0)) revert ZeroAddress();
        if (entry.flags > ALL_FLAGS) revert UnknownFlags(entry.flags);
        _participants[entry.account] =
            Participant({kycUntil: entry.kycUntil, flags: entry.flags, country: entry.country});
        emit ParticipantSet(entry.account, entry.kycUntil, entry.flags, entry.country);
        if (address(participantMirror) != address(0)) participantMirror.syncParticipant(entry.account);
    }

    function _setMeter(MeterEntry memory entry) private {
        if (entry.owner == address(0)) revert ZeroAddress();
        if (zoneCode[entry.zone] == 0) revert UnknownZone(entry.meterId, entry.zone);
        _meters[entry.meterId] = Meter({
            owner: entry.owner, zone: entry.zone, active: entry.active, key: entry.key, plantId: entry.plantId
        });
        emit MeterSet(entry.meterId, entry.owner, entry.zone, entry.active, entry.key, entry.plantId);
        if (address(meterMirror) != address(0)) meterMirror.syncMeter(entry.meterId);
    }
}
