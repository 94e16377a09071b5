// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Escrow} from "../../../contracts/src/escrow/Escrow.sol";
import {IEscrow} from "../../../contracts/src/interfaces/IEscrow.sol";
import {FeeToken} from "./BadTokens.sol";
import {EscrowBase} from "./EscrowBase.sol";
import {HookToken, ShrinkingToken, SilentToken} from "./OddTokens.sol";

/// @notice What parties, tokens and callers with bad intent get.
contract EscrowAttackTest is EscrowBase {
    /* ATTACKS */

    /// @dev The terms are the key: with any of them changed there is no such deal.
    function test_attack_changed_terms__find_no_deal() public {
        IEscrow.Deal memory deal = openDeal();
        dispute(payer, deal);
        deal.arbiter = STRANGER;
        refused(
            STRANGER,
            abi.encodeCall(escrow.resolve, (deal, AMOUNT)),
            wrongState(escrow.dealIdOf(deal), IEscrow.State.None)
        );
    }

    function test_attack_fee_on_transfer__is_refused() public {
        FeeToken token = new FeeToken();
        IEscrow.Deal memory deal = dealOver(address(token));
        token.mint(payer, AMOUNT);
        vm.prank(payer);
        token.approve(address(escrow), AMOUNT);
        openReverts(deal, abi.encodeWithSelector(IEscrow.UnexpectedTransfer.selector, AMOUNT, AMOUNT - 1));
    }

    function test_attack_token_without_return__is_handled() public {
        SilentToken token = new SilentToken();
        IEscrow.Deal memory deal = dealOver(address(token));
        token.mint(payer, AMOUNT);
        vm.prank(payer);
        token.approve(address(escrow), AMOUNT);
        allowed(payer, abi.encodeCall(escrow.open, (deal)));
        allowed(payer, abi.encodeCall(escrow.release, (deal)));
        escrow.collect(deal, PAYEE);
        assertEq(token.balanceOf(PAYEE), AMOUNT, "paid");
    }

    /// @dev A token that takes from balances: the first to collect is paid in full, the last one waits for more.
    function test_attack_rebasing__the_last_collector_lacks() public {
        ShrinkingToken token = new ShrinkingToken();
        IEscrow.Deal memory deal = dealOver(address(token));
        token.mint(payer, AMOUNT);
        vm.prank(payer);
        token.approve(address(escrow), AMOUNT);
        allowed(payer, abi.encodeCall(escrow.open, (deal)));
        dispute(payer, deal);
        allowed(ARBITER, abi.encodeCall(escrow.resolve, (deal, AMOUNT / 2)));
        token.shrink();
        escrow.collect(deal, PAYEE);
        assertEq(token.balanceOf(PAYEE), AMOUNT / 2, "paid in full");
        refused(
            payer,
            abi.encodeCall(escrow.collect, (deal, payer)),
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, address(escrow), 0, AMOUNT / 2
            )
        );
        token.mint(address(escrow), AMOUNT);
        escrow.collect(deal, payer);
    }

    function test_attack_reentrancy__is_refused_and_pays_once() public {
        HookToken token = new HookToken();
        IEscrow.Deal memory deal = dealOver(address(token));
        token.mint(payer, 2 * AMOUNT);
        vm.prank(payer);
        token.approve(address(escrow), 2 * AMOUNT);
        token.arm(address(escrow), abi.encodeCall(escrow.open, (deal)));
        allowed(payer, abi.encodeCall(escrow.open, (deal)));
        assertTrue(
            bytes4(token.reason()) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector,
            "opening"
        );
        deal.salt = bytes32(uint256(1));
        allowed(payer, abi.encodeCall(escrow.open, (deal)));
        allowed(payer, abi.encodeCall(escrow.release, (deal)));
        token.arm(address(escrow), abi.encodeCall(escrow.collect, (deal, PAYEE)));
        escrow.collect(deal, PAYEE);
        assertTrue(
            bytes4(token.reason()) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector,
            "collecting"
        );
        assertEq(token.balanceOf(PAYEE), AMOUNT, "once");
        assertEq(token.balanceOf(address(escrow)), AMOUNT, "the other deal's money");
    }

    /// @dev A party that cannot be paid holds up its own share only.
    function test_attack_blocked_party__does_not_hold_up_the_other() public {
        HookToken token = new HookToken();
        IEscrow.Deal memory deal = dealOver(address(token));
        token.mint(payer, AMOUNT);
        vm.prank(payer);
        token.approve(address(escrow), AMOUNT);
        allowed(payer, abi.encodeCall(escrow.open, (deal)));
        dispute(payer, deal);
        allowed(ARBITER, abi.encodeCall(escrow.resolve, (deal, 1)));
        token.setBlocked(PAYEE);
        refused(
            PAYEE,
            abi.encodeCall(escrow.collect, (deal, PAYEE)),
            abi.encodeWithSelector(HookToken.Blocked.selector, PAYEE)
        );
        escrow.collect(deal, payer);
        assertEq(token.balanceOf(payer), AMOUNT - 1, "paid");
        assertEq(escrow.heldOf(deal), 1, "the other's");
    }

    function test_attack_tiny_deals__cost_only_their_payer() public {
        IEscrow.Deal memory deal = dealOf();
        deal.amount = 1;
        for (uint256 i; i < 50; ++i) {
            deal.salt = bytes32(i);
            allowed(payer, abi.encodeCall(escrow.open, (deal)));
        }
        deal = openDeal();
        allowed(payer, abi.encodeCall(escrow.release, (deal)));
        paidOut(deal, 0, AMOUNT);
    }

    /* HELPERS */

    function dealOver(address token) private returns (IEscrow.Deal memory) {
        escrow = new Escrow(IERC20(token));
        return dealOf();
    }
}
