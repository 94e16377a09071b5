// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IEscrow} from "../../../contracts/src/interfaces/IEscrow.sol";
import {EscrowBase} from "./EscrowBase.sol";
import {skip, timeNow} from "./Time.sol";

/// @notice Random life of many deals: anyone tries any step on any of them. It notes what each deal paid to whom, and
/// every state a deal went through.
contract EscrowHandler is EscrowBase {
    struct Known {
        IEscrow.Deal deal;
        IEscrow.State state;
        uint256 paidPayer;
        uint256 paidPayee;
    }

    Known[] internal deals;

    uint256 public donated;
    uint256 public forbiddenTransitions;
    uint256 public wrongCallers;
    uint256 public steps;
    mapping(IEscrow.State state => uint256 count) public reached;

    constructor() {
        setUp();
        fund(1e24);
    }

    function open(uint96 amount, uint16 bps, uint32 times) external {
        IEscrow.Deal memory deal = dealOf();
        deal.amount = uint96(bound(amount, 1, 1e12));
        deal.silenceBps = bps % 10_001;
        deal.deliverBy = uint40(timeNow() + times % 60 days);
        deal.reviewSeconds = 1 + times % 14 days;
        deal.arbitrationSeconds = 1 + times % 21 days;
        deal.salt = bytes32(deals.length);
        vm.prank(payer);
        escrow.open(deal);
        deals.push();
        (deals[deals.length - 1].deal, deals[deals.length - 1].state) = (deal, IEscrow.State.Open);
    }

    function step(uint256 which, uint256 who, uint8 what, uint96 share) external {
        if (deals.length == 0) return;
        Known storage known = deals[which % deals.length];
        IEscrow.Deal memory deal = known.deal;
        address by = [payer, PAYEE, ARBITER, STRANGER][who % 4];
        bytes[7] memory calls = [
            abi.encodeCall(escrow.declareDelivery, (deal)),
            abi.encodeCall(escrow.release, (deal)),
            abi.encodeCall(escrow.refund, (deal)),
            abi.encodeCall(escrow.dispute, (deal, "")),
            abi.encodeCall(escrow.resolve, (deal, share % (deal.amount + 2))),
            abi.encodeCall(escrow.concede, (deal)),
            abi.encodeCall(escrow.resolveBySilence, (deal))
        ];
        vm.prank(by);
        (bool ok,) = address(escrow).call(calls[what % 7]);
        IEscrow.State state = escrow.statusOf(escrow.dealIdOf(deal)).state;
        if (ok) {
            ++steps;
            if (!mayGo(known.state, state)) ++forbiddenTransitions;
            if (!mayAct(known.state, what % 7, by)) ++wrongCallers;
        } else if (state != known.state) {
            ++forbiddenTransitions;
        }
        known.state = state;
        ++reached[state];
    }

    function collect(uint256 which, uint256 who) external {
        if (deals.length == 0) return;
        Known storage known = deals[which % deals.length];
        address account = [payer, PAYEE, ARBITER, STRANGER][who % 4];
        uint256 before = euro.balanceOf(account);
        vm.prank(STRANGER);
        try escrow.collect(known.deal, account) {
            uint256 paid = euro.balanceOf(account) - before;
            if (account == payer) known.paidPayer += paid;
            if (account == PAYEE) known.paidPayee += paid;
        } catch {}
    }

    function wait(uint32 time) external {
        skip(time % 10 days);
    }

    function donate(uint96 amount) external {
        uint256 given = bound(amount, 0, 1e6);
        euro.mint(address(escrow), given);
        donated += given;
    }

    /* WHAT THE INVARIANTS ASK */

    /// @notice How many deals do not keep: paid out + held = deposited.
    function unbalanced() external view returns (uint256 count) {
        for (uint256 i; i < deals.length; ++i) {
            Known storage known = deals[i];
            uint256 held = escrow.heldOf(known.deal);
            if (known.paidPayer + known.paidPayee + held != known.deal.amount) ++count;
        }
    }

    /// @notice Tokens held, and the sum of what deals hold.
    function sums() external view returns (uint256 held, uint256 booked) {
        held = euro.balanceOf(address(escrow));
        for (uint256 i; i < deals.length; ++i) {
            booked += escrow.heldOf(deals[i].deal);
        }
    }

    /// @notice What accounts that are party to no deal hold.
    function strayed() external view returns (uint256) {
        return euro.balanceOf(ARBITER) + euro.balanceOf(STRANGER);
    }

    /// @notice How many deals would hang if everybody but a stranger fell silent.
    function hanging() external returns (uint256 count) {
        for (uint256 i; i < deals.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            skip(61 days);
            bytes[3] memory calls = [
                abi.encodeCall(escrow.release, (deals[i].deal)),
                abi.encodeCall(escrow.refund, (deals[i].deal)),
                abi.encodeCall(escrow.resolveBySilence, (deals[i].deal))
            ];
            for (uint256 j; j < calls.length; ++j) {
                vm.prank(STRANGER);
                (bool ok,) = address(escrow).call(calls[j]);
                if (ok) break;
            }
            if (escrow.statusOf(escrow.dealIdOf(deals[i].deal)).state < IEscrow.State.Released) ++count;
            vm.revertToState(snapshot);
        }
    }

    function mayGo(IEscrow.State from, IEscrow.State to) private pure returns (bool) {
        if (from == IEscrow.State.Open) {
            return to != IEscrow.State.None && to != IEscrow.State.Open && to != IEscrow.State.Resolved;
        }
        if (from == IEscrow.State.Delivered) {
            return
                to == IEscrow.State.Disputed || to == IEscrow.State.Released || to == IEscrow.State.Refunded;
        }
        return from == IEscrow.State.Disputed && to == IEscrow.State.Resolved;
    }

    /// @dev Strangers act by time-out only, the arbiter by `resolve` or as a stranger.
    function mayAct(IEscrow.State from, uint8 what, address by) private view returns (bool) {
        if (what == 0) return by == PAYEE;
        if (what == 1) return by == payer || from == IEscrow.State.Delivered;
        if (what == 2) return by == PAYEE || from == IEscrow.State.Open;
        if (what == 3 || what == 5) return by == payer || by == PAYEE;
        return what == 6 || by == ARBITER;
    }
}
