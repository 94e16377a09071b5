// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";
import {AccountWord} from "./AccountWord.sol";
import {OrderHash} from "./OrderHash.sol";
import {Vault} from "./Vault.sol";

/// @title Settles batches of signed orders and metered imbalance.
/// @dev The batch is packed, big-endian and without padding:
///
///   header, 22 bytes      uint64 sequence, uint64 deliveryStart, uint16 version, uint16 orders, uint16 adjustments
///   order, 141 bytes each address trader, uint8 side, uint32 zone, uint16 lane, uint48 nonce, uint48 fillWh,
///                         int64 money, uint48 deliveredWh;                     (53 bytes: the event's entry)
///                         uint48 energyWh, int48 limitPricePerKwh, uint48 minFillWh, uint8 timeInForce,
///                         uint8 source, uint32 expiry;                         (24 bytes)
///                         bytes32 r, bytes32 vs                                (EIP-2098 signature)
///   adjustment, 28 bytes  address account, int64 money                         (the event's entry)
///
/// Entries are applied in their order, each against the balances the ones before left. `ReferenceExchange` says the
/// same in plain words; both are tested against each other.
contract SettlementExchange is Vault {
    using AccountWord for uint256;

    /// @dev What all entries of a batch share, and what must add up at its end.
    struct Batch {
        uint64 deliveryStart;
        /// @dev Where `_newOrderWords` keeps what is hashed.
        uint256 orderWords;
        /// @dev Bought minus sold.
        int256 fillWh;
        /// @dev Received minus delivered.
        int256 deliveredWh;
        /// @dev Paid and charged minus received and credited: the fee.
        int256 money;
        /// @dev Bought plus sold.
        uint256 tradedWh;
    }

    /// @notice Most orders and adjustments in a batch; in the worst case it stays below the limit of a transaction.
    uint256 public constant MAX_ENTRIES = 400;

    uint256 private constant HEADER_BYTES = 22;
    uint256 private constant ORDER_BYTES = 141;
    uint256 private constant EVENT_BYTES = 53;
    uint256 private constant ADJUSTMENT_BYTES = 28;

    uint8 private constant SELL = 1;

    /// @dev Half of the secp256k1 group order: a larger `s` is the malleable twin of a smaller one.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Cap of the fee, in micro-currency per kWh sold.
    uint64 public immutable maxFeePerKwh;

    /// @dev What has been filled of a lane's live order: nonce << 48 | filledWh. Key: trader << 16 | lane. A plain word,
    /// since the compiler reads and writes a struct's slot once for each field.
    mapping(uint256 key => Word) private _lanes;

    constructor(
        address authority,
        IParticipantRegistry registry_,
        IERC20 paymentToken_,
        IERC20 energyToken_,
        uint32 slotSeconds_,
        uint32 withdrawalDelay_,
        uint64 maxFeePerKwh_
    ) Vault(authority, registry_, paymentToken_, energyToken_, slotSeconds_, withdrawalDelay_) {
        maxFeePerKwh = maxFeePerKwh_;
    }

    /// @inheritdoc ISettlementExchange
    function settle(bytes calldata batch) external {
        if (!isSettler[msg.sender]) revert NotSettler(msg.sender);
        BatchState memory state = _batch;
        if (state.paused) revert IsPaused();

        uint256 header = _word(batch, 0);
        uint64 sequence = uint64(header >> 192);
        uint64 deliveryStart = uint64(header >> 128);
        uint16 version = uint16(header >> 112);
        uint256 orders = uint16(header >> 96);
        uint256 adjustments = uint16(header >> 80);
        _checkHeader(batch.length, sequence, state.nextSequence, deliveryStart, orders, adjustments);

        Batch memory sums;
        sums.deliveryStart = deliveryStart;
        bytes memory entries = _settleOrders(batch, sums, orders);
        uint256 adjustmentsAt = HEADER_BYTES + ORDER_BYTES * orders;
        _adjust(batch, sums, adjustmentsAt, adjustments);

        uint64 fee = _checkSums(sums, orders + adjustments);
        unchecked {
            // A fee of 64 bits a batch cannot fill 96 bits within 2^32 batches.
            _batch = BatchState({nextSequence: sequence + 1, fees: state.fees + fee, paused: false});
        }
        emit OrdersSettled(sequence, deliveryStart, version, fee, entries);
        if (adjustments != 0) emit ImbalanceSettled(sequence, deliveryStart, version, batch[adjustmentsAt:]);
    }

    /// @inheritdoc ISettlementExchange
    function laneOf(address account, uint16 lane) external view returns (uint48 nonce, uint48 filledWh) {
        uint256 state = _lanes[_laneKey(account, lane)].value;
        return (uint48(state >> 48), uint48(state));
    }

    /* WHOLE BATCH */

    function _checkHeader(
        uint256 length,
        uint64 sequence,
        uint64 expected,
        uint64 deliveryStart,
        uint256 orders,
        uint256 adjustments
    ) private view {
        uint256 needed =
            HEADER_BYTES + ORDER_BYTES * orders + ADJUSTMENT_BYTES * adjustments;
        if (length != needed) revert BadBatchLength(length, needed);
        if (orders + adjustments > MAX_ENTRIES) revert TooManyEntries(orders + adjustments, MAX_ENTRIES);
        if (sequence != expected) revert WrongSequence(sequence, expected);
        // Slot zero would be open to accounts that never were cleared.
        if (deliveryStart > block.timestamp || deliveryStart % slotSeconds != 0 || deliveryStart == 0) {
            revert BadDeliveryStart(deliveryStart, block.timestamp);
        }
    }

    function _settleOrders(bytes calldata batch, Batch memory sums, uint256 orders)
        private
        returns (bytes memory entries)
    {
        sums.orderWords = _newOrderWords(sums.deliveryStart, _domainSeparatorV4());
        entries = new bytes(EVENT_BYTES * orders);
        unchecked {
            uint256 from = HEADER_BYTES;
            for (uint256 i; i < orders; ++i) {
                _settleOrder(batch, from, sums);
                assembly ("memory-safe") {
                    let to := add(add(entries, 0x20), mul(i, EVENT_BYTES))
                    calldatacopy(to, add(batch.offset, from), EVENT_BYTES)
                }
                from += ORDER_BYTES;
            }
        }
    }

    /// @dev The fee may be what the cap allows on the energy sold, and one unit of rounding for each entry.
    function _checkSums(Batch memory sums, uint256 entries) private view returns (uint64 fee) {
        if (sums.fillWh != 0 || sums.deliveredWh != 0) {
            revert EnergyNotConserved(sums.fillWh, sums.deliveredWh);
        }
        uint256 most = maxFeePerKwh * (sums.tradedWh / 2) / 1000 + entries;
        if (most > type(uint64).max) most = type(uint64).max;
        if (sums.money < 0 || uint256(sums.money) > most) revert FeeOutOfRange(sums.money, most);
        return uint64(uint256(sums.money));
    }

    /* ONE ORDER */

    function _settleOrder(bytes calldata batch, uint256 from, Batch memory sums) private {
        uint256 head;
        uint256 fill;
        uint256 terms;
        uint256 signature;
        assembly ("memory-safe") {
            from := add(batch.offset, from)
            head := calldataload(from) // trader, side
            fill := calldataload(add(from, 21)) // zone, lane, nonce, fillWh, money, deliveredWh
            terms := calldataload(add(from, 53)) // energyWh, limit, minFillWh, timeInForce, source, expiry
            signature := add(from, 77) // r, vs
        }
        address trader = address(uint160(head >> 96));

        _checkSignature(trader, _digest(sums.orderWords, head, fill, terms), sums.orderWords, signature);
        Word storage word = _accounts[trader];
        uint256 account = word.value;
        _checkStanding(sums.deliveryStart, trader, account.clearedUntil(), uint32(terms >> 64));
        _fillLane(trader, account.minNonce(), fill, uint48(terms >> 208));
        word.value = _exchange(sums, trader, account, uint8(head >> 88), fill, int48(uint48(terms >> 160)));
    }

    /// @dev EIP-2098 signature at the calldata position `signature`; memory as `_newOrderWords` says.
    function _checkSignature(address trader, bytes32 digest, uint256 words, uint256 signature) private view {
        address signer;
        uint256 s;
        assembly ("memory-safe") {
            let vs := calldataload(add(signature, 0x20))
            let scratch := add(words, 0x200)
            s := shr(1, shl(1, vs))
            mstore(scratch, digest)
            mstore(add(scratch, 0x20), add(27, shr(255, vs)))
            mstore(add(scratch, 0x40), calldataload(signature))
            mstore(add(scratch, 0x60), s)
            mstore(0, 0) // the precompile returns nothing for a signature of nobody
            pop(staticcall(gas(), 1, scratch, 0x80, 0, 0x20))
            signer := mload(0)
        }
        if (s > HALF_ORDER || signer == address(0) || signer != trader) revert BadSignature(trader, digest);
    }

    function _checkStanding(uint64 deliveryStart, address trader, uint40 clearedUntil, uint32 expiry)
        private
        pure
    {
        if (clearedUntil < deliveryStart) revert NotCleared(trader, clearedUntil, deliveryStart);
        if (expiry < deliveryStart) revert OrderExpired(trader, expiry, deliveryStart);
    }

    /// @dev A higher nonce than the lane's starts a new order; the same continues it; a lower one was replaced.
    function _fillLane(address trader, uint48 minNonce, uint256 fill, uint48 energyWh) private {
        uint16 lane = uint16(fill >> 208);
        uint48 nonce = uint48(fill >> 160);
        uint256 filledWh = uint48(fill >> 112);
        if (nonce < minNonce) revert OrderVoid(trader, lane, nonce, minNonce);
        Word storage word = _lanes[_laneKey(trader, lane)];
        uint256 state = word.value;
        uint48 liveNonce = uint48(state >> 48);
        if (nonce < liveNonce) revert OrderVoid(trader, lane, nonce, liveNonce);
        unchecked {
            if (nonce == liveNonce) filledWh += uint48(state); // 48 bits each
        }
        if (filledWh > energyWh) revert OverFilled(trader, lane, filledWh, energyWh);
        word.value = uint256(nonce) << 48 | filledWh;
    }

    /// @dev Everything a seller does is what a buyer does with the sign turned. `money` is held against
    /// `limit * fill / 1000`, rounded up for a buyer and down for a seller, without dividing.
    function _exchange(
        Batch memory sums,
        address trader,
        uint256 account,
        uint8 side,
        uint256 fill,
        int48 limit
    ) private pure returns (uint256) {
        uint48 fillWh = uint48(fill >> 112);
        int64 money = int64(uint64(fill >> 48));
        uint48 deliveredWh = uint48(fill);
        if (side > SELL) revert BadSide(trader, side);
        if (deliveredWh > fillWh) revert OverDelivered(trader, deliveredWh, fillWh);
        unchecked {
            // 64-bit money, 96-bit products and at most MAX_ENTRIES of them: nothing here can fill 256 bits.
            int256 sign = 1 - 2 * int256(uint256(side));
            int256 worseByNano = sign * (int256(money) * 1000 - int256(limit) * int256(uint256(fillWh)));
            if (worseByNano >= 1000) revert WorseThanLimit(trader, money, limit, fillWh);
            int256 paid = sign * money;
            int256 receivedWh = sign * int256(uint256(deliveredWh));
            sums.fillWh += sign * int256(uint256(fillWh));
            sums.deliveredWh += receivedWh;
            sums.money += paid;
            sums.tradedWh += fillWh;
            return account.exchanged(trader, -paid, receivedWh);
        }
    }

    /// @dev Hashes the order in place: the struct's words are written over those of the order before.
    function _digest(uint256 words, uint256 head, uint256 fill, uint256 terms)
        private
        pure
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            mstore(add(words, 0x20), shr(96, head)) // trader
            mstore(add(words, 0x40), shr(224, fill)) // zone; deliveryStart stays at 0x60
            mstore(add(words, 0x80), and(shr(88, head), 0xff)) // side
            mstore(add(words, 0xa0), shr(208, terms)) // energyWh
            mstore(add(words, 0xc0), signextend(5, shr(160, terms))) // limitPricePerKwh
            mstore(add(words, 0xe0), and(shr(112, terms), 0xffffffffffff)) // minFillWh
            mstore(add(words, 0x100), byte(18, terms)) // timeInForce
            mstore(add(words, 0x120), byte(19, terms)) // source
            mstore(add(words, 0x140), and(shr(64, terms), 0xffffffff)) // expiry
            mstore(add(words, 0x160), and(shr(208, fill), 0xffff)) // lane
            mstore(add(words, 0x180), and(shr(160, fill), 0xffffffffffff)) // nonce
            mstore(add(words, 0x1c2), keccak256(words, 0x1a0)) // behind 0x19 0x01 and the domain separator
            digest := keccak256(add(words, 0x1a0), 0x42)
        }
    }

    /// @dev Memory of a batch: 0x000 the 13 words of the EIP-712 struct, 0x1a0 the 66 bytes of the digest's preimage,
    /// 0x200 the four words for the precompile. What all orders share is written here, once.
    function _newOrderWords(uint64 deliveryStart, bytes32 domainSeparator)
        private
        pure
        returns (uint256 words)
    {
        bytes32 typeHash = OrderHash.ORDER_TYPEHASH;
        assembly ("memory-safe") {
            words := mload(0x40)
            mstore(0x40, add(words, 0x280))
            mstore(words, typeHash)
            mstore(add(words, 0x60), deliveryStart)
            mstore(add(words, 0x1a0), shl(240, 0x1901))
            mstore(add(words, 0x1a2), domainSeparator)
        }
    }

    /* IMBALANCE */

    function _adjust(bytes calldata batch, Batch memory sums, uint256 from, uint256 adjustments) private {
        for (uint256 i; i < adjustments; ++i) {
            uint256 word = _word(batch, from + i * ADJUSTMENT_BYTES);
            address account = address(uint160(word >> 96));
            int64 money = int64(uint64(word >> 32));
            if (money < 0) _charge(account, uint256(-int256(money)), sums.deliveryStart);
            Word storage balance = _accounts[account];
            balance.value = balance.value.exchanged(account, money, 0);
            sums.money -= money;
        }
    }

    /// @dev An earlier slot than the last charged is a revision and shares that slot's budget: whatever the order of
    /// batches, an account is charged at most its budget for each slot that begins.
    function _charge(address account, uint256 charge, uint64 deliveryStart) private {
        MandateState memory mandate = _mandates[account];
        if (deliveryStart > mandate.expiry) revert MandateExpired(account, mandate.expiry, deliveryStart);
        if (deliveryStart > mandate.lastSlot) {
            mandate.lastSlot = uint32(deliveryStart); // at most expiry, which has 32 bits
            mandate.chargedInSlot = 0;
        }
        // A new mandate may set the budget below what was charged in this slot already.
        uint256 leftForSlot =
            mandate.budgetPerSlot > mandate.chargedInSlot ? mandate.budgetPerSlot - mandate.chargedInSlot : 0;
        if (charge > leftForSlot || charge > mandate.budget) {
            revert MandateExceeded(account, charge, leftForSlot, mandate.budget);
        }
        mandate.chargedInSlot += uint48(charge);
        mandate.budget -= uint64(charge);
        _mandates[account] = mandate;
    }

    /* INTERNALS */

    function _laneKey(address trader, uint16 lane) private pure returns (uint256) {
        return uint256(uint160(trader)) << 16 | lane;
    }

    /// @dev 32 bytes of the batch. Past its end calldata reads as zeros or as what follows; the length is checked
    /// against the counts before an entry is used.
    function _word(bytes calldata batch, uint256 from) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(batch.offset, from))
        }
    }
}
