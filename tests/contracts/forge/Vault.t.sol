// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {SettlementExchange} from "../../../contracts/src/market/SettlementExchange.sol";
import {FeeToken, ReentrantToken} from "./BadTokens.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What goes in, what comes out, and who may ask for it.
contract VaultTest is Fixture, ISettlementErrors {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    uint256 private constant MOST_CASH = 2 ** 63 - 1;

    /* DEPOSITS */

    function testFuzz_deposit__any_amount__is_credited(uint96 cash) public {
        cash = uint96(bound(cash, 1, MOST_CASH));
        giveCash(anna, cash);
        assertEq(cashOf(anna), cash, "credited");
        assertEq(euro.balanceOf(address(exchange)), cash, "held");
    }

    function test_deposit__nothing__reverts() public {
        vm.expectRevert(ZeroAmount.selector);
        vm.prank(anna);
        exchange.deposit(0);
    }

    function test_deposit__more_than_an_account_holds__reverts() public {
        giveCash(anna, MOST_CASH);
        vm.prank(OPERATOR);
        euro.mint(anna, 1);
        vm.prank(anna);
        euro.approve(address(exchange), 1);
        vm.expectRevert(abi.encodeWithSelector(BalanceTooLarge.selector, anna));
        vm.prank(anna);
        exchange.deposit(1);
    }

    function test_deposit__paused__reverts() public {
        vm.prank(OPERATOR);
        exchange.pause();
        vm.expectRevert(IsPaused.selector);
        vm.prank(anna);
        exchange.deposit(1);
        vm.expectRevert(IsPaused.selector);
        vm.prank(anna);
        exchange.depositEnergy(1);
        vm.expectRevert(IsPaused.selector);
        exchange.depositWithPermit(anna, 1, T * 2, 27, 0, 0);
    }

    function test_attack_fee_on_transfer_deposit__reverts() public {
        FeeToken token = new FeeToken();
        exchange = exchangeFor(IERC20(address(token)));
        token.mint(anna, 100);
        vm.prank(anna);
        token.approve(address(exchange), 100);
        vm.expectRevert(abi.encodeWithSelector(UnexpectedTransfer.selector, 100, 99));
        vm.prank(anna);
        exchange.deposit(100);
    }

    function test_depositEnergy__withdrawn_energy__comes_back() public {
        giveEnergy(ben, 700);
        withdraw(ben, 0, 700);
        assertEq(energy.balanceOf(ben), 700, "paid out");
        vm.prank(ben);
        energy.approve(address(exchange), 300);
        vm.prank(ben);
        exchange.depositEnergy(300);
        assertEq(energyOf(ben), 300, "credited");
    }

    /* PERMITS */

    function test_depositWithPermit__fresh__is_credited() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(500, 0);
        vm.prank(STRANGER);
        exchange.depositWithPermit(anna, 500, T * 2, v, r, s);
        assertEq(cashOf(anna), 500, "credited");
    }

    function test_depositWithPermit__handed_to_the_token_by_another__is_credited() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(500, 0);
        vm.prank(STRANGER);
        euro.permit(anna, address(exchange), 500, T * 2, v, r, s);
        exchange.depositWithPermit(anna, 500, T * 2, v, r, s);
        assertEq(cashOf(anna), 500, "credited");
    }

    function test_attack_04_replayed_permit__reverts() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(500, 0);
        exchange.depositWithPermit(anna, 500, T * 2, v, r, s);
        vm.prank(anna);
        euro.approve(address(exchange), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(PermitUnusable.selector, anna));
        exchange.depositWithPermit(anna, 500, T * 2, v, r, s);
    }

    function test_04_depositWithPermit__no_signature_but_allowance__reverts() public {
        permitOf(500, 0);
        vm.prank(anna);
        euro.approve(address(exchange), 500);
        vm.expectRevert(abi.encodeWithSelector(PermitUnusable.selector, anna));
        vm.prank(STRANGER);
        exchange.depositWithPermit(anna, 500, T * 2, 27, bytes32(uint256(1)), bytes32(uint256(1)));
    }

    function test_04_depositWithPermit__expired__reverts() public {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(500, 0);
        euro.permit(anna, address(exchange), 500, T * 2, v, r, s);
        vm.warp(T * 2 + 1);
        vm.expectRevert(abi.encodeWithSelector(PermitUnusable.selector, anna));
        exchange.depositWithPermit(anna, 500, T * 2, v, r, s);
    }

    /* 6: THE WAY OUT */

    function testFuzz_attack_06_paused_and_operator_gone__withdrawal_returns_everything(
        uint96 cash,
        uint64 energyWh
    ) public {
        cash = uint96(bound(cash, 1, MOST_CASH));
        energyWh = uint64(bound(energyWh, 1, 20_000_000));
        giveCash(anna, cash);
        giveEnergy(anna, energyWh);
        vm.prank(OPERATOR);
        exchange.pause();
        vm.prank(OPERATOR);
        registry.setParticipant(anna, 0, 4, 0);
        exchange.setSettler(OPERATOR, false);
        withdraw(anna, cash, energyWh);
        assertTrue(euro.balanceOf(anna) == cash && energy.balanceOf(anna) == energyWh, "paid out");
        assertTrue(cashOf(anna) == 0 && energyOf(anna) == 0, "left");
    }

    function test_withdrawalOf__requested_replaced_and_executed__says_so() public {
        giveCash(anna, 100);
        giveEnergy(anna, 9);
        assertWithdrawal(0, 0, 0);
        vm.prank(anna);
        exchange.requestWithdrawal(30, 9);
        assertWithdrawal(30, 9, block.timestamp + DELAY);
        vm.warp(block.timestamp + 5);
        vm.prank(anna);
        exchange.requestWithdrawal(20, 0);
        assertWithdrawal(20, 0, block.timestamp + DELAY);
        vm.warp(block.timestamp + DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        assertWithdrawal(0, 0, 0);
        assertTrue(euro.balanceOf(anna) == 20 && cashOf(anna) == 80 && energyOf(anna) == 9, "paid");
    }

    function assertWithdrawal(uint256 cash, uint256 energyWh, uint256 readyAt) private view {
        (uint96 dueCash, uint64 dueWh, uint64 dueAt) = exchange.withdrawalOf(anna);
        assertTrue(dueCash == cash && dueWh == energyWh && dueAt == readyAt, "withdrawal");
    }

    function test_06_withdrawal__before_the_delay__reverts() public {
        giveCash(anna, 10);
        vm.prank(anna);
        exchange.requestWithdrawal(10, 0);
        uint64 readyAt = uint64(block.timestamp) + DELAY;
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(WithdrawalNotReady.selector, anna, readyAt));
        vm.prank(anna);
        exchange.executeWithdrawal();
    }

    function test_06_withdrawal__twice__reverts() public {
        giveCash(anna, 10);
        withdraw(anna, 5, 0);
        vm.expectRevert(abi.encodeWithSelector(WithdrawalNotReady.selector, anna, 0));
        vm.prank(anna);
        exchange.executeWithdrawal();
        assertEq(cashOf(anna), 5, "rest");
    }

    function test_06_withdrawal__cancelled__reverts() public {
        giveCash(anna, 10);
        vm.prank(anna);
        exchange.requestWithdrawal(10, 0);
        vm.prank(anna);
        exchange.requestWithdrawal(0, 0);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(WithdrawalNotReady.selector, anna, 0));
        vm.prank(anna);
        exchange.executeWithdrawal();
    }

    function test_attack_06_withdrawal_racing_a_batch__settles_first_and_pays_what_is_left() public {
        giveCash(anna, 300_000);
        giveEnergy(ben, 1000);
        vm.prank(anna);
        exchange.requestWithdrawal(300_000, 0);
        settle(tradeOf());
        vm.warp(block.timestamp + DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        assertTrue(euro.balanceOf(anna) == 0 && cashOf(anna) == 0, "the batch was not broken");
    }

    function test_06_withdrawal__more_than_held__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(InsufficientCash.selector, anna, 0, 1));
        vm.prank(anna);
        exchange.requestWithdrawal(1, 0);
        vm.expectRevert(abi.encodeWithSelector(InsufficientEnergy.selector, anna, 0, 1));
        vm.prank(anna);
        exchange.requestWithdrawal(0, 1);
    }

    function test_06_constructor__delay_above_an_hour__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(DelayTooLong.selector, 3601));
        new SettlementExchange(
            address(manager), registry, IERC20(address(euro)), IERC20(address(energy)), SLOT, 3601, 0
        );
        vm.expectRevert(ZeroSlot.selector);
        new SettlementExchange(
            address(manager), registry, IERC20(address(euro)), IERC20(address(energy)), 0, 900, 0
        );
    }

    function test_attack_01_reentered_withdrawal__pays_once() public {
        ReentrantToken token = new ReentrantToken();
        exchange = exchangeFor(IERC20(address(token)));
        token.mint(address(token), 100);
        vm.prank(address(token));
        token.approve(address(exchange), 100);
        vm.prank(address(token));
        exchange.deposit(100);
        vm.prank(address(token));
        exchange.requestWithdrawal(50, 0);
        vm.warp(block.timestamp + DELAY);
        token.arm(exchange, abi.encodeCall(exchange.executeWithdrawal, ()));
        vm.prank(address(token));
        exchange.executeWithdrawal();
        assertTrue(
            bytes4(token.reason()) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector,
            "not guarded"
        );
        assertTrue(token.balanceOf(address(token)) == 50 && cashOf(address(token)) == 50, "paid once");
    }

    /* FEES */

    function test_withdrawFees__treasurer__gets_no_more_than_collected() public {
        giveCash(anna, 300_000);
        giveEnergy(ben, 1000);
        settle(tradeOf());
        vm.expectRevert(abi.encodeWithSelector(InsufficientFees.selector, 50_000, 50_001));
        vm.prank(OPERATOR);
        exchange.withdrawFees(cleo, 50_001);
        vm.prank(OPERATOR);
        exchange.withdrawFees(cleo, 50_000);
        assertEq(euro.balanceOf(cleo), 50_000, "paid");
        assertEq(exchange.fees(), 0, "left");
    }

    function test_withdrawFees__to_nobody_or_nothing__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ZeroAmount.selector));
        vm.prank(OPERATOR);
        exchange.withdrawFees(address(0), 1);
        vm.expectRevert(abi.encodeWithSelector(ZeroAmount.selector));
        vm.prank(OPERATOR);
        exchange.withdrawFees(cleo, 0);
    }

    /* WHAT AN OWNER ALLOWS */

    function test_raiseNonce__not_above__reverts() public {
        vm.prank(anna);
        exchange.raiseNonce(7);
        vm.expectRevert(abi.encodeWithSelector(NonceNotRaised.selector, anna, 7, 7));
        vm.prank(anna);
        exchange.raiseNonce(7);
        (,, uint48 minNonce) = exchange.accountOf(anna);
        assertEq(minNonce, 7, "floor");
    }

    function test_04_setMandate__not_the_owners__reverts() public {
        ISettlementExchange.Mandate memory mandate = ISettlementExchange.Mandate(anna, 1, 1, uint32(T), 1);
        bytes32 digest = exchange.mandateDigest(mandate);
        bytes memory signature = signed(BEN_KEY, digest);
        vm.expectRevert(abi.encodeWithSelector(BadSignature.selector, anna, digest));
        exchange.setMandate(mandate, signature);
        vm.expectRevert(abi.encodeWithSelector(BadSignature.selector, anna, digest));
        exchange.setMandate(mandate, "short");
    }

    function test_04_setMandate__nonce_not_above__reverts() public {
        setMandate(ANNA_KEY, 5, 6, 3);
        ISettlementExchange.Mandate memory mandate =
            ISettlementExchange.Mandate(anna, 500, 600, uint32(T + 365 days), 3);
        bytes memory signature = signed(ANNA_KEY, exchange.mandateDigest(mandate));
        vm.expectRevert(abi.encodeWithSelector(MandateNonceUsed.selector, anna, 3, 3));
        exchange.setMandate(mandate, signature);
        (uint64 perSlot, uint64 budget, uint32 expiry, uint32 nonce) = exchange.mandateOf(anna);
        assertTrue(perSlot == 5 && budget == 6 && expiry == T + 365 days && nonce == 3, "mandate");
    }

    /* 16: ROLES */

    function test_16_restricted__stranger__reverts() public {
        bytes[9] memory calls = [
            abi.encodeCall(exchange.pause, ()),
            abi.encodeCall(exchange.unpause, ()),
            abi.encodeCall(exchange.setSettler, (STRANGER, true)),
            abi.encodeCall(exchange.setLedger, (STRANGER)),
            abi.encodeCall(exchange.withdrawFees, (STRANGER, 1)),
            abi.encodeCall(ledger.setAttester, (STRANGER, true)),
            abi.encodeCall(ledger.correctRegister, (1, 0, bytes32(0))),
            abi.encodeCall(euro.mint, (STRANGER, 1)),
            abi.encodeCall(registry.setParticipant, (STRANGER, 1, 1, 1))
        ];
        for (uint256 i; i < calls.length; ++i) {
            address target = i < 5
                ? address(exchange)
                : i < 7 ? address(ledger) : i < 8 ? address(euro) : address(registry);
            vm.prank(STRANGER);
            (bool ok, bytes memory reason) = target.call(calls[i]);
            assertTrue(!ok && bytes4(reason) == IAccessManaged.AccessManagedUnauthorized.selector, "allowed");
        }
    }

    function test_16_guardian__cannot_unpause() public {
        vm.prank(OPERATOR);
        exchange.pause();
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, OPERATOR));
        vm.prank(OPERATOR);
        exchange.unpause();
    }

    function test_setLedger__second_time__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(LedgerFixed.selector, address(ledger)));
        exchange.setLedger(STRANGER);
    }

    function test_09_creditProduction__not_the_ledger__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(NotLedger.selector, STRANGER));
        vm.prank(STRANGER);
        exchange.creditProduction(new address[](0), new uint64[](0));
        vm.expectRevert(abi.encodeWithSelector(LengthMismatch.selector, 1, 0));
        vm.prank(address(ledger));
        exchange.creditProduction(new address[](1), new uint64[](0));
    }

    /* HELPERS */

    function exchangeFor(IERC20 token) private returns (SettlementExchange) {
        return new SettlementExchange(
            address(manager), registry, token, IERC20(address(energy)), SLOT, DELAY, MAX_FEE
        );
    }

    function withdraw(address account, uint96 cash, uint64 energyWh) private {
        vm.prank(account);
        exchange.requestWithdrawal(cash, energyWh);
        vm.warp(block.timestamp + DELAY);
        vm.prank(account);
        exchange.executeWithdrawal();
    }

    /// @dev Anna's permit for the exchange; she holds 10,000 to back it.
    function permitOf(uint256 value, uint256 nonce) private returns (uint8 v, bytes32 r, bytes32 s) {
        vm.prank(OPERATOR);
        euro.mint(anna, 10_000);
        bytes32 hash = keccak256(abi.encode(PERMIT, anna, address(exchange), value, nonce, T * 2));
        return vm.sign(ANNA_KEY, keccak256(abi.encodePacked(hex"1901", euro.DOMAIN_SEPARATOR(), hash)));
    }
}
