// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IEnergyToken} from "../interfaces/IEnergyToken.sol";
import {IMeterMirror, IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IProductionLedger} from "../interfaces/IProductionLedger.sol";
import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";
import {MeterWord} from "./MeterWord.sol";

/// @title Attested registers and the issue of energy out of them.
/// @dev One storage slot (`MeterWord`) a meter: attesting a reading reads and writes that slot and nothing else. The meter's zone and
/// state are copied into it from the registry by `syncMeter`, so unknown meters can neither be attested nor issue.
contract ProductionLedger is IProductionLedger, IMeterMirror, AccessManaged {
    using MeterWord for uint256;

    uint256 private constant ENTRY_BYTES = 12;

    IParticipantRegistry public immutable registry;
    IEnergyToken public immutable energyToken;
    ISettlementExchange public immutable exchange;

    /// @notice Highest power any meter of the grid can feed, in W: caps the growth of every register.
    uint64 public immutable maxPowerW;

    /// @notice Seconds after a register's time during which it may be corrected.
    uint64 public immutable correctionWindow;

    mapping(address account => bool) public isAttester;
    /// @dev One word for every possible meter id, packed as `MeterWord` says. An array, whose slots need no hashing.
    uint256[1 << 32] private _meters;

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
        uint256 activeInZone = MeterWord.activeIn(zone);
        while (cursor < end) {
            uint256 word;
            assembly ("memory-safe") {
                word := calldataload(cursor)
            }
            _attest(activeInZone, slotEnd, uint32(word >> 224), uint64(word >> 160));
            unchecked {
                cursor += ENTRY_BYTES; // bounded by the length of calldata
            }
        }
        emit RegistersAttested(zone, slotEnd, readingsRoot, registers);
    }

    /// @inheritdoc IProductionLedger
    function correctRegister(uint32 meterId, uint64 toWh, bytes32 reason) external restricted {
        uint256 meter = _meters[meterId];
        (uint64 attestedWh, uint64 issuedWh, uint64 slotEnd) =
            (meter.attested(), meter.issued(), meter.slotEnd());
        bool undoesMint = meter.hasMinted() && toWh < issuedWh;
        if (toWh >= attestedWh || undoesMint) {
            revert CorrectionOutOfRange(meterId, toWh, attestedWh, issuedWh);
        }
        if (block.timestamp > slotEnd + correctionWindow) revert CorrectionTooLate(meterId, slotEnd);

        if (toWh < issuedWh) meter = meter.withIssued(toWh); // only the baseline: nothing was minted yet
        _meters[meterId] = meter.withAttested(toWh, slotEnd);
        emit RegisterCorrected(meterId, attestedWh, toWh, reason);
    }

    /* ISSUE */

    /// @inheritdoc IProductionLedger
    function issue(uint32[] calldata meterIds) external {
        address[] memory owners = new address[](meterIds.length);
        uint64[] memory energyWh = new uint64[](meterIds.length);
        uint256 totalWh;
        for (uint256 i; i < meterIds.length; ++i) {
            uint256 meter = _meters[meterIds[i]];
            uint64 attestedWh = meter.attested();
            uint64 issuableWh = attestedWh - meter.issued();
            if (issuableWh == 0) continue; // owner zero and energy zero: the exchange skips it
            _meters[meterIds[i]] = meter.withIssued(attestedWh).withMinted();
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
        _meters[meterId] = _meters[meterId].withRegistry(entry.zone, entry.active);
    }

    /* VIEWS */

    /// @inheritdoc IProductionLedger
    function register(uint32 meterId)
        external
        view
        returns (uint64 attestedWh, uint64 issuedWh, uint64 slotEnd)
    {
        uint256 meter = _meters[meterId];
        return (meter.attested(), meter.issued(), meter.slotEnd());
    }

    /* INTERNALS */

    function _attest(uint256 activeInZone, uint64 slotEnd, uint32 meterId, uint64 registerWh) private {
        uint256 meter = _meters[meterId];
        if (meter.registryPart() != activeInZone) {
            revert MeterNotActive(meterId, MeterWord.zoneOf(activeInZone));
        }
        uint64 lastSlotEnd = meter.slotEnd();
        if (lastSlotEnd == 0) {
            meter = meter.withIssued(registerWh);
        } else {
            if (slotEnd < lastSlotEnd) revert SlotNotAfterLast(meterId, slotEnd, lastSlotEnd);
            uint64 attestedWh = meter.attested();
            if (registerWh < attestedWh) revert RegisterFell(meterId, attestedWh, registerWh);
            unchecked {
                // 64-bit energy and power and 40-bit time: no product fills 256 bits.
                uint256 growthWh = registerWh - attestedWh;
                uint256 mostWs = uint256(maxPowerW) * (slotEnd - lastSlotEnd);
                // Rounded up: a whole Wh may be shown a moment before the cap's fraction is reached.
                if (growthWh * 3600 > mostWs + 3599) {
                    revert RegisterGrewTooMuch(meterId, uint64(growthWh), (mostWs + 3599) / 3600);
                }
            }
        }
        _meters[meterId] = meter.withAttested(registerWh, slotEnd);
    }
}
