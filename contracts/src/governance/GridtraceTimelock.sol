// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {IGridtraceTimelock} from "../interfaces/IGovernance.sol";

/// @title The delay before every act of administration.
contract GridtraceTimelock is IGridtraceTimelock, TimelockController {
    /// @inheritdoc IGridtraceTimelock
    uint256 public constant DELAY_FLOOR = 2 hours;

    /// @param minDelay Seconds between scheduling and execution, at least `DELAY_FLOOR`.
    /// @param admin Grants the governor its roles and then renounces; zero for nobody.
    constructor(uint256 minDelay, address admin)
        TimelockController(minDelay, new address[](0), anyone(), admin)
    {
        if (minDelay < DELAY_FLOOR) revert DelayTooShort(minDelay, DELAY_FLOOR);
    }

    /// @notice Sets the delay of later operations, in seconds. The timelock itself only, that is a vote.
    /// @inheritdoc TimelockController
    function updateDelay(uint256 newDelay) public override {
        if (newDelay < DELAY_FLOOR) revert DelayTooShort(newDelay, DELAY_FLOOR);
        super.updateDelay(newDelay);
    }

    /// @dev The zero address as executor lets everyone execute.
    function anyone() private pure returns (address[] memory executors) {
        executors = new address[](1);
    }
}
