// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IEscrow} from "../interfaces/IEscrow.sol";

/// @title Escrow of the payment token.
contract Escrow is IEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint40 private constant MAX_DELIVERY = 5 * 365 days;
    uint32 private constant MAX_PERIOD = 365 days;
    uint16 private constant ALL_BPS = 10_000;

    IERC20 private immutable _token;

    mapping(bytes32 dealId => Status) private _deals;

    constructor(IERC20 paymentToken_) {
        _token = paymentToken_;
    }

    /* OPENING */

    /// @inheritdoc IEscrow
    function open(Deal calldata deal) external nonReentrant returns (bytes32 dealId) {
        return _open(deal);
    }

    /// @inheritdoc IEscrow
    function openWithPermit(Deal calldata deal, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        returns (bytes32 dealId)
    {
        try IERC20Permit(address(_token)).permit(msg.sender, address(this), deal.amount, deadline, v, r, s) {}
            catch {} // Handed in before by another: then the allowance is there, and the caller is its owner.
        return _open(deal);
    }

    /* WHILE IT LASTS */

    /// @inheritdoc IEscrow
    function declareDelivery(Deal calldata deal) external {
        (bytes32 dealId, Status storage status) = _find(deal);
        if (status.state != State.Open) revert WrongState(dealId, status.state);
        if (msg.sender != deal.payee) revert NotAllowed(dealId, msg.sender, 0);
        if (block.timestamp > deal.deliverBy) revert TooLate(dealId, deal.deliverBy);
        (status.state, status.since) = (State.Delivered, uint40(block.timestamp));
        emit DeliveryDeclared(dealId, uint40(block.timestamp) + deal.reviewSeconds);
    }

    /// @inheritdoc IEscrow
    function release(Deal calldata deal) external {
        (bytes32 dealId, Status storage status) = _find(deal);
        uint256 deadline = _undisputed(deal, dealId, status);
        if (msg.sender != deal.payer) {
            _requireTimeOut(dealId, status.state == State.Delivered ? deadline : 0);
        }
        (status.state, status.payeeShare) = (State.Released, deal.amount);
        emit Released(dealId, msg.sender, deal.amount);
    }

    /// @inheritdoc IEscrow
    function refund(Deal calldata deal) external {
        (bytes32 dealId, Status storage status) = _find(deal);
        uint256 deadline = _undisputed(deal, dealId, status);
        if (msg.sender != deal.payee) _requireTimeOut(dealId, status.state == State.Open ? deadline : 0);
        status.state = State.Refunded;
        emit Refunded(dealId, msg.sender, deal.amount);
    }

    /* DISPUTES */

    /// @inheritdoc IEscrow
    function dispute(Deal calldata deal, bytes32 reason) external {
        (bytes32 dealId, Status storage status) = _find(deal);
        uint256 deadline = _undisputed(deal, dealId, status);
        if (msg.sender != deal.payer && msg.sender != deal.payee) {
            revert NotAllowed(dealId, msg.sender, 0);
        }
        if (block.timestamp > deadline) revert TooLate(dealId, deadline);
        (status.state, status.since) = (State.Disputed, uint40(block.timestamp));
        emit DisputeRaised(dealId, msg.sender, reason, uint40(block.timestamp) + deal.arbitrationSeconds);
    }

    /// @inheritdoc IEscrow
    function resolve(Deal calldata deal, uint96 payeeShare) external {
        (bytes32 dealId, Status storage status) = _find(deal);
        uint256 deadline = _disputed(deal, dealId, status);
        if (msg.sender != deal.arbiter) revert NotAllowed(dealId, msg.sender, 0);
        if (block.timestamp > deadline) revert TooLate(dealId, deadline);
        if (payeeShare > deal.amount) revert ShareTooLarge(payeeShare, deal.amount);
        _resolve(deal, dealId, status, payeeShare);
    }

    /// @inheritdoc IEscrow
    function concede(Deal calldata deal) external {
        (bytes32 dealId, Status storage status) = _find(deal);
        _disputed(deal, dealId, status);
        if (msg.sender != deal.payer && msg.sender != deal.payee) {
            revert NotAllowed(dealId, msg.sender, 0);
        }
        _resolve(deal, dealId, status, msg.sender == deal.payer ? deal.amount : 0);
    }

    /// @inheritdoc IEscrow
    function resolveBySilence(Deal calldata deal) external {
        (bytes32 dealId, Status storage status) = _find(deal);
        _requireTimeOut(dealId, _disputed(deal, dealId, status));
        _resolve(deal, dealId, status, uint96(uint256(deal.amount) * deal.silenceBps / ALL_BPS));
    }

    /* PAYING OUT */

    /// @inheritdoc IEscrow
    function collect(Deal calldata deal, address account) external nonReentrant {
        (bytes32 dealId, Status storage status) = _find(deal);
        if (status.state < State.Released) revert WrongState(dealId, status.state);
        uint256 share;
        if (account == deal.payee && !status.payeePaid) {
            (share, status.payeePaid) = (status.payeeShare, true);
        } else if (account == deal.payer && !status.payerPaid) {
            (share, status.payerPaid) = (deal.amount - status.payeeShare, true);
        }
        if (share == 0) revert NothingToCollect(dealId, account);
        emit Collected(dealId, account, share);
        _token.safeTransfer(account, share);
    }

    /* VIEWS */

    /// @inheritdoc IEscrow
    function paymentToken() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IEscrow
    function dealIdOf(Deal calldata deal) public pure returns (bytes32) {
        return keccak256(abi.encode(deal));
    }

    /// @inheritdoc IEscrow
    function statusOf(bytes32 dealId) external view returns (Status memory) {
        return _deals[dealId];
    }

    /// @inheritdoc IEscrow
    function heldOf(Deal calldata deal) external view returns (uint256 held) {
        Status memory status = _deals[dealIdOf(deal)];
        if (status.state == State.None) return 0;
        held = deal.amount;
        if (status.payeePaid) held -= status.payeeShare;
        if (status.payerPaid) held -= deal.amount - status.payeeShare;
    }

    /* INTERNALS */

    function _open(Deal calldata deal) private returns (bytes32 dealId) {
        _requireSound(deal);
        dealId = dealIdOf(deal);
        if (msg.sender != deal.payer) revert NotAllowed(dealId, msg.sender, 0);
        if (_deals[dealId].state != State.None) revert DealExists(dealId);
        Status storage status = _deals[dealId];
        (status.state, status.since) = (State.Open, uint40(block.timestamp));
        emit DealOpened(
            dealId,
            deal.payer,
            deal.payee,
            deal.arbiter,
            deal.amount,
            deal.deliverBy,
            deal.reviewSeconds,
            deal.arbitrationSeconds,
            deal.silenceBps,
            deal.termsHash,
            deal.subject,
            deal.salt
        );

        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), deal.amount);
        uint256 received = _token.balanceOf(address(this)) - before;
        if (received != deal.amount) revert UnexpectedTransfer(deal.amount, received);
    }

    function _requireSound(Deal calldata deal) private view {
        address payee = deal.payee;
        address arbiter = deal.arbiter;
        if (
            payee == address(0) || payee == address(this) || payee == address(_token) || payee == deal.payer
                || arbiter == address(0) || arbiter == deal.payer || arbiter == payee
        ) revert BadParties(deal.payer, payee, arbiter);
        if (deal.amount == 0) revert ZeroAmount();
        if (
            deal.deliverBy < block.timestamp || deal.deliverBy > block.timestamp + MAX_DELIVERY
                || deal.reviewSeconds == 0 || deal.reviewSeconds > MAX_PERIOD || deal.arbitrationSeconds == 0
                || deal.arbitrationSeconds > MAX_PERIOD
        ) revert BadTimes(deal.deliverBy, deal.reviewSeconds, deal.arbitrationSeconds);
        if (deal.silenceBps > ALL_BPS) revert ShareTooLarge(deal.silenceBps, ALL_BPS);
    }

    function _find(Deal calldata deal) private view returns (bytes32 dealId, Status storage status) {
        dealId = dealIdOf(deal);
        status = _deals[dealId];
    }

    /// @dev Until when the payee may deliver or, once he did, either may dispute. Reverts unless open or delivered.
    function _undisputed(Deal calldata deal, bytes32 dealId, Status storage status)
        private
        view
        returns (uint256 deadline)
    {
        State state = status.state;
        if (state == State.Open) return deal.deliverBy;
        if (state == State.Delivered) return uint256(status.since) + deal.reviewSeconds;
        revert WrongState(dealId, state);
    }

    /// @dev Until when the arbiter may decide. Reverts unless disputed.
    function _disputed(Deal calldata deal, bytes32 dealId, Status storage status)
        private
        view
        returns (uint256 deadline)
    {
        if (status.state != State.Disputed) revert WrongState(dealId, status.state);
        return uint256(status.since) + deal.arbitrationSeconds;
    }

    /// @dev Lets anyone act after `deadline`; nobody if it is zero.
    function _requireTimeOut(bytes32 dealId, uint256 deadline) private view {
        if (deadline == 0 || block.timestamp <= deadline) revert NotAllowed(dealId, msg.sender, deadline);
    }

    function _resolve(Deal calldata deal, bytes32 dealId, Status storage status, uint96 payeeShare) private {
        (status.state, status.payeeShare) = (State.Resolved, payeeShare);
        emit DisputeResolved(dealId, msg.sender, payeeShare, deal.amount - payeeShare);
    }
}
