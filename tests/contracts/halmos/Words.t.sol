// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccountWord} from "../../../contracts/src/market/AccountWord.sol";
import {MeterWord} from "../../../contracts/src/market/MeterWord.sol";

interface Vm {
    function assume(bool condition) external pure;
}

/// @notice For all words and all amounts: the packed fields' arithmetic is that of the fields, and nothing carries from
/// one into another. A call that reverts is a path that halmos leaves out.
contract WordsProof {
    using AccountWord for uint256;
    using MeterWord for uint256;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 private constant CASH_BITS = 64;
    uint256 private constant VAULT_BITS = 112; // cash and energy

    /* ACCOUNTS */

    function check_02_addCash_addsNothingElse(uint256 word, uint256 amount) external pure {
        uint256 result = word.addCash(address(0), amount);
        assert(result.cash() == word.cash() + amount);
        assert(result >> CASH_BITS == word >> CASH_BITS);
    }

    function check_02_subCash_takesNothingElse(uint256 word, uint256 amount) external pure {
        uint256 result = word.subCash(address(0), amount);
        assert(result.cash() + amount == word.cash());
        assert(result >> CASH_BITS == word >> CASH_BITS);
    }

    function check_02_addEnergy_addsNothingElse(uint256 word, uint256 amount) external pure {
        uint256 result = word.addEnergy(address(0), amount);
        assert(result.energy() == word.energy() + amount);
        assert(result.cash() == word.cash() && result >> VAULT_BITS == word >> VAULT_BITS);
    }

    function check_02_subEnergy_takesNothingElse(uint256 word, uint256 amount) external pure {
        uint256 result = word.subEnergy(address(0), amount);
        assert(result.energy() + amount == word.energy());
        assert(result.cash() == word.cash() && result >> VAULT_BITS == word >> VAULT_BITS);
    }

    function check_02_movedCash_isSigned(uint256 word, int64 amount) external pure {
        uint256 result = word.movedCash(address(0), amount);
        assert(int256(result.cash()) == int256(word.cash()) + amount);
        assert(result >> CASH_BITS == word >> CASH_BITS);
    }

    function check_04_withMinNonce_changesNothingElse(uint256 word, uint48 nonce) external pure {
        uint256 result = word.withMinNonce(nonce);
        assert(result.minNonce() == nonce);
        assert(result ^ (uint256(nonce ^ word.minNonce()) << VAULT_BITS) == word);
    }

    function check_04_withClearance_changesNothingElse(uint256 word, uint64 until) external pure {
        uint256 result = word.withClearance(until);
        assert(result.clearedUntil() == (until > type(uint32).max ? type(uint32).max : until));
        assert(result ^ (uint256(result.clearedUntil() ^ word.clearedUntil()) << 160) == word);
    }

    /* METERS */

    function check_09_withAttested_keepsTheRest(uint256 word, uint64 registerWh, uint40 slotEnd)
        external
        pure
    {
        uint256 result = word.withAttested(registerWh, slotEnd);
        assert(result.attested() == registerWh && result.slotEnd() == slotEnd);
        assert(result.issued() == word.issued() && result >> 168 == word >> 168);
    }

    /// @dev What `attest` writes at once, without a second look: a register that did not fall, grown by no more than power and
    /// time allow, whatever both are. Solvers do not divide 256 bits; all they need of the quotient is that it was divided.
    function check_09_grown_usual_neverFalls(uint256 word, uint40 time, uint64 registerWh) external pure {
        uint256 mostWh = mostOf(word, time);
        vm.assume(mostWh < 1 << 245);
        (bool usual, uint256 next) = word.grown(MeterWord.activeIn(word.zoneOf()), time, registerWh);
        if (!usual) return;
        assert(next.attested() == registerWh && registerWh >= word.attested());
        assert(registerWh - word.attested() <= mostWh);
    }

    function check_09_grown_usual_keepsTimeAndTheRest(uint256 word, uint40 time, uint64 registerWh)
        external
        pure
    {
        uint256 active = MeterWord.activeIn(word.zoneOf());
        (bool usual, uint256 next) = word.grown(active, time, registerWh);
        if (!usual) return;
        assert(next.slotEnd() == time && time >= word.slotEnd() && word.slotEnd() != 0);
        assert(next.issued() == word.issued() && next >> 168 == word >> 168);
        assert(word.registryPart() == active && !word.needsSignature());
    }

    /// @dev As `grown` computes it.
    function mostOf(uint256 word, uint256 time) private pure returns (uint256 mostWh) {
        uint256 lastTime = uint40(word >> 128);
        assembly ("memory-safe") {
            mostWh := div(mul(shr(216, word), sub(time, lastTime)), 3600)
        }
    }

    function check_09_withIssued_keepsTheRest(uint256 word, uint64 registerWh) external pure {
        uint256 result = word.withIssued(registerWh);
        assert(result.issued() == registerWh && result.attested() == word.attested());
        assert(result >> 128 == word >> 128);
    }

    function check_09_withMinted_keepsTheRest(uint256 word) external pure {
        uint256 result = word.withMinted();
        assert(result.hasMinted() && result.attested() == word.attested() && result.issued() == word.issued());
        assert(result.slotEnd() == word.slotEnd() && result.registryPart() == word.registryPart());
    }

    function check_09_withRegistry_keepsTheRest(uint256 word, uint32 zone, bool active) external pure {
        uint256 result = word.withRegistry(zone, active);
        assert((result.registryPart() == MeterWord.activeIn(zone)) == active);
        assert(uint168(result) == uint168(word) && result >> 201 == word >> 201);
    }

    function check_09_withPowerCap_keepsTheRest(uint256 word, uint40 powerW) external pure {
        uint256 result = word.withPowerCap(powerW);
        assert(result.powerCap() == powerW && uint216(result) == uint216(word));
    }
}
