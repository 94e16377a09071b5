// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {Fixture} from "./Fixture.sol";

/// @notice gEUR: what development networks pay with.
contract PaymentTokenTest is Fixture {
    function test_metadata__names_and_six_decimals() public view {
        assertEq(euro.decimals(), 6, "decimals");
        assertEq(bytes(euro.symbol()), "gEUR", "symbol");
        assertEq(bytes(euro.name()), "Gridtrace Devnet Euro", "name");
    }

    function test_16_mint__faucet_alone() public {
        vm.prank(OPERATOR);
        euro.mint(anna, 5);
        assertTrue(euro.balanceOf(anna) == 5 && euro.totalSupply() == 5, "minted");
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vm.prank(STRANGER);
        euro.mint(STRANGER, 1);
    }

    function test_permit__signed__allows_once() public {
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                anna,
                ben,
                7,
                0,
                block.timestamp
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(ANNA_KEY, keccak256(abi.encodePacked(hex"1901", euro.DOMAIN_SEPARATOR(), hash)));
        euro.permit(anna, ben, 7, block.timestamp, v, r, s);
        assertTrue(euro.allowance(anna, ben) == 7 && euro.nonces(anna) == 1, "allowed");
        (bool ok,) = address(euro).call(abi.encodeCall(euro.permit, (anna, ben, 7, block.timestamp, v, r, s)));
        assertTrue(!ok, "a second time");
    }
}
