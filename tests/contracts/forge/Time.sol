// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

interface IClock {
    function getBlockTimestamp() external view returns (uint256);
    function warp(uint256 time) external;
}

IClock constant CLOCK = IClock(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @notice The block's time. The compiler takes `block.timestamp` for constant within a function, across `vm.warp`.
function timeNow() view returns (uint256) {
    return CLOCK.getBlockTimestamp();
}

/// @notice Lets `time` seconds pass.
function skip(uint256 time) {
    CLOCK.warp(timeNow() + time);
}
