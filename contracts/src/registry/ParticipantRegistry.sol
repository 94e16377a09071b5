// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IMeterMirror, IParticipantMirror, IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";

/// @title Participants and meters.
/// @dev The exchange and the ledger keep the few bits they need of an entry in a storage slot they touch anyway. The
/// registry tells them to read the entry again whenever it changes, so that a freeze holds from the same transaction.
contract ParticipantRegistry is IParticipantRegistry, AccessManaged {
    /// @inheritdoc IParticipantRegistry
    IParticipantMirror public participantMirror;

    /// @inheritdoc IParticipantRegistry
    IMeterMirror public meterMirror;

    mapping(address account => Participant) private _participants;
    mapping(uint32 meterId => Meter) private _meters;

    constructor(address authority) AccessManaged(authority) {}

    /// @inheritdoc IParticipantRegistry
    function setMirrors(IParticipantMirror participants, IMeterMirror meters) external restricted {
        participantMirror = participants;
        meterMirror = meters;
        emit MirrorsSet(address(participants), address(meters));
    }

    /// @inheritdoc IParticipantRegistry
    function setParticipant(address account, uint64 kycUntil, uint8 flags, uint16 country)
        external
        restricted
    {
        if (account == address(0)) revert ZeroAddress();
        if (flags > ALL_FLAGS) revert UnknownFlags(flags);
        _participants[account] = Participant({kycUntil: kycUntil, flags: flags, country: country});
        emit ParticipantSet(account, kycUntil, flags, country);
        if (address(participantMirror) != address(0)) participantMirror.syncParticipant(account);
    }

    /// @inheritdoc IParticipantRegistry
    function setMeter(uint32 meterId, address owner, uint32 zone, bool active, address key, bytes32 plantId)
        external
        restricted
    {
        if (owner == address(0)) revert ZeroAddress();
        _meters[meterId] = Meter({owner: owner, zone: zone, active: active, key: key, plantId: plantId});
        emit MeterSet(meterId, owner, zone, active, key, plantId);
        if (address(meterMirror) != address(0)) meterMirror.syncMeter(meterId);
    }

    /// @inheritdoc IParticipantRegistry
    function participant(address account) external view returns (Participant memory) {
        return _participants[account];
    }

    /// @inheritdoc IParticipantRegistry
    function meter(uint32 meterId) external view returns (Meter memory) {
        return _meters[meterId];
    }

    /// @inheritdoc IParticipantRegistry
    function isCleared(address account, uint8 flags) external view returns (bool) {
        Participant storage entry = _participants[account];
        uint8 held = entry.flags;
        return entry.kycUntil >= block.timestamp && held & FROZEN == 0 && held & flags == flags;
    }

    uint8 private constant FROZEN = 4;
    uint8 private constant ALL_FLAGS = 7;
}
