// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Anna buys, Ben sells: what the tests of settlement share.
abstract contract SettleBase is Fixture, ISettlementErrors {
    function setUp() public virtual override {
        super.setUp();
        giveCash(anna, 1_000_000);
        giveEnergy(ben, 5000);
    }

    /// @dev tradeOf in another lane than the accounts'.
    function laneTradeOf(uint16 lane) internal view returns (ReferenceExchange.Batch memory batch) {
        batch = tradeOf();
        (batch.fills[0].order.lane, batch.fills[1].order.lane) = (lane, lane);
        batch.fills[0] = fillOf(ANNA_KEY, batch.fills[0].order, 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, batch.fills[1].order, 1000, 250_000);
    }

    function slotTradeOf(uint64 deliveryStart, uint48 nonce)
        internal
        view
        returns (ReferenceExchange.Batch memory batch)
    {
        batch = tradeOf();
        batch.deliveryStart = deliveryStart;
        for (uint256 i; i < 2; ++i) {
            ISettlementExchange.Order memory order = batch.fills[i].order;
            (order.deliveryStart, order.expiry, order.nonce) = (deliveryStart, uint32(deliveryStart), nonce);
        }
        batch.fills[0] = fillOf(ANNA_KEY, batch.fills[0].order, 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, batch.fills[1].order, 1000, 250_000);
    }

    function verdictOf(ReferenceExchange.Batch memory batch) internal returns (bytes4) {
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        (bool ok, bytes memory reason) =
            address(exchange).call(abi.encodeCall(exchange.settleBatch, (packed)));
        return ok ? bytes4(0) : bytes4(reason);
    }

    function ceilDiv(int256 nano) internal pure returns (int256) {
        int256 quotient = nano / 1000;
        return nano % 1000 > 0 ? quotient + 1 : quotient;
    }
}
