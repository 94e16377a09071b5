// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IEscrow} from "../../../contracts/src/interfaces/IEscrow.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @notice Gas of whole transactions, intrinsic gas and calldata included, on cold storage: a deal of accounts that have
/// the token already. contracts/README.md keeps the figures.
/// forge-config: default.isolate = true
contract EscrowGasTest is EscrowBase {
    event log_named_uint(string key, uint256 val); // forge prints it;

    function setUp() public override {
        super.setUp();
        euro.mint(PAYEE, 1);
        euro.mint(address(escrow), 1);
    }

    function test_gas_deal__delivered_and_released__within_bars() public {
        IEscrow.Deal memory deal = openDeal();
        check("open", 76_100);
        deliver(deal);
        check("declareDelivery", 31_900);
        vm.prank(payer);
        escrow.release(deal);
        check("release", 32_300);
        escrow.collect(deal, PAYEE);
        check("collect", 47_800);
    }

    function test_gas_deal__refunded__within_bars() public {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(PAYEE);
        escrow.refund(deal);
        check("refund", 31_900);
    }

    function test_gas_deal__disputed__within_bars() public {
        IEscrow.Deal memory deal = openDeal();
        dispute(payer, deal);
        check("dispute", 32_900);
        uint256 snapshot = vm.snapshotState();
        vm.prank(ARBITER);
        escrow.resolve(deal, AMOUNT / 3);
        check("resolve", 32_800);
        vm.revertToState(snapshot);
        snapshot = vm.snapshotState();
        vm.prank(PAYEE);
        escrow.concede(deal);
        check("concede", 32_500);
        vm.revertToState(snapshot);
        vm.warp(T + ARBITRATION + 1);
        escrow.resolveBySilence(deal);
        check("resolveBySilence", 32_800);
    }

    function check(string memory what, uint256 bar) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(what, used);
        assertTrue(used <= bar, "above the bar");
    }
}
