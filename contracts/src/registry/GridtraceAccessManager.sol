// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title The one authority of all Gridtrace contracts: OpenZeppelin's AccessManager, unchanged.
/// @dev Roles are numbered in `Roles.sol`. What is not given to a role belongs to the manager's administrator.
contract GridtraceAccessManager is AccessManager {
    constructor(address initialAdmin) AccessManager(initialAdmin) {}
}
