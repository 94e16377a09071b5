// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IEscrow} from "../../../contracts/src/interfaces/IEscrow.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @notice Disputes: who raises them, who ends them, and what silence does.
contract EscrowDisputesTest is EscrowBase {
    /* dispute */

    function test_dispute__either_party_in_time__stops_the_clock() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        uint256 snapshot = vm.snapshotState();
        vm.warp(DELIVER_BY);
        dispute(PAYEE, deal);
        assertTrue(escrow.statusOf(dealId).since == DELIVER_BY, "since");
        vm.revertToState(snapshot);
        deliver(deal);
        vm.warp(T + REVIEW);
        dispute(payer, deal);
        vm.warp(T + 2 * REVIEW);
        refused(STRANGER, abi.encodeCall(escrow.release, (deal)), wrongState(dealId, IEscrow.State.Disputed));
        refused(PAYEE, abi.encodeCall(escrow.refund, (deal)), wrongState(dealId, IEscrow.State.Disputed));
        refused(
            PAYEE, abi.encodeCall(escrow.declareDelivery, (deal)), wrongState(dealId, IEscrow.State.Disputed)
        );
        refused(
            PAYEE, abi.encodeCall(escrow.collect, (deal, PAYEE)), wrongState(dealId, IEscrow.State.Disputed)
        );
    }

    function test_dispute__late_or_by_another__reverts() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory call_ = abi.encodeCall(escrow.dispute, (deal, "why"));
        refused(ARBITER, call_, abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, ARBITER, 0));
        uint256 snapshot = vm.snapshotState();
        vm.warp(DELIVER_BY + 1);
        refused(payer, call_, abi.encodeWithSelector(IEscrow.TooLate.selector, dealId, DELIVER_BY));
        vm.revertToState(snapshot);
        deliver(deal);
        vm.warp(T + REVIEW + 1);
        refused(payer, call_, abi.encodeWithSelector(IEscrow.TooLate.selector, dealId, uint256(T) + REVIEW));
    }

    /* resolve */

    function testFuzz_10_resolve__any_share__splits_between_the_two(uint96 share) public {
        IEscrow.Deal memory deal = openDeal();
        share = uint96(bound(share, 0, AMOUNT));
        dispute(payer, deal);
        vm.warp(T + ARBITRATION);
        allowed(ARBITER, abi.encodeCall(escrow.resolve, (deal, share)));
        paidOut(deal, AMOUNT - share, share);
        assertEq(euro.balanceOf(ARBITER), 0, "nothing for the arbiter");
    }

    function test_resolve__late_too_much_by_another_or_undisputed__reverts() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory call_ = abi.encodeCall(escrow.resolve, (deal, 1));
        refused(ARBITER, call_, wrongState(dealId, IEscrow.State.Open));
        dispute(payer, deal);
        refused(payer, call_, abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, payer, 0));
        refused(
            ARBITER,
            abi.encodeCall(escrow.resolve, (deal, AMOUNT + 1)),
            abi.encodeWithSelector(IEscrow.ShareTooLarge.selector, AMOUNT + 1, AMOUNT)
        );
        vm.warp(T + ARBITRATION + 1);
        refused(
            ARBITER, call_, abi.encodeWithSelector(IEscrow.TooLate.selector, dealId, uint256(T) + ARBITRATION)
        );
    }

    /* concede */

    function test_concede__either_party__all_to_the_other() public {
        IEscrow.Deal memory deal = openDeal();
        dispute(payer, deal);
        uint256 snapshot = vm.snapshotState();
        vm.warp(T + 10 * ARBITRATION);
        allowed(payer, abi.encodeCall(escrow.concede, (deal)));
        paidOut(deal, 0, AMOUNT);
        vm.revertToState(snapshot);
        allowed(PAYEE, abi.encodeCall(escrow.concede, (deal)));
        paidOut(deal, AMOUNT, 0);
    }

    function test_concede__by_another_or_undisputed__reverts() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory call_ = abi.encodeCall(escrow.concede, (deal));
        refused(payer, call_, wrongState(dealId, IEscrow.State.Open));
        dispute(payer, deal);
        refused(ARBITER, call_, abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, ARBITER, 0));
    }

    /* resolveBySilence */

    function testFuzz_10_resolveBySilence__arbiter_silent__the_agreed_split(uint96 amount, uint16 bps)
        public
    {
        IEscrow.Deal memory deal = dealOf();
        deal.amount = uint96(bound(amount, 1, type(uint96).max));
        deal.silenceBps = uint16(bound(bps, 0, 10_000));
        fund(deal.amount);
        vm.prank(payer);
        escrow.open(deal);
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory call_ = abi.encodeCall(escrow.resolveBySilence, (deal));
        dispute(payer, deal);
        vm.warp(T + ARBITRATION);
        refused(
            PAYEE,
            call_,
            abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, PAYEE, uint256(T) + ARBITRATION)
        );
        vm.warp(T + ARBITRATION + 1);
        allowed(STRANGER, call_);
        uint256 share = uint256(deal.amount) * deal.silenceBps / 10_000;
        paidOut(deal, deal.amount - share, share);
    }

    function test_resolveBySilence__undisputed__reverts() public {
        IEscrow.Deal memory deal = openDeal();
        refused(
            payer,
            abi.encodeCall(escrow.resolveBySilence, (deal)),
            wrongState(escrow.dealIdOf(deal), IEscrow.State.Open)
        );
    }
}
