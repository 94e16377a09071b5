// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {SettlementExchange} from "../../../contracts/src/market/SettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {SettleBase} from "./SettleBase.sol";

/// @notice Who signed, and whether he may trade.
contract SettleSignedTest is SettleBase {
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /* 4: SIGNATURES AND STANDING */

    function testFuzz_04_settle__any_signed_field_changed__reverts(uint256 field, uint8 bit) public {
        uint8[24] memory signedBytes = // positions of signed fields in the packed order
            [0, 19, 20, 21, 24, 25, 26, 27, 32, 53, 58, 59, 64, 65, 70, 71, 72, 73, 76, 77, 108, 109, 140, 10];
        bytes memory packed = encode(tradeOf());
        uint256 position = 26 + signedBytes[field % 24];
        packed[position] = bytes1(uint8(packed[position]) ^ uint8(1 << (bit % 8)));
        vm.prank(OPERATOR);
        (bool ok, bytes memory reason) =
            address(exchange).call(abi.encodeCall(exchange.settleBatch, (packed)));
        assertTrue(!ok && bytes4(reason) == BadSignature.selector, "accepted");
    }

    function test_attack_04_high_s__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        ReferenceExchange.Fill memory fill = batch.fills[0];
        uint256 s = CURVE_ORDER - (uint256(fill.vs) & uint256(type(int256).max));
        // The twin has its top bit set, so a compact signature cannot say it; cut off, it is nobody's.
        fill.vs = bytes32((s & uint256(type(int256).max)) | ((uint256(fill.vs) >> 255) ^ 1) << 255);
        settleReverts(batch, BadSignature.selector);
        // Just above half the group's order, where the top bit is still free.
        fill.vs = bytes32(CURVE_ORDER / 2 + 1);
        settleReverts(batch, BadSignature.selector);
    }

    function test_attack_04_zero_trader_and_broken_signature__reverts() public {
        ReferenceExchange.Batch memory batch = batchOf(1, 0);
        batch.fills[0].order = orderOf(ANNA_KEY, 0, 1000, 300_000);
        batch.fills[0].order.trader = address(0);
        settleReverts(batch, BadSignature.selector);
    }

    function test_attack_04_order_of_another_slot_chain_or_contract__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOf();
        batch.deliveryStart = T + SLOT;
        settleReverts(batch, BadSignature.selector);

        batch = tradeOf();
        uint256 here = block.chainid;
        vm.chainId(999);
        settleReverts(batch, BadSignature.selector);
        vm.chainId(here);

        SettlementExchange first = exchange;
        deploy();
        batch.fills[0] = fillOf(ANNA_KEY, batch.fills[0].order, 1000, 300_000);
        settleReverts(batch, NotCleared.selector); // signed for the new exchange: only the clearance is missing
        exchange = first;
        settleReverts(batch, BadSignature.selector);
    }

    function test_04_settle__frozen__reverts_until_released() public {
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 1 days, 7, 276);
        settleReverts(tradeOf(), abi.encodeWithSelector(NotCleared.selector, anna, 0, T));
        clear(anna);
        settle(tradeOf());
    }

    function test_04_settle__clearance_ended_before_slot__reverts() public {
        vm.prank(OPERATOR);
        registry.setParticipant(ben, T - 1, 3, 276);
        settleReverts(tradeOf(), abi.encodeWithSelector(NotCleared.selector, ben, T - 1, T));
    }

    function test_04_settle__buyer_short_of_cash__reverts() public {
        vm.prank(anna);
        exchange.requestWithdrawal(700_001, 0);
        vm.warp(block.timestamp + DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        settleReverts(tradeOf(), abi.encodeWithSelector(InsufficientCash.selector, anna, 299_999, 300_000));
    }

    function test_04_settle__seller_short_of_energy__reverts() public {
        vm.prank(ben);
        exchange.requestWithdrawal(0, 4001);
        vm.warp(block.timestamp + DELAY);
        vm.prank(ben);
        exchange.executeWithdrawal();
        settleReverts(tradeOf(), abi.encodeWithSelector(InsufficientEnergy.selector, ben, 999, 1000));
    }
}
