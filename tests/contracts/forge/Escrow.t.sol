// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IEscrow} from "../../../contracts/src/interfaces/IEscrow.sol";
import {EscrowBase} from "./EscrowBase.sol";
import {skip} from "./Time.sol";

/// @notice Every function of the escrow, case by case.
contract EscrowTest is EscrowBase {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    /* open */

    function test_open__by_the_payer__holds_the_amount() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        IEscrow.Status memory status = escrow.statusOf(dealId);
        assertTrue(status.state == IEscrow.State.Open && status.since == T, "open");
        assertEq(escrow.heldOf(deal), AMOUNT, "held");
        assertEq(euro.balanceOf(address(escrow)), AMOUNT, "received");
        assertTrue(dealId == keccak256(abi.encode(deal)), "id");
        assertTrue(escrow.paymentToken() == address(euro), "token");
    }

    function test_open__twice__reverts_and_another_salt_opens() public {
        IEscrow.Deal memory deal = openDeal();
        openReverts(deal, abi.encodeWithSelector(IEscrow.DealExists.selector, escrow.dealIdOf(deal)));
        deal.salt = bytes32(uint256(1));
        vm.prank(payer);
        escrow.open(deal);
    }

    function test_open__not_by_the_payer__reverts() public {
        IEscrow.Deal memory deal = dealOf();
        bytes32 dealId = escrow.dealIdOf(deal);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, STRANGER, 0));
        vm.prank(STRANGER);
        escrow.open(deal);
    }

    function test_open__bad_parties__reverts() public {
        badParties(address(0), ARBITER);
        badParties(address(escrow), ARBITER);
        badParties(address(euro), ARBITER);
        badParties(payer, ARBITER);
        badParties(PAYEE, address(0));
        badParties(PAYEE, payer);
        badParties(PAYEE, PAYEE);
    }

    function badParties(address payee, address arbiter) private {
        IEscrow.Deal memory deal = dealOf();
        (deal.payee, deal.arbiter) = (payee, arbiter);
        openReverts(deal, abi.encodeWithSelector(IEscrow.BadParties.selector, payer, payee, arbiter));
    }

    function test_open__bad_amount_times_or_share__reverts() public {
        IEscrow.Deal memory deal = dealOf();
        deal.amount = 0;
        openReverts(deal, abi.encodeWithSelector(IEscrow.ZeroAmount.selector));
        badTimes(uint40(T - 1), REVIEW, ARBITRATION);
        badTimes(uint40(T + 5 * 365 days + 1), REVIEW, ARBITRATION);
        badTimes(DELIVER_BY, 0, ARBITRATION);
        badTimes(DELIVER_BY, 365 days + 1, ARBITRATION);
        badTimes(DELIVER_BY, REVIEW, 0);
        badTimes(DELIVER_BY, REVIEW, 365 days + 1);
        deal = dealOf();
        deal.silenceBps = 10_001;
        openReverts(deal, abi.encodeWithSelector(IEscrow.ShareTooLarge.selector, 10_001, 10_000));
    }

    function badTimes(uint40 deliverBy, uint32 review, uint32 arbitration) private {
        IEscrow.Deal memory deal = dealOf();
        (deal.deliverBy, deal.reviewSeconds, deal.arbitrationSeconds) = (deliverBy, review, arbitration);
        openReverts(deal, abi.encodeWithSelector(IEscrow.BadTimes.selector, deliverBy, review, arbitration));
    }

    /* openWithPermit */

    function test_openWithPermit__fresh_or_handed_in_before__opens() public {
        IEscrow.Deal memory deal = dealOf();
        (uint8 v, bytes32 r, bytes32 s) = permitOf(AMOUNT, 0);
        vm.prank(payer);
        escrow.openWithPermit(deal, T * 2, v, r, s);
        deal.salt = bytes32(uint256(1));
        (v, r, s) = permitOf(AMOUNT, 1);
        vm.prank(STRANGER);
        euro.permit(payer, address(escrow), AMOUNT, T * 2, v, r, s);
        vm.prank(payer);
        escrow.openWithPermit(deal, T * 2, v, r, s);
        assertEq(euro.balanceOf(address(escrow)), 2 * AMOUNT, "held");
    }

    function test_attack_openWithPermit__replayed_or_by_another__reverts() public {
        IEscrow.Deal memory deal = dealOf();
        (uint8 v, bytes32 r, bytes32 s) = permitOf(AMOUNT, 0);
        bytes32 dealId = escrow.dealIdOf(deal);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, STRANGER, 0));
        vm.prank(STRANGER);
        escrow.openWithPermit(deal, T * 2, v, r, s);
        vm.prank(payer);
        escrow.openWithPermit(deal, T * 2, v, r, s);
        deal.salt = bytes32(uint256(1));
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(escrow), 0, AMOUNT
            )
        );
        vm.prank(payer);
        escrow.openWithPermit(deal, T * 2, v, r, s);
    }

    /* declareDelivery */

    function test_declareDelivery__until_the_deadline__starts_the_review() public {
        IEscrow.Deal memory deal = openDeal();
        vm.warp(DELIVER_BY);
        vm.prank(PAYEE);
        escrow.declareDelivery(deal);
        IEscrow.Status memory status = escrow.statusOf(escrow.dealIdOf(deal));
        assertTrue(status.state == IEscrow.State.Delivered && status.since == DELIVER_BY, "delivered");
    }

    function test_declareDelivery__late_by_another_or_twice__reverts() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory call_ = abi.encodeCall(escrow.declareDelivery, (deal));
        refused(payer, call_, abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, payer, 0));
        uint256 snapshot = vm.snapshotState();
        vm.warp(DELIVER_BY + 1);
        refused(PAYEE, call_, abi.encodeWithSelector(IEscrow.TooLate.selector, dealId, DELIVER_BY));
        vm.revertToState(snapshot);
        allowed(PAYEE, call_);
        refused(PAYEE, call_, wrongState(dealId, IEscrow.State.Delivered));
    }

    /* release */

    function test_release__by_the_payer__open_or_delivered__all_to_the_payee() public {
        IEscrow.Deal memory deal = openDeal();
        uint256 snapshot = vm.snapshotState();
        allowed(payer, abi.encodeCall(escrow.release, (deal)));
        paidOut(deal, 0, AMOUNT);
        vm.revertToState(snapshot);
        deliver(deal);
        allowed(payer, abi.encodeCall(escrow.release, (deal)));
        paidOut(deal, 0, AMOUNT);
    }

    function test_10_release__payer_silent__anyone_after_the_review() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory call_ = abi.encodeCall(escrow.release, (deal));
        refused(PAYEE, call_, abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, PAYEE, 0));
        deliver(deal);
        vm.warp(T + REVIEW);
        refused(
            STRANGER,
            call_,
            abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, STRANGER, uint256(T) + REVIEW)
        );
        vm.warp(T + REVIEW + 1);
        allowed(STRANGER, call_);
        paidOut(deal, 0, AMOUNT);
    }

    /* refund */

    function test_refund__by_the_payee__open_or_delivered__all_to_the_payer() public {
        IEscrow.Deal memory deal = openDeal();
        uint256 snapshot = vm.snapshotState();
        allowed(PAYEE, abi.encodeCall(escrow.refund, (deal)));
        paidOut(deal, AMOUNT, 0);
        vm.revertToState(snapshot);
        deliver(deal);
        vm.warp(T + 10 * REVIEW);
        allowed(PAYEE, abi.encodeCall(escrow.refund, (deal)));
        paidOut(deal, AMOUNT, 0);
    }

    function test_10_refund__payee_silent__anyone_after_the_deadline() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory call_ = abi.encodeCall(escrow.refund, (deal));
        vm.warp(DELIVER_BY);
        refused(payer, call_, abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, payer, DELIVER_BY));
        vm.warp(DELIVER_BY + 1);
        allowed(STRANGER, call_);
        paidOut(deal, AMOUNT, 0);
    }

    function test_refund__delivered__not_by_the_payer_even_late() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        deliver(deal);
        vm.warp(DELIVER_BY + REVIEW + 1);
        refused(
            payer,
            abi.encodeCall(escrow.refund, (deal)),
            abi.encodeWithSelector(IEscrow.NotAllowed.selector, dealId, payer, 0)
        );
    }

    /* collect */

    function test_collect__a_stranger_or_twice__reverts() public {
        IEscrow.Deal memory deal = openDeal();
        bytes32 dealId = escrow.dealIdOf(deal);
        refused(PAYEE, abi.encodeCall(escrow.collect, (deal, PAYEE)), wrongState(dealId, IEscrow.State.Open));
        allowed(payer, abi.encodeCall(escrow.release, (deal)));
        address[3] memory others = [STRANGER, ARBITER, payer];
        for (uint256 i; i < others.length; ++i) {
            refused(
                others[i],
                abi.encodeCall(escrow.collect, (deal, others[i])),
                abi.encodeWithSelector(IEscrow.NothingToCollect.selector, dealId, others[i])
            );
        }
        allowed(STRANGER, abi.encodeCall(escrow.collect, (deal, PAYEE)));
        assertEq(euro.balanceOf(PAYEE), AMOUNT, "to the party, whoever asks");
        refused(
            PAYEE,
            abi.encodeCall(escrow.collect, (deal, PAYEE)),
            abi.encodeWithSelector(IEscrow.NothingToCollect.selector, dealId, PAYEE)
        );
    }

    function test_10_terminal_states__are_final() public {
        for (uint256 end; end < 3; ++end) {
            IEscrow.Deal memory deal = dealOf();
            deal.salt = bytes32(end + 1);
            vm.prank(payer);
            escrow.open(deal);
            if (end == 0) allowed(payer, abi.encodeCall(escrow.release, (deal)));
            if (end == 1) allowed(PAYEE, abi.encodeCall(escrow.refund, (deal)));
            if (end == 2) {
                dispute(payer, deal);
                allowed(ARBITER, abi.encodeCall(escrow.resolve, (deal, 1)));
            }
            noWayOn(deal);
        }
    }

    function noWayOn(IEscrow.Deal memory deal) private {
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes memory status = abi.encode(escrow.statusOf(dealId));
        bytes[8] memory calls = everyStep(deal);
        address[4] memory callers = [payer, PAYEE, ARBITER, STRANGER];
        for (uint256 late; late < 2; ++late) {
            if (late == 1) skip(3 * 365 days);
            for (uint256 i; i < calls.length; ++i) {
                for (uint256 j; j < callers.length; ++j) {
                    vm.prank(callers[j]);
                    (bool ok,) = address(escrow).call(calls[i]);
                    assertTrue(!ok, "a final deal moved");
                }
            }
        }
        assertEq(abi.encode(escrow.statusOf(dealId)), status, "unchanged");
        vm.warp(T);
    }

    function everyStep(IEscrow.Deal memory deal) private view returns (bytes[8] memory) {
        return [
            abi.encodeCall(escrow.open, (deal)),
            abi.encodeCall(escrow.declareDelivery, (deal)),
            abi.encodeCall(escrow.release, (deal)),
            abi.encodeCall(escrow.refund, (deal)),
            abi.encodeCall(escrow.dispute, (deal, "again")),
            abi.encodeCall(escrow.resolve, (deal, 2)),
            abi.encodeCall(escrow.concede, (deal)),
            abi.encodeCall(escrow.resolveBySilence, (deal))
        ];
    }

    function test_unknown_deal__every_step__reverts() public {
        IEscrow.Deal memory deal = dealOf();
        bytes32 dealId = escrow.dealIdOf(deal);
        bytes[8] memory calls = everyStep(deal);
        for (uint256 i = 1; i < calls.length; ++i) {
            refused(payer, calls[i], wrongState(dealId, IEscrow.State.None));
        }
        refused(payer, abi.encodeCall(escrow.collect, (deal, payer)), wrongState(dealId, IEscrow.State.None));
        assertEq(escrow.heldOf(deal), 0, "nothing held");
    }

    /* HELPERS */

    function permitOf(uint256 value, uint256 nonce) private returns (uint8 v, bytes32 r, bytes32 s) {
        vm.prank(payer);
        euro.approve(address(escrow), 0);
        bytes32 hash = keccak256(abi.encode(PERMIT, payer, address(escrow), value, nonce, T * 2));
        return vm.sign(PAYER_KEY, keccak256(abi.encodePacked(hex"1901", euro.DOMAIN_SEPARATOR(), hash)));
    }
}
