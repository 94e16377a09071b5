// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IProductionLedger} from "../../../contracts/src/interfaces/IProductionLedger.sol";
import {Vm} from "./Base.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @notice Random life of the ledger: honest and lying attesters, meters, correctors, owners and thieves in any
/// order. It keeps books of its own and notes whatever must not happen.
contract LedgerHandler is LedgerFixture {
    uint32 private constant METERS = 4;
    uint32 private constant OTHER_ZONE = 2;
    uint256 private constant FIRST_KEY = 0x3e7e0;

    /// @dev `ceilingWh` is the most that the register can honestly be: the baseline and what the cap allowed since.
    struct Book {
        uint64 lastTime;
        uint64 ceilingWh;
        uint256 mintedWh;
        bytes lastReading;
    }

    mapping(uint32 meterId => Book) private books;
    uint64[METERS + 1] private before;

    uint256 public attested;
    uint256 public signedAttested;
    uint256 public corrected;
    uint256 public issued;
    uint256 public consumed;
    uint256 public refused;

    uint256 public breaches;
    uint256 public unloggedFalls;
    uint256 public beyondCap;

    constructor() {
        setUp();
        registry.setZone(OTHER_ZONE, "OTHER");
        for (uint32 id = 1; id <= METERS; ++id) {
            setMeter(id, ownerOf(id), ZONE, true, FIRST_KEY + id);
        }
    }

    /// @dev No register falls in any action but a correction, and none is above its ceiling after any.
    modifier watched() {
        for (uint32 id = 1; id <= METERS; ++id) {
            before[id] = registerOf(id);
        }
        _;
        for (uint32 id = 1; id <= METERS; ++id) {
            uint64 register = registerOf(id);
            if (register < before[id]) ++unloggedFalls;
            if (books[id].lastTime != 0 && register > books[id].ceilingWh) ++beyondCap;
        }
    }

    /* ATTESTERS */

    function attest(uint256 who, uint256 elapsed, uint256 growth) external watched {
        (uint32 id, uint64 time, uint64 register) = next(who, elapsed, growth);
        bytes memory entry = abi.encodePacked(id, register);
        if (sent(OPERATOR, abi.encodeCall(ledger.attest, (ZONE, time, 0, entry)))) {
            book(id, time, register);
            ++attested;
        }
    }

    function attestSigned(uint256 who, uint256 elapsed, uint256 growth) external watched {
        (uint32 id, uint64 time, uint64 register) = next(who, elapsed, growth);
        bytes memory entry = signedBy(FIRST_KEY + id, readingOf(id, time, register));
        if (sent(OPERATOR, abi.encodeCall(ledger.attestSigned, (ZONE, entry)))) {
            book(id, time, register);
            books[id].lastReading = entry;
            ++signedAttested;
        }
    }

    /// @dev A reading that was accepted once; the register must not move.
    function replay(uint256 who) external watched {
        uint32 id = meterOf(who);
        bytes memory entry = books[id].lastReading;
        uint64 register = registerOf(id);
        sent(OPERATOR, abi.encodeCall(ledger.attestSigned, (ZONE, entry)));
        if (registerOf(id) != register) ++breaches;
    }

    /// @dev Whatever is wrong with an attestation, alone or in a batch behind a good one, changes nothing.
    function attack(uint256 who, uint256 kind, uint64 growth) external watched {
        (uint32 id, uint64 time, uint64 register) = next(who, 60, growth % 1000);
        (uint64 last,, uint64 lastTime) = ledger.register(id);
        (uint40 capW,,) = ledger.limitsOf(id);
        IProductionLedger.Reading memory reading = readingOf(id, time, register);
        bytes memory good = abi.encodePacked(id, register);
        bytes memory call;
        address sender = OPERATOR;
        kind %= 10;
        if (kind == 0) {
            (sender, call) = (STRANGER, abi.encodeCall(ledger.attest, (ZONE, time, 0, good)));
        } else if (kind == 1) {
            call = abi.encodeCall(ledger.attest, (OTHER_ZONE, time, 0, good));
        } else if (kind == 2) {
            good = bytes.concat(good, abi.encodePacked(METERS + 1, register));
            call = abi.encodeCall(ledger.attest, (ZONE, time, 0, good));
        } else if (kind == 3 && lastTime != 0) {
            uint64 tooMuch = last + uint64(uint256(capW) * (time - lastTime) / 3600) + 1;
            call = abi.encodeCall(ledger.attest, (ZONE, time, 0, abi.encodePacked(id, tooMuch)));
        } else if (kind == 4 && last != 0) {
            call = abi.encodeCall(ledger.attest, (ZONE, time, 0, abi.encodePacked(id, last - 1)));
        } else if (kind == 5 && lastTime != 0) {
            call = abi.encodeCall(ledger.attest, (ZONE, lastTime - 1, 0, abi.encodePacked(id, last)));
        } else if (kind == 6) {
            uint64 future = uint64(block.timestamp + 1);
            call = abi.encodeCall(ledger.attest, (ZONE, future, 0, abi.encodePacked(id, last)));
        } else if (kind == 7) {
            call = abi.encodeCall(ledger.attestSigned, (ZONE, signedBy(FIRST_KEY, reading)));
        } else if (kind == 8) {
            bytes memory entry = signedBy(FIRST_KEY + id, reading);
            entry[35] ^= 0x01; // the register's last byte
            call = abi.encodeCall(ledger.attestSigned, (ZONE, entry));
        } else {
            (, bool required,) = ledger.limitsOf(id);
            if (!required) return;
            call = abi.encodeCall(ledger.attest, (ZONE, time, 0, good));
        }
        if (call.length != 0 && sent(sender, call)) ++breaches;
    }

    /* CORRECTORS, OWNERS AND THIEVES */

    function correct(uint256 who, uint64 byWh, bool late) external {
        uint32 id = meterOf(who);
        (uint64 last, uint64 issuedWh,) = ledger.register(id);
        uint64 to = last - uint64(bound(byWh, 0, last));
        if (late) vm.warp(block.timestamp + WINDOW + 1);
        vm.recordLogs();
        bool ok = sent(OPERATOR, abi.encodeCall(ledger.correctRegister, (id, to, "audit")));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        if (late && ok) ++breaches;
        if (!ok) return;
        ++corrected;
        books[id].ceilingWh -= last - to;
        if (books[id].mintedWh != 0 && to < issuedWh) ++breaches;
        bytes32 data = keccak256(abi.encode(last, to, bytes32("audit")));
        bool logged = logs.length == 1 && uint256(logs[0].topics[1]) == id;
        if (!logged || keccak256(logs[0].data) != data) ++unloggedFalls;
    }

    function issue(uint256 who, uint256 again) external watched {
        uint32[] memory meters = new uint32[](3);
        (meters[0], meters[1], meters[2]) = (meterOf(who), meterOf(again), meterOf(who));
        for (uint256 i; i < 2; ++i) {
            if (i == 1 && meters[1] == meters[0]) break;
            (uint64 attestedWh, uint64 issuedWh,) = ledger.register(meters[i]);
            books[meters[i]].mintedWh += attestedWh - issuedWh;
        }
        uint256 supplyBefore = energy.totalSupply();
        if (!sent(STRANGER, abi.encodeCall(ledger.issue, (meters)))) ++breaches; // nobody can stop it
        if (energy.totalSupply() > supplyBefore) ++issued;
    }

    function consume(uint256 who, uint64 energyWh) external watched {
        address owner = ownerOf(meterOf(who));
        uint64 amount = uint64(bound(energyWh, 0, energyOf(owner)));
        if (amount == 0) return;
        vm.prank(owner);
        exchange.requestWithdrawal(0, amount);
        vm.warp(block.timestamp + DELAY);
        vm.prank(owner);
        exchange.executeWithdrawal();
        vm.prank(owner);
        energy.consume(amount);
        consumed += amount;
    }

    function steal(uint256 who, uint64 energyWh) external watched {
        uint32 id = meterOf(who);
        address[4] memory thieves = [OPERATOR, STRANGER, ownerOf(id), address(exchange)];
        address thief = thieves[energyWh % 4];
        if (sentTo(address(energy), thief, abi.encodeCall(energy.mint, (thief, energyWh)))) ++breaches;
        if (sent(STRANGER, abi.encodeCall(ledger.correctRegister, (id, 0, 0)))) ++breaches;
        if (sent(STRANGER, abi.encodeCall(ledger.setPowerCap, (id, 1)))) ++breaches;
        if (sent(STRANGER, abi.encodeCall(ledger.setAttester, (STRANGER, true)))) ++breaches;
        ledger.syncMeter(id); // anyone may, and it changes nothing
    }

    /* REGISTRAR AND ADMINISTRATOR */

    function configure(uint256 who, bool active, uint40 capW, bool required) external watched {
        uint32 id = meterOf(who);
        setMeter(id, ownerOf(id), ZONE, active, FIRST_KEY + id);
        vm.prank(OPERATOR);
        ledger.setPowerCap(id, uint40(bound(capW, 1, MAX_POWER_W)));
        vm.prank(OPERATOR);
        ledger.setSignatureRequired(id, required);
    }

    /// @dev A removed attester attests nothing; he is back afterwards.
    function dismiss(uint256 who) external watched {
        uint32 id = meterOf(who);
        ledger.setAttester(OPERATOR, false);
        bytes memory entry = abi.encodePacked(id, registerOf(id));
        uint64 time = uint64(block.timestamp);
        if (sent(OPERATOR, abi.encodeCall(ledger.attest, (ZONE, time, 0, entry)))) ++breaches;
        ledger.setAttester(OPERATOR, true);
    }

    /* FOR THE INVARIANTS */

    function supply() external view returns (uint256 supplyWh, uint256 mintedWh) {
        for (uint32 id = 1; id <= METERS; ++id) {
            mintedWh += books[id].mintedWh;
        }
        return (energy.totalSupply(), mintedWh);
    }

    /// @dev Meters of which more was minted than they show, or issued than attested.
    function overMinted() external view returns (uint256 count) {
        for (uint32 id = 1; id <= METERS; ++id) {
            (uint64 attestedWh, uint64 issuedWh,) = ledger.register(id);
            if (books[id].mintedWh > attestedWh || issuedWh > attestedWh) ++count;
        }
    }

    /* BOOKKEEPING */

    /// @dev A register that the meter could show `elapsed` later, or about so: most are within the cap.
    function next(uint256 who, uint256 elapsed, uint256 growth)
        private
        returns (uint32 id, uint64 time, uint64 register)
    {
        id = meterOf(who);
        vm.warp(block.timestamp + bound(elapsed, 0, SLOT));
        (uint64 last,, uint64 lastTime) = ledger.register(id);
        (uint40 capW,,) = ledger.limitsOf(id);
        time = uint64(block.timestamp);
        uint256 mostWh = uint256(capW) * (time - lastTime) / 3600;
        if (lastTime == 0) mostWh = 1e6;
        register = last + uint64(bound(growth, 0, mostWh + mostWh / 8));
    }

    function book(uint32 id, uint64 time, uint64 register) private {
        Book storage entry = books[id];
        (uint40 capW,,) = ledger.limitsOf(id);
        if (entry.lastTime == 0) entry.ceilingWh = register;
        else entry.ceilingWh += uint64(uint256(capW) * (time - entry.lastTime) / 3600);
        entry.lastTime = time;
    }

    function sent(address sender, bytes memory data) private returns (bool) {
        return sentTo(address(ledger), sender, data);
    }

    function sentTo(address target, address sender, bytes memory data) private returns (bool ok) {
        vm.prank(sender);
        (ok,) = target.call(data);
        if (!ok) ++refused;
    }

    function meterOf(uint256 who) private pure returns (uint32) {
        return uint32(who % METERS) + 1;
    }

    function ownerOf(uint32 id) private view returns (address) {
        return id == 1 ? anna : id == 2 ? ben : cleo;
    }
}
