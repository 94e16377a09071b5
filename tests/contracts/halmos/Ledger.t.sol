// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IEnergyToken} from "../../../contracts/src/interfaces/IEnergyToken.sol";
import {IParticipantRegistry} from "../../../contracts/src/interfaces/IParticipantRegistry.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ProductionLedger} from "../../../contracts/src/market/ProductionLedger.sol";

interface Vm {
    function assume(bool condition) external pure;
    function warp(uint256 time) external;
}

/// @notice 9: registers only grow, no faster than the power cap; what is minted is what they grew, once. This contract is
/// the ledger's authority, registry, token and exchange, and counts what is minted.
contract LedgerProof {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint32 private constant METER = 7;
    uint32 private constant ZONE = 1;
    uint64 private constant NOW = 1_800_000_000;
    uint64 private constant MAX_POWER_W = 1_000_000;

    ProductionLedger private ledger;
    uint256 private mintedWh;
    uint256 private creditedWh;

    function setUp() public {
        vm.warp(NOW);
        address here = address(this);
        ledger = new ProductionLedger(
            here,
            IParticipantRegistry(here),
            IEnergyToken(here),
            ISettlementExchange(here),
            MAX_POWER_W,
            7 days
        );
        ledger.setAttester(here, true);
        ledger.syncMeter(METER);
    }

    /* WHAT THE LEDGER CALLS */

    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (true, 0);
    }

    function meter(uint32) external view returns (IParticipantRegistry.Meter memory entry) {
        entry.owner = address(this);
        entry.zone = ZONE;
        entry.active = true;
    }

    function meterOwner(uint32) external view returns (address) {
        return address(this);
    }

    function mint(address, uint256 energyWh) external {
        mintedWh += energyWh;
    }

    function creditProduction(address[] calldata, uint64[] calldata energyWh) external {
        creditedWh += energyWh[0];
    }

    /* PROOFS */

    /// @dev A slot of 900 s at 1 MW. That it holds for all times and powers is a property of the meter's word
    /// (`check_09_grown_usual_neverFalls`), which is all that `attest` looks at.
    function check_09_attest_onlyGrows(uint64 baseWh, uint64 registerWh) external {
        attest(NOW - 900, baseWh);
        attest(NOW, registerWh);
        (uint64 attestedWh, uint64 issuedWh,) = ledger.register(METER);
        assert(attestedWh == registerWh && attestedWh >= baseWh && issuedWh == baseWh);
    }

    function check_09_attest_timeNeverGoesBack(uint64[2] memory slotEnd, uint64 registerWh) external {
        attest(slotEnd[0], registerWh);
        attest(slotEnd[1], registerWh);
        if (slotEnd[0] == 0) return; // no time: the next one is the baseline again
        (uint64 attestedWh,, uint64 last) = ledger.register(METER);
        assert(attestedWh == registerWh && last == slotEnd[1] && last >= slotEnd[0] && last <= NOW);
    }

    function check_09_attest_withinTheCap(uint64 baseWh, uint64 registerWh) external {
        attest(NOW - 900, baseWh);
        attest(NOW, registerWh);
        unchecked {
            assert(registerWh - baseWh <= MAX_POWER_W * 900 / 3600);
        }
    }

    function check_09_issue_mintsTheGrowthOnce(uint64 baseWh, uint64 registerWh) external {
        attest(NOW - 1 days, baseWh);
        attest(NOW, registerWh);
        issue();
        issue();
        assert(mintedWh == uint256(registerWh) - baseWh && creditedWh == mintedWh);
        (uint64 attestedWh, uint64 issuedWh,) = ledger.register(METER);
        assert(attestedWh == registerWh && issuedWh == registerWh);
    }

    function check_09_correct_neverBelowWhatWasMinted(uint64 baseWh, uint64 registerWh, uint64 toWh)
        external
    {
        attest(NOW - 1 days, baseWh);
        attest(NOW, registerWh);
        issue();
        vm.assume(registerWh != baseWh);
        (bool ok,) = address(ledger).call(abi.encodeCall(ledger.correctRegister, (METER, toWh, 0)));
        assert(!ok); // all of it was minted
        assert(mintedWh == uint256(registerWh) - baseWh);
    }

    function check_09_correct_lowersAndMintsTheRest(uint64 baseWh, uint64 registerWh, uint64 toWh) external {
        attest(NOW - 1 days, baseWh);
        attest(NOW, registerWh);
        ledger.correctRegister(METER, toWh, 0);
        assert(toWh < registerWh);
        issue();
        assert(mintedWh == (toWh > baseWh ? toWh - baseWh : 0));
    }

    function attest(uint64 slotEnd, uint64 registerWh) private {
        ledger.attest(ZONE, slotEnd, 0, abi.encodePacked(METER, registerWh));
    }

    function issue() private {
        uint32[] memory meters = new uint32[](1);
        meters[0] = METER;
        ledger.issue(meters);
    }
}
