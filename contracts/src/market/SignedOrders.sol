// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";
import {
    AccountWord,
    CLEARED,
    CLEARED_AT,
    ENERGY_AT,
    FILLED,
    FILLED_AT,
    NONCE,
    NONCE_AT,
    SIDE_AT,
    SPARE_BITS,
    VAULT_FIELDS
} from "./AccountWord.sol";
import {BatchHeader} from "./BatchHeader.sol";
import {MandateBooks} from "./MandateBooks.sol";
import {OrderHash} from "./OrderHash.sol";
import {BOUGHT_AT, PAID_AT, TRADED_AT} from "./Tally.sol";

/// @title Signed orders: what a batch settles of each, in its trader's account and in the order's lane.
/// @dev The hot path only decides; an order that it refuses is looked at again by `_refuseOrder`, which names what is wrong.
abstract contract SignedOrders is MandateBooks {
    using AccountWord for uint256;

    uint256 internal constant HEADER_BYTES = 26;
    uint256 internal constant ORDER_BYTES = 141;
    uint256 private constant EVENT_BYTES = 53;

    /// @dev Half of the secp256k1 group order: a larger `s` is the malleable twin of a smaller one.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    uint256 private constant S_BITS = 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff;

    /* MEMORY OF A BATCH */

    uint256 private constant TYPE_HASH = 0x400; // of the EIP-712 struct, whose 12 fields follow
    uint256 private constant TRADER = 0x420;
    uint256 private constant ZONE = 0x440;
    uint256 private constant SLOT = 0x460;
    uint256 private constant SIDE = 0x480;
    uint256 private constant ENERGY_WH = 0x4a0;
    uint256 private constant LIMIT = 0x4c0;
    uint256 private constant MIN_FILL = 0x4e0;
    uint256 private constant TIME_IN_FORCE = 0x500;
    uint256 private constant SOURCE = 0x520;
    uint256 private constant EXPIRY = 0x540;
    uint256 private constant LANE = 0x560;
    uint256 private constant ORDER_NONCE = 0x580;
    uint256 private constant PREIMAGE = 0x5a0;
    uint256 private constant STRUCT_HASH = 0x5c2;
    uint256 private constant DIGEST = 0x600;
    uint256 private constant SIGNATURE_V = 0x620;
    uint256 private constant SIGNATURE_R = 0x640;
    uint256 private constant SIGNATURE_S = 0x660;
    uint256 private constant LANE_SLOT = 0x680;
    uint256 private constant LANE_STATE = 0x6a0;
    uint256 private constant EVENT_AT = 0x6c0;
    uint256 private constant TALLY = 0x6e0;
    uint256 private constant ORDERS_END = 0x700;
    uint256 private constant EVENT_LENGTH = 0x720;
    uint256 private constant EVENT_ENTRIES = 0x740;

    /* STORAGE */

    /// @dev What has been filled of a lane's live order: nonce << 48 | filledWh. Key: trader << 16 | lane. Lane 0 lives in
    /// the account's word.
    mapping(uint256 key => Word) private _lanes;

    /// @inheritdoc ISettlementExchange
    function laneOf(address account, uint16 lane) external view returns (uint48 nonce, uint48 filledWh) {
        uint256 state = _lanes[_laneKey(account, lane)].value;
        return (uint48(state >> 48), uint48(state));
    }

    /* SETTLING */

    /// @dev Settles the orders of the batch at calldata position `place`. Returns where they end.
    function _settleOrders(uint256 place, BatchHeader header)
        internal
        returns (uint256, uint256 tally, bytes memory entries)
    {
        uint256 deliveryStart = header.deliveryStart();
        uint256 count = header.orders();
        unchecked {
            if (count == 0) return (place + HEADER_BYTES, 0, entries);
        }
        _prepareMemory(deliveryStart, count);
        uint256 left;
        assembly ("memory-safe") {
            place := add(place, HEADER_BYTES)
            mstore(ORDERS_END, add(place, mul(count, ORDER_BYTES)))
            for {} lt(place, mload(ORDERS_END)) { place := add(place, ORDER_BYTES) } {
                let refused
                let fill := calldataload(add(place, 21)) // zone, lane, nonce, fillWh, money, deliveredWh
                {
                    // The digest: the struct's words are written over those of the order before.
                    let terms := calldataload(add(place, 53)) // energyWh, limit, minFillWh, timeInForce, source, expiry
                    mstore(TRADER, shr(96, calldataload(place))) // trader
                    mstore(ZONE, shr(224, fill)) // zone; deliveryStart stays at 0x60
                    mstore(SIDE, byte(0, calldataload(add(place, 20)))) // side
                    mstore(ENERGY_WH, shr(208, terms)) // energyWh
                    mstore(LIMIT, signextend(5, shr(160, terms))) // limitPricePerKwh
                    mstore(MIN_FILL, and(shr(112, terms), 0xffffffffffff)) // minFillWh
                    mstore(TIME_IN_FORCE, byte(18, terms)) // timeInForce
                    mstore(SOURCE, byte(19, terms)) // source
                    mstore(EXPIRY, and(shr(64, terms), 0xffffffff)) // expiry
                    mstore(LANE, and(shr(208, fill), 0xffff)) // lane
                    mstore(ORDER_NONCE, and(shr(160, fill), 0xffffffffffff)) // nonce
                    mstore(STRUCT_HASH, keccak256(TYPE_HASH, 0x1a0)) // behind 0x19 0x01 and the domain separator
                    mstore(DIGEST, keccak256(PREIMAGE, 0x42))
                }
                {
                    // The signature: the trader's, and the canonical one of its two forms.
                    let trader := mload(TRADER)
                    let vs := calldataload(add(place, 109))
                    let s := and(vs, S_BITS)
                    mstore(SIGNATURE_V, add(27, shr(255, vs)))
                    mstore(SIGNATURE_R, calldataload(add(place, 77)))
                    mstore(SIGNATURE_S, s)
                    mstore(0, 0) // the precompile returns nothing for a signature of nobody
                    pop(staticcall(gas(), 1, DIGEST, 0x80, 0, 0x20))
                    refused := or(or(gt(s, HALF_ORDER), iszero(trader)), xor(mload(0), trader))
                    mstore(0, trader)
                    mstore(0x20, _accounts.slot)
                }
                let accountSlot := keccak256(0, 0x40)
                let word := sload(accountSlot)
                let side := mload(SIDE)
                let fillWh := and(shr(112, fill), 0xffffffffffff)

                // Cleared, not expired, not cancelled.
                refused := or(refused, lt(and(shr(CLEARED_AT, word), CLEARED), deliveryStart))
                refused := or(refused, lt(mload(EXPIRY), deliveryStart))
                refused := or(refused, lt(mload(ORDER_NONCE), and(shr(NONCE_AT, word), NONCE)))
                if or(refused, gt(side, 1)) { break }

                switch mload(LANE)
                case 0 {
                    // The account lane goes on in its slot and on its side, or starts again in a later slot.
                    let use := or(shl(1, deliveryStart), side)
                    let last := shr(SIDE_AT, word)
                    let filled := add(mul(eq(last, use), and(shr(FILLED_AT, word), FILLED)), fillWh)
                    refused := iszero(or(eq(last, use), lt(last, shl(1, deliveryStart))))
                    refused := or(refused, or(gt(filled, mload(ENERGY_WH)), gt(filled, FILLED)))
                    word := or(and(word, VAULT_FIELDS), or(shl(SIDE_AT, use), shl(FILLED_AT, filled)))
                }
                default {
                    // A higher nonce than the lane's starts a new order; the same goes on with it.
                    mstore(0, or(shl(16, mload(TRADER)), mload(LANE)))
                    mstore(0x20, _lanes.slot)
                    let laneSlot := keccak256(0, 0x40)
                    let state := sload(laneSlot)
                    let nonce := mload(ORDER_NONCE)
                    let filled := add(mul(eq(nonce, shr(48, state)), and(state, 0xffffffffffff)), fillWh)
                    refused := or(lt(nonce, shr(48, state)), gt(filled, mload(ENERGY_WH)))
                    refused := or(refused, shr(47, and(fill, 0xffffffffffff))) // as the spare bits need it
                    mstore(LANE_SLOT, laneSlot)
                    mstore(LANE_STATE, or(shl(48, nonce), filled))
                }
                if refused { break }

                // Everything a seller does is what a buyer does with the sign turned. The price is held against
                // limit * fillWh / 1000, rounded up for a buyer and down for a seller, without dividing.
                let sign := sub(1, shl(1, side))
                let paid := mul(sign, signextend(7, shr(48, fill)))
                let received := and(fill, 0xffffffffffff)
                refused := gt(received, fillWh)
                received := mul(sign, received)
                let bought := mul(sign, fillWh)
                refused := or(refused, sgt(sub(mul(paid, 1000), mul(mload(LIMIT), bought)), 999))
                word := add(sub(word, paid), shl(ENERGY_AT, received))
                if or(refused, and(word, SPARE_BITS)) { break }

                if mload(LANE) { sstore(mload(LANE_SLOT), mload(LANE_STATE)) }
                sstore(accountSlot, word)
                received := add(
                    add(received, shl(BOUGHT_AT, bought)),
                    add(shl(PAID_AT, paid), shl(TRADED_AT, fillWh))
                )
                mstore(TALLY, add(mload(TALLY), received))
                let to := mload(EVENT_AT)
                calldatacopy(to, place, EVENT_BYTES)
                mstore(EVENT_AT, add(to, EVENT_BYTES))
            }
            entries := EVENT_LENGTH
            tally := mload(TALLY)
            left := sub(mload(ORDERS_END), place)
        }
        if (left != 0) _refuseOrder(place, uint64(deliveryStart));
        return (place, tally, entries);
    }

    /// @dev Claims the memory that the constants above name, and writes there what all orders of the batch share. Addresses
    /// that are constants save a tenth of the loop; all that the call allocated before is below them.
    function _prepareMemory(uint256 deliveryStart, uint256 count) private view {
        bytes32 typeHash = OrderHash.ORDER_TYPEHASH;
        bytes32 domainSeparator = _domainSeparatorV4();
        assembly ("memory-safe") {
            if gt(mload(0x40), TYPE_HASH) { invalid() }
            mstore(TYPE_HASH, typeHash)
            mstore(SLOT, deliveryStart)
            mstore(PREIMAGE, shl(240, 0x1901))
            mstore(add(PREIMAGE, 2), domainSeparator)
            mstore(TALLY, 0)
            mstore(EVENT_LENGTH, mul(count, EVENT_BYTES))
            mstore(EVENT_AT, EVENT_ENTRIES)
            mstore(0x40, and(add(add(EVENT_ENTRIES, mul(count, EVENT_BYTES)), 0x3f), not(0x1f)))
        }
    }

    /// @dev Names what the hot path refused: the same rules in the same order.
    function _refuseOrder(uint256 place, uint64 deliveryStart) private view {
        address trader;
        uint256 fill;
        uint256 terms;
        uint8 side;
        assembly ("memory-safe") {
            trader := shr(96, calldataload(place))
            side := byte(0, calldataload(add(place, 20)))
            fill := calldataload(add(place, 21))
            terms := calldataload(add(place, 53))
        }
        _refuseSignature(trader);
        uint256 word = _accounts[trader].value;
        if (word.clearedUntil() < deliveryStart) {
            revert NotCleared(trader, word.clearedUntil(), deliveryStart);
        }
        uint32 expiry = uint32(terms >> 64);
        if (expiry < deliveryStart) revert OrderExpired(trader, expiry, deliveryStart);
        uint16 lane = uint16(fill >> 208);
        uint48 nonce = uint48(fill >> 160);
        if (nonce < word.minNonce()) revert OrderVoid(trader, lane, nonce, word.minNonce());
        if (side > 1) revert BadSide(trader, side);
        uint48 fillWh = uint48(fill >> 112);
        uint48 energyWh = uint48(terms >> 208);
        if (lane == 0) _refuseSlot(trader, word, side, deliveryStart, fillWh, energyWh);
        else _refuseLane(trader, lane, nonce, fillWh, energyWh);
        int48 limit = int48(uint48(terms >> 160));
        _refuseExchange(trader, word, side, fillWh, int64(uint64(fill >> 48)), uint48(fill), limit);
    }

    function _refuseSignature(address trader) private pure {
        bytes32 digest;
        bytes32 r;
        uint256 s;
        uint8 v;
        assembly ("memory-safe") {
            digest := mload(DIGEST)
            v := mload(SIGNATURE_V)
            r := mload(SIGNATURE_R)
            s := mload(SIGNATURE_S)
        }
        if (s > HALF_ORDER || trader == address(0) || ecrecover(digest, v, r, bytes32(s)) != trader) {
            revert BadSignature(trader, digest);
        }
    }

    function _refuseLane(address trader, uint16 lane, uint48 nonce, uint256 fillWh, uint48 energyWh)
        private
        view
    {
        uint256 state = _lanes[_laneKey(trader, lane)].value;
        uint48 live = uint48(state >> 48);
        if (nonce < live) revert OrderVoid(trader, lane, nonce, live);
        if (nonce == live) fillWh += uint48(state);
        if (fillWh > energyWh) revert OverFilled(trader, lane, fillWh, energyWh);
    }

    function _laneKey(address trader, uint16 lane) private pure returns (uint256) {
        return uint256(uint160(trader)) << 16 | lane;
    }
}
