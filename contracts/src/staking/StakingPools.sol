// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IStakingPools} from "../interfaces/IStakingPools.sol";
import {PositionWord} from "./PositionWord.sol";

/// @title Staking of TRACE.
/// @dev Tokens held = staked + free reserves + what is owed to positions. What is owed is never stored: a position says
/// it (`_owed`). State is written before tokens move, so there is no guard against re-entrancy.
contract StakingPools is IStakingPools, AccessManaged {
    using SafeERC20 for IERC20;
    using PositionWord for uint256;

    /// @dev What a stake reads and writes of a pool, in one storage slot.
    /// @param room What may still be staked: the cap less what is staked.
    /// @param free The part of the reserve that is not promised to anyone.
    struct Book {
        uint96 room;
        uint96 free;
        uint32 lockSeconds;
        uint16 apyBps;
        bool open;
    }

    /// @dev What else a pool's terms are.
    struct Limits {
        uint96 minStake;
        uint96 cap;
    }

    uint16 private constant MAX_APY_BPS = 10_000;
    uint32 private constant MAX_LOCK = 1461 days;

    /// @notice TRACE, staked and paid.
    IERC20 public immutable token;

    /// @inheritdoc IStakingPools
    uint32 public poolCount;

    mapping(uint32 poolId => Book) private _books;
    mapping(uint32 poolId => Limits) private _limits;

    /// @dev By pool and account, see `_keyOf`; packed as `PositionWord` says.
    mapping(uint256 key => uint256 word) private _positions;

    constructor(address authority, IERC20 token_) AccessManaged(authority) {
        token = token_;
    }

    /* POOLS */

    /// @inheritdoc IStakingPools
    function addPool(uint16 apyBps, uint32 lockSeconds, uint96 minStake, uint96 cap)
        external
        restricted
        returns (uint32 poolId)
    {
        if (
            apyBps == 0 || apyBps > MAX_APY_BPS || lockSeconds == 0 || lockSeconds > MAX_LOCK || minStake == 0
                || cap < minStake
        ) revert BadPool(apyBps, lockSeconds, minStake, cap);
        poolId = poolCount++;
        _books[poolId] = Book({room: cap, free: 0, lockSeconds: lockSeconds, apyBps: apyBps, open: true});
        _limits[poolId] = Limits({minStake: minStake, cap: cap});
        emit PoolAdded(poolId, apyBps, lockSeconds, minStake, cap);
    }

    /// @inheritdoc IStakingPools
    function setPoolOpen(uint32 poolId, bool open) external restricted {
        _requirePool(poolId);
        _books[poolId].open = open;
        emit PoolOpenSet(poolId, open);
    }

    /// @inheritdoc IStakingPools
    function fundPool(uint32 poolId, uint96 amount) external {
        _requirePool(poolId);
        if (amount == 0) revert ZeroAmount();
        _books[poolId].free += amount;
        emit PoolFunded(poolId, msg.sender, amount);

        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert UnexpectedTransfer(amount, received);
    }

    /// @inheritdoc IStakingPools
    function defundPool(uint32 poolId, address to, uint96 amount) external restricted {
        if (amount == 0) revert ZeroAmount();
        uint96 free = _books[poolId].free;
        if (free < amount) revert ReserveTooSmall(poolId, free, amount);
        _books[poolId].free = free - amount;
        emit PoolDefunded(poolId, to, amount);
        token.safeTransfer(to, amount);
    }

    /* POSITIONS */

    /// @inheritdoc IStakingPools
    function stake(uint32 poolId, uint96 amount) external {
        if (amount == 0) revert ZeroAmount();
        _stake(poolId, amount);
    }

    /// @inheritdoc IStakingPools
    function stakeWithPermit(uint32 poolId, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        if (amount == 0) revert ZeroAmount();
        try IERC20Permit(address(token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {}
            catch {} // Handed in before by another: then the allowance is there, and the caller is its owner.
        _stake(poolId, amount);
    }

    /// @inheritdoc IStakingPools
    function renew(uint32 poolId) external {
        _stake(poolId, 0);
    }

    /// @inheritdoc IStakingPools
    function claim(uint32 poolId) external {
        uint256 key = _keyOf(poolId, msg.sender);
        uint256 position = _positions[key];
        uint256 until = position.earningUntil();
        uint256 reward = position.unpaidDown(until);
        if (reward == 0) revert NothingToClaim(poolId, msg.sender);
        _positions[key] = position.withPaidUntil(until);
        emit RewardPaid(poolId, msg.sender, reward);
        token.safeTransfer(msg.sender, reward);
    }

    /// @inheritdoc IStakingPools
    function withdraw(uint32 poolId, uint96 amount) external {
        uint256 key = _keyOf(poolId, msg.sender);
        uint256 position = _positions[key];
        uint256 staked = position.amount();
        if (amount == 0) revert ZeroAmount();
        if (staked < amount) revert InsufficientStake(poolId, msg.sender, staked, amount);
        if (block.timestamp < position.unlockAt()) {
            revert StillLocked(poolId, msg.sender, position.unlockAt());
        }
        uint256 reward = position.owed();
        _positions[key] = staked == amount ? 0 : position.withPaidUntil(position.unlockAt()) - amount;
        _books[poolId].room += amount;
        emit Withdrawn(poolId, msg.sender, amount);
        if (reward != 0) emit RewardPaid(poolId, msg.sender, reward);
        token.safeTransfer(msg.sender, amount + reward);
    }

    /// @inheritdoc IStakingPools
    function emergencyExit(uint32 poolId) external {
        uint256 key = _keyOf(poolId, msg.sender);
        uint256 position = _positions[key];
        uint256 amount = position.amount();
        if (amount == 0) revert InsufficientStake(poolId, msg.sender, 0, 1);
        uint256 kept = block.timestamp < position.unlockAt() ? Math.min(amount, position.paidDown()) : 0;
        uint256 released = position.owed() + kept;
        _positions[key] = 0;
        Book storage book = _books[poolId];
        (book.room, book.free) = (book.room + uint96(amount), book.free + uint96(released));
        emit EmergencyExited(poolId, msg.sender, amount, amount - kept, released);
        token.safeTransfer(msg.sender, amount - kept);
    }

    /* VIEWS */

    /// @inheritdoc IStakingPools
    function poolOf(uint32 poolId) external view returns (Pool memory pool, uint256 staked, uint256 free) {
        Book memory book = _books[poolId];
        Limits memory limits = _limits[poolId];
        pool = Pool(book.apyBps, book.lockSeconds, limits.minStake, limits.cap, book.open);
        return (pool, limits.cap - book.room, book.free);
    }

    /// @inheritdoc IStakingPools
    function positionOf(uint32 poolId, address account)
        external
        view
        returns (Position memory position, uint256 claimable, uint256 owed)
    {
        uint256 word = _positions[_keyOf(poolId, account)];
        position = Position({
            amount: uint96(word.amount()),
            start: uint40(word.start()),
            paidUntil: uint40(word.paidUntil()),
            unlockAt: uint40(word.unlockAt()),
            apyBps: uint16(word.apyBps())
        });
        return (position, word.unpaidDown(word.earningUntil()), word.owed());
    }

    /* INTERNALS */

    /// @dev Takes `amount` from the caller into his position, locks it anew and reserves what the lock will earn.
    function _stake(uint32 poolId, uint256 amount) private {
        Book memory book = _books[poolId];
        if (!book.open) {
            _requirePool(poolId);
            revert PoolClosed(poolId);
        }
        uint256 key = _keyOf(poolId, msg.sender);
        uint256 position = _positions[key];
        if (position == 0 && amount < _limits[poolId].minStake) {
            revert StakeTooSmall(poolId, amount, _limits[poolId].minStake);
        }
        uint256 compounded;
        uint256 owedBefore = position.owed();
        (position, compounded) = _lockedAnew(position, amount, book.apyBps, book.lockSeconds);
        uint256 owedAfter = position.owed();

        unchecked {
            // All of these are amounts of TRACE, of which there are less than 2^96, or differences just compared.
            uint256 added = amount + compounded;
            if (added > book.room) revert PoolFull(poolId, book.room, added);
            uint256 available = book.free + owedBefore - compounded;
            if (owedAfter > available) revert ReserveTooSmall(poolId, available, owedAfter);
            (book.room, book.free) = (uint96(book.room - added), uint96(available - owedAfter));
        }
        _books[poolId] = book;
        _positions[key] = position;
        emit Staked(
            poolId,
            msg.sender,
            amount,
            compounded,
            position.start(),
            position.paidUntil(),
            position.unlockAt()
        );
        if (amount != 0) token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @dev The position with `amount` more and a new lock. In a running lock, `start` and `paidUntil` move so that on the
    /// new principal the same was paid and no more was earned: time paid is rounded up, time earned down. After a lock,
    /// what it still owed becomes principal.
    function _lockedAnew(uint256 position, uint256 amount, uint256 apyBps, uint256 lockSeconds)
        private
        view
        returns (uint256 locked, uint256 compounded)
    {
        unchecked {
            uint256 paidUntil = block.timestamp;
            uint256 start = block.timestamp;
            uint256 principal = position.amount() + amount;
            if (block.timestamp < position.unlockAt()) {
                uint256 rate = principal * apyBps;
                paidUntil -= position.unpaidDown(block.timestamp) * PositionWord.YEAR_BPS / rate;
                start = paidUntil - Math.ceilDiv(position.paidDown() * PositionWord.YEAR_BPS, rate);
            } else {
                compounded = position.owed();
                principal += compounded;
            }
            locked = PositionWord.pack(principal, start, paidUntil, block.timestamp + lockSeconds, apyBps);
        }
    }

    function _keyOf(uint32 poolId, address account) private pure returns (uint256) {
        return uint256(poolId) << 160 | uint160(account);
    }

    function _requirePool(uint32 poolId) private view {
        if (poolId >= poolCount) revert UnknownPool(poolId);
    }
}
