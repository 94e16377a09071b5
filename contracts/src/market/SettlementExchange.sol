// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";
import {AccountWord} from "./AccountWord.sol";
import {BatchHeader} from "./BatchHeader.sol";
import {BatchWord} from "./BatchWord.sol";
import {SignedOrders} from "./SignedOrders.sol";
import {Tally} from "./Tally.sol";
import {Vault} from "./Vault.sol";

/// @title Settles batches of signed orders, of trading mandates and of metered imbalance.
/// @dev The batch is packed, big-endian and without padding:
///
///   header, 26 bytes      uint64 sequence, uint64 deliveryStart, uint16 version, uint16 orders, uint16 books,
///                         uint16 fills (of mandates, in all books), uint16 adjustments
///   order, 141 bytes each address trader, uint8 side, uint32 zone, uint16 lane, uint48 nonce, uint48 fillWh,
///                         int64 money, uint48 deliveredWh;                     (53 bytes: the event's entry)
///                         uint48 energyWh, int48 limitPricePerKwh, uint48 minFillWh, uint8 timeInForce,
///                         uint8 source, uint32 expiry;                         (24 bytes)
///                         bytes32 r, bytes32 vs                                (EIP-2098 signature)
///   book, 6 bytes each    uint32 book, uint16 fills; behind it its fills:
///   fill, 16 bytes each   uint15 index in the book, uint1 side, uint32 fillWh, int48 money, uint32 deliveredWh
///   adjustment, 28 bytes  address account, int64 money                         (the event's entry)
///
/// Entries are applied in their order, each against the balances the ones before left. `ReferenceExchange` says the
/// same in plain words; both are tested against each other. The hot path only decides; an entry that it refuses is
/// looked at again by `_refuseOrder` or `_refuseMandate`, which name what is wrong.
contract SettlementExchange is SignedOrders {
    using AccountWord for uint256;
    using BatchWord for uint256;

    /// @notice Most entries in a batch; in the worst case it stays below the limit of a transaction.
    uint256 public constant MAX_ENTRIES = 400;

    uint256 private constant ADJUSTMENT_BYTES = 28;

    /// @notice Cap of the fee, in micro-currency per kWh sold.
    uint64 public immutable maxFeePerKwh;

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
    function settleBatch(bytes calldata batch) external {
        uint256 state = _batch;
        if (msg.sender != state.settler()) {
            if (!isSettler[msg.sender]) revert NotSettler(msg.sender);
            state = state.withSettler(msg.sender);
        }
        if (state.isPaused()) revert IsPaused();
        (BatchHeader header, uint256 place) = _header(batch);
        _checkHeader(header, batch.length, state.nextSequence());

        uint256 tally;
        bytes memory entries;
        (place, tally, entries) = _settleOrders(place, header);
        if (header.books() | header.fills() != 0) tally = _settleBooks(place, header, tally);
        bytes calldata adjustments = _adjustments(batch, header);
        int256 credited = adjustments.length == 0 ? int256(0) : _adjust(adjustments, header.deliveryStart());

        uint64 fee = _checkSums(Tally.wrap(tally), credited, header.entries(), state.roomForFees());
        _batch = state.afterBatch(fee);
        emit OrdersSettled(header.sequence(), header.deliveryStart(), header.version(), fee, entries);
        if (adjustments.length != 0) {
            emit ImbalanceSettled(header.sequence(), header.deliveryStart(), header.version(), adjustments);
        }
    }

    /* WHOLE BATCH */

    /// @dev Past the batch's end calldata reads as zeros or as what follows; the length is checked against the counts
    /// before an entry is used.
    function _header(bytes calldata batch) private pure returns (BatchHeader header, uint256 place) {
        assembly ("memory-safe") {
            header := calldataload(batch.offset)
            place := batch.offset
        }
    }

    /// @dev What ends the batch, whose length was checked.
    function _adjustments(bytes calldata batch, BatchHeader header)
        private
        pure
        returns (bytes calldata adjustments)
    {
        uint256 count = header.adjustments();
        assembly ("memory-safe") {
            let length := mul(count, ADJUSTMENT_BYTES)
            adjustments.length := length
            adjustments.offset := sub(add(batch.offset, batch.length), length)
        }
    }

    function _checkHeader(BatchHeader header, uint256 length, uint64 expected) private view {
        unchecked {
            uint256 needed = HEADER_BYTES + ORDER_BYTES * header.orders() + BOOK_BYTES * header.books()
                + FILL_BYTES * header.fills() + ADJUSTMENT_BYTES * header.adjustments();
            if (length != needed) revert BadBatchLength(length, needed);
        }
        uint256 entries = header.entries();
        if (entries > MAX_ENTRIES) revert TooManyEntries(entries, MAX_ENTRIES);
        if (header.sequence() != expected) revert WrongSequence(header.sequence(), expected);
        uint256 deliveryStart = header.deliveryStart();
        unchecked {
            // Slot zero would be open to accounts that never were cleared; the second before it is far in the future.
            if (deliveryStart - 1 >= block.timestamp || deliveryStart % slotSeconds != 0) {
                revert BadDeliveryStart(uint64(deliveryStart), block.timestamp);
            }
        }
    }

    /// @dev The fee may be what the cap allows on the energy sold, and one unit of rounding for each entry.
    function _checkSums(Tally tally, int256 credited, uint256 entries, uint256 room)
        private
        view
        returns (uint64)
    {
        if (!tally.isBalanced()) revert EnergyNotConserved(tally.boughtWh(), tally.receivedWh());
        unchecked {
            // Sums of fewer than 2^16 entries of 64 bits, and the product of a cap of 64 bits and a sum of 60.
            int256 fee = tally.paid() - credited;
            uint256 most = uint256(maxFeePerKwh) * (tally.tradedWh() / 2) / 1000 + entries;
            if (most > room) most = room;
            // A negative fee is above any other as an unsigned number.
            if (uint256(fee) > most) revert FeeOutOfRange(fee, most);
            return uint64(uint256(fee));
        }
    }

    /* IMBALANCE */

    function _adjust(bytes calldata adjustments, uint64 deliveryStart) private returns (int256 credited) {
        for (uint256 from; from < adjustments.length; from += ADJUSTMENT_BYTES) {
            bytes calldata entry = adjustments[from:];
            address account = address(bytes20(entry));
            int64 money = int64(uint64(bytes8(entry[20:])));
            if (money < 0) _charge(account, uint256(-int256(money)), deliveryStart);
            Word storage balance = _accounts[account];
            balance.value = balance.value.movedCash(account, money);
            credited += money;
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
}
