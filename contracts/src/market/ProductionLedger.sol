// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IEnergyToken} from "../interfaces/IEnergyToken.sol";
import {IMeterMirror, IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IProductionLedger} from "../interfaces/IProductionLedger.sol";
import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";
import {MeterWord} from "./MeterWord.sol";
import {ReadingHash} from "./ReadingHash.sol";

/// @title Attested registers and the issue of energy out of them.
/// @dev One storage slot (`MeterWord`) a meter: attesting a reading reads and writes that slot and nothing else; a
/// signed reading also reads the meter's key. Zone, state and key are copied from the registry by `syncMeter`, so
/// unknown meters can neither be attested nor issue.
contract ProductionLedger is IProductionLedger, IMeterMirror, AccessManaged {
    using MeterWord for uint256;

    /// @inheritdoc IProductionLedger
    uint256 public constant MAX_REGISTERS = 2500;

    /// @inheritdoc IProductionLedger
    uint256 public constant MAX_READINGS = 1000;

    /// @dev uint32 meterId, uint64 registerWh.
    uint256 private constant REGISTER_BYTES = 12;
    /// @dev uint32 meterId, uint64 time, uint64 counter, uint64 importWh, uint64 exportWh, int64 powerW, r, vs.
    uint256 private constant READING_BYTES = 108;
    /// @dev uint32 meterId, uint64 time, uint64 registerWh.
    uint256 private constant EVENT_BYTES = 20;
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    IParticipantRegistry public immutable registry;
    IEnergyToken public immutable energyToken;
    ISettlementExchange public immutable exchange;

    /// @notice Highest power any meter of the grid can feed, in W: caps the growth of every register.
    uint64 public immutable maxPowerW;

    /// @notice Seconds after a register's time during which it may be corrected.
    uint64 public immutable correctionWindow;

    /// @inheritdoc IProductionLedger
    mapping(address account => bool) public isAttester;
    /// @dev One word for every possible meter id, packed as `MeterWord` says. An array, whose slots need no hashing.
    uint256[1 << 32] private _meters;
    /// @dev Address of every meter's signing key, copied from the registry.
    address[1 << 32] private _keys;

    constructor(
        address authority,
        IParticipantRegistry registry_,
        IEnergyToken energyToken_,
        ISettlementExchange exchange_,
        uint64 maxPowerW_,
        uint64 correctionWindow_
    ) AccessManaged(authority) {
        if (maxPowerW_ == 0 || maxPowerW_ > type(uint40).max) {
            revert PowerCapOutOfRange(maxPowerW_, type(uint40).max);
        }
        registry = registry_;
        energyToken = energyToken_;
        exchange = exchange_;
        maxPowerW = maxPowerW_;
        correctionWindow = correctionWindow_;
    }

    /* ATTESTATION */

    /// @inheritdoc IProductionLedger
    function attest(uint32 zone, uint64 slotEnd, bytes32 readingsRoot, bytes calldata registers) external {
        (uint256 cursor, uint256 end) = _entries(registers, REGISTER_BYTES, MAX_REGISTERS);
        if (slotEnd > block.timestamp) revert SlotInFuture(slotEnd, block.timestamp);

        uint256 activeInZone = MeterWord.activeIn(zone);
        while (cursor < end) {
            uint256 entry = _load(cursor);
            uint256 slot;
            uint256 meter;
            assembly ("memory-safe") {
                slot := add(_meters.slot, shr(224, entry))
                meter := sload(slot)
            }
            uint256 registerWh = uint64(entry >> 160);
            (bool usual, uint256 next) = meter.grown(activeInZone, slotEnd, registerWh);
            if (!usual) {
                uint32 meterId = uint32(entry >> 224);
                if (meter.needsSignature()) revert SignatureRequired(meterId);
                next = _advanced(meter, meterId, slotEnd, uint64(registerWh), activeInZone);
            }
            assembly ("memory-safe") {
                sstore(slot, next)
                cursor := add(cursor, REGISTER_BYTES) // bounded by the length of calldata
            }
        }
        emit RegistersAttested(zone, slotEnd, readingsRoot, registers);
    }

    /// @inheritdoc IProductionLedger
    function attestSigned(uint32 zone, bytes calldata readings) external {
        (uint256 cursor, uint256 end) = _entries(readings, READING_BYTES, MAX_READINGS);

        bytes memory entries = new bytes(readings.length / READING_BYTES * EVENT_BYTES);
        uint256 to;
        assembly ("memory-safe") {
            to := add(entries, 0x20)
        }
        uint256 activeInZone = MeterWord.activeIn(zone);
        while (cursor < end) {
            uint256 settled = _attestSigned(cursor, activeInZone);
            assembly ("memory-safe") {
                // Rewrites the twelve bytes before the entry as they are, so as not to write behind the last one.
                let word := sub(to, 12)
                mstore(word, or(shl(160, shr(160, mload(word))), settled))
            }
            unchecked {
                cursor += READING_BYTES; // both bounded by the length of calldata
                to += EVENT_BYTES;
            }
        }
        emit ReadingsAttested(zone, entries);
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
            owners[i] = registry.meterOwner(meterIds[i]);
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

    /// @inheritdoc IProductionLedger
    function dismissAttester(address attester) external restricted {
        isAttester[attester] = false;
        emit AttesterSet(attester, false);
    }

    /// @inheritdoc IProductionLedger
    function setPowerCap(uint32 meterId, uint40 powerW) external restricted {
        if (powerW == 0 || powerW > maxPowerW) revert PowerCapOutOfRange(powerW, maxPowerW);
        _meters[meterId] = _meters[meterId].withPowerCap(powerW);
        emit PowerCapSet(meterId, powerW);
    }

    /// @inheritdoc IProductionLedger
    function setSignatureRequired(uint32 meterId, bool required) external restricted {
        _meters[meterId] = _meters[meterId].withSignatureRequired(required);
        emit SignatureRequiredSet(meterId, required);
    }

    /// @inheritdoc IMeterMirror
    function syncMeter(uint32 meterId) external {
        IParticipantRegistry.Meter memory entry = registry.meter(meterId);
        uint256 meter = _meters[meterId].withRegistry(entry.zone, entry.active);
        if (meter.powerCap() == 0) meter = meter.withPowerCap(uint40(maxPowerW));
        _meters[meterId] = meter;
        if (_keys[meterId] != entry.key) _keys[meterId] = entry.key;
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

    /// @inheritdoc IProductionLedger
    function limitsOf(uint32 meterId)
        external
        view
        returns (uint40 powerCapW, bool signatureRequired, address key)
    {
        uint256 meter = _meters[meterId];
        return (uint40(meter.powerCap()), meter.needsSignature(), _keys[meterId]);
    }

    /// @inheritdoc IProductionLedger
    function readingDigest(Reading calldata reading) external pure returns (bytes32) {
        return ReadingHash.digest(reading);
    }

    /* INTERNALS */

    /// @dev Where the packed entries begin and end in calldata, once the caller and their number are allowed.
    function _entries(bytes calldata packed, uint256 size, uint256 most)
        private
        view
        returns (uint256 cursor, uint256 end)
    {
        if (!isAttester[msg.sender]) revert NotAttester(msg.sender);
        if (packed.length % size != 0) revert BadRegistersLength(packed.length);
        if (packed.length > size * most) revert TooManyRegisters(packed.length / size, most);
        assembly ("memory-safe") {
            cursor := packed.offset
            end := add(cursor, packed.length)
        }
    }

    /// @return settled The event's entry in the low 20 bytes.
    function _attestSigned(uint256 start, uint256 activeInZone) private returns (uint256 settled) {
        uint256 head = _load(start); // meterId, time
        uint32 meterId = uint32(head >> 224);
        uint64 time = uint64(head >> 160);
        uint64 registerWh = uint64(_load(start + 28) >> 192);
        if (time > block.timestamp) revert SlotInFuture(time, block.timestamp);

        bytes32 digest = ReadingHash.packedDigest(start);
        address signer = _signerOf(digest, start + 44);
        if (signer == address(0) || signer != _keys[meterId]) revert BadReadingSignature(meterId, digest);

        uint256 meter = _meters[meterId];
        _meters[meterId] = _advanced(meter, meterId, time, registerWh, activeInZone);
        return (head >> 160) << 64 | registerWh;
    }

    /// @dev The signer of an EIP-2098 signature at the calldata position `start`; zero for none and for a high s.
    function _signerOf(bytes32 digest, uint256 start) private view returns (address signer) {
        uint256 s;
        assembly ("memory-safe") {
            let vs := calldataload(add(start, 0x20))
            let scratch := mload(0x40)
            s := shr(1, shl(1, vs))
            mstore(scratch, digest)
            mstore(add(scratch, 0x20), add(27, shr(255, vs)))
            mstore(add(scratch, 0x40), calldataload(start))
            mstore(add(scratch, 0x60), s)
            mstore(0, 0) // the precompile returns nothing for a signature of nobody
            pop(staticcall(gas(), 1, scratch, 0x80, 0, 0x20))
            signer := mload(0)
        }
        if (s > HALF_ORDER) return address(0);
    }

    /// @dev The meter with its register at `time`; says what is wrong. The first register is the baseline: issued as
    /// far as it goes. It must be recent, for the power cap counts from its time.
    function _advanced(uint256 meter, uint32 meterId, uint64 time, uint64 registerWh, uint256 activeInZone)
        private
        view
        returns (uint256)
    {
        if (meter.registryPart() != activeInZone) {
            revert MeterNotActive(meterId, MeterWord.zoneOf(activeInZone));
        }
        uint64 lastTime = meter.slotEnd();
        if (lastTime == 0) {
            if (time + correctionWindow < block.timestamp) {
                revert BaselineTooOld(meterId, time, block.timestamp - correctionWindow);
            }
            return meter.withIssued(registerWh).withAttested(registerWh, time);
        }
        uint64 attestedWh = meter.attested();
        if (time < lastTime) revert SlotNotAfterLast(meterId, time, lastTime);
        if (registerWh < attestedWh) revert RegisterFell(meterId, attestedWh, registerWh);
        unchecked {
            // 64-bit time and 40-bit power: no product fills 256 bits.
            uint256 growthWh = registerWh - attestedWh;
            uint256 mostWh = meter.powerCap() * (time - lastTime) / 3600;
            if (growthWh > mostWh) revert RegisterGrewTooMuch(meterId, uint64(growthWh), mostWh);
        }
        return meter.withAttested(registerWh, time);
    }

    function _load(uint256 start) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(start)
        }
    }
}
