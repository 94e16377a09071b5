// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {StakingBase} from "./StakingBase.sol";

/// @notice Gas of whole transactions, intrinsic gas and calldata included, on cold storage, in the steady state: the
/// account has a position and tokens, and its allowance is finite. contracts/README.md keeps the figures.
/// forge-config: default.isolate = true
contract StakingGasTest is StakingBase {
    event log_named_uint(string key, uint256 val); // forge prints it;

    function setUp() public override {
        super.setUp();
        stake(BEN, 0, 500e18);
        stake(anna, 0, 100e18 + 12_345);
        vm.warp(T + 10 days);
    }

    function test_gas_stake__into_a_running_lock__within_bar() public {
        claim(anna, 0);
        vm.warp(T + 20 days);
        stake(anna, 0, 123_456_789_012_345_678_901);
        check("stake, running lock", 59_000);
    }

    function test_gas_stake__after_a_lock__within_bar() public {
        vm.warp(T + LOCK);
        stake(anna, 0, 123_456_789_012_345_678_901);
        check("stake, after a lock", 58_500);
    }

    function test_gas_stake__permit_or_first_time__within_bar() public {
        stake(CLEO, 0, 123_456_789_012_345_678_901);
        check("stake, an account's first", 77_800);
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                anna,
                address(pools),
                123e18,
                0,
                T * 2
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(ANNA_KEY, keccak256(abi.encodePacked(hex"1901", trace.DOMAIN_SEPARATOR(), hash)));
        vm.prank(anna);
        pools.stakeWithPermit(0, 123e18, T * 2, v, r, s);
        check("stakeWithPermit, an account's first permit", 85_200);
    }

    function test_gas_claim__second__within_bar() public {
        claim(anna, 0);
        vm.warp(T + 20 days);
        vm.prank(anna);
        pools.claim(0);
        check("claim", 44_800);
    }

    function test_gas_withdraw__part_with_reward__within_bar() public {
        vm.warp(T + LOCK);
        vm.prank(anna);
        pools.withdraw(0, 40e18 + 123);
        check("withdraw, part, with reward", 52_500);
        vm.prank(anna);
        pools.withdraw(0, 10e18 + 123);
        check("withdraw, part", 50_700);
        uint96 rest = principalOf(anna, 0);
        vm.prank(anna);
        pools.withdraw(0, rest);
        check("withdraw, all", 45_800);
    }

    function test_gas_emergencyExit__within_bar() public {
        claim(anna, 0);
        vm.warp(T + 20 days);
        vm.prank(anna);
        pools.emergencyExit(0);
        check("emergencyExit", 46_700);
    }

    function check(string memory what, uint256 bar) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(what, used);
        assertTrue(used <= bar, "above the bar");
    }
}
