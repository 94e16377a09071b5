// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IEnergyToken} from "../interfaces/IEnergyToken.sol";
import {IMeterMirror, IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IProductionLedger} from "../interfaces/IProductionLedger.sol";
import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";

/// @title Attested registers and the issue of energy out of them.
/// @dev One storage slot a meter: attesting a reading reads and writes that slot and nothing else. The meter's zone and
/// state are copied into it from the registry by `syncMeter`, so unknown meters can neither be attested nor issue.
contract ProductionLedger is IProductionLedger, IMeterMirror, AccessManaged {
    /// @dev One storage slot.
    /// @param attestedWh Last attested register.
    /// @param issuedWh Register up to which energy was issued; the baseline until then.
    /// @param slotEnd When the register was read; 0 before the first attestation.
    /// @param zone Copy of the registry's.
    /// @param active Copy of the registry's; false while the meter is unknown.
    /// @param minted True once the meter has issued energy, from when corrections cannot go below `issuedWh`.
    struct MeterState {
        uint64 attestedWh;
        uint64 issuedWh;
        uint40 slotEnd;
        uint32 zone;
        bool active;
        bool minted;
    }

    uint256 private constant ENTRY_BYTES = 12;

    IParticipantRegistry public immutable registry;
    IEnergyToken public immutable energyToken;
    ISettlementExchange public immutable exchange;

    /// @notice Highest power any meter of the grid can feed, in W: caps the growth of every register.
    uint64 public immutable maxPowerW;

    /// @notice Seconds after a register's time during which it may be corrected.
    uint64 public immutable correctionWindow;

    mapping(address account => bool) public isAttester;
    mapping(uint32 meterId => MeterState) private _meters;

    constructor(
        address authority,
        IParticipantRegistry registry_,
        IEnergyToken energyToken_,
        ISettlementExchange exchange_,
        uint64 maxPowerW_,
        uint64 correctionWindow_
    ) AccessManaged(authority) {
        registry = registry_;
        energyToken = energyToken_;
        exchange = exchange_;
        maxPowerW = maxPowerW_;
        correctionWindow = correctionWindow_;
    }

    /* ATTESTATION */

    /// @inheritdoc IProductionLedger
    function attest(uint32 zone, uint64 slotEnd, bytes32 readingsRoot, bytes calldata registers) external {
        if (!isAttester[msg.sender]) revert NotAttester(msg.sender);
        if (registers.length % ENTRY_BYTES != 0) revert BadRegistersLength(registers.length);
        if (slotEnd > block.timestamp) revert SlotInFuture(slotEnd, block.timestamp);

        uint256 cursor;
        assembly ("memory-safe") {
            cursor := registers.offset
        }
        uint256 end = cursor + registers.length;
        while (cursor < end) {
            uint256 word;
            assembly ("memory-safe") {
                word := calldataload(cursor)
            }
            _attest(zone, slotEnd, uint32(word >> 224), uint64(word >> 160));
            unchecked {
                cursor += ENTRY_BYTES; // bounded by the length of calldata
            }
        }
        emit RegistersAttested(zone, slotEnd, readingsRoot, registers);
    }

    /// @inheritdoc IProductionLedger
    function correctRegister(uint32 meterId, uint64 toWh, bytes32 reason) external restricted {
        MeterState storage state = _meters[meterId];
        (uint64 attestedWh, uint64 issuedWh) = (state.attestedWh, state.issuedWh);
        bool undoesMint = state.minted && toWh < issuedWh;
        if (toWh >= attestedWh || undoesMint) revert CorrectionOutOfRange(meterId, toWh, attestedWh, issuedWh);
        if (block.timestamp > state.slotEnd + correctionWindow) revert CorrectionTooLate(meterId, state.slotEnd);

        state.attestedWh = toWh;
        if (toWh < issuedWh) state.issuedWh = toWh; // only the baseline: nothing was minted yet
        emit RegisterCorrected(meterId, attestedWh, toWh, reason);
    }

    /* ISSUE */

    /// @inheritdoc IProductionLedger
    function issue(uint32[] calldata meterIds) external {
        address[] memory owners = new address[](meterIds.length);
        uint64[] memory energyWh = new uint64[](meterIds.length);
        uint256 totalWh;
        for (uint256 i; i < meterIds.length; ++i) {
            MeterState storage state = _meters[meterIds[i]];
            uint64 attestedWh = state.attestedWh;
            uint64 issuableWh = attestedWh - state.issuedWh;
            if (issuableWh == 0) continue; // owner zero and energy zero: the exchange skips it
            state.issuedWh = attestedWh;
            state.minted = true;
            owners[i] = registry.meter(meterIds[i]).owner;
            energyWh[i] = issuableWh;
            totalWh += issuableWh;
            emit ProductionMinted(meterIds[i], owners[i], issuableWh, attestedWh);
        }
        if (totalWh == 0) return;
        energyToken.mint(address(exchange), totalWh);
        exchange.creditProduction(owners, energyWh);
    }

    /* ADMINISTRATION */

    /// @inheritdoc IProductionLedger
    function setAttester(address attester, bool allowed) external restricted {
        isAttester[attester] = allowed;
        emit AttesterSet(attester, allowed);
    }

    /// @inheritdoc IMeterMirror
    function syncMeter(uint32 meterId) external {
        IParticipantRegistry.Meter memory entry = registry.meter(meterId);
        _meters[meterId].zone = entry.zone;
        _meters[meterId].active = entry.active;
    }

    /* VIEWS */

    /// @inheritdoc IProductionLedger
    function register(uint32 meterId) external view returns (uint64 attestedWh, uint64 issuedWh, uint64 slotEnd) {
        MeterState storage state = _meters[meterId];
        return (state.attestedWh, state.issuedWh, state.slotEnd);
    }

    /* INTERNALS */

    function _attest(uint32 zone, uint64 slotEnd, uint32 meterId, uint64 registerWh) private {
        MeterState memory state = _meters[meterId];
        if (!state.active || state.zone != zone) revert MeterNotActive(meterId, zone);
        if (state.slotEnd == 0) {
            state.issuedWh = registerWh;
        } else {
            if (slotEnd < state.slotEnd) revert SlotNotAfterLast(meterId, slotEnd, state.slotEnd);
            if (registerWh < state.attestedWh) revert RegisterFell(meterId, state.attestedWh, registerWh);
            uint64 growthWh = registerWh - state.attestedWh;
            // Round up: a whole Wh may be shown a moment before the cap's fraction is reached.
            uint256 capWh = (uint256(maxPowerW) * (slotEnd - state.slotEnd) + 3_599) / 3_600;
            if (growthWh > capWh) revert RegisterGrewTooMuch(meterId, growthWh, capWh);
        }
        state.attestedWh = registerWh;
        state.slotEnd = uint40(slotEnd);
        _meters[meterId] = state;
    }
}
