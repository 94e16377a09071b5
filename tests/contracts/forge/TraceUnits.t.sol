// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {TraceToken} from "../../../contracts/src/token/TraceToken.sol";
import {Base} from "./Base.sol";

/// @notice TRACE, with a door to what OpenZeppelin's governance counts for an account.
contract OpenTrace is TraceToken {
    constructor(address authority, address treasury, uint256 supply, uint256 most)
        TraceToken(authority, treasury, supply, most)
    {}

    function votingUnits(address account) external view returns (uint256) {
        return _getVotingUnits(account);
    }
}

/// @notice What the token tells OpenZeppelin's governance of an account.
contract TraceUnitsTest is Base {
    uint256 private constant SUPPLY = 100e18;
    address private constant TREASURY = address(0x7ea);
    address private constant ANNA = address(0xa11a);
    address private constant BEN = address(0xbe9);

    function test_votingUnits__delegated_or_not__are_the_balance() public {
        OpenTrace open =
            new OpenTrace(address(new GridtraceAccessManager(address(this))), TREASURY, SUPPLY, SUPPLY);
        vm.prank(TREASURY);
        open.transfer(ANNA, 7);
        vm.prank(ANNA);
        open.delegate(BEN);
        assertTrue(open.votingUnits(ANNA) == 7 && open.votingUnits(TREASURY) == SUPPLY - 7, "balances");
        assertEq(open.votingUnits(BEN), 0, "nothing of his own");
    }
}
