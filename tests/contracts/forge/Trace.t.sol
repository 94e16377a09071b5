// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {ITraceToken} from "../../../contracts/src/interfaces/ITraceToken.sol";
import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {TraceToken} from "../../../contracts/src/token/TraceToken.sol";
import {Base, Vm} from "./Base.sol";
import {skip, timeNow} from "./Time.sol";

/// @notice OpenZeppelin's token with votes as it comes, to compare with.
contract PlainVotes is ERC20Votes, ERC20Permit {
    constructor() ERC20("Gridtrace", "TRACE") ERC20Permit("Gridtrace") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}

/// @notice TRACE, with a door to what OpenZeppelin's governance counts for an account.
contract OpenTrace is TraceToken {
    constructor(address authority, address treasury, uint256 supply, uint256 most)
        TraceToken(authority, treasury, supply, most)
    {}

    function votingUnits(address account) external view returns (uint256) {
        return _getVotingUnits(account);
    }
}

/// @notice Supply, transfers, votes and permits of TRACE.
contract TraceTest is Base {
    uint256 private constant T = 1_800_000_000;
    uint256 private constant SUPPLY = 100e18;
    uint256 private constant CAP = 1000e18;
    uint256 private constant ANNA_KEY = 0xa11a;
    address private constant TREASURY = address(0x7ea);
    address private constant BEN = address(0xbe9);
    address private anna = vm.addr(ANNA_KEY);

    GridtraceAccessManager private manager;
    TraceToken private trace;
    PlainVotes private plain;

    function setUp() public {
        vm.warp(T);
        manager = new GridtraceAccessManager(address(this));
        trace = new TraceToken(address(manager), TREASURY, SUPPLY, CAP);
        plain = new PlainVotes();
        plain.mint(TREASURY, SUPPLY);
    }

    /* constructor */

    function test_constructor__supply__is_the_treasurys() public view {
        assertEq(trace.balanceOf(TREASURY), SUPPLY, "treasury");
        assertEq(trace.totalSupply(), SUPPLY, "supply");
        assertEq(trace.cap(), CAP, "cap");
        assertEq(trace.decimals(), 18, "decimals");
        assertEq(bytes(trace.name()), "Gridtrace", "name");
        assertEq(bytes(trace.symbol()), "TRACE", "symbol");
        assertEq(bytes(trace.CLOCK_MODE()), "mode=timestamp", "clock mode");
        assertEq(trace.clock(), T, "clock");
    }

    function test_constructor__bad_cap_or_too_much_supply__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ITraceToken.CapOutOfRange.selector, 0));
        new TraceToken(address(manager), TREASURY, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ITraceToken.CapOutOfRange.selector, 1 << 96));
        new TraceToken(address(manager), TREASURY, 0, 1 << 96);
        vm.expectRevert(abi.encodeWithSelector(ITraceToken.CapExceeded.selector, 0, 11, 10));
        new TraceToken(address(manager), TREASURY, 11, 10);
    }

    function test_votingUnits__delegated_or_not__are_the_balance() public {
        OpenTrace open = new OpenTrace(address(manager), TREASURY, SUPPLY, CAP);
        vm.prank(TREASURY);
        open.transfer(anna, 7);
        vm.prank(anna);
        open.delegate(BEN);
        assertTrue(open.votingUnits(anna) == 7 && open.votingUnits(TREASURY) == SUPPLY - 7, "balances");
        assertEq(open.votingUnits(BEN), 0, "nothing of his own");
    }

    /* mint */

    function test_mint__administrator__up_to_the_cap() public {
        trace.mint(BEN, CAP - SUPPLY);
        assertEq(trace.totalSupply(), CAP, "supply");
        assertEq(trace.balanceOf(BEN), CAP - SUPPLY, "balance");
        vm.expectRevert(abi.encodeWithSelector(ITraceToken.CapExceeded.selector, CAP, 1, CAP));
        trace.mint(BEN, 1);
        vm.expectRevert(abi.encodeWithSelector(ITraceToken.CapExceeded.selector, CAP, type(uint256).max, CAP));
        trace.mint(BEN, type(uint256).max);
    }

    function test_16_mint__anybody_else__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, TREASURY));
        vm.prank(TREASURY);
        trace.mint(TREASURY, 1);
    }

    function test_mint__largest_cap__fills_no_foreign_bits() public {
        TraceToken full = new TraceToken(address(manager), BEN, type(uint96).max, type(uint96).max);
        vm.prank(BEN);
        full.delegate(anna);
        assertTrue(full.balanceOf(BEN) == type(uint96).max && full.delegates(BEN) == anna, "apart");
        vm.prank(BEN);
        full.transfer(anna, type(uint96).max);
        assertTrue(full.balanceOf(BEN) == 0 && full.delegates(BEN) == anna, "still apart");
        assertTrue(full.balanceOf(anna) == type(uint96).max && full.delegates(anna) == address(0), "received");
    }

    /* transfers and votes */

    function test_transfer__more_than_held__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, TREASURY, SUPPLY, SUPPLY + 1
            )
        );
        vm.prank(TREASURY);
        trace.transfer(BEN, SUPPLY + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, BEN, 0, 1 << 200)
        );
        vm.prank(BEN);
        trace.transfer(anna, 1 << 200);
    }

    function test_getPastVotes__of_now__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, T, T));
        trace.getPastVotes(BEN, T);
    }

    /// @dev Any story told to both tokens ends in the same answers of both.
    function testFuzz_transfer_mint_delegate__as_openzeppelins(uint256[16] calldata story) public {
        address[4] memory people = [TREASURY, BEN, anna, address(this)];
        for (uint256 i; i < story.length; ++i) {
            uint256 seed = story[i];
            (address from, address to) = (people[seed % 4], people[(seed >> 2) % 4]);
            bytes memory call_;
            if (seed >> 4 & 3 == 0) {
                call_ = abi.encodeCall(trace.delegate, (seed >> 6 & 3 == 0 ? address(0) : to));
            } else if (seed >> 4 & 3 == 1) {
                (from, call_) = (address(this), abi.encodeCall(trace.mint, (to, (seed >> 8) % 10e18)));
            } else {
                call_ =
                    abi.encodeCall(trace.transfer, (to, (seed >> 8) % (trace.balanceOf(from) * 5 / 4 + 1)));
            }
            vm.prank(from);
            (bool ok, bytes memory left) = address(trace).call(call_);
            vm.prank(from);
            (bool plainOk, bytes memory right) = address(plain).call(call_);
            assertTrue(ok == plainOk, "verdict");
            assertEq(left, right, "answer");
            if (seed >> 7 & 1 == 1) skip(1 + seed % 1000);
        }
        skip(1);
        for (uint256 i; i < people.length; ++i) {
            assertEq(trace.balanceOf(people[i]), plain.balanceOf(people[i]), "balance");
            assertEq(trace.getVotes(people[i]), plain.getVotes(people[i]), "votes");
            assertTrue(trace.delegates(people[i]) == plain.delegates(people[i]), "delegate");
            uint256 then = T + (timeNow() - 1 - T) / 2;
            assertEq(trace.getPastVotes(people[i], then), plain.getPastVotes(people[i], then), "past votes");
        }
        assertEq(trace.totalSupply(), plain.totalSupply(), "supply");
        assertEq(trace.getPastTotalSupply(T), plain.getPastTotalSupply(T), "past supply");
    }

    function test_transfer__events__as_openzeppelins() public {
        vm.prank(TREASURY);
        plain.delegate(BEN);
        vm.recordLogs();
        vm.prank(TREASURY);
        plain.transfer(anna, 5e18);
        bytes memory wanted = logs();
        vm.prank(TREASURY);
        trace.delegate(BEN);
        vm.recordLogs();
        vm.prank(TREASURY);
        trace.transfer(anna, 5e18);
        bytes memory got = logs();
        assertEq(got, wanted, "events");
    }

    /// @dev What was logged, but for the address that logged it.
    function logs() private returns (bytes memory found) {
        Vm.Log[] memory all = vm.getRecordedLogs();
        for (uint256 i; i < all.length; ++i) {
            found = abi.encode(found, all[i].topics, all[i].data);
        }
    }

    /* permits and signed delegation */

    function test_permit__signed__allows_once() public {
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                anna,
                BEN,
                7,
                0,
                T
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = signed(hash);
        trace.permit(anna, BEN, 7, T, v, r, s);
        assertEq(trace.allowance(anna, BEN), 7, "allowed");
        assertEq(trace.nonces(anna), 1, "nonce");
        (bool ok,) = address(trace).call(abi.encodeCall(trace.permit, (anna, BEN, 7, T, v, r, s)));
        assertTrue(!ok, "replayed");
    }

    function test_delegateBySig__signed__delegates_once() public {
        vm.prank(TREASURY);
        trace.transfer(anna, 5e18);
        bytes32 hash = keccak256(
            abi.encode(keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)"), BEN, 0, T)
        );
        (uint8 v, bytes32 r, bytes32 s) = signed(hash);
        trace.delegateBySig(BEN, 0, T, v, r, s);
        assertEq(trace.getVotes(BEN), 5e18, "votes");
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, anna, 1));
        trace.delegateBySig(BEN, 0, T, v, r, s);
    }

    function signed(bytes32 hash) private view returns (uint8, bytes32, bytes32) {
        return vm.sign(ANNA_KEY, keccak256(abi.encodePacked(hex"1901", trace.DOMAIN_SEPARATOR(), hash)));
    }
}
