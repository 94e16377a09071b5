// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Escrow} from "../../../contracts/src/escrow/Escrow.sol";
import {IEscrow} from "../../../contracts/src/interfaces/IEscrow.sol";
import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {PaymentToken} from "../../../contracts/src/token/PaymentToken.sol";
import {Base} from "./Base.sol";

/// @notice An escrow of gEUR and a deal's usual terms.
abstract contract EscrowBase is Base {
    uint64 internal constant T = 1_800_000_000;
    uint96 internal constant AMOUNT = 1_000_000_000; // 1,000 euros
    uint40 internal constant DELIVER_BY = uint40(T) + 30 days;
    uint32 internal constant REVIEW = 7 days;
    uint32 internal constant ARBITRATION = 14 days;

    uint256 internal constant PAYER_KEY = 0xa11a;
    address internal constant PAYEE = address(0xbe9);
    address internal constant ARBITER = address(0xa4b);
    address internal constant STRANGER = address(0x57a);
    address internal payer = vm.addr(PAYER_KEY);

    PaymentToken internal euro;
    Escrow internal escrow;

    function setUp() public virtual {
        vm.warp(T);
        euro = new PaymentToken(address(new GridtraceAccessManager(address(this))));
        escrow = new Escrow(IERC20(address(euro)));
        fund(100 * AMOUNT);
    }

    function fund(uint256 amount) internal {
        euro.mint(payer, amount);
        vm.prank(payer);
        euro.approve(address(escrow), type(uint256).max - 1);
    }

    function dealOf() internal view returns (IEscrow.Deal memory) {
        return IEscrow.Deal({
            payer: payer,
            payee: PAYEE,
            arbiter: ARBITER,
            amount: AMOUNT,
            deliverBy: DELIVER_BY,
            reviewSeconds: REVIEW,
            arbitrationSeconds: ARBITRATION,
            silenceBps: 5000,
            termsHash: keccak256("terms"),
            subject: keccak256("product"),
            salt: 0
        });
    }

    function openDeal() internal returns (IEscrow.Deal memory deal) {
        deal = dealOf();
        vm.prank(payer);
        escrow.open(deal);
    }

    function openReverts(IEscrow.Deal memory deal, bytes memory reason) internal {
        vm.expectRevert(reason);
        vm.prank(payer);
        escrow.open(deal);
    }

    function deliver(IEscrow.Deal memory deal) internal {
        vm.prank(PAYEE);
        escrow.declareDelivery(deal);
    }

    function dispute(address by, IEscrow.Deal memory deal) internal {
        vm.prank(by);
        escrow.dispute(deal, "statement");
    }

    function allowed(address by, bytes memory call_) internal {
        vm.prank(by);
        (bool ok,) = address(escrow).call(call_);
        assertTrue(ok, "refused");
    }

    function refused(address by, bytes memory call_, bytes memory reason) internal {
        vm.prank(by);
        (bool ok, bytes memory data) = address(escrow).call(call_);
        assertTrue(!ok, "allowed");
        assertEq(data, reason, "another error");
    }

    function wrongState(bytes32 dealId, IEscrow.State state) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IEscrow.WrongState.selector, dealId, state);
    }

    /// @dev Both collect what they have, and nothing else moves.
    function paidOut(IEscrow.Deal memory deal, uint256 toPayer, uint256 toPayee) internal {
        assertEq(escrow.heldOf(deal), deal.amount, "held");
        uint256[3] memory before =
            [euro.balanceOf(payer), euro.balanceOf(PAYEE), euro.balanceOf(address(escrow))];
        if (toPayee != 0) escrow.collect(deal, PAYEE);
        assertEq(escrow.heldOf(deal), toPayer, "held after the payee");
        if (toPayer != 0) escrow.collect(deal, payer);
        assertEq(escrow.heldOf(deal), 0, "nothing held");
        assertEq(euro.balanceOf(payer) - before[0], toPayer, "payer");
        assertEq(euro.balanceOf(PAYEE) - before[1], toPayee, "payee");
        assertEq(before[2] - euro.balanceOf(address(escrow)), deal.amount, "escrow");
    }
}
