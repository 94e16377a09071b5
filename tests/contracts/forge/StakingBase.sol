// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IStakingPools} from "../../../contracts/src/interfaces/IStakingPools.sol";
import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {Roles} from "../../../contracts/src/registry/Roles.sol";
import {StakingPools} from "../../../contracts/src/staking/StakingPools.sol";
import {TraceToken} from "../../../contracts/src/token/TraceToken.sol";
import {Base} from "./Base.sol";

/// @notice TRACE and two pools: 12 % for 90 days and 5 % for 30 days, each with a reserve.
abstract contract StakingBase is Base {
    uint64 internal constant T = 1_800_000_000;
    uint16 internal constant APY = 1200;
    uint32 internal constant LOCK = 90 days;
    uint96 internal constant MIN = 10e18;
    uint96 internal constant CAP = 1_000_000e18;
    uint96 internal constant RESERVE = 10_000e18;
    uint256 internal constant YEAR_BPS = 10_000 * 365 days;

    uint256 internal constant ANNA_KEY = 0xa11a;
    address internal constant MANAGER = address(0x9001);
    address internal constant BEN = address(0xbe9);
    address internal constant CLEO = address(0xc1e0);
    address internal constant STRANGER = address(0x57a);
    address internal anna = vm.addr(ANNA_KEY);

    GridtraceAccessManager internal manager;
    TraceToken internal trace;
    StakingPools internal pools;

    function setUp() public virtual {
        vm.warp(T);
        manager = new GridtraceAccessManager(address(this));
        trace = new TraceToken(address(manager), address(this), 100_000_000e18, 1_000_000_000e18);
        pools = new StakingPools(address(manager), IERC20(address(trace)));
        bytes4[] memory selectors = new bytes4[](2);
        (selectors[0], selectors[1]) = (IStakingPools.addPool.selector, IStakingPools.setPoolOpen.selector);
        manager.setTargetFunctionRole(address(pools), selectors, Roles.POOL_MANAGER);
        manager.grantRole(Roles.POOL_MANAGER, MANAGER, 0);
        trace.approve(address(pools), type(uint256).max);
        addPool(APY, LOCK, MIN, CAP, RESERVE);
        addPool(500, 30 days, 1e18, 50_000e18, 100e18);
        give(anna, 1_000_000e18);
        give(BEN, 1_000_000e18);
        give(CLEO, 1_000_000e18);
    }

    function addPool(uint16 apyBps, uint32 lock, uint96 minStake, uint96 cap, uint96 reserve)
        internal
        returns (uint32 poolId)
    {
        vm.prank(MANAGER);
        poolId = pools.addPool(apyBps, lock, minStake, cap);
        if (reserve != 0) pools.fundPool(poolId, reserve);
    }

    /// @dev A finite allowance, so that staking spends it as it does in practice.
    function give(address account, uint256 amount) internal {
        trace.transfer(account, amount);
        vm.prank(account);
        trace.approve(address(pools), 1e30);
    }

    function stake(address account, uint32 poolId, uint96 amount) internal {
        vm.prank(account);
        pools.stake(poolId, amount);
    }

    function claim(address account, uint32 poolId) internal returns (uint256 paid) {
        uint256 before = trace.balanceOf(account);
        vm.prank(account);
        pools.claim(poolId);
        return trace.balanceOf(account) - before;
    }

    function withdraw(address account, uint32 poolId, uint96 amount) internal returns (uint256 paid) {
        uint256 before = trace.balanceOf(account);
        vm.prank(account);
        pools.withdraw(poolId, amount);
        return trace.balanceOf(account) - before;
    }

    function emergencyExit(address account, uint32 poolId) internal returns (uint256 paid) {
        uint256 before = trace.balanceOf(account);
        vm.prank(account);
        pools.emergencyExit(poolId);
        return trace.balanceOf(account) - before;
    }

    function principalOf(address account, uint32 poolId) internal view returns (uint96) {
        (IStakingPools.Position memory position,,) = pools.positionOf(poolId, account);
        return position.amount;
    }

    function claimableOf(address account, uint32 poolId) internal view returns (uint256 claimable) {
        (, claimable,) = pools.positionOf(poolId, account);
    }

    function owedTo(address account, uint32 poolId) internal view returns (uint256 owed) {
        (,, owed) = pools.positionOf(poolId, account);
    }

    function freeOf(uint32 poolId) internal view returns (uint256 free) {
        (,, free) = pools.poolOf(poolId);
    }

    function stakedIn(uint32 poolId) internal view returns (uint256 staked) {
        (, staked,) = pools.poolOf(poolId);
    }

    function interest(uint256 amount, uint256 apyBps, uint256 time) internal pure returns (uint256) {
        return amount * apyBps * time / YEAR_BPS;
    }
}
