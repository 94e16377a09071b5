// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {IEnergyToken} from "../../../contracts/src/interfaces/IEnergyToken.sol";
import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {EnergyToken} from "../../../contracts/src/token/EnergyToken.sol";
import {Base, Vm} from "./Base.sol";

/// @notice Energy tokens: who mints, who consumes, who is allowed by permit.
contract EnergyTokenTest is Base {
    uint256 private constant ANNA_KEY = 0xa11a;
    address private constant LEDGER = address(0x1ed9e4);
    address private constant BEN = address(0xbe9);
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    address private anna = vm.addr(ANNA_KEY);
    EnergyToken private energy;

    function setUp() public {
        energy = new EnergyToken(address(new GridtraceAccessManager(address(this))));
        energy.setLedger(LEDGER);
    }

    /* MINTING AND CONSUMING */

    function test_09_mint__by_others_than_the_ledger__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyToken.NotLedger.selector, address(this)));
        energy.mint(address(this), 1);
    }

    function testFuzz_09_consume__burns_the_callers_own_and_says_so(uint128 minted, uint128 used) public {
        used = uint128(bound(used, 0, minted));
        mint(minted);
        vm.recordLogs();
        vm.prank(anna);
        energy.consume(used);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertTrue(logs[1].topics[0] == IEnergyToken.Consumed.selector, "event");
        assertTrue(address(uint160(uint256(logs[1].topics[1]))) == anna, "account");
        assertEq(abi.decode(logs[1].data, (uint256)), used, "energy");
        assertEq(energy.totalSupply(), minted - used, "supply");
        assertEq(energy.balanceOf(anna), minted - used, "balance");
    }

    function test_consume__more_than_held__reverts() public {
        mint(10);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, anna, 10, 11));
        vm.prank(anna);
        energy.consume(11);
    }

    /* THE LEDGER IS FIXED */

    function test_setLedger__twice_or_to_zero__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyToken.LedgerFixed.selector, LEDGER));
        energy.setLedger(BEN);
        EnergyToken fresh = new EnergyToken(energy.authority());
        vm.expectRevert(abi.encodeWithSelector(IEnergyToken.LedgerFixed.selector, address(0)));
        fresh.setLedger(address(0));
    }

    function test_setLedger__stranger__reverts() public {
        EnergyToken fresh = new EnergyToken(energy.authority());
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, BEN));
        vm.prank(BEN);
        fresh.setLedger(BEN);
    }

    function test_decimals__one_token_is_a_kilowatt_hour() public view {
        assertEq(energy.decimals(), 3, "decimals");
    }

    /* PERMIT */

    function test_permit__of_the_owner__allows_once() public {
        mint(10);
        permit(anna, BEN, 7, 0, block.timestamp);
        assertEq(energy.allowance(anna, BEN), 7, "allowance");
        vm.prank(BEN);
        energy.transferFrom(anna, BEN, 7);
        assertTrue(energy.balanceOf(BEN) == 7 && energy.nonces(anna) == 1, "moved");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANNA_KEY, permitDigest(anna, BEN, 7, 0, block.timestamp));
        vm.prank(BEN);
        (bool ok, bytes memory data) =
            address(energy).call(abi.encodeCall(energy.permit, (anna, BEN, 7, block.timestamp, v, r, s)));
        assertTrue(!ok && bytes4(data) == ERC20Permit.ERC2612InvalidSigner.selector, "replayed");
    }

    function test_attack_permit__expired_or_of_another__reverts() public {
        vm.warp(1000);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANNA_KEY, permitDigest(anna, BEN, 7, 0, 999));
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612ExpiredSignature.selector, 999));
        energy.permit(anna, BEN, 7, 999, v, r, s);
        (v, r, s) = vm.sign(ANNA_KEY + 1, permitDigest(anna, BEN, 7, 0, 1000));
        vm.expectRevert(
            abi.encodeWithSelector(ERC20Permit.ERC2612InvalidSigner.selector, vm.addr(ANNA_KEY + 1), anna)
        );
        energy.permit(anna, BEN, 7, 1000, v, r, s);
    }

    /* HELPERS */

    function mint(uint256 energyWh) private {
        vm.prank(LEDGER);
        energy.mint(anna, energyWh);
    }

    function permit(address owner, address spender, uint256 value, uint256 nonce, uint256 deadline) private {
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(ANNA_KEY, permitDigest(owner, spender, value, nonce, deadline));
        energy.permit(owner, spender, value, deadline, v, r, s);
    }

    function permitDigest(address owner, address spender, uint256 value, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 structHash = keccak256(abi.encode(PERMIT, owner, spender, value, nonce, deadline));
        return keccak256(abi.encodePacked("\x19\x01", energy.DOMAIN_SEPARATOR(), structHash));
    }
}
