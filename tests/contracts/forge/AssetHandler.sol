// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AssetFixture} from "./AssetFixture.sol";

/// @notice Random life of one asset: people trade, are frozen, expire and come back; revenue comes and is claimed.
contract AssetHandler is AssetFixture {
    address internal cleo = address(0xc1e0);
    address[4] internal people;

    uint256 public deposited;
    uint256 public claimed;
    uint256 public createdByTransfer;
    uint256 public unclearedGains;
    uint256 public unclearedPayments;
    uint256 public moved;
    uint256 public refused;
    uint256 public bought;

    constructor() {
        setUp();
        people = [plantOwner, anna, ben, cleo];
        clear(cleo);
        euro.mint(cleo, MONEY);
        vm.prank(cleo);
        euro.approve(address(asset), type(uint256).max);
        give(anna, 250);
        give(ben, 33);
    }

    function transfer(uint256 from, uint256 to, uint256 fractions) external {
        (address sender, address receiver) = (person(from), person(to));
        fractions = bound(fractions, 0, asset.balanceOf(sender) + 1);
        uint256 before = asset.balanceOf(receiver);
        uint256 owed = owedExactly();
        vm.prank(sender);
        try asset.transfer(receiver, fractions) {
            ++moved;
        } catch {
            ++refused;
        }
        note(receiver, before, owed);
    }

    function force(uint256 from, uint256 to, uint256 fractions, bool withRevenue) external {
        (address sender, address receiver) = (person(from), person(to));
        uint96 some = uint96(bound(fractions, 0, asset.balanceOf(sender)));
        uint256 before = asset.balanceOf(receiver);
        uint256 owed = owedExactly();
        try factory.forceTransfer(ASSET_ID, sender, receiver, some, withRevenue, "order") {
            ++moved;
        } catch {
            ++refused;
        }
        note(receiver, before, owed);
    }

    function deposit(uint256 who, uint256 amount, bool named) external {
        amount = bound(amount, 1, who % 3 == 0 ? 3 : 1e9);
        address payer = person(who);
        vm.prank(payer);
        asset.depositRevenue(amount, named ? keccak256(abi.encode(deposited, payer, amount)) : bytes32(0));
        deposited += amount;
    }

    function claim(uint256 who, bool byOthers) external {
        address account = person(who);
        uint256 before = euro.balanceOf(account);
        if (byOthers) {
            address[] memory accounts = new address[](2);
            (accounts[0], accounts[1]) = (account, account);
            asset.claimFor(accounts);
        } else {
            vm.prank(account);
            try asset.claim() {}
            catch {
                ++refused;
            }
        }
        uint256 paid = euro.balanceOf(account) - before;
        if (paid != 0 && !registry.isCleared(account, 0)) ++unclearedPayments;
        claimed += paid;
    }

    function offer(uint96 price, uint96 fractions) external {
        vm.prank(asset.owner());
        asset.setOffer(uint96(bound(price, 0, 1e6)), uint96(bound(fractions, 0, 300)), type(uint64).max);
    }

    function buy(uint256 who, uint96 fractions) external {
        address buyer = person(who);
        uint256 before = asset.balanceOf(buyer);
        uint256 owed = owedExactly();
        uint256 money = euro.balanceOf(asset.owner()) + euro.balanceOf(buyer);
        vm.prank(buyer);
        try asset.buy(uint96(bound(fractions, 1, 40)), type(uint256).max) {
            ++bought;
        } catch {
            ++refused;
        }
        assertEq(euro.balanceOf(asset.owner()) + euro.balanceOf(buyer), money, "proceeds are the owner's");
        note(buyer, before, owed);
    }

    function handOver(uint256 who) external {
        address next = person(who);
        vm.prank(asset.owner());
        asset.offerOwnership(next);
        vm.prank(next);
        try asset.acceptOwnership() {}
        catch {
            ++refused;
        }
    }

    function setClearance(uint256 who, uint256 state) external {
        address account = person(who);
        if (state % 4 == 0) registry.setParticipant(account, CLEARED_UNTIL, 7, 276);
        else if (state % 4 == 1) registry.setParticipant(account, uint64(block.timestamp) - 1, 3, 276);
        else clear(account);
    }

    function donate(uint256 who, uint256 amount) external {
        vm.prank(person(who));
        euro.transfer(address(asset), bound(amount, 0, 1e6));
    }

    /* FOR THE INVARIANTS */

    function person(uint256 who) private view returns (address) {
        return people[who % people.length];
    }

    function note(address receiver, uint256 before, uint256 owed) private {
        if (asset.balanceOf(receiver) > before && !registry.isCleared(receiver, 0)) ++unclearedGains;
        // A forced transfer with revenue moves whole units: what is owed in whole units may join to one more, no other.
        if (owedExactly() > owed + 1 || owedExactly() + 1 < owed) ++createdByTransfer;
    }

    function owedExactly() private view returns (uint256 owed) {
        for (uint256 i; i < people.length; ++i) {
            owed += asset.claimable(people[i]);
        }
    }

    function sums() external view returns (uint256 owed, uint256 held, uint256 money) {
        for (uint256 i; i < people.length; ++i) {
            held += asset.balanceOf(people[i]);
        }
        return (owedExactly(), held, euro.balanceOf(address(asset)));
    }

    function books() external view returns (uint256 each, uint256 carried, uint256 booked, uint256 supply) {
        (booked, each, carried) = asset.revenue();
        supply = asset.totalSupply();
    }
}
