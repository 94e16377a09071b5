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

    struct Adjustment {
        address account;
        int64 money;
    }

    struct Batch {
        uint64 sequence;
        uint64 deliveryStart;
        uint16 version;
        Fill[] fills;
        Adjustment[] adjustments;
    }

    struct Account {
        uint256 cash;
        uint256 energyWh;
        uint256 minNonce;
        uint256 clearedUntil;
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

    function settle(Batch calldata batch) external {
        uint256 entries = batch.fills.length + batch.adjustments.length;
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
        for (uint256 i; i < batch.adjustments.length; ++i) {
            _adjust(batch.adjustments[i], batch.deliveryStart, sums);
        }

        int256 fillBalance = int256(sums.boughtWh) - int256(sums.soldWh);
        int256 deliveryBalance = int256(sums.receivedWh) - int256(sums.deliveredWh);
        if (fillBalance != 0 || deliveryBalance != 0) {
            revert EnergyNotConserved(fillBalance, deliveryBalance);
        }
        int256 fee = sums.paid - sums.received;
        uint256 highestFee = Math.min(maxFeePerKwh * sums.soldWh / 1000 + entries, type(uint64).max);
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

        _fillLane(order, account, fill.fillWh);
        if (order.side > 1) revert BadSide(order.trader, order.side);
        if (fill.deliveredWh > fill.fillWh) {
            revert OverDelivered(order.trader, fill.deliveredWh, fill.fillWh);
        }
        _requireWithinLimit(order, fill);
        if (order.side == 0) _buy(fill, sums);
        else _sell(fill, sums);
    }

    function _fillLane(ISettlementExchange.Order memory order, Account storage account, uint48 fillWh)
        private
    {
        Lane storage lane = lanes[order.trader][order.lane];
        if (order.nonce < account.minNonce) {
            revert OrderVoid(order.trader, order.lane, order.nonce, uint48(account.minNonce));
        }
        if (order.nonce < lane.nonce) {
            revert OrderVoid(order.trader, order.lane, order.nonce, uint48(lane.nonce));
        }
        if (order.nonce > lane.nonce) lane.filledWh = 0;
        uint256 filledWh = lane.filledWh + fillWh;
        if (filledWh > order.energyWh) revert OverFilled(order.trader, order.lane, filledWh, order.energyWh);
        (lane.nonce, lane.filledWh) = (order.nonce, filledWh);
    }

    function _buy(Fill calldata fill, Sums memory sums) private {
        _pay(fill.order.trader, fill.money);
        accounts[fill.order.trader].energyWh += fill.deliveredWh;
        sums.boughtWh += fill.fillWh;
        sums.receivedWh += fill.deliveredWh;
        sums.paid += fill.money;
    }

    function _sell(Fill calldata fill, Sums memory sums) private {
        Account storage account = accounts[fill.order.trader];
        _pay(fill.order.trader, -int256(fill.money));
        if (account.energyWh < fill.deliveredWh) {
            revert InsufficientEnergy(fill.order.trader, account.energyWh, fill.deliveredWh);
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
            account.cash += uint256(-money);
            return;
        }
        if (account.cash < uint256(money)) revert InsufficientCash(owner, account.cash, uint256(money));
        account.cash -= uint256(money);
    }

    function _requireWithinLimit(ISettlementExchange.Order memory order, Fill calldata fill) private pure {
        int256 limitNano = int256(order.limitPricePerKwh) * int256(uint256(fill.fillWh));
        bool worse = order.side == 0
            ? fill.money > _cashUp(limitNano)  // a buyer pays at most this
            : fill.money < _cashDown(limitNano); // a seller receives at least this
        if (worse) revert WorseThanLimit(order.trader, fill.money, order.limitPricePerKwh, fill.fillWh);
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
