// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Base} from "./Base.sol";

/// @notice A random campaign that calls one handler and nothing else: its actions wrap those of the contracts.
abstract contract Campaign is Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address[] private targets;
    bytes4[] private leftOut = [bytes4(keccak256("setUp()"))];

    /// @dev Once, in `setUp`.
    function playWith(address handler) internal {
        targets.push(handler);
    }

    /// @dev A function of the handler that looks and does not act.
    function leaveOut(bytes4 selector) internal {
        leftOut.push(selector);
    }

    function targetContracts() external view returns (address[] memory) {
        return targets;
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        excluded[0] = FuzzSelector(targets[0], leftOut);
    }
}
