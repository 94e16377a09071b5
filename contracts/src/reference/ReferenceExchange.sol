// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {ISettlementErrors} from "../interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";

/// @title The rules of settlement in plain words: no packing, no assembly, one check a line.
/// @notice Never deployed. Tests give it and `SettlementExchange` the same state and the same batches and want the same
/// verdict, the same error and the same state afterwards. Read this one to know what is settled; the other is the same
/// made cheap. It has no vault: `load…` sets what the vault would hold.
contract ReferenceExchange is ISettlementErrors {
    struct Fill {
        ISettlementExchange.Order order;
        bytes32 r;
        bytes32 vs;
        uint48 fillWh;
        int64 money;
        uint48 deliveredWh;
    }

    struct MandateFill {
        uint16 index;
        uint8 side;
        uint32 fillWh;
        int48 money;
        uint32 deliveredWh;
    }

    /// @dev The fills of mandates of one book.
    struct BookFills {
        uint32 book;
        MandateFill[] fills;
    }

    struct Adjustment {
        address account;
        int64 money;
    }

    struct Batch {
        uint64 sequence;
        uint64 deliveryStart;
        uint16 version;
        Fill[] fills;
        BookFills[] books;
        Adjustment[] adjustments;
    }

    /// @dev The last three are the account lane: the last slot it was used for, on which side, and how much was filled.
    struct Account {
        uint256 cash;
        uint256 energyWh;
        uint256 minNonce;
        uint256 clearedUntil;
        uint256 lastSlot;
        uint256 lastSide;
        uint256 filledWh;
    }

    /// @dev A fill of an order or of a mandate, whoever said the terms.
    struct Exchange {
        address trader;
        uint8 side;
        int48 limitPricePerKwh;
        uint48 fillWh;
        int64 money;
        uint48 deliveredWh;
    }

    struct Lane {
        uint256 nonce;
        uint256 filledWh;
    }

    struct MandateState {
        uint256 budgetPerSlot;
        uint256 budget;
        uint256 expiry;
        uint256 chargedInSlot;
        uint256 lastSlot;
    }

    /// @dev What must add up at the end of a batch.
    struct Sums {
        uint256 boughtWh;
        uint256 soldWh;
        uint256 receivedWh;
        uint256 deliveredWh;
        int256 paid;
        int256 received;
    }

    bytes32 public immutable domainSeparator;
    uint256 public immutable slotSeconds;
    uint256 public immutable maxFeePerKwh;
    uint256 public immutable maxEntries;

    uint64 public nextSequence;
    uint256 public fees;
    mapping(address account => Account) public accounts;
    mapping(address account => mapping(uint16 lane => Lane)) public lanes;
    mapping(address account => MandateState) public mandates;
    mapping(uint32 book => ISettlementExchange.TradingMandate[]) private _books;

    /// @dev What an account's word can hold, and what the account lane counts in a slot.
    uint256 private constant MOST_CASH = 2 ** 63 - 1;
    uint256 private constant MOST_ENERGY_WH = 2 ** 47 - 1;
    uint256 private constant MOST_FILLED_WH = 2 ** 31 - 1;

    /// @dev What the exchange can hold of fees.
    uint256 private constant MOST_FEES = 2 ** 55 - 1;

    constructor(bytes32 domainSeparator_, uint256 slotSeconds_, uint256 maxFeePerKwh_, uint256 maxEntries_) {
        domainSeparator = domainSeparator_;
        slotSeconds = slotSeconds_;
        maxFeePerKwh = maxFeePerKwh_;
        maxEntries = maxEntries_;
    }

    function loadAccount(address account, Account calldata state) external {
        accounts[account] = state;
    }

    function loadMandate(address account, uint256 budgetPerSlot, uint256 budget, uint256 expiry) external {
        MandateState storage mandate = mandates[account];
        (mandate.budgetPerSlot, mandate.budget, mandate.expiry) = (budgetPerSlot, budget, expiry);
    }

    /// @notice A book that was registered with these mandates.
    function loadBook(uint32 book, ISettlementExchange.TradingMandate[] calldata entries) external {
        for (uint256 i; i < entries.length; ++i) {
            _books[book].push(entries[i]);
        }
    }

    function settle(Batch calldata batch) external {
        uint256 entries = batch.fills.length + batch.adjustments.length;
        for (uint256 i; i < batch.books.length; ++i) {
            entries += batch.books[i].fills.length;
        }
        if (entries > maxEntries) revert TooManyEntries(entries, maxEntries);
        if (batch.sequence != nextSequence) revert WrongSequence(batch.sequence, nextSequence);
        bool begun = batch.deliveryStart <= block.timestamp;
        bool onGrid = batch.deliveryStart % slotSeconds == 0;
        if (!begun || !onGrid || batch.deliveryStart == 0) {
            revert BadDeliveryStart(batch.deliveryStart, block.timestamp);
        }

        Sums memory sums;
        for (uint256 i; i < batch.fills.length; ++i) {
            _settleOrder(batch.fills[i], batch.deliveryStart, sums);
        }
        for (uint256 i; i < batch.books.length; ++i) {
            _settleBook(batch.books[i], batch.deliveryStart, sums);
        }
        for (uint256 i; i < batch.adjustments.length; ++i) {
            _adjust(batch.adjustments[i], batch.deliveryStart, sums);
        }

        int256 fillBalance = int256(sums.boughtWh) - int256(sums.soldWh);
        int256 deliveryBalance = int256(sums.receivedWh) - int256(sums.deliveredWh);
        if (fillBalance != 0 || deliveryBalance != 0) {
            revert EnergyNotConserved(fillBalance, deliveryBalance);
        }
        int256 fee = sums.paid - sums.received;
        uint256 highestFee = Math.min(maxFeePerKwh * sums.soldWh / 1000 + entries, MOST_FEES - fees);
        if (fee < 0 || uint256(fee) > highestFee) revert FeeOutOfRange(fee, highestFee);

        fees += uint256(fee);
        nextSequence += 1;
    }

    function _settleOrder(Fill calldata fill, uint64 deliveryStart, Sums memory sums) private {
        ISettlementExchange.Order memory order = fill.order;
        order.deliveryStart = deliveryStart; // an order signed for another slot fails as a wrong signature
        _requireSigned(order, fill.r, fill.vs);

        Account storage account = accounts[order.trader];
        if (account.clearedUntil < deliveryStart) {
            revert NotCleared(order.trader, account.clearedUntil, deliveryStart);
        }
        if (order.expiry < deliveryStart) revert OrderExpired(order.trader, order.expiry, deliveryStart);

        if (order.nonce < account.minNonce) {
            revert OrderVoid(order.trader, order.lane, order.nonce, uint48(account.minNonce));
        }
        if (order.side > 1) revert BadSide(order.trader, order.side);
        if (order.lane == 0) _useSlot(order.trader, order.side, deliveryStart, fill.fillWh, order.energyWh);
        else _fillLane(order, fill.fillWh);
        _exchange(
            Exchange(
                order.trader, order.side, order.limitPricePerKwh, fill.fillWh, fill.money, fill.deliveredWh
            ),
            sums
        );
    }

    function _settleBook(BookFills calldata section, uint64 deliveryStart, Sums memory sums) private {
        if (section.fills.length == 0) revert EmptySection(section.book);
        ISettlementExchange.TradingMandate[] storage book = _books[section.book];
        if (book.length == 0) revert UnknownBook(section.book);
        uint32 validFrom;
        uint32 expiry = type(uint32).max;
        for (uint256 i; i < book.length; ++i) {
            if (book[i].validFrom > validFrom) validFrom = book[i].validFrom;
            if (book[i].expiry < expiry) expiry = book[i].expiry;
        }
        if (deliveryStart < validFrom || expiry < deliveryStart) {
            revert BookNotInForce(section.book, validFrom, expiry, deliveryStart);
        }
        for (uint256 i; i < section.fills.length; ++i) {
            MandateFill calldata fill = section.fills[i];
            if (fill.index >= book.length) revert NotInBook(section.book, fill.index, book.length);
            _fillMandate(book[fill.index], fill, deliveryStart, sums);
        }
    }

    function _fillMandate(
        ISettlementExchange.TradingMandate memory mandate,
        MandateFill calldata fill,
        uint64 deliveryStart,
        Sums memory sums
    ) private {
        Account storage account = accounts[mandate.account];
        if (mandate.nonce < account.minNonce) {
            revert MandateVoid(mandate.account, mandate.nonce, uint48(account.minNonce));
        }
        if (account.clearedUntil < deliveryStart) {
            revert NotCleared(mandate.account, account.clearedUntil, deliveryStart);
        }
        _useSlot(mandate.account, fill.side, deliveryStart, fill.fillWh, mandate.maxWhPerSlot);
        int48 limit = fill.side == 0 ? mandate.maxBuyPricePerKwh : mandate.minSellPricePerKwh;
        _exchange(
            Exchange(mandate.account, fill.side, limit, fill.fillWh, fill.money, fill.deliveredWh), sums
        );
    }

    /// @dev The account lane: one slot, one side and one count at a time, whoever fills.
    function _useSlot(address trader, uint8 side, uint64 deliveryStart, uint256 fillWh, uint48 mostWh)
        private
    {
        Account storage account = accounts[trader];
        if (account.lastSlot > deliveryStart) {
            revert SlotPassed(trader, deliveryStart, uint32(account.lastSlot));
        }
        uint256 filledWh = fillWh;
        if (account.lastSlot == deliveryStart) {
            if (account.lastSide != side) revert OtherSide(trader, side, deliveryStart);
            filledWh += account.filledWh;
        }
        if (filledWh > mostWh || filledWh > MOST_FILLED_WH) revert OverFilled(trader, 0, filledWh, mostWh);
        (account.lastSlot, account.lastSide, account.filledWh) = (deliveryStart, side, filledWh);
    }

    /// @dev A lane of its own: the order with the highest nonce lives.
    function _fillLane(ISettlementExchange.Order memory order, uint48 fillWh) private {
        Lane storage lane = lanes[order.trader][order.lane];
        if (order.nonce < lane.nonce) {
            revert OrderVoid(order.trader, order.lane, order.nonce, uint48(lane.nonce));
        }
        if (order.nonce > lane.nonce) lane.filledWh = 0;
        uint256 filledWh = lane.filledWh + fillWh;
        if (filledWh > order.energyWh) revert OverFilled(order.trader, order.lane, filledWh, order.energyWh);
        (lane.nonce, lane.filledWh) = (order.nonce, filledWh);
    }

    function _exchange(Exchange memory fill, Sums memory sums) private {
        if (fill.deliveredWh > fill.fillWh) {
            revert OverDelivered(fill.trader, fill.deliveredWh, fill.fillWh);
        }
        _requireWithinLimit(fill);
        if (fill.side == 0) _buy(fill, sums);
        else _sell(fill, sums);
    }

    function _buy(Exchange memory fill, Sums memory sums) private {
        _pay(fill.trader, fill.money);
        Account storage account = accounts[fill.trader];
        if (account.energyWh + fill.deliveredWh > MOST_ENERGY_WH) revert BalanceTooLarge(fill.trader);
        account.energyWh += fill.deliveredWh;
        sums.boughtWh += fill.fillWh;
        sums.receivedWh += fill.deliveredWh;
        sums.paid += fill.money;
    }

    function _sell(Exchange memory fill, Sums memory sums) private {
        Account storage account = accounts[fill.trader];
        _pay(fill.trader, -int256(fill.money));
        if (account.energyWh < fill.deliveredWh) {
            revert InsufficientEnergy(fill.trader, account.energyWh, fill.deliveredWh);
        }
        account.energyWh -= fill.deliveredWh;
        sums.soldWh += fill.fillWh;
        sums.deliveredWh += fill.deliveredWh;
        sums.received += fill.money;
    }

    function _adjust(Adjustment calldata adjustment, uint64 deliveryStart, Sums memory sums) private {
        if (adjustment.money < 0) {
            _charge(adjustment.account, uint256(-int256(adjustment.money)), deliveryStart);
        }
        _pay(adjustment.account, -int256(adjustment.money));
        sums.received += adjustment.money;
    }

    function _charge(address account, uint256 charge, uint64 deliveryStart) private {
        MandateState storage mandate = mandates[account];
        if (deliveryStart > mandate.expiry) {
            revert MandateExpired(account, uint32(mandate.expiry), deliveryStart);
        }
        if (deliveryStart > mandate.lastSlot) (mandate.lastSlot, mandate.chargedInSlot) = (deliveryStart, 0);
        uint256 leftForSlot = Math.saturatingSub(mandate.budgetPerSlot, mandate.chargedInSlot);
        if (charge > Math.min(leftForSlot, mandate.budget)) {
            revert MandateExceeded(account, charge, leftForSlot, mandate.budget);
        }
        mandate.chargedInSlot += charge;
        mandate.budget -= charge;
    }

    /// @dev Takes `money` from the account, or gives it when negative.
    function _pay(address owner, int256 money) private {
        Account storage account = accounts[owner];
        if (money <= 0) {
            if (account.cash + uint256(-money) > MOST_CASH) revert BalanceTooLarge(owner);
            account.cash += uint256(-money);
            return;
        }
        if (account.cash < uint256(money)) revert InsufficientCash(owner, account.cash, uint256(money));
        account.cash -= uint256(money);
    }

    function _requireWithinLimit(Exchange memory fill) private pure {
        int256 limitNano = int256(fill.limitPricePerKwh) * int256(uint256(fill.fillWh));
        bool worse = fill.side == 0
            ? fill.money > _cashUp(limitNano)  // a buyer pays at most this
            : fill.money < _cashDown(limitNano); // a seller receives at least this
        if (worse) revert WorseThanLimit(fill.trader, fill.money, fill.limitPricePerKwh, fill.fillWh);
    }

    /// @dev Towards minus infinity.
    function _cashDown(int256 nano) private pure returns (int256) {
        int256 quotient = nano / 1000; // Solidity cuts towards zero
        return nano % 1000 < 0 ? quotient - 1 : quotient;
    }

    /// @dev Towards plus infinity.
    function _cashUp(int256 nano) private pure returns (int256) {
        return -_cashDown(-nano);
    }

    function _requireSigned(ISettlementExchange.Order memory order, bytes32 r, bytes32 vs) private view {
        bytes32 typeHash = keccak256(
            "Order(address trader,uint32 zone,uint64 deliveryStart,uint8 side,uint48 energyWh,int48 limitPricePerKwh,"
            "uint48 minFillWh,uint8 timeInForce,uint8 source,uint32 expiry,uint16 lane,uint48 nonce)"
        );
        bytes32 structHash = keccak256(abi.encode(typeHash, order));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
        uint8 v = uint256(vs) >> 255 == 0 ? 27 : 28;
        uint256 s = uint256(vs) & uint256(type(int256).max);
        bool canonical = s <= 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
        address signer = ecrecover(digest, v, r, bytes32(s));
        if (!canonical || signer == address(0) || signer != order.trader) {
            revert BadSignature(order.trader, digest);
        }
    }
}
