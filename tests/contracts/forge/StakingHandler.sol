// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IStakingPools} from "../../../contracts/src/interfaces/IStakingPools.sol";
import {StakingBase} from "./StakingBase.sol";
import {skip, timeNow} from "./Time.sol";

/// @notice Random life of the pools: three people, the pool manager, the treasury. It keeps its own sums of what
/// everyone put in, got out and could at most have earned.
contract StakingHandler is StakingBase {
    uint32 internal constant POOLS = 3;

    address[3] internal people;

    /// @notice What each person paid in, less what he was paid, since his position was last empty.
    mapping(uint32 poolId => mapping(address account => int256)) internal net;

    /// @notice Rewards of ended locks, paid out or turned into principal, since his position was last empty.
    mapping(uint32 poolId => mapping(address account => uint256)) internal vested;

    /// @notice Rewards paid in the running lock.
    mapping(uint32 poolId => mapping(address account => uint256)) internal running;

    uint256 public donated;
    uint256 public staked;
    uint256 public claims;
    uint256 public withdrawals;
    uint256 public exits;
    uint256 public refused;
    uint256 public lockedWithdrawals;
    uint256 public gainfulExits;

    constructor() {
        setUp();
        people = [anna, BEN, CLEO];
        addPool(10_000, 365 days, 1, 1_000_000e18, 500_000e18);
    }

    /* PEOPLE */

    function stake(uint256 who, uint32 poolId, uint96 amount) external {
        (address account, uint32 pool) = pick(who, poolId);
        amount = uint96(bound(amount, 1, 20_000e18));
        uint256 claimable = claimableOf(account, pool);
        bool matured = unlockedAt(account, pool) <= timeNow();
        vm.prank(account);
        try pools.stake(pool, amount) {
            ++staked;
            net[pool][account] += int256(uint256(amount));
            if (matured) vest(account, pool, claimable);
        } catch {
            ++refused;
        }
    }

    function renew(uint256 who, uint32 poolId) external {
        (address account, uint32 pool) = pick(who, poolId);
        uint256 claimable = claimableOf(account, pool);
        bool matured = unlockedAt(account, pool) <= timeNow();
        vm.prank(account);
        try pools.renew(pool) {
            if (matured) vest(account, pool, claimable);
        } catch {
            ++refused;
        }
    }

    function claim(uint256 who, uint32 poolId) external {
        (address account, uint32 pool) = pick(who, poolId);
        if (claimableOf(account, pool) == 0) return;
        uint256 paid = claim(account, pool);
        ++claims;
        net[pool][account] -= int256(paid);
        if (unlockedAt(account, pool) <= timeNow()) vest(account, pool, paid);
        else running[pool][account] += paid;
    }

    function withdraw(uint256 who, uint32 poolId, uint96 amount) external {
        (address account, uint32 pool) = pick(who, poolId);
        uint96 principal = principalOf(account, pool);
        if (principal == 0) return;
        amount = uint96(bound(amount, 1, principal));
        if (unlockedAt(account, pool) > timeNow()) {
            vm.prank(account);
            try pools.withdraw(pool, amount) {
                ++lockedWithdrawals;
            } catch {
                ++refused;
            }
            return;
        }
        uint256 reward = owedTo(account, pool);
        uint256 paid = withdraw(account, pool, amount);
        ++withdrawals;
        assertEq(paid, amount + reward, "principal and reward");
        vest(account, pool, reward);
        net[pool][account] -= int256(paid);
        if (amount == principal) forget(account, pool);
    }

    function emergencyExit(uint256 who, uint32 poolId) external {
        (address account, uint32 pool) = pick(who, poolId);
        if (principalOf(account, pool) == 0) return;
        bool locked = unlockedAt(account, pool) > timeNow();
        uint256 principal = principalOf(account, pool);
        uint256 paidInLock = running[pool][account];
        uint256 paid = emergencyExit(account, pool);
        ++exits;
        // Nothing of a running lock, save what was paid beyond all principal in a lock renewed again and again.
        uint256 most = vested[pool][account] + (paidInLock > principal ? paidInLock - principal : 0);
        if (locked && int256(paid) - net[pool][account] > int256(most)) ++gainfulExits;
        forget(account, pool);
    }

    function vest(address account, uint32 pool, uint256 reward) private {
        vested[pool][account] += reward + running[pool][account];
        running[pool][account] = 0;
    }

    function forget(address account, uint32 pool) private {
        (net[pool][account], vested[pool][account], running[pool][account]) = (0, 0, 0);
    }

    /* OTHERS */

    function fund(uint32 poolId, uint96 amount) external {
        pools.fundPool(poolId % POOLS, uint96(bound(amount, 1, 1000e18)));
    }

    function defund(uint32 poolId, uint96 amount) external {
        uint256 free = freeOf(poolId % POOLS);
        if (free != 0) pools.defundPool(poolId % POOLS, address(0x7ea), uint96(bound(amount, 1, free)));
    }

    function toggle(uint32 poolId, bool open) external {
        vm.prank(MANAGER);
        pools.setPoolOpen(poolId % POOLS, open);
    }

    function donate(uint96 amount) external {
        uint256 given = bound(amount, 0, 1e18);
        trace.transfer(address(pools), given);
        donated += given;
    }

    function wait(uint32 time) external {
        skip(bound(time, 1, 100 days));
    }

    /* WHAT THE INVARIANTS ASK */

    /// @notice Tokens held, and what the books say must be held.
    function sums() external view returns (uint256 held, uint256 booked) {
        held = trace.balanceOf(address(pools));
        for (uint32 pool; pool < POOLS; ++pool) {
            booked += stakedIn(pool) + freeOf(pool);
            for (uint256 i; i < people.length; ++i) {
                booked += owedTo(people[i], pool);
            }
        }
    }

    /// @notice Whether each pool's stake is the sum of its positions.
    function stakesAddUp() external view returns (bool) {
        for (uint32 pool; pool < POOLS; ++pool) {
            uint256 sum;
            for (uint256 i; i < people.length; ++i) {
                sum += principalOf(people[i], pool);
            }
            if (sum != stakedIn(pool)) return false;
        }
        return true;
    }

    /// @notice How many of the positions cannot be closed: by emergency exit now, by withdrawal at the end of the lock.
    function stuckPositions() external returns (uint256 stuck) {
        for (uint32 pool; pool < POOLS; ++pool) {
            for (uint256 i; i < people.length; ++i) {
                uint96 principal = principalOf(people[i], pool);
                if (principal == 0) continue;
                uint256 snapshot = vm.snapshotState();
                if (!closes(people[i], abi.encodeCall(pools.emergencyExit, (pool)), 0)) ++stuck;
                vm.revertToState(snapshot);
                snapshot = vm.snapshotState();
                if (unlockedAt(people[i], pool) > timeNow()) vm.warp(unlockedAt(people[i], pool));
                uint256 due = principal + owedTo(people[i], pool);
                if (!closes(people[i], abi.encodeCall(pools.withdraw, (pool, principal)), due)) ++stuck;
                vm.revertToState(snapshot);
            }
        }
    }

    function closes(address account, bytes memory call_, uint256 due) private returns (bool) {
        uint256 before = trace.balanceOf(account);
        vm.prank(account);
        (bool ok,) = address(pools).call(call_);
        return ok && (due == 0 || trace.balanceOf(account) - before == due);
    }

    function unlockedAt(address account, uint32 pool) internal view returns (uint256) {
        (IStakingPools.Position memory position,,) = pools.positionOf(pool, account);
        return position.unlockAt;
    }

    function pick(uint256 who, uint32 poolId) private view returns (address, uint32) {
        return (people[who % people.length], poolId % POOLS);
    }
}
