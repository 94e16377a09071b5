// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice What one would write first, to measure our contracts against: scripts/bench/gas.py. Never deployed.
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLAIN") {}

    /// @dev Gives everybody tokens and allows the spenders to take them.
    function endow(address[] calldata owners, address[] calldata spenders, uint256 amount) external {
        for (uint256 i; i < owners.length; ++i) {
            _mint(owners[i], amount);
            for (uint256 k; k < spenders.length; ++k) {
                _approve(owners[i], spenders[k], amount);
            }
        }
    }
}

/// @notice Two transfers a trade, as the operator says: no signature, no limit, any amount anybody approved.
contract NaiveTransfers {
    struct Trade {
        address buyer;
        address seller;
        uint256 energyWh;
        uint256 money;
    }

    event Traded(address indexed buyer, address indexed seller, uint256 energyWh, uint256 money);

    IERC20 private immutable _money;
    IERC20 private immutable _energy;

    constructor(IERC20 money, IERC20 energy) {
        _money = money;
        _energy = energy;
    }

    function settle(Trade[] calldata trades) external {
        for (uint256 i; i < trades.length; ++i) {
            Trade calldata trade = trades[i];
            _money.transferFrom(trade.buyer, trade.seller, trade.money);
            _energy.transferFrom(trade.seller, trade.buyer, trade.energyWh);
            emit Traded(trade.buyer, trade.seller, trade.energyWh, trade.money);
        }
    }
}

/// @notice Both orders' EIP-712 signatures and limits checked for each trade, and two transfers. At its best: what is
/// filled of an order is counted in a slot that the trader's next order uses again.
contract NaiveSignedTrades is EIP712 {
    struct Order {
        address trader;
        uint8 side;
        uint64 deliveryStart;
        uint256 energyWh;
        int256 limitPricePerKwh;
        uint64 expiry;
        uint256 nonce;
    }

    struct Trade {
        Order buy;
        bytes buySignature;
        Order sell;
        bytes sellSignature;
        uint256 energyWh;
        uint256 money;
    }

    error Refused();

    event Traded(bytes32 indexed buy, bytes32 indexed sell, uint256 energyWh, uint256 money);

    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(address trader,uint8 side,uint64 deliveryStart,uint256 energyWh,int256 limitPricePerKwh,uint64 expiry,uint256 nonce)"
    );

    IERC20 private immutable _money;
    IERC20 private immutable _energy;
    /// @dev Nonce of the trader's last order << 128, and what was filled of it.
    mapping(address trader => uint256) public filled;

    constructor(IERC20 money, IERC20 energy) EIP712("Naive", "1") {
        _money = money;
        _energy = energy;
    }

    function settle(Trade[] calldata trades) external {
        for (uint256 i; i < trades.length; ++i) {
            Trade calldata trade = trades[i];
            bytes32 buy = _fill(trade.buy, trade.buySignature, trade.energyWh);
            bytes32 sell = _fill(trade.sell, trade.sellSignature, trade.energyWh);
            int256 money = int256(trade.money) * 1000;
            int256 energyWh = int256(trade.energyWh);
            if (
                money > trade.buy.limitPricePerKwh * energyWh
                    || money < trade.sell.limitPricePerKwh * energyWh
            ) {
                revert Refused();
            }
            _money.transferFrom(trade.buy.trader, trade.sell.trader, trade.money);
            _energy.transferFrom(trade.sell.trader, trade.buy.trader, trade.energyWh);
            emit Traded(buy, sell, trade.energyWh, trade.money);
        }
    }

    function digestOf(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    function _fill(Order calldata order, bytes calldata signature, uint256 energyWh)
        private
        returns (bytes32 digest)
    {
        digest = digestOf(order);
        if (ECDSA.recover(digest, signature) != order.trader || order.expiry < block.timestamp) {
            revert Refused();
        }
        uint256 last = filled[order.trader];
        if (order.nonce < last >> 128) revert Refused();
        uint256 total = order.nonce == last >> 128 ? uint128(last) + energyWh : energyWh;
        if (total > order.energyWh) revert Refused();
        filled[order.trader] = order.nonce << 128 | total;
    }
}

/// @notice Every reading a record in storage and an event.
contract NaiveReadings {
    struct Reading {
        uint256 energyWh;
        uint256 time;
    }

    event Read(uint256 indexed meterId, uint256 energyWh, uint256 time);

    mapping(uint256 meterId => Reading[]) public readings;

    function report(uint256 meterId, uint256 energyWh, uint256 time) public {
        readings[meterId].push(Reading(energyWh, time));
        emit Read(meterId, energyWh, time);
    }

    function reportAll(uint256[] calldata meterIds, uint256[] calldata energyWh, uint256 time) external {
        for (uint256 i; i < meterIds.length; ++i) {
            report(meterIds[i], energyWh[i], time);
        }
    }
}
