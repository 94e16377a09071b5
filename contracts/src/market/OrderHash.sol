// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";

/// @title EIP-712 struct hashes of what participants sign.
library OrderHash {
    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address trader,uint32 zone,uint64 deliveryStart,uint8 side,uint48 energyWh,int48 limitPricePerKwh,"
        "uint48 minFillWh,uint8 timeInForce,uint8 source,uint32 expiry,uint16 lane,uint48 nonce)"
    );

    bytes32 internal constant MANDATE_TYPEHASH =
        keccak256("Mandate(address account,uint64 budgetPerSlot,uint64 budget,uint32 expiry,uint32 nonce)");

    bytes32 internal constant TRADING_MANDATE_TYPEHASH = keccak256(
        "TradingMandate(address account,uint32 zone,int48 maxBuyPricePerKwh,int48 minSellPricePerKwh,"
        "uint32 maxWhPerSlot,uint32 validFrom,uint32 expiry,uint48 nonce)"
    );

    function hash(ISettlementExchange.Order calldata order) internal pure returns (bytes32) {
        return keccak256(abi.encode(ORDER_TYPEHASH, order));
    }

    function hash(ISettlementExchange.Mandate calldata mandate) internal pure returns (bytes32) {
        return keccak256(abi.encode(MANDATE_TYPEHASH, mandate));
    }

    function hash(ISettlementExchange.TradingMandate memory mandate) internal pure returns (bytes32) {
        return keccak256(abi.encode(TRADING_MANDATE_TYPEHASH, mandate));
    }
}
