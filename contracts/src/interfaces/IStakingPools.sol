// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Pools in which TRACE is staked for a fixed time at a fixed rate, paid in TRACE.
/// @notice A pool promises simple interest: `amount * apyBps / 10,000` a year of 365 days, second by second, until the
/// position's lock ends; then the position earns nothing until it is renewed. The whole promise is taken out of the
/// pool's funded reserve when it is made, so that it can always be paid; a stake beyond the reserve is refused. What a
/// pool promised does not depend on any other pool, on later stakes, or on anyone's later decision.
///
/// An account has one position a pool. Adding to it starts the lock anew for the whole position:
/// - while the lock runs, what was earned is carried over and stays subject to the new lock;
/// - after it, what was earned and not claimed becomes principal.
///
/// Rewards can be claimed at any time. Principal is withdrawn after the lock. Before, `emergencyExit` gives it back at
/// any time, less what was already paid of the running lock's rewards, so that who leaves early leaves with exactly
/// what he brought: the lock is the price of the reward, never a hold on the principal. Nothing here can be paused, and
/// no role can reach what was staked or promised.
/// @dev Units: TRACE with 18 decimals, rates in basis points, times in Unix seconds. Rounding is down to the claimer's
/// disadvantage; carrying over rounds by at most two seconds of the position's rate. Assumes that the token moves
/// exactly what it is asked for and calls nobody, as `TraceToken` does, and that there is less than 2^96 of it. Staked tokens have no votes.
interface IStakingPools {
    /// @notice What a pool promises; fixed when it is added, save `open`.
    /// @param apyBps Reward a year in basis points of the stake, at most 10,000.
    /// @param lockSeconds Length of the lock, at most 1,461 days.
    /// @param minStake A position is opened with this much at least.
    /// @param cap The most that may be staked in the pool in all.
    /// @param open Whether it takes stakes. Withdrawals are always possible.
    struct Pool {
        uint16 apyBps;
        uint32 lockSeconds;
        uint96 minStake;
        uint96 cap;
        bool open;
    }

    /// @notice One account's stake in one pool. Earned since `start`: simple interest on `amount`.
    /// @param amount Principal.
    /// @param start When the running lock's interest began; moves when a position is added to.
    /// @param paidUntil Interest from `start` until here was paid.
    /// @param unlockAt End of the lock and of the interest.
    /// @param apyBps The pool's rate.
    struct Position {
        uint96 amount;
        uint40 start;
        uint40 paidUntil;
        uint40 unlockAt;
        uint16 apyBps;
    }

    /* EVENTS */

    /// @notice A pool was added, open.
    event PoolAdded(uint32 indexed poolId, uint16 apyBps, uint32 lockSeconds, uint96 minStake, uint96 cap);
    /// @notice A pool was opened to or closed to new stakes.
    event PoolOpenSet(uint32 indexed poolId, bool open);
    /// @notice The pool's free reserve grew by `amount`, paid by `from`.
    event PoolFunded(uint32 indexed poolId, address indexed from, uint256 amount);
    /// @notice `amount` of the pool's free reserve was taken out to `to`.
    event PoolDefunded(uint32 indexed poolId, address indexed to, uint256 amount);
    /// @notice A position was opened, added to or renewed.
    /// @param amount What the account paid in.
    /// @param compounded Earned and unclaimed reward of the ended lock that became principal.
    /// @param start The position's new `start`.
    /// @param paidUntil The position's new `paidUntil`.
    /// @param unlockAt The position's new end of lock.
    event Staked(
        uint32 indexed poolId,
        address indexed account,
        uint256 amount,
        uint256 compounded,
        uint256 start,
        uint256 paidUntil,
        uint256 unlockAt
    );
    /// @notice Principal was paid out after the lock; the reward still unclaimed was paid too, see `RewardPaid`.
    event Withdrawn(uint32 indexed poolId, address indexed account, uint256 amount);
    /// @notice Reward was paid out.
    event RewardPaid(uint32 indexed poolId, address indexed account, uint256 reward);
    /// @notice A position was given up.
    /// @param amount Its principal.
    /// @param returned What was paid out: the principal less the rewards paid in a running lock.
    /// @param released What went back to the pool's free reserve: unpaid promises and `amount - returned`.
    event EmergencyExited(
        uint32 indexed poolId, address indexed account, uint256 amount, uint256 returned, uint256 released
    );

    /* ERRORS */

    /// @notice Thrown when a pool's parameters are out of range: rate 1 to 10,000, lock 1 second to 1,461 days, minimum
    /// above 0, cap at least the minimum.
    error BadPool(uint16 apyBps, uint32 lockSeconds, uint96 minStake, uint96 cap);
    /// @notice Thrown when there is no pool of this number.
    error UnknownPool(uint32 poolId);
    /// @notice Thrown when a pool takes no stakes.
    error PoolClosed(uint32 poolId);
    /// @notice Thrown when an amount is zero.
    error ZeroAmount();
    /// @notice Thrown when a position would be opened with less than the pool's minimum.
    error StakeTooSmall(uint32 poolId, uint256 amount, uint96 minStake);
    /// @notice Thrown when less room is left under the pool's cap than asked for.
    error PoolFull(uint32 poolId, uint256 room, uint256 asked);
    /// @notice Thrown when the free reserve does not cover the new promise, or what the treasury wants back.
    error ReserveTooSmall(uint32 poolId, uint256 free, uint256 needed);
    /// @notice Thrown when the position is locked.
    error StillLocked(uint32 poolId, address account, uint256 unlockAt);
    /// @notice Thrown when the position holds less than asked for.
    error InsufficientStake(uint32 poolId, address account, uint256 staked, uint256 asked);
    /// @notice Thrown when nothing was earned since the last claim.
    error NothingToClaim(uint32 poolId, address account);
    /// @notice Thrown when a pool's reserve would be paid in with less than was asked for. No pool takes stakes without a
    /// reserve, so a token that takes a fee of transfers cannot be staked.
    error UnexpectedTransfer(uint256 asked, uint256 received);

    /* POOLS */

    /// @notice Adds a pool, open and without reserve. Pool manager only.
    /// @return poolId Its number; pools are numbered from 0.
    function addPool(uint16 apyBps, uint32 lockSeconds, uint96 minStake, uint96 cap)
        external
        returns (uint32 poolId);

    /// @notice Opens or closes a pool to new stakes and renewals. Pool manager only. Claims and withdrawals go on.
    function setPoolOpen(uint32 poolId, bool open) external;

    /// @notice Adds `amount` of the caller's TRACE to the pool's free reserve. Anyone may.
    function fundPool(uint32 poolId, uint96 amount) external;

    /// @notice Pays `amount` of the pool's free reserve to `to`. Administrator only; what was promised is out of reach.
    function defundPool(uint32 poolId, address to, uint96 amount) external;

    /* POSITIONS */

    /// @notice Adds `amount` of the caller's TRACE to his position in the pool and starts its lock anew.
    function stake(uint32 poolId, uint96 amount) external;

    /// @notice As `stake`, by the caller's ERC-2612 permit for this contract over `amount`. A permit that somebody
    /// already handed to the token is no obstacle. Nobody can use it for the caller: a permit names no pool.
    function stakeWithPermit(uint32 poolId, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice As `stake` without new money: a new lock, what an ended one earned becoming principal.
    function renew(uint32 poolId) external;

    /// @notice Pays the caller what his position earned since the last claim.
    function claim(uint32 poolId) external;

    /// @notice Pays the caller `amount` of his principal and all unclaimed reward, once the lock has ended.
    function withdraw(uint32 poolId, uint96 amount) external;

    /// @notice Gives up the caller's position at any time: pays its principal, less what was paid of a running lock's
    /// rewards. Unpaid rewards are forgone; they go back to the free reserve.
    function emergencyExit(uint32 poolId) external;

    /* VIEWS */

    /// @notice How many pools there are.
    function poolCount() external view returns (uint32);

    /// @notice A pool's terms, what is staked in it, and what of its reserve is not promised to anyone.
    function poolOf(uint32 poolId) external view returns (Pool memory pool, uint256 staked, uint256 free);

    /// @notice An account's position, what it could claim now, and what is still reserved for it, claimable included.
    function positionOf(uint32 poolId, address account)
        external
        view
        returns (Position memory position, uint256 claimable, uint256 owed);
}
